"""Steps that crop and resize: to the centre, to the source itself, to a catalogue's sizes, to a network's input."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from astrotl._params import nearest
from astrotl.preprocess._resample import METHODS, resample
from astrotl.preprocess._source_box import source_boxes, square_boxes, whole_frames
from astrotl.preprocess._validation import frozen, is_number, validate_choice, validate_positive, validate_whole

if TYPE_CHECKING:
    from astropy.table import Table

    from astrotl.images import ImageBatch

__all__ = ["CropCatalogue", "CropCentre", "CropSource", "Resize"]


@dataclass(frozen=True)
class CropCentre:
    """Keep the square in the middle of each image.

    Parameters
    ----------
    size : int, optional
        Its width in pixels.
    fraction : float, optional
        Or its width as a fraction of the shorter side. Exactly one of the two is given.

    Examples
    --------
    >>> import numpy as np
    >>> from astrotl.images import ImageBatch
    >>> from astrotl.preprocess import CropCentre
    >>> batch = ImageBatch(np.zeros((1, 3, 100, 100)), ["a"], ("g", "r", "i"))
    >>> CropCentre(fraction=0.5)(batch).data.shape
    (1, 3, 50, 50)
    """

    size: int | None = None
    fraction: float | None = None

    def __post_init__(self) -> None:
        if (self.size is None) == (self.fraction is None):
            raise ValueError(f"size: expected either size or fraction, got size={self.size}, fraction={self.fraction}")
        if self.size is not None:
            validate_whole("size", self.size)
        elif not is_number(self.fraction) or not 0 < self.fraction <= 1:  # type: ignore[operator]
            raise ValueError(f"fraction: expected a number above 0, at most 1, got {self.fraction!r}")

    def __call__(self, batch: ImageBatch) -> ImageBatch:
        """Crop to the middle."""
        height, width = batch.data.shape[2:]
        size = self.size or max(1, round(min(height, width) * (self.fraction or 1)))
        if size > min(height, width):
            raise ValueError(
                f"size: expected at most {min(height, width)}, the images are {width} x {height} px; got {size}"
            )
        y, x = (height - size) // 2, (width - size) // 2
        return batch.with_data(batch.data[:, :, y : y + size, x : x + size], value_range=batch.value_range)


@dataclass(frozen=True)
class CropSource:
    """Crop to the source in the middle, as large as its own pixels say.

    The bands are summed in units of their noise and lightly smoothed; the connected pixels that stand out in the
    middle, or nearest to it, are the source. The box around its centre of light is square, stays within the image, and
    is resampled. An image without a source within a quarter of its width from the middle is kept whole.
    Of a source in several pieces, such as the lobes of a radio galaxy, only one is found: use `CropCentre` for those.

    Parameters
    ----------
    margin : float, optional
        How much larger than the source the box is.
    size : int, optional
        The width in pixels after resampling; that of the input if not given.
    sigma : float, optional
        How far a pixel stands out of the noise to belong to the source.

    Examples
    --------
    >>> import numpy as np
    >>> from astrotl.images import ImageBatch
    >>> from astrotl.preprocess import CropSource
    >>> sky = np.random.default_rng(1).normal(size=(1, 1, 64, 64))
    >>> sky[0, 0, 28:36, 28:36] += 100
    >>> cropped = CropSource()(ImageBatch(sky, ["a"], ("r",))).data
    >>> cropped.shape, bool((cropped > 50).sum() > 4 * (sky > 50).sum())
    ((1, 1, 64, 64), True)
    """

    margin: float = 1.5
    size: int | None = None
    sigma: float = 3.0

    def __post_init__(self) -> None:
        validate_positive("margin", self.margin)
        if self.size is not None:
            validate_whole("size", self.size)
        validate_positive("sigma", self.sigma)

    def __call__(self, batch: ImageBatch) -> ImageBatch:
        """Crop to the sources."""
        return _cropped(batch, source_boxes(batch.data, self.margin, self.sigma), self.size)


@dataclass(frozen=True)
class CropCatalogue:
    """Crop each image to the size, or to the box, that a catalogue gives for it, and resample.

    The box is square, is moved inwards where it reaches beyond the image, and is never larger than that. An object
    whose size is missing is kept whole; an object that is not in the catalogue is an error.

    Parameters
    ----------
    table : str
        The path of a table that astropy can read.
    radius : str, optional
        The column of the radius in pixels. The box is in the middle of the image.
    factor : float, optional
        How many radii the box reaches from its middle.
    size : int, optional
        The width in pixels after resampling; that of the input if not given.
    id_column : str, optional
        The column of the ids.
    box : tuple of str, optional
        The four columns of a box, x0, y0, x1, y1, in pixels, where the centre of the first pixel is 0. Replaces radius
        and factor; the shorter side of the box is widened.

    Examples
    --------
    >>> import numpy as np
    >>> from astropy.table import Table
    >>> from astrotl.images import ImageBatch
    >>> from astrotl.preprocess import CropCatalogue
    >>> path = getfixture("tmp_path") / "sizes.ecsv"
    >>> Table({"id": ["a"], "radius": [8.0]}).write(path)
    >>> batch = ImageBatch(np.zeros((1, 1, 64, 64)), ["a"], ("r",))
    >>> CropCatalogue(str(path), factor=2, size=32)(batch).data.shape
    (1, 1, 32, 32)
    """

    table: str
    radius: str = "radius"
    factor: float = 2.0
    size: int | None = None
    id_column: str = "id"
    box: tuple[str, str, str, str] | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.table, (str, Path)):
            raise ValueError(f"table: expected the path of a table, got {type(self.table).__name__}")
        object.__setattr__(self, "table", str(self.table))
        validate_positive("factor", self.factor)
        if self.size is not None:
            validate_whole("size", self.size)
        box = frozen(self.box)
        if box is not None and not (isinstance(box, tuple) and len(box) == 4 and all(isinstance(b, str) for b in box)):
            raise ValueError(f"box: expected the names of four columns, x0, y0, x1, y1, got {self.box!r}")
        object.__setattr__(self, "box", box)

    def __call__(self, batch: ImageBatch) -> ImageBatch:
        """Crop to the catalogue's sizes."""
        columns = (self.radius,) if self.box is None else self.box
        rows, values = _read(self.table, Path(self.table).stat().st_mtime_ns, self.id_column, columns)
        missing = [name for name in batch.ids if name not in rows]
        if missing:
            others = f" and {len(missing) - 1} others" if len(missing) > 1 else ""
            raise ValueError(f"table: {self.table} has no row for {missing[0]}{others} in {self.id_column!r}")
        found = values[[rows[name] for name in batch.ids]].reshape(len(batch), len(columns))
        height, width = batch.data.shape[2:]
        if self.box is None:
            x, y, side = np.full(len(batch), width / 2), np.full(len(batch), height / 2), 2 * self.factor * found[:, 0]
        else:
            x0, y0, x1, y1 = found.T
            x, y, side = (x0 + x1 + 1) / 2, (y0 + y1 + 1) / 2, np.maximum(x1 - x0, y1 - y0)
        good = np.isfinite(x) & np.isfinite(y) & np.isfinite(side) & (side > 0)
        boxes = whole_frames(batch.data)
        boxes[good] = square_boxes(x[good], y[good], side[good], batch.data.shape)
        return _cropped(batch, boxes, self.size)


