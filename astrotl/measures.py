"""How good an answer is: each measure a number with its bootstrap interval. It knows arrays and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import stats

__all__ = [
    "Measure",
    "accuracy",
    "area_under_curve",
    "average_precision",
    "bias",
    "bootstrap",
    "brier",
    "calibration_error",
    "completeness",
    "confusion",
    "coverage",
    "explained",
    "f1",
    "lift",
    "macro_f1",
    "precision",
    "purity",
    "recall",
    "scatter",
    "within",
]


class Measure(NamedTuple):
    """A number with the interval that holds 95 % of its bootstrap samples."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


def bootstrap(measure: Callable[..., float], *arrays: npt.ArrayLike, samples: int = 500, seed: int = 0) -> Measure:
    """Measure, and measure again on objects drawn with replacement.

    Parameters
    ----------
    measure : callable
        Takes the arrays and gives a number; NaN where a sample has none.
    *arrays : array_like
        One value for each object, or one row.
    samples : int, optional
        How many times the objects are drawn.
    seed : int, optional
        The seed of the draws.

    Examples
    --------
    >>> from astrotl.measures import bootstrap, scatter
    >>> bootstrap(scatter, [1.0, 2.0, 3.0, 4.0], [1.1, 1.9, 3.2, 3.8]).value.__round__(3)
    0.158
    """
    values = [np.asarray(array) for array in arrays]
    count = len(values[0])
    rng = np.random.default_rng(seed)
    drawn = [measure(*(value[rows] for value in values)) for rows in rng.integers(count, size=(samples, count))]
    known = np.array(drawn)[np.isfinite(drawn)]
    low, high = np.percentile(known, [2.5, 97.5]) if len(known) else (np.nan, np.nan)
    return Measure(float(measure(*values)), float(low), float(high))


def purity(score: npt.ArrayLike, positive: npt.ArrayLike, depth: int) -> float:
    """Which fraction of the ``depth`` highest scores are positive.

    >>> purity([0.9, 0.8, 0.1], [True, False, True], depth=2)
    0.5
    """
    return float(_ranked(score, positive)[:depth].mean())


def completeness(score: npt.ArrayLike, positive: npt.ArrayLike, depth: int) -> float:
    """Which fraction of all positives are among the ``depth`` highest scores."""
    ranked = _ranked(score, positive)
    return float(ranked[:depth].sum() / ranked.sum()) if ranked.any() else np.nan


def lift(score: npt.ArrayLike, positive: npt.ArrayLike, fraction: float = 0.1) -> float:
    """How many times purer than the whole is the part with the highest scores.

    >>> lift([3, 2, 1, 0], [True, False, False, False], fraction=0.25)
    4.0
    """
    ranked = _ranked(score, positive)
    depth = max(1, round(fraction * len(ranked)))
    return float(ranked[:depth].mean() / ranked.mean()) if ranked.any() else np.nan


def area_under_curve(score: npt.ArrayLike, positive: npt.ArrayLike) -> float:
    """The chance that a positive has a higher score than a negative: the area under the ROC curve.

    >>> area_under_curve([0.9, 0.8, 0.3, 0.1], [True, False, True, False])
    0.75
    """
    is_positive = np.asarray(positive, dtype=bool)
    count = is_positive.sum()
    if count in (0, len(is_positive)):
        return np.nan
    ranks = stats.rankdata(np.asarray(score))[is_positive].sum()
    return float((ranks - count * (count + 1) / 2) / (count * (len(is_positive) - count)))


def average_precision(score: npt.ArrayLike, positive: npt.ArrayLike) -> float:
    """The purity averaged over the depths at which positives stand."""
    ranked = _ranked(score, positive)
    return float((ranked.cumsum() / np.arange(1, len(ranked) + 1))[ranked].mean()) if ranked.any() else np.nan


def bias(true: npt.ArrayLike, estimated: npt.ArrayLike) -> float:
    """The median of estimated minus true."""
    return float(np.median(_residuals(true, estimated)))


def scatter(true: npt.ArrayLike, estimated: npt.ArrayLike) -> float:
    """The root mean square of estimated minus true."""
    return float(np.sqrt(np.mean(_residuals(true, estimated) ** 2)))


def within(true: npt.ArrayLike, estimated: npt.ArrayLike, limit: float) -> float:
    """Which fraction of the estimates is nearer to the truth than a limit."""
    return float(np.mean(np.abs(_residuals(true, estimated)) < limit))


def coverage(true: npt.ArrayLike, low: npt.ArrayLike, high: npt.ArrayLike) -> float:
    """Which fraction of the true values lies within their intervals."""
    values = np.asarray(true)
    return float(np.mean((values >= np.asarray(low)) & (values <= np.asarray(high))))


def explained(true: npt.ArrayLike, estimated: npt.ArrayLike) -> float:
    """Which share of the spread of the true values is explained: one minus scatter² over variance, known as R².

    >>> explained([1, 2, 3], [1, 2, 4])
    0.5
    """
    values = np.asarray(true, dtype=float)
    spread = np.sum((values - values.mean()) ** 2) if len(values) else 0.0
    return float(1 - np.sum(_residuals(true, estimated) ** 2) / spread) if spread > 0 else np.nan


