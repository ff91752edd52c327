"""How well classes are told apart: by their confusions, their ROC curves, their calibration and their F1."""

from __future__ import annotations

import textwrap
from typing import NamedTuple

import numpy as np
from astropy.table import Table
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import stats

from astrotl.labels import numbers, words
from astrotl.learn.scoring import classes_of, labelled
from astrotl.measures import accuracy, area_under_curve, bootstrap, calibration_error, confusion, f1, macro_f1
from astrotl.plots._style import (
    BLUE,
    COLOURS,
    DASHES,
    INK,
    PAGE,
    PAPER,
    QUIET,
    SMALL,
    SMALLEST,
    UNKNOWN,
    panel,
    sheet,
    styled,
)

__all__ = ["calibration", "class_scores", "classified", "confusion_matrix", "roc_curves"]

_BINS = 10
#: So many classes find room in a panel with letters of the usual size.
_MANY = 12
#: In the cells of so many classes there is room for two numbers.
_ROOMY = 8
_LETTERS = 18


class _Answers(NamedTuple):
    """The objects that count, their classes as numbers."""

    table: Table
    classes: list[str]
    true: np.ndarray
    said: np.ndarray

    @property
    def names(self) -> list[str]:
        return [textwrap.shorten(name, _LETTERS, placeholder=" ...") if " " in name else name for name in self.classes]


@styled
def classified(table: Table) -> Figure:
    """Draw how well classes are told apart, by the objects that were kept for the test.

    The four panels are `confusion_matrix`, `roc_curves`, `calibration` and `class_scores`.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Predictions with the columns ``label``, ``predicted``, ``probability`` and ``p_CLASS`` for each class. Of a
        table with a column ``part`` the rows of the part "test" count, of another one all that have a label.

    Returns
    -------
    `~matplotlib.figure.Figure`
        The figure; ``figure.savefig(path)`` keeps it.
    """
    answers = _answers(table)
    height = float(np.clip(5.0 + 0.14 * len(answers.classes), 5.8, 9.0))
    figure = sheet(PAGE, height)
    for draw, ax in zip((_confusions, _curves, _calibration, _told), figure.subplots(2, 2).ravel(), strict=True):
        draw(answers, ax)
    return figure


@styled
def confusion_matrix(table: Table, *, ax: Axes | None = None) -> Axes:
    """Draw what the objects of each class were said to be.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Predictions, as for `classified`.
    ax : `~matplotlib.axes.Axes`, optional
        Where to draw; by default in a figure of its own.

    Returns
    -------
    `~matplotlib.axes.Axes`
        What was drawn in; ``.figure.savefig(path)`` keeps it.
    """
    return _confusions(_answers(table), panel(ax, height=3.0))


@styled
def roc_curves(table: Table, *, ax: Axes | None = None) -> Axes:
    """Draw the ROC curve of each class against the rest; the number in the legend is the area under it.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Predictions, as for `classified`.
    ax : `~matplotlib.axes.Axes`, optional
        Where to draw; by default in a figure of its own.

    Returns
    -------
    `~matplotlib.axes.Axes`
        What was drawn in; ``.figure.savefig(path)`` keeps it.
    """
    return _curves(_answers(table), panel(ax, height=3.0))


@styled
def calibration(table: Table, *, ax: Axes | None = None) -> Axes:
    """Draw how often answers of some probability are right, with binomial 95 % intervals.

    The strip along the floor says how many answers each point stands for.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Predictions, as for `classified`.
    ax : `~matplotlib.axes.Axes`, optional
        Where to draw; by default in a figure of its own.

    Returns
    -------
    `~matplotlib.axes.Axes`
        What was drawn in; ``.figure.savefig(path)`` keeps it.
    """
    return _calibration(_answers(table), panel(ax, height=3.0))


@styled
def class_scores(table: Table, *, ax: Axes | None = None) -> Axes:
    """Draw the F1 of each class, with the range of 95 % of bootstrap samples.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Predictions, as for `classified`.
    ax : `~matplotlib.axes.Axes`, optional
        Where to draw; by default in a figure of its own.

    Returns
    -------
    `~matplotlib.axes.Axes`
        What was drawn in; ``.figure.savefig(path)`` keeps it.
    """
    return _told(_answers(table), panel(ax, height=3.0))


def _answers(table: Table) -> _Answers:
    classes = classes_of(table)
    if len(classes) < 2:
        raise ValueError("table: has no columns p_CLASS of two or more classes")
    if "probability" not in table.colnames:
        raise ValueError(f"table: has no column 'probability'; it has {', '.join(table.colnames)}")
    known = labelled(table)
    number = {name: place for place, name in enumerate(classes)}
    true, said = (np.array([number[name] for name in words(known, column)]) for column in ("label", "predicted"))
    return _Answers(known, classes, true, said)


