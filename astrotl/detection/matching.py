"""Which found box is which true one: one to one, by overlap or by the distance of the centres."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from astropy.table import Table

from astrotl.detection.table import check_boxes, corners, overlaps, rows_by_image

__all__ = ["Matches", "match"]

#: How many found boxes are held against all true ones of an image at once, which bounds the memory.
_BLOCK = 256


@dataclass(frozen=True, eq=False)
class Matches:
    """Which found box belongs to which true one.

    Parameters
    ----------
    true : array_like of int
        For each found box the row of its true one; -1 if it has none, and so is false.
    found : array_like of int
        For each true box the row of its found one; -1 if it was missed.
    """

    true: np.ndarray
    found: np.ndarray


def match(
    found: Table, true: Table, *, radius: float | None = None, overlap: float = 0.5, classes: bool = False
) -> Matches:
    """Match found boxes to true ones, each to one at most, within each image.

    The found boxes choose in the order of falling score, and each takes the best that is still free: what overlaps
    most, or what is nearest. So the matches of those above a score do not depend on those below it.

    Parameters
    ----------
    found : `~astropy.table.Table`
        Boxes with scores, as `~astrotl.detection.detect` gives them.
    true : `~astropy.table.Table`
        Boxes, as `~astrotl.detection.read_boxes` gives them.
    radius : float, optional
        How far the centres may be from each other, in pixels; the overlap does not count then.
    overlap : float, optional
        How much two boxes must overlap: the area that both share over the area that either covers.
    classes : bool, optional
        Whether both must be of the same class.

    Returns
    -------
    Matches
        The rows that belong together.

    Examples
    --------
    >>> from astrotl.detection import match
    >>> from astrotl.detection.table import make_boxes
    >>> true = make_boxes("a", [10, 30], [10, 30], 8, 8, "clump")
    >>> found = make_boxes("a", [50, 31], [50, 30], 8, 8, "clump", score=[0.9, 0.8])
    >>> matches = match(found, true)
    >>> matches.true.tolist(), matches.found.tolist()
    ([-1, 1], [-1, 1])
    """
    check_boxes(found, "found", found=True)
    check_boxes(true, "true")
    if radius is not None and not radius > 0:
        raise ValueError(f"radius: must be more than 0 pixels, got {radius}")
    if not 0 < overlap <= 1:
        raise ValueError(f"overlap: must be more than 0 and at most 1, got {overlap}")
    nearness = _by_overlap(found, true, overlap) if radius is None else _by_distance(found, true, radius)
    in_image = rows_by_image(true)
    pairs = [
        _pairs(nearness, rows, in_image[image]) for image, rows in rows_by_image(found).items() if image in in_image
    ]
    first, second, value = np.concatenate(pairs or [np.empty((3, 0))], axis=1)
    first, second = first.astype(np.intp), second.astype(np.intp)
    if classes:
        same = np.asarray(found["class"], str)[first] == np.asarray(true["class"], str)[second]
        first, second, value = first[same], second[same], value[same]
    rank = np.empty(len(found), dtype=np.intp)
    rank[np.argsort(-np.asarray(found["score"], dtype=np.float64), kind="stable")] = np.arange(len(found))
    # Of two that are as good the later one is taken, as the measures of COCO have it.
    order = np.lexsort((-second, -value, rank[first]))
    return _choose(first[order], second[order], len(found), len(true))


def _pairs(nearness: Callable[..., np.ndarray], found: np.ndarray, true: np.ndarray) -> np.ndarray:
    """List the pairs of one image that may belong together, and how near they are."""
    listed = []
    for start in range(0, len(found), _BLOCK):
        rows = found[start : start + _BLOCK]
        value = nearness(rows, true)
        first, second = np.nonzero(np.isfinite(value))
        listed.append(np.stack([rows[first], true[second], value[first, second]]))
    return np.concatenate(listed, axis=1)


def _choose(first: np.ndarray, second: np.ndarray, found: int, true: int) -> Matches:
    """Take the pairs in their order, unless one of the two is taken already."""
    of_found, of_true = np.full(found, -1), np.full(true, -1)
    for one, other in zip(first.tolist(), second.tolist(), strict=True):
        if of_found[one] < 0 and of_true[other] < 0:
            of_found[one], of_true[other] = other, one
    return Matches(of_found, of_true)


def _by_overlap(found: Table, true: Table, overlap: float) -> Callable[..., np.ndarray]:
    first, second = corners(found), corners(true)

    def nearness(rows: np.ndarray, others: np.ndarray) -> np.ndarray:
        shared = overlaps(first[rows], second[others])
        return np.where(shared >= overlap, shared, np.nan)

    return nearness


def _by_distance(found: Table, true: Table, radius: float) -> Callable[..., np.ndarray]:
    first, second = (np.stack([np.asarray(boxes[axis], float) for axis in "xy"], axis=1) for boxes in (found, true))

    def nearness(rows: np.ndarray, others: np.ndarray) -> np.ndarray:
        distance = np.hypot(*np.moveaxis(first[rows, None] - second[None, others], 2, 0))
        return np.where(distance <= radius, -distance, np.nan)

    return nearness
