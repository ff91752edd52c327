"""The strangest objects side by side, and where they and the labelled ones stand among all scores."""

from __future__ import annotations

import numpy as np
from astropy.table import Row, Table
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from astrotl.labels import numbers, words
from astrotl.plots._style import COLOURS, INK, PAPER, QUIET, SMALL, UNKNOWN, panel, styled
from astrotl.plots._tiles import Tile, in_rows, pictures_of, sheet_below
from astrotl.sources import ImageSource

__all__ = ["anomalies", "score_distribution"]

#: How far each label's ticks stand above those of the last one, on the axis of counts, which is logarithmic.
_STEP = 2.4
_BINS = 40
_BELOW = 1.9


@styled
def anomalies(table: Table, images: ImageSource, *, columns: int = 8, most: int = 32) -> Figure:
    """Draw the strangest objects with their scores, and below them the distribution of all scores.

    Parameters
    ----------
    table : `~astropy.table.Table`
        The answer of `~astrotl.tasks.Anomaly`. Where it has labels, each has a colour, in the frames of the images and
        in the ticks above the distribution.
    images : `~astrotl.sources.ImageSource`
        Where the images are.
    columns : int, optional
        How many images a row holds.
    most : int, optional
        How many objects are drawn at the most.

    Returns
    -------
    `~matplotlib.figure.Figure`
        The figure; ``figure.savefig(path)`` keeps it.
    """
    if not len(table):
        raise ValueError("table: has no rows to draw")
    top = table[np.argsort(table["rank"], kind="stable")][:most]
    pictures = pictures_of(images, top["id"].tolist(), "the strangest objects")
    colours = _colours(table)
    labels = words(top, "label") if colours else np.full(len(top), "")
    rows = in_rows([_tile(row, str(label), pictures, colours) for row, label in zip(top, labels, strict=True)], columns)
    figure, ax = sheet_below(rows, _BELOW)
    score_distribution(table, least=float(top["score"].min()), ax=ax)
    return figure


@styled
def score_distribution(table: Table, *, least: float | None = None, ax: Axes | None = None) -> Axes:
    """Draw how many objects have which score, and where those with labels stand.

    Parameters
    ----------
    table : `~astropy.table.Table`
        A table with the column ``score``. Each word of a column ``label`` has a row of ticks above the distribution.
    least : float, optional
        A score to mark with a line, such as that of the last object looked at.
    ax : `~matplotlib.axes.Axes`, optional
        Where to draw; by default in a figure of its own.

    Returns
    -------
    `~matplotlib.axes.Axes`
        What was drawn in; ``.figure.savefig(path)`` keeps it.
    """
    if "score" not in table.colnames:
        raise ValueError(f"table: has no column 'score'; it has {', '.join(table.colnames)}")
    score = numbers(table, "score")
    if not np.isfinite(score).any():
        raise ValueError("table: has no score to draw")
    ax = panel(ax)
    known = score[np.isfinite(score)]
    low, high = (0.0, 1.0) if known.min() >= 0 and known.max() <= 1 else (float(known.min()), float(known.max()))
    counts, *_ = ax.hist(known, bins=np.linspace(low, high, _BINS + 1).tolist(), color=UNKNOWN, edgecolor=PAPER)
    ax.set_yscale("symlog", linthresh=1)
    top = max(float(np.max(counts)), 1.0)
    if least is not None:
        _mark(ax, least, int((known >= least).sum()), least < (low + 3 * high) / 4)
    colours = _colours(table)
    for number, (name, colour) in enumerate(list(colours.items())[: len(COLOURS)]):
        some = score[words(table, "label") == name]
        level = np.full(len(some), top * _STEP ** (number + 1))
        ax.plot(some, level, "|", color=colour, markersize=6, label=f"{name} ({len(some):,})")
    ax.set_ylim(0, top * _STEP ** (min(len(colours), len(COLOURS)) + 1))
    ax.set_xlim(low - 0.01 * (high - low), high + 0.01 * (high - low))
    ticks = [value for value in (0, 1, 10, 100, 1000, 10_000, 100_000, 1_000_000) if value <= top]
    ax.set_yticks(ticks, [f"{value:,}" for value in ticks])
    ax.tick_params(axis="y", which="minor", left=False, right=False)
    ax.set(xlabel="score", ylabel="objects")
    if colours:
        ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), handlelength=1)
    return ax


def _mark(ax: Axes, least: float, above: int, to_the_right: bool) -> None:
    ax.axvline(least, color=INK, linewidth=0.8, linestyle=(0, (4, 3)))
    ax.text(
        least, 1.02, f"the {above:,} from here on", transform=ax.get_xaxis_transform(), fontsize=SMALL, color=QUIET,
        va="bottom", ha="left" if to_the_right else "right",
    )  # fmt: skip


def _colours(table: Table) -> dict[str, str]:
    """Give each label its colour, the most frequent ones first."""
    if "label" not in table.colnames:
        return {}
    labels, counts = np.unique(words(table, "label"), return_counts=True)
    names = [str(labels[place]) for place in np.argsort(-counts, kind="stable") if labels[place]]
    return {name: COLOURS[number] if number < len(COLOURS) else UNKNOWN for number, name in enumerate(names)}


def _tile(row: Row, label: str, pictures: dict[str, np.ndarray], colours: dict[str, str]) -> Tile:
    name = str(row["id"])
    return Tile(pictures.get(name), name, right=f"{row['score']:.3f}", frame=colours.get(label))
