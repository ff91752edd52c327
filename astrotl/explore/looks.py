"""Pictures of objects, drawn from the original pixels as the page asks for them, and kept while there is room."""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from astrotl.errors import AstrotlError
from astrotl.images import ImageBatch
from astrotl.preprocess import Choose, Combine, FillNoData, Stretch
from astrotl.sources import ImageSource

#: Of so many bytes of pictures the last used are kept.
_ROOM = 256 << 20
_BLOCK, _LONGEST = 32, 1024


@dataclass(frozen=True)
class Look:
    """How brightness and bands are drawn.

    The defaults are those of `~astrotl.preprocess.Stretch`, which leaves a JPEG as it came. As soon as one of them is
    changed, a JPEG is stretched like any other image. ``bands`` names red, green and blue, or one band for grey.
    """

    softening: float = 3.0
    high: float = 99.7
    bands: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 1e-3 <= self.softening <= 1e4:
            raise ValueError(f"softening: must lie between 0.001 and 10,000, got {self.softening}")
        if not 50 <= self.high <= 100:
            raise ValueError(f"high: must be a percentile from 50 to 100, got {self.high}")
        if len(self.bands) not in (0, 1, 3):
            raise ValueError(f"bands: must be one, or those of red, green and blue, got {len(self.bands)}")

    def colour(self, batch: ImageBatch) -> np.ndarray:
        """Draw images in colour: ``(n, y, x, 3)`` from 0 to 255, the first row the highest."""
        if not self.bands:
            return _bytes(Combine("spread")(FillNoData()(self._stretched(batch))).data)
        drawn = FillNoData()(self._stretched(Choose(tuple(dict.fromkeys(self.bands)))(batch)))
        order = [drawn.channels.index(name) for name in (self.bands * 3)[:3]]
        return _bytes(drawn.data[:, order])

    def grey(self, batch: ImageBatch) -> list[np.ndarray]:
        """Draw each band in grey, all stretched alike: for each ``(n, y, x)``."""
        drawn = _bytes(FillNoData()(self._stretched(batch)).data)
        return [drawn[..., number] for number in range(drawn.shape[-1])]

    def _stretched(self, batch: ImageBatch) -> ImageBatch:
        if batch.value_range is not None and (self.softening, self.high) != (Look.softening, Look.high):
            batch = batch.with_data(batch.data)
        return Stretch(softening=self.softening, high=self.high)(batch)


class Pictures:
    """The pictures of the rows of a store; None where there is no image, or where it cannot be read.

    ``places`` says where in the source the image of each row is, -1 where there is none.
    """

    def __init__(self, source: ImageSource, places: np.ndarray) -> None:
        self.source = source
        self._places = places
        self._kept: OrderedDict[tuple[object, ...], bytes | None] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()

    def thumbnails(self, rows: list[int], look: Look, side: int) -> list[bytes | None]:
        """Draw some rows as JPEGs of at most ``side`` pixels along their longer side."""
        _check_side(side)
        found = self._here(rows, look, side)
        lost = [row for row in dict.fromkeys(rows) if row not in found]
        for start in range(0, len(lost), _BLOCK):
            block = lost[start : start + _BLOCK]
            for row, picture in zip(block, self._draw(block, look.colour), strict=True):
                found[row] = None if picture is None else _encoded(picture, side, "JPEG", quality=90, subsampling=0)
                self._keep((row, look, side), found[row])
        return [found[row] for row in rows]

    def bands(self, row: int, look: Look, side: int) -> list[bytes | None]:
        """Draw one row in colour, and then each of its bands in grey."""
        _check_side(side)
        whole = self._draw([row], look.colour)[0]
        if whole is None:
            return [None]
        parts = self._draw([row], lambda batch: np.stack(look.grey(batch), axis=1))[0]
        # Pixel by pixel, as they are looked at closely.
        return [_encoded(picture, side, "PNG") for picture in (whole, *(() if parts is None else parts))]

    def _draw(self, rows: list[int], draw: Callable[[ImageBatch], np.ndarray]) -> list[np.ndarray | None]:
        places = self._places[rows]
        there = np.flatnonzero(places >= 0)
        drawn: list[np.ndarray | None] = [None] * len(rows)
        if not len(there):
            return drawn
        try:
            batch = self.source[places[there]].read()
        except (AstrotlError, OSError):
            # The file of all images is gone or damaged; the page goes on without.
            return drawn
        for place, name, picture in zip(there.tolist(), batch.ids.tolist(), draw(batch), strict=True):
            drawn[place] = None if name in batch.failed else picture
        return drawn

    def _here(self, rows: list[int], look: Look, side: int) -> dict[int, bytes | None]:
        with self._lock:
            here = {row: self._kept[row, look, side] for row in rows if (row, look, side) in self._kept}
            for row in here:
                self._kept.move_to_end((row, look, side))
        return here

    def _keep(self, key: tuple[object, ...], picture: bytes | None) -> None:
        with self._lock:
            # Two tabs may have drawn the same one at the same time.
            self._size += len(picture or b"") - len(self._kept.get(key) or b"")
            self._kept[key] = picture
            while self._size > _ROOM:
                _, old = self._kept.popitem(last=False)
                self._size -= len(old or b"")


def _check_side(side: int) -> None:
    if not 16 <= side <= _LONGEST:
        raise ValueError(f"side: must lie between 16 and {_LONGEST} pixels, got {side}")


def packed(pictures: list[bytes | None]) -> bytes:
    """Put pictures one behind the other, and before them how long each is, as whole numbers of 32 bits."""
    lengths = np.array([len(pictures), *(len(picture or b"") for picture in pictures)], dtype="<u4")
    return lengths.tobytes() + b"".join(picture or b"" for picture in pictures)


def _bytes(data: np.ndarray) -> np.ndarray:
    # An image's first row is its lowest, a picture's its highest.
    turned = np.moveaxis(data, 1, -1)[:, ::-1]
    return np.asarray((255 * np.clip(np.nan_to_num(turned), 0, 1)).round().astype(np.uint8))


def _encoded(picture: np.ndarray, side: int, kind: str, **settings: int) -> bytes:
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(picture))
    if max(image.size) > side:
        image.thumbnail((side, side), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    image.save(file, kind, **settings)
    return file.getvalue()
