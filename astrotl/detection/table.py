"""A table of boxes, which is what labels are read into and what a search gives.

Its columns are ``image``, the id of the field; ``x`` and ``y``, the centre in pixels, where the centre of the first
pixel is 0; ``width`` and ``height``, the full size in pixels; ``class``; and, of what was found, ``score``, 0 to 1.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from astropy import units as u
from astropy.table import Table

__all__ = ["COLUMNS", "check_boxes", "check_places", "corners", "make_boxes", "overlaps", "rows_by_image"]

COLUMNS = ("image", "x", "y", "width", "height", "class")
_PIXELS = ("x", "y", "width", "height")


def make_boxes(
    image: npt.ArrayLike,
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    width: npt.ArrayLike,
    height: npt.ArrayLike,
    label: npt.ArrayLike,
    score: npt.ArrayLike | None = None,
) -> Table:
    """Make a table of boxes.

    >>> make_boxes(["a", "a"], [10, 20], [10, 30], 8, 6, "clump")["width"].tolist()
    [8.0, 8.0]
    """
    given = [image, x, y, width, height, label, *([] if score is None else [score])]
    columns = np.broadcast_arrays(*(np.atleast_1d(np.asarray(values)) for values in given))
    table = Table()
    for name, values in zip((*COLUMNS, "score"), columns, strict=False):
        table[name] = values.astype(np.str_ if name in ("image", "class") else np.float64)
        if name in _PIXELS:
            table[name].unit = u.pix
    return table


def check_boxes(boxes: Table, name: str = "boxes", *, found: bool = False) -> None:
    """Refuse a table that lacks a column of boxes, or, of what was found, a score."""
    lost = [column for column in (*COLUMNS, *(["score"] if found else [])) if column not in boxes.colnames]
    if lost:
        raise ValueError(
            f"{name}: has no column {lost[0]!r}; it has {', '.join(boxes.colnames)}. read_boxes makes tables of boxes"
        )
    if found:
        _refuse(~np.isfinite(_numbers(boxes["score"])), f"{name}: {{}} no score")


def check_places(boxes: Table) -> None:
    """Refuse boxes that cannot be drawn."""
    values = np.stack([_numbers(boxes[column]) for column in _PIXELS])
    bad = ~np.isfinite(values).all(axis=0) | ~(values[2:] > 0).all(axis=0)
    _refuse(bad, "boxes: {} no place or no size; read_boxes leaves such out")


def _refuse(bad: np.ndarray, said: str) -> None:
    if bad.any():
        number = int(bad.sum())
        which = (
            f"{number:,} of {len(bad):,}, the first in row {int(np.argmax(bad))}, {'has' if number == 1 else 'have'}"
        )
        raise ValueError(said.format(which))


def _numbers(column: npt.ArrayLike) -> np.ndarray:
    return np.ma.filled(np.ma.asarray(column, dtype=np.float64), np.nan)


def corners(boxes: Table) -> np.ndarray:
    """Give the edges of boxes, ``(n, 4)``: left, bottom, right and top, in pixels whose centres are whole numbers.

    >>> corners(make_boxes("a", 10, 10, 8, 6, "clump")).tolist()
    [[6.0, 7.0, 14.0, 13.0]]
    """
    x, y, width, height = (np.asarray(boxes[name], dtype=np.float64) for name in _PIXELS)
    return np.stack([x - width / 2, y - height / 2, x + width / 2, y + height / 2], axis=1)


def overlaps(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Give how much boxes overlap: the area that two share over the area that both cover.

    >>> overlaps(np.array([[0, 0, 2, 2]]), np.array([[0, 0, 2, 2], [1, 0, 3, 2], [5, 5, 6, 6]])).round(2).tolist()
    [[1.0, 0.33, 0.0]]
    """
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=2)
    areas = [np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) for boxes in (first, second)]
    both = areas[0][:, None] + areas[1][None, :] - shared
    return np.divide(shared, both, out=np.zeros_like(shared, dtype=np.float64), where=both > 0)


def rows_by_image(boxes: Table) -> dict[str, np.ndarray]:
    """List the rows of each image, in the order of the table.

    >>> boxes = make_boxes(["b", "a", "b"], 1, 1, 8, 6, "clump")
    >>> {image: rows.tolist() for image, rows in rows_by_image(boxes).items()}
    {'a': [1], 'b': [0, 2]}
    """
    if not len(boxes):
        return {}
    images, place = np.unique(np.asarray(boxes["image"], dtype=np.str_), return_inverse=True)
    order = np.argsort(place, kind="stable")
    starts = np.flatnonzero(np.diff(place[order])) + 1
    return dict(zip(images.tolist(), np.split(order, starts), strict=True))