def _confusions(answers: _Answers, ax: Axes) -> Axes:
    classes, names = answers.classes, answers.names
    counts = confusion(answers.true, answers.said, np.arange(len(classes)))
    members = counts.sum(axis=1, keepdims=True)
    share = np.divide(counts, members, out=np.zeros(counts.shape), where=members > 0)
    ax.imshow(share, cmap="Blues", vmin=0, vmax=1, aspect="auto", origin="upper")
    for row, column in np.ndindex(*counts.shape):
        if counts[row, column]:
            text = f"{100 * share[row, column]:.0f} %\n{counts[row, column]:,}"
            ax.text(
                column, row, text if len(classes) <= _ROOMY else f"{counts[row, column]}", ha="center", va="center",
                fontsize=SMALL if len(classes) <= 4 else SMALLEST, color=PAPER if share[row, column] > 0.55 else INK,
            )  # fmt: skip
    long = max(map(len, names)) * len(names) > 30
    ax.set_xticks(range(len(classes)), names, rotation=40 if long else 0, ha="right" if long else "center")
    ax.set_yticks(range(len(classes)), [f"{name} ({n:,})" for name, n in zip(names, members[:, 0], strict=True)])
    ax.set(xlabel="said to be", ylabel="is")
    ax.tick_params(length=0, labelsize=SMALL if len(classes) <= _MANY else SMALLEST)
    for label in ax.get_xticklabels():
        label.set_rotation_mode("anchor" if long else "default")
    return ax


def _curves(answers: _Answers, ax: Axes) -> Axes:
    ax.plot([0, 1], [0, 1], color=QUIET, linewidth=0.8, linestyle=":")
    for place, (column, name) in enumerate(zip(answers.classes, answers.names, strict=True)):
        is_it, chance = answers.true == place, numbers(answers.table, f"p_{column}")
        if is_it.all() or not is_it.any():
            continue
        wrong, right = _roc(chance, is_it)
        ax.plot(
            wrong, right, color=COLOURS[place % len(COLOURS)], linestyle=DASHES[place // len(COLOURS) % len(DASHES)],
            label=f"{name}  {area_under_curve(chance, is_it):.3f}",
        )  # fmt: skip
    ax.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    ax.set(xlabel="share of all others that is taken for it", ylabel="share of the class that is found")
    if ax.get_legend_handles_labels()[0]:
        many = len(answers.classes) > _MANY
        ax.legend(loc="lower right", fontsize=SMALLEST if many else SMALL, ncols=2 if many else 1)
    return ax


def _roc(score: np.ndarray, is_it: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give the shares of the others and of the class above each score, equal scores taken at once."""
    order = np.argsort(-score, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(score[order])), len(score) - 1)
    found = is_it[order].cumsum()[ends]
    return np.append(0, (ends + 1 - found) / np.sum(~is_it)), np.append(0, found / np.sum(is_it))


def _calibration(answers: _Answers, ax: Axes) -> Axes:
    sure, right = numbers(answers.table, "probability"), answers.true == answers.said
    place = np.clip((sure * _BINS).astype(int), 0, _BINS - 1)
    count = np.bincount(place, minlength=_BINS)
    full = np.flatnonzero(count)
    mean = np.bincount(place, sure, _BINS)[full] / count[full]
    hits = np.bincount(place, right, _BINS)[full].astype(int)
    ranges = [stats.binomtest(hit, n).proportion_ci(method="wilson") for hit, n in zip(hits, count[full], strict=True)]
    low, high = np.array([(found.low, found.high) for found in ranges]).T
    ax.plot([0, 1], [0, 1], color=QUIET, linewidth=0.8, linestyle=":")
    middles = (np.arange(_BINS) + 0.5) / _BINS
    ax.bar(middles, 0.12 * count / count.max(), 1 / _BINS, color=UNKNOWN, edgecolor=PAPER, zorder=0)
    ax.vlines(mean, low, high, color=BLUE)
    ax.plot(mean, hits / count[full], "o-", color=BLUE, linewidth=0.8)
    ax.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="probability of the answer", ylabel="share of right answers")
    error = calibration_error(sure, right, _BINS)
    ax.set_title(f"{len(sure):,} objects, calibration error {error:.3f}", fontsize=SMALL)
    return ax


def _told(answers: _Answers, ax: Axes) -> Axes:
    true, said, count = answers.true, answers.said, len(answers.classes)
    found = [bootstrap(lambda a, b, of=place: f1(a, b, of), true, said) for place in range(count)]
    for place, measure in enumerate((*found, bootstrap(macro_f1, true, said))):
        colour = INK if place == count else COLOURS[place % len(COLOURS)]
        ax.plot([measure.low, measure.high], [place, place], color=colour)
        ax.plot([measure.value], [place], "D" if place == count else "o", color=colour)
        if np.isfinite(measure.value):
            ax.annotate(
                f"{measure.value:.3f}", (measure.value, place), (0, 3), textcoords="offset points", ha="center",
                fontsize=SMALL if count <= _MANY else SMALLEST,
            )  # fmt: skip
    ax.set_yticks(range(count + 1), [*answers.names, "mean of all"])
    ax.tick_params(axis="y", length=0, labelsize=SMALL if count <= _MANY else SMALLEST)
    ax.set_ylim(count + 0.6, -0.8)
    ends = np.array([(measure.low, measure.high) for measure in found])
    least = float(np.nanmin(ends)) if np.isfinite(ends).any() else 0.0
    ax.set_xlim(max(-0.02, np.floor(10 * least) / 10 - 0.05), 1.02)
    ax.set_xlabel(f"F1; {100 * accuracy(true, said):.1f} % of all are right")
    return ax
