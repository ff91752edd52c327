"""Who votes for whom: the nearest neighbours of examples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from astrotl.tasks._retrieval_space import Space, apart, unit

_PROTOTYPES = 3


@dataclass
class Votes:
    """What some prototypes say of the rows of a store, one value a row."""

    count: np.ndarray
    weight: np.ndarray
    distance: np.ndarray
    #: The places of the nearest prototypes in the list of them, -1 where there are no more.
    nearest: np.ndarray


def votes(space: Space, rows: np.ndarray, prototypes: np.ndarray, k: int, *, candidates: np.ndarray) -> Votes:
    """Let each prototype propose its ``k`` nearest candidates, itself never among them.

    A vote weighs more, the nearer the candidate is: the mean distance of all that the prototype proposes over its own.
    """
    own = unit(space.coordinates(prototypes))
    best, found = np.full((len(own), 0), np.inf, dtype=np.float32), np.zeros((len(own), 0), dtype=np.intp)
    keep = min(_PROTOTYPES, len(own))
    distances, nearest, start = [], [], 0
    may_win = np.isin(rows, candidates)
    for some, block in space.blocks(rows):
        far = apart(unit(block), own)
        far[some[:, None] == prototypes] = np.inf
        order = np.argsort(far, axis=1, kind="stable")[:, :keep]
        ranked = np.take_along_axis(far, order, axis=1)
        distances.append(ranked[:, 0])
        nearest.append(np.where(np.isfinite(ranked), order, -1))
        places = np.arange(start, start + len(some))
        start += len(some)
        far[~may_win[places]] = np.inf
        best = np.concatenate([best, far.T], axis=1)
        found = np.concatenate([found, np.broadcast_to(places, far.T.shape)], axis=1)
        if best.shape[1] > k:
            some = np.argpartition(best, k - 1, axis=1)[:, :k]
            best, found = np.take_along_axis(best, some, axis=1), np.take_along_axis(found, some, axis=1)
    proposed = np.isfinite(best)
    mean = np.where(proposed, best, 0).sum(axis=1) / np.maximum(proposed.sum(axis=1), 1)
    weights = mean[:, None] / np.maximum(best, 1e-3 * mean[:, None] + 1e-12)
    return Votes(
        np.bincount(found[proposed], minlength=len(rows)),
        np.bincount(found[proposed], weights=weights[proposed], minlength=len(rows)),
        np.concatenate(distances).astype(np.float64),
        np.concatenate(nearest),
    )


def neighbours_share(coordinates: np.ndarray, positive: np.ndarray, k: int) -> np.ndarray:
    """Give the share of positives among the ``k`` nearest others of each object."""
    units = unit(coordinates)
    k = min(k, len(units) - 1)
    share = np.empty(len(units))
    for start in range(0, len(units), 1024):
        far = apart(units[start : start + 1024], units)
        far[np.arange(len(far)), np.arange(start, start + len(far))] = np.inf
        share[start : start + 1024] = positive[np.argpartition(far, k - 1, axis=1)[:, :k]].mean(axis=1)
    return share