@dataclass(frozen=True)
class Resize:
    """Resample to a square, with the kernels of Pillow, antialiased when shrinking.

    An image that is not square changes its shape; put `CropCentre` before if that matters.

    Parameters
    ----------
    size : int
        The width and height in pixels.
    method : {"bilinear", "bicubic", "lanczos"}, optional
        The kernel.

    Examples
    --------
    >>> import numpy as np
    >>> from astrotl.images import ImageBatch
    >>> from astrotl.preprocess import Resize
    >>> batch = ImageBatch(np.zeros((1, 3, 64, 64)), ["a"], ("g", "r", "i"))
    >>> Resize(224)(batch).data.shape
    (1, 3, 224, 224)
    """

    size: int
    method: str = "bicubic"

    def __post_init__(self) -> None:
        validate_whole("size", self.size)
        validate_choice("method", self.method, METHODS)

    def __call__(self, batch: ImageBatch) -> ImageBatch:
        """Resample to the size."""
        if batch.data.shape[2:] == (self.size, self.size):
            return batch
        return _resampled(batch, self.size, None, self.method)


def _cropped(batch: ImageBatch, boxes: np.ndarray, size: int | None) -> ImageBatch:
    return _resampled(batch, size or max(batch.data.shape[2:]), boxes, "bicubic")


def _resampled(batch: ImageBatch, size: int, boxes: np.ndarray | None, method: str) -> ImageBatch:
    data = resample(batch.data, size, boxes, method)
    if batch.value_range is not None and method != "bilinear":
        np.clip(data, *(np.float32(limit) for limit in batch.value_range), out=data)
    return batch.with_data(data, value_range=batch.value_range)


@functools.lru_cache(maxsize=16)
def _read(path: str, _changed: int, id_column: str, columns: tuple[str, ...]) -> tuple[dict[str, int], np.ndarray]:
    """Read ids and columns of a table; when it was changed is asked for so that a changed one is read again."""
    from astropy.table import Table

    table: Table = Table.read(path)
    for column in (id_column, *columns):
        if column not in table.colnames:
            there = ", ".join(table.colnames)
            raise ValueError(f"table: {path} has no column {column!r}{nearest(column, table.colnames)}; it has {there}")
    values = [np.ma.filled(np.ma.asarray(table[column], dtype=np.float64), np.nan) for column in columns]
    return {str(name): row for row, name in enumerate(table[id_column])}, np.stack(values, axis=1)
