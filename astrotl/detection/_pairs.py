"""Which boxes of two tables are near each other, image by image, and how near."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from astropy.table import Table

from astrotl.detection.table import corners, overlaps, rows_by_image

__all__ = ["Pairs", "by_distance", "by_overlap"]

#: How many boxes are held against all others of an image at once, which bounds the memory.
_BLOCK = 256


class Pairs(NamedTuple):
    """The rows of two tables that are near each other, and how near: more is nearer."""

    first: np.ndarray
    second: np.ndarray
    nearness: np.ndarray

    def select(self, some: np.ndarray) -> Pairs:
        """Keep only these pairs."""
        return Pairs(*(values[some] for values in self))


def by_overlap(first: Table, second: Table, least: float) -> Pairs:
    """List the pairs that overlap by so much at least."""
    one, other = corners(first), corners(second)

    def nearness(rows: np.ndarray, others: np.ndarray) -> np.ndarray:
        shared = overlaps(one[rows], other[others])
        return np.where(shared >= least, shared, np.nan)

    return _pairs(first, second, nearness)


def by_distance(first: Table, second: Table, most: float) -> Pairs:
    """List the pairs whose centres are no farther from each other than so many pixels."""
    one, other = (np.stack([np.asarray(boxes[axis], float) for axis in "xy"], axis=1) for boxes in (first, second))

    def nearness(rows: np.ndarray, others: np.ndarray) -> np.ndarray:
        distance = np.hypot(*np.moveaxis(one[rows, None] - other[None, others], 2, 0))
        return np.where(distance <= most, -distance, np.nan)

    return _pairs(first, second, nearness)


def _pairs(first: Table, second: Table, nearness: Callable[..., np.ndarray]) -> Pairs:
    in_second = rows_by_image(second)
    listed = [Pairs(np.empty(0, dtype=np.intp), np.empty(0, dtype=np.intp), np.empty(0))]
    for image, rows in rows_by_image(first).items():
        others = in_second.get(image, rows[:0])
        for start in range(0, len(rows) if len(others) else 0, _BLOCK):
            some = rows[start : start + _BLOCK]
            value = nearness(some, others)
            one, other = np.nonzero(np.isfinite(value))
            listed.append(Pairs(some[one], others[other], value[one, other]))
    return Pairs(*(np.concatenate(values) for values in zip(*listed, strict=True)))
