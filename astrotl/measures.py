"""How good an answer is: each measure a number with its bootstrap interval. It knows arrays and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import stats

__all__ = [
    "Measure",
    "area_under_curve",
    "average_precision",
    "bias",
    "bootstrap",
    "completeness",
    "coverage",
    "lift",
    "purity",
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


def _ranked(score: npt.ArrayLike, positive: npt.ArrayLike) -> np.ndarray:
    """Put the positives in the order of falling score; where scores are equal, the first one given comes first."""
    return np.asarray(positive, dtype=bool)[np.argsort(-np.asarray(score, dtype=float), kind="stable")]


def _residuals(true: npt.ArrayLike, estimated: npt.ArrayLike) -> Any:
    return np.asarray(estimated, dtype=float) - np.asarray(true, dtype=float)
