"""Runs of several extractors, variants and heads beside each other, against the share of labels that they had."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from astropy.table import Table
from matplotlib.axes import Axes

from astrotl.labels import numbers, words
from astrotl.plots._style import COLOURS, DASHES, MARKS, PAGE, SMALL, panel, shorten, styled

__all__ = ["compared"]

_FACTORS = ("extractor", "variant", "head")
#: Bands of more lines than these would hide each other.
_MOST_BANDS = 6
_LONGEST_NAME = 44
_SMALL_IS_GOOD = ("scatter", "calibration_error", "seconds")


class _Line(NamedTuple):
    """What one combination reached at each share of labels: the mean of its seeds, the lowest and the highest."""

    name: str
    fraction: np.ndarray
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray


@styled
def compared(runs: Table, *, measure: str | None = None, most: int = 12, ax: Axes | None = None) -> Axes:
    """Draw what each combination of extractor, variant and head reaches with few and with many labels.

    A line is the mean of the seeds, its band, if there are few lines, reaches from the worst to the best of them. Where
    all runs had the same share of the labels, the combinations stand below each other instead, the best one at the top.

    Parameters
    ----------
    runs : `~astropy.table.Table`
        A row for each run, with the columns ``extractor``, ``variant``, ``head``, ``fraction`` and ``seed``.
    measure : str, optional
        The column to draw; by default ``f1``, or ``scatter`` where numbers were learned.
    most : int, optional
        How many combinations are drawn at the most, the best ones.
    ax : `~matplotlib.axes.Axes`, optional
        Where to draw; by default in a figure of its own.

    Returns
    -------
    `~matplotlib.axes.Axes`
        What was drawn in; ``.figure.savefig(path)`` keeps it.
    """
    if measure is None:
        measure = "f1" if "f1" in runs.colnames else "scatter"
    lost = [name for name in ("fraction", measure) if name not in runs.colnames]
    if lost:
        raise ValueError(f"runs: have no column {lost[0]!r}; they have {', '.join(runs.colnames)}")
    lines = _lines(runs, measure)
    if not lines:
        raise ValueError(f"runs: none has a {measure}")
    best_last = -1 if measure in _SMALL_IS_GOOD else 1
    lines.sort(key=lambda line: best_last * line.mean[-1], reverse=True)
    count = len(lines)
    lines = lines[:most]
    fractions = np.unique(np.concatenate([line.fraction for line in lines]))
    lasting = len(fractions) > 1
    ax = panel(ax, PAGE, max(3.0, 0.17 * len(lines) + 0.8) if lasting else max(1.4, 0.24 * len(lines) + 0.7))
    if count > len(lines):
        ax.set_title(f"the best {len(lines)} of {count}")
    label = measure.replace("_", " ").replace("f1", "F1").replace("auc", "AUC")
    if lasting:
        _draw_lines(ax, lines, fractions)
        ax.set(xlabel="share of the labels that were learned from", ylabel=label)
    else:
        _draw_below_each_other(ax, lines)
        ax.set_xlabel(f"{label}, with {_percent(fractions[0])} of the labels")
    ax.grid(True)
    ax.tick_params(axis="x", which="minor", bottom=False, top=False)
    return ax


def _lines(runs: Table, measure: str) -> list[_Line]:
    """Sum up the runs of each combination, named by what they do not all have in common."""
    value, fraction = numbers(runs, measure), numbers(runs, "fraction")
    factors = [words(runs, name) for name in _FACTORS if name in runs.colnames]
    telling = [factor for factor in factors if len(np.unique(factor)) > 1] or factors[:1]
    names = np.array(
        [", ".join(parts) for parts in zip(*telling, strict=True)] if telling else ["all runs"] * len(runs)
    )
    lines = []
    for name in np.unique(names):
        at = {share: value[(names == name) & (fraction == share) & np.isfinite(value)] for share in np.unique(fraction)}
        known = [(share, some.mean(), some.min(), some.max()) for share, some in at.items() if len(some)]
        if known:
            lines.append(_Line(shorten(str(name), _LONGEST_NAME), *np.array(known).T))
    return lines


def _draw_lines(ax: Axes, lines: list[_Line], fractions: np.ndarray) -> None:
    for number, line in enumerate(lines):
        colour, turn = COLOURS[number % len(COLOURS)], number // len(COLOURS) % len(DASHES)
        if len(lines) <= _MOST_BANDS:
            alpha = 0.25 if len(lines) < 4 else 0.1
            ax.fill_between(line.fraction, line.low, line.high, color=colour, alpha=alpha, linewidth=0)
        ax.plot(
            line.fraction, line.mean, color=colour, linestyle=DASHES[turn], marker=MARKS[turn], label=line.name,
        )  # fmt: skip
    ax.set_xscale("log")
    ax.set_xlim(fractions[0] / 1.06, fractions[-1] * 1.06)
    ax.set_xticks(fractions, [_percent(share) for share in fractions])
    # In the order of the lines' ends, so that the eye finds each one without counting.
    ax.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), handlelength=3.2)


def _draw_below_each_other(ax: Axes, lines: list[_Line]) -> None:
    for row, line in enumerate(lines):
        colour = COLOURS[row % len(COLOURS)]
        ax.plot([line.low[0], line.high[0]], [row, row], color=colour)
        ax.plot([line.mean[0]], [row], "o", color=colour)
        ax.annotate(
            f"{line.mean[0]:.3f}", (line.mean[0], row), (0, 3), textcoords="offset points", ha="center", fontsize=SMALL
        )
    ax.set_yticks(range(len(lines)), [line.name for line in lines])
    ax.set_ylim(len(lines) - 0.4, -0.8)
    ax.margins(x=0.12)


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
