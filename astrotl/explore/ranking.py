"""What judgements say of all other objects: a ridge logistic regression along the main directions of the features."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import stats
from scipy.special import expit, logit, ndtri

from astrotl.index import Index
from astrotl.tasks._anomaly_scores import chosen_views, main_directions, steering_numbers

__all__ = ["Expected", "Judged", "design"]

#: How far the numbers reach, against the ridge of one: chosen on one half of the labelled anomalies.
_SCALE = 3.0
#: How much the score of results counts before anything is judged, for each standard deviation.
_PRIOR = 0.2
_HUNDRED, _AGAIN, _ROUNDS = 100, 200, 30


@dataclass(frozen=True)
class Expected:
    """How many of the next so many objects are expected to be of interest, and between which two numbers."""

    of: int
    count: float
    low: float
    high: float


def design(index: Index, score: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Give the numbers by which objects are compared, for the rows of an index, and what is thought of them at first.

    The numbers are the main directions of each view; the score of results, by its ranks alone, is one more.
    """
    reduced = [main_directions(index, view) for view in chosen_views(index.store, ())]
    numbers = _SCALE * steering_numbers(reduced)
    ones = np.ones((len(numbers), 1), dtype=np.float32)
    if score is None:
        return np.hstack([numbers, ones]), np.zeros(len(numbers))
    known = np.isfinite(score)
    # What results say nothing of stands in the middle.
    ranks = stats.rankdata(np.where(known, score, np.median(score[known]) if known.any() else 0))
    normal = ndtri((ranks - 0.5) / len(ranks))
    return np.hstack([numbers, ones, normal[:, None].astype(np.float32)]), _PRIOR * normal


class Judged:
    """What follows from some judgements for all objects.

    Parameters
    ----------
    numbers, offset : `~numpy.ndarray`
        What `design` gave.
    places : `~numpy.ndarray`
        The judged objects, by their places in ``numbers``.
    wanted : `~numpy.ndarray`
        Which of them are of interest.
    """

    def __init__(self, numbers: np.ndarray, offset: np.ndarray, places: np.ndarray, wanted: np.ndarray) -> None:
        self.numbers, self.offset, self.places = numbers, offset, places
        self.wanted = wanted.astype(np.float64)
        self._weights, self.spread = _fit(numbers[places].astype(np.float64), offset[places], self.wanted)

    @cached_property
    def odds(self) -> np.ndarray:
        """The logarithm of the odds that an object is of interest."""
        return np.asarray(self.offset + self.numbers @ self._weights.astype(np.float32))

    @cached_property
    def unsure(self) -> np.ndarray:
        """The variance of ``odds``."""
        return np.asarray(((self.numbers @ self.spread.astype(np.float32)) * self.numbers).sum(axis=1))

    @cached_property
    def open(self) -> np.ndarray:
        """The objects that nobody has judged."""
        rest = np.ones(len(self.numbers), dtype=bool)
        rest[self.places] = False
        return np.flatnonzero(rest)

    def can_tell(self) -> bool:
        """Whether there are enough judgements of both kinds to say how often the ranking is right."""
        return min(self.wanted.sum(), len(self.wanted) - self.wanted.sum()) >= 3

    def left_out(self) -> np.ndarray:
        """Say what the odds of each judged object would be had it not been judged, to first order."""
        values = self.numbers[self.places].astype(np.float64)
        odds = self.offset[self.places] + values @ self._weights
        sure = expit(odds)
        pull = np.einsum("ij,jk,ik->i", values, self.spread, values)
        free = np.maximum(1 - sure * (1 - sure) * pull, 1e-3)
        return np.asarray(odds - pull / free * (self.wanted - sure))

    def chances(self) -> np.ndarray:
        """Say how probable it is that each object is of interest; a judged one is certain."""
        if self.can_tell():
            offset, slope = _curves(self.left_out(), self.wanted, np.ones((1, len(self.wanted))))
            chances = expit(offset + slope * self.odds)
        else:
            chances = expit(self.odds / np.sqrt(1 + np.pi * self.unsure / 8))
        chances[self.places] = self.wanted
        return np.asarray(chances)

    def order(self) -> np.ndarray:
        """Give what to rank by: the odds, and beyond all of them what was judged."""
        order = self.odds.astype(np.float64)
        order[self.places] = np.where(self.wanted > 0, 1e9, -1e9)
        return order

    def expected(self, of: int = _HUNDRED) -> Expected | None:
        """Say how many of the next objects in the ranking are of interest; None with too few judgements.

        The range holds the central 90 % of what comes out when the judged objects are drawn again with replacement and
        each of the next ones is then drawn by its chance.
        """
        following = self.open[np.argsort(-self.odds[self.open], kind="stable")][:of]
        if not self.can_tell() or not len(following):
            return None
        rng = np.random.default_rng(0)
        count = len(self.wanted)
        # How often each judged object is drawn; the first time as it is.
        drawn = np.vstack([np.ones((1, count)), rng.multinomial(count, np.full(count, 1 / count), _AGAIN)])
        offset, slope = _curves(self.left_out(), self.wanted, drawn)
        chances = expit(offset[:, None] + slope[:, None] * self.odds[following])
        sums = (rng.random(chances.shape) < chances)[1:].sum(axis=1)
        mean = float(chances[0].sum())
        low, high = np.quantile(sums, [0.05, 0.95])
        return Expected(len(following), mean, min(float(low), mean), max(float(high), mean))


def _curves(odds: np.ndarray, wanted: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fit for each set of weights the logistic curve that turns odds into chances, never a falling one (Platt 1999)."""
    yes = weights @ wanted
    no = weights.sum(axis=1) - yes
    # Not quite one and zero, so that few objects that happen to be apart do not make a step of the curve.
    aim = np.where(wanted > 0, ((yes + 1) / (yes + 2))[:, None], (1 / (no + 2))[:, None])
    level = logit((weights * aim).sum(axis=1) / weights.sum(axis=1))
    middle, scale = odds.mean(), odds.std() or 1.0
    values = np.stack([np.ones(len(odds)), (odds - middle) / scale])
    curve = np.stack([level, np.zeros(len(weights))], axis=1)
    for _ in range(_ROUNDS):
        sure = expit(curve @ values)
        slope = (weights * (sure - aim)) @ values.T
        bend = np.einsum("bn,in,jn->bij", weights * sure * (1 - sure), values, values) + 1e-3 * np.eye(2)
        curve = curve - np.clip(np.linalg.solve(bend, slope[..., None])[..., 0], -2, 2)
    falls = curve[:, 1] <= 0
    curve[falls] = np.stack([level[falls], np.zeros(falls.sum())], axis=1)
    return curve[:, 0] - curve[:, 1] * middle / scale, curve[:, 1] / scale


def _fit(values: np.ndarray, offset: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fit the weights, held to zero by a ridge of one, by Newton's method; give them and how unsure they are."""
    weights = np.zeros(values.shape[1])
    ridge = np.eye(len(weights))
    spread = ridge
    for _ in range(_ROUNDS):
        sure = expit(offset + values @ weights)
        slope = values.T @ (sure - wanted) + weights
        spread = np.linalg.inv((values.T * (sure * (1 - sure))) @ values + ridge)
        step = spread @ slope
        weights = weights - step
        if np.abs(step).max() < 1e-6:
            break
    return weights, spread