def accuracy(true: npt.ArrayLike, said: npt.ArrayLike) -> float:
    """Which fraction of the objects is said to be what it is.

    >>> accuracy(["star", "star", "galaxy"], ["star", "galaxy", "galaxy"]).__round__(3)
    0.667
    """
    right = np.asarray(true) == np.asarray(said)
    return float(right.mean()) if len(right) else np.nan


def precision(true: npt.ArrayLike, said: npt.ArrayLike, of: Any) -> float:
    """Which fraction of those said to be of a class is of it: the purity of the class.

    >>> precision(["star", "star", "galaxy"], ["star", "galaxy", "galaxy"], of="galaxy")
    0.5
    """
    of_it, said_so = np.asarray(true) == of, np.asarray(said) == of
    return float(of_it[said_so].mean()) if said_so.any() else np.nan


def recall(true: npt.ArrayLike, said: npt.ArrayLike, of: Any) -> float:
    """Which fraction of a class is said to be of it: the completeness of the class.

    >>> recall(["star", "star", "galaxy"], ["star", "galaxy", "galaxy"], of="star")
    0.5
    """
    return precision(said, true, of)


def f1(true: npt.ArrayLike, said: npt.ArrayLike, of: Any) -> float:
    """The harmonic mean of a class's precision and recall; zero where none is said rightly.

    >>> f1(["star", "star", "galaxy"], ["star", "galaxy", "galaxy"], of="star").__round__(3)
    0.667
    """
    of_it, said_so = np.asarray(true) == of, np.asarray(said) == of
    count = of_it.sum() + said_so.sum()
    return float(2 * (of_it & said_so).sum() / count) if count else np.nan


def macro_f1(true: npt.ArrayLike, said: npt.ArrayLike) -> float:
    """The mean of `f1` over the classes that are there, so that a rare class counts as much as a frequent one.

    >>> macro_f1(["star", "star", "galaxy"], ["star", "galaxy", "galaxy"]).__round__(3)
    0.667
    """
    classes, of_it = np.unique(np.asarray(true), return_inverse=True)
    if not len(classes):
        return np.nan
    answers = np.asarray(said)
    place = np.minimum(np.searchsorted(classes, answers), len(classes) - 1)
    # What is said and is none of the classes gets a place of its own, behind the others.
    said_so = np.where(classes[place] == answers, place, len(classes))
    right = np.bincount(of_it[of_it == said_so], minlength=len(classes))
    counts = np.bincount(of_it, minlength=len(classes)) + np.bincount(said_so, minlength=len(classes))[: len(classes)]
    return float(np.mean(2 * right / counts))


def confusion(true: npt.ArrayLike, said: npt.ArrayLike, classes: npt.ArrayLike) -> np.ndarray:
    """Count what each class (a row) is said to be (a column).

    >>> confusion(["star", "star", "galaxy"], ["star", "galaxy", "galaxy"], ["star", "galaxy"])
    array([[1, 1],
           [0, 1]])
    """
    names = np.asarray(classes).tolist()
    places = {name: number for number, name in enumerate(names)}
    values = [*np.asarray(true).tolist(), *np.asarray(said).tolist()]
    foreign = sorted({str(value) for value in values if value not in places})
    if foreign:
        raise ValueError(f"classes: have no {foreign[0]!r}, only {', '.join(map(repr, names))}")
    rows, columns = np.array([places[value] for value in values], dtype=int).reshape(2, -1)
    return np.bincount(rows * len(names) + columns, minlength=len(names) ** 2).reshape(len(names), len(names))


def calibration_error(probability: npt.ArrayLike, right: npt.ArrayLike, bins: int = 10) -> float:
    """How far probabilities are from the truth: the mean difference of promised and right, in bins of probability.

    Parameters
    ----------
    probability : array_like
        How sure each answer was, between 0 and 1.
    right : array_like of bool
        Whether it was right.
    bins : int, optional
        How many bins of equal width; one without objects does not count.

    Examples
    --------
    >>> from astrotl.measures import calibration_error
    >>> calibration_error([0.75, 0.75, 0.75, 0.75], [True, True, False, False])
    0.25
    """
    sure = np.asarray(probability, dtype=float)
    if not len(sure):
        return np.nan
    place = np.clip((sure * bins).astype(int), 0, bins - 1)
    return float(np.abs(np.bincount(place, sure - np.asarray(right, dtype=bool))).sum() / len(sure))


def brier(probabilities: npt.ArrayLike, true_index: npt.ArrayLike) -> float:
    """The squared distance of the probabilities from the truth, summed over classes: 0 at best, 2 at worst.

    >>> brier([[0.5, 0.5], [1.0, 0.0]], [0, 0])
    0.25
    """
    given = np.asarray(probabilities, dtype=float)
    truth = np.eye(given.shape[1])[np.asarray(true_index, dtype=int)]
    return float(np.mean(np.sum((given - truth) ** 2, axis=1))) if len(given) else np.nan


def _ranked(score: npt.ArrayLike, positive: npt.ArrayLike) -> np.ndarray:
    """Put the positives in the order of falling score; where scores are equal, the first one given comes first."""
    return np.asarray(positive, dtype=bool)[np.argsort(-np.asarray(score, dtype=float), kind="stable")]


def _residuals(true: npt.ArrayLike, estimated: npt.ArrayLike) -> Any:
    return np.asarray(estimated, dtype=float) - np.asarray(true, dtype=float)
