"""Which found box is which true one: one to one, by overlap or by the distance of the centres."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from astropy.table import Table

from astrotl.detection._pairs import Pairs, by_distance, by_overlap
from astrotl.detection.table import check_boxes

__all__ = ["Matches", "match", "must_agree"]


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
    `~astrotl.detection.Matches`
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
    pairs = by_overlap(found, true, overlap) if radius is None else by_distance(found, true, radius)
    if classes:
        label, label_true = (np.asarray(boxes["class"], dtype=np.str_) for boxes in (found, true))
        pairs = pairs.select(label[pairs.first] == label_true[pairs.second])
    rank = np.empty(len(found), dtype=np.intp)
    rank[np.argsort(-np.asarray(found["score"], dtype=np.float64), kind="stable")] = np.arange(len(found))
    # Of two that are as good the later one is taken, as the measures of COCO have it.
    return _choose(pairs.select(np.lexsort((-pairs.second, -pairs.nearness, rank[pairs.first]))), len(found), len(true))


def must_agree(true: Table, classes: bool | None) -> bool:
    """Say whether matches must be of the same class: where there is but one, the search may call it otherwise.

    >>> from astrotl.detection.table import make_boxes
    >>> must_agree(make_boxes("a", [1, 2], 1, 2, 2, ["clump", "star"]), None)
    True
    """
    return len(set(true["class"])) > 1 if classes is None else classes


def _choose(pairs: Pairs, found: int, true: int) -> Matches:
    """Take the pairs in their order, unless one of the two is taken already."""
    of_found, of_true = np.full(found, -1), np.full(true, -1)
    for one, other in zip(pairs.first.tolist(), pairs.second.tolist(), strict=True):
        if of_found[one] < 0 and of_true[other] < 0:
            of_found[one], of_true[other] = other, one
    return Matches(of_found, of_true)
