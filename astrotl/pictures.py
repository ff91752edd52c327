"""Images as people see them: in colour, and small enough to travel within a page."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable

import numpy as np

from astrotl.images import ImageBatch
from astrotl.preprocess import Combine, FillNoData, Stretch
from astrotl.sources import ImageSource

__all__ = ["rgb", "thumbnails"]

#: So many images are read at once.
_BLOCK = 32


def rgb(batch: ImageBatch) -> np.ndarray:
    """Draw images in colour, the first band red and the last one blue.

    Parameters
    ----------
    batch : `~astrotl.ImageBatch`
        The images.

    Returns
    -------
    `~numpy.ndarray`
        ``(n, y, x, 3)``, from 0 to 1; the first row is the lowest one.

    Examples
    --------
    >>> from astrotl import simulate
    >>> from astrotl.pictures import rgb
    >>> batch, truth = simulate.stamps(2, size=32, seed=1)
    >>> rgb(batch).shape
    (2, 32, 32, 3)
    """
    for step in (Stretch(), FillNoData(), Combine("spread")):
        batch = step(batch)
    return np.clip(np.moveaxis(batch.data, 1, -1), 0, 1)


def thumbnails(images: ImageSource, ids: Iterable[str], *, side: int = 96) -> dict[str, str]:
    """Draw some objects as small JPEG images in ``data:`` addresses, which a page holds without any other file.

    Parameters
    ----------
    images : `~astrotl.sources.ImageSource`
        Where the images are.
    ids : iterable of str
        The objects. Those that the source does not hold, or cannot read, are left out.
    side : int, optional
        Larger images are drawn with so many pixels along their longer side.

    Returns
    -------
    dict
        The address of each object's picture.

    Examples
    --------
    >>> from astrotl import simulate
    >>> from astrotl.pictures import thumbnails
    >>> from astrotl.sources import ArraySource
    >>> batch, truth = simulate.stamps(3, size=32, seed=1)
    >>> drawn = thumbnails(ArraySource(batch.data, ids=batch.ids), ["SIM0002", "elsewhere"])
    >>> {name: address[:23] for name, address in drawn.items()}
    {'SIM0002': 'data:image/jpeg;base64,'}
    """
    if side < 1:
        raise ValueError(f"side: must be at least 1 pixel, got {side}")
    known = set(images.ids.tolist())
    wanted = [name for name in dict.fromkeys(ids) if name in known]
    drawn = {}
    for start in range(0, len(wanted), _BLOCK):
        batch = images[images.rows_of(wanted[start : start + _BLOCK])].read()
        for name, picture in zip(batch.ids.tolist(), rgb(batch), strict=True):
            if name not in batch.failed:
                drawn[name] = _address(picture, side)
    return drawn


def _address(picture: np.ndarray, side: int) -> str:
    from PIL import Image

    # An image's first row is its lowest, a JPEG's its highest.
    image = Image.fromarray(np.ascontiguousarray((255 * picture[::-1]).round().astype(np.uint8)))
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=88, subsampling=0)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"
