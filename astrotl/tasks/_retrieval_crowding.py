"""How crowded examples are around an object, against all else; and what makes of it a probability."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import optimize, special

#: How fast the weight of an example falls with its angle: e-fold for a quarter of a unit in the cosine.
_SHARPNESS = 4.0
#: The store as a whole counts as so many negatives: a handful of them says less of all that is not looked for.
_STORE_COUNTS = 30
_MOST, _BLOCK = 2000, 8192
_FOLDS, _REPEATS = 10, 5


@dataclass(frozen=True)
class Crowd:
    """Some rows of a store and their unit vectors."""

    rows: np.ndarray
    units: np.ndarray

    def weights(self, units: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Weigh each of the crowd for each of some objects, an object itself by nothing."""
        weight = np.exp(_SHARPNESS * (units @ self.units.T))
        weight[rows[:, None] == self.rows] = 0
        return np.asarray(weight)

    def total(self, units: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Give the sum of the weights around some objects, and how many there are."""
        return self.weights(units, rows).sum(axis=1, dtype=np.float64), len(self.rows) - np.isin(rows, self.rows)


def some_of(rows: np.ndarray) -> np.ndarray:
    """Draw so many rows by lot as a crowd needs."""
    if len(rows) <= _MOST:
        return rows
    return np.sort(np.random.default_rng(0).choice(rows, _MOST, replace=False))


def log_ratio(units: np.ndarray, rows: np.ndarray, yes: Crowd, no: Crowd, store: Crowd) -> np.ndarray:
    """Give the logarithm of how crowded the positives are around some objects, against the negatives and the store."""
    return _compare(yes.total(units, rows), no.total(units, rows), store.total(units, rows))


def cross_validated(
    units: np.ndarray, rows: np.ndarray, positive: np.ndarray, store: Crowd | None = None
) -> np.ndarray:
    """Score each labelled object by the labels of others: ten folds, in five different splits."""
    store = Crowd(rows[:0], units[:0]) if store is None else store
    folds = int(min(_FOLDS, positive.sum(), (~positive).sum()))
    splits = [_split(positive, folds, np.random.default_rng(repeat)) for repeat in range(_REPEATS)]
    crowds = [np.flatnonzero(np.isin(rows, some_of(rows[which]))) for which in (positive, ~positive)]
    scores = np.zeros(len(rows))
    for start in range(0, len(rows), _BLOCK):
        here = slice(start, start + _BLOCK)
        around = store.total(units[here], rows[here])
        weights = [Crowd(rows[crowd], units[crowd]).weights(units[here], rows[here]) for crowd in crowds]
        for fold in splits:
            totals = [
                _without_own_fold(one, fold[crowd], fold[here]) for one, crowd in zip(weights, crowds, strict=True)
            ]
            scores[here] += _compare(totals[0], totals[1], around) / _REPEATS
    return scores


def _without_own_fold(weights: np.ndarray, fold: np.ndarray, own: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sum the weights of those that are not in the object's own fold, and count them."""
    belongs = np.eye(fold.max(initial=0) + 1 if len(fold) else 1)[fold]
    belongs = np.pad(belongs, ((0, 0), (0, max(0, int(own.max(initial=0)) + 1 - belongs.shape[1]))))
    by_fold = weights.astype(np.float64) @ belongs
    places = np.arange(len(own))
    return by_fold.sum(axis=1) - by_fold[places, own], len(fold) - belongs.sum(axis=0)[own]


def _compare(
    yes: tuple[np.ndarray, np.ndarray], no: tuple[np.ndarray, np.ndarray], store: tuple[np.ndarray, np.ndarray]
) -> np.ndarray:
    counts = np.where(store[1] > 0, _STORE_COUNTS, 0)
    for_it = yes[0] / np.maximum(yes[1], 1)
    against = (no[0] + counts * store[0] / np.maximum(store[1], 1)) / np.maximum(no[1] + counts, 1)
    tiny = np.finfo(np.float64).tiny
    return np.asarray(np.log(np.maximum(for_it, tiny)) - np.log(np.maximum(against, tiny)))


def probability(scores: np.ndarray, positive: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Fit a logistic curve that turns scores into probabilities, never a falling one (Platt 1999)."""
    count = int(positive.sum())
    # Not quite one and zero, so that few objects that happen to be apart do not make a step of the curve.
    wanted = np.where(positive, (count + 1) / (count + 2), 1 / (len(positive) - count + 2))
    scale = float(np.std(scores)) or 1.0

    def loss(curve: np.ndarray) -> tuple[float, np.ndarray]:
        logit = curve[0] + curve[1] * scores / scale
        error = special.expit(logit) - wanted
        value = np.logaddexp(0, logit).sum() - wanted @ logit
        return value / len(scores), np.array([error.sum(), error @ scores / scale]) / len(scores)

    start = np.array([special.logit(positive.mean()), 1.0])
    offset, slope = optimize.minimize(loss, start, jac=True, bounds=[(None, None), (0, None)]).x
    return lambda values: special.expit(offset + slope * np.asarray(values) / scale)


def _split(positive: np.ndarray, folds: int, rng: np.random.Generator) -> np.ndarray:
    """Deal positives and negatives to the folds in turn."""
    fold = np.empty(len(positive), dtype=np.intp)
    for which in (positive, ~positive):
        rows = rng.permutation(np.flatnonzero(which))
        fold[rows] = np.arange(len(rows)) % folds
    return fold
