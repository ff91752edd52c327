"""How good predictions are, measured on objects that nothing was learned from."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from astropy.table import Table

from astrotl.errors import AstrotlWarning
from astrotl.labels import numbers, words
from astrotl.measures import (
    accuracy,
    area_under_curve,
    average_precision,
    bias,
    bootstrap,
    brier,
    calibration_error,
    explained,
    f1,
    macro_f1,
    precision,
    recall,
    scatter,
    within,
)

__all__ = ["classes_of", "labelled", "scores"]


class Score(NamedTuple):
    """A measure, and the arrays that it is taken from."""

    measure: str
    of: str
    take: Callable[..., float]
    arrays: tuple[np.ndarray, ...]


def scores(table: Table, *, part: str = "test", samples: int = 500) -> Table:
    """Measure how good the predictions of a table are.

    Parameters
    ----------
    table : `~astropy.table.Table`
        What `~astrotl.learn.probe` gave, or another table with the columns ``label`` and ``predicted``, and ``p_CLASS``
        for each class where classes are told apart.
    part : str, optional
        The part to measure. A table without a column ``part`` is measured wherever ``label`` is known.
    samples : int, optional
        How many bootstrap samples the intervals are taken from; 0 leaves them out.

    Returns
    -------
    `~astropy.table.Table`
        ``measure``, ``class`` (empty for all of them together), ``value``, and ``low`` and ``high``, between which 95 %
        of the bootstrap samples lie. What is given for all classes together, other than accuracy, calibration error and
        Brier score, is the mean over the classes, in which a rare one counts as much as a frequent one.

    Examples
    --------
    >>> from astropy.table import Table
    >>> from astrotl.learn import scores
    >>> table = Table({"label": ["a", "b", "b"], "predicted": ["a", "b", "a"], "p_a": [0.9, 0.2, 0.6],
    ...                "p_b": [0.1, 0.8, 0.4]})
    >>> found = scores(table)
    >>> found["value"].info.format = ".2f"
    >>> print(found["measure", "class", "value"][:4])
     measure  class value
    --------- ----- -----
     accuracy        0.67
    precision        0.75
       recall        0.75
           f1        0.67
    """
    if samples < 0:
        raise ValueError(f"samples: must be 0 or more, got {samples}")
    some = labelled(table, part=part)
    classes = classes_of(table)
    if classes or some["label"].dtype.kind not in "fiu":
        found = _of_table(some, classes)
    else:
        found = of_numbers(numbers(some, "label"), numbers(some, "predicted"))
    taken = [(one.measure, one.of, *bootstrap(one.take, *one.arrays, samples=samples)) for one in found]
    result = Table(rows=taken, names=("measure", "class", "value", "low", "high"))
    result.meta["astrotl"] = {**table.meta.get("astrotl", {}), "part": part, "measured": len(found[0].arrays[0])}
    return result


def classes_of(table: Table) -> list[str]:
    """Name the classes for which a table of predictions has probabilities."""
    return [name.removeprefix("p_") for name in table.colnames if name.startswith("p_")]


def labelled(table: Table, *, part: str = "test") -> Table:
    """Keep of a table of predictions the labelled rows of a part, or all labelled ones if it has no column ``part``.

    Objects of classes for which it has no probability are left out, and counted.
    """
    lost = [name for name in ("label", "predicted") if name not in table.colnames]
    if lost:
        raise ValueError(f"table: has no column {lost[0]!r}; it has {', '.join(table.colnames)}")
    labels, classes = words(table, "label"), classes_of(table)
    known = labels != ""
    if "part" in table.colnames:
        parts = words(table, "part")
        if part not in parts:
            there = ", ".join(repr(name) for name in np.unique(parts).tolist() if name)
            raise ValueError(f"part: the table has no {part!r}; it has {there}")
        known &= parts == part
    if not known.any():
        raise ValueError("table: no object that could be measured has a label")
    learned = np.isin(labels, classes) if classes else known
    if not (known & learned).any():
        raise ValueError(f"table: no label is one of the classes {', '.join(classes)}")
    if (known & ~learned).any():
        warnings.warn(
            f"{np.sum(known & ~learned):,} objects are of classes that were not learned, and are left out",
            AstrotlWarning,
            stacklevel=3,
        )
    return table[known & learned]


def of_classes(true: np.ndarray, said: np.ndarray, probabilities: np.ndarray | None) -> list[Score]:
    """List the measures of all classes, given as numbers, together."""
    both = (true, said)
    found = [
        Score("accuracy", "", accuracy, both),
        Score("precision", "", lambda true, said: _mean(lambda one: _purity(true, said, one), true), both),
        Score("recall", "", lambda true, said: _mean(lambda one: recall(true, said, one), true), both),
        Score("f1", "", macro_f1, both),
    ]
    if probabilities is None:
        return found
    chances = (probabilities, true)
    right = (probabilities[np.arange(len(said)), said], true == said)
    return [
        *found,
        Score("auc", "", lambda p, true: _mean(lambda one: area_under_curve(p[:, one], true == one), true), chances),
        Score(
            "average precision",
            "",
            lambda p, true: _mean(lambda one: average_precision(p[:, one], true == one), true),
            chances,
        ),
        Score("calibration error", "", calibration_error, right),
        Score("brier", "", brier, chances),
    ]


def of_class(true: np.ndarray, said: np.ndarray, probabilities: np.ndarray | None, one: int, name: str) -> list[Score]:
    """List the measures of one class."""
    both = (true, said)
    found = [
        Score("precision", name, lambda true, said: precision(true, said, one), both),
        Score("recall", name, lambda true, said: recall(true, said, one), both),
        Score("f1", name, lambda true, said: f1(true, said, one), both),
    ]
    if probabilities is None:
        return found
    own = (probabilities[:, one], true == one)
    return [
        *found,
        Score("auc", name, area_under_curve, own),
        Score("average precision", name, average_precision, own),
    ]


def of_numbers(true: np.ndarray, estimated: np.ndarray) -> list[Score]:
    """List the measures of numbers."""
    both = (true, estimated)
    return [
        Score("bias", "", bias, both),
        Score("scatter", "", scatter, both),
        Score("robust scatter", "", _robust_scatter, both),
        Score("outliers", "", _outliers, both),
        Score("explained", "", explained, both),
    ]


def _of_table(some: Table, classes: list[str]) -> list[Score]:
    classes = classes or np.unique([words(some, "label"), words(some, "predicted")]).tolist()
    true, said = (_numbered(words(some, column), classes) for column in ("label", "predicted"))
    probabilities = None
    if f"p_{classes[0]}" in some.colnames:
        probabilities = np.stack([numbers(some, f"p_{name}") for name in classes], axis=1)
    found = of_classes(true, said, probabilities)
    for one, name in enumerate(classes):
        found += of_class(true, said, probabilities, one, name)
    return found


def _numbered(names: np.ndarray, classes: list[str]) -> np.ndarray:
    number_of = {name: number for number, name in enumerate(classes)}
    odd = next((name for name in names.tolist() if name not in number_of), None)
    if odd is not None:
        raise ValueError(f"predicted: {odd!r} is none of the classes {', '.join(classes)}")
    return np.array([number_of[name] for name in names.tolist()])


def _mean(of_one: Callable[[int], float], true: np.ndarray) -> float:
    """Take the mean over the classes that are there, where it is known."""
    known = [value for one in np.unique(true).tolist() if np.isfinite(value := of_one(one))]
    return float(np.mean(known)) if known else np.nan


def _purity(true: np.ndarray, said: np.ndarray, one: int) -> float:
    """Precision; of a class that is never said it is nothing, so that avoiding rare classes does not pay."""
    return float(np.nan_to_num(precision(true, said, one)))


def _robust_scatter(true: np.ndarray, estimated: np.ndarray) -> float:
    """Half the width of the middle 68 % of the residuals, which a few outliers do not change."""
    low, high = np.percentile(estimated - true, [16, 84])
    return float(high - low) / 2


def _outliers(true: np.ndarray, estimated: np.ndarray) -> float:
    """Which fraction lies more than three robust scatters from the median residual."""
    residuals = estimated - true
    return 1 - within(np.median(residuals), residuals, 3 * _robust_scatter(true, estimated) + 1e-300)
