"""The strangest objects side by side, and where they and the labelled ones stand among all scores."""

from __future__ import annotations

import numpy as np
from astropy.table import Table
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from astrotl.pictures import rgb
from astrotl.plots._style import BLUE, GREEN, INK, LINE, ORANGE, PAPER, PINK, QUIET, RED, SKY, YELLOW
from astrotl.sources import ImageSource

__all__ = ["anomalies"]

_COLOURS = (ORANGE, SKY, GREEN, YELLOW, PINK, RED, BLUE)
_OTHER = "0.85"


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
    known = set(images.ids.tolist())
    shown = [name for name in top["id"].tolist() if name in known]
    if not shown:
        raise ValueError("images: hold none of the strangest objects")
    pictures = dict(zip(shown, rgb(images[images.rows_of(shown)].read()), strict=True))
    colours = _colours(table)
    across = min(columns, len(top))
    lines = -(-len(top) // across)
    height = 1.5 * lines
    width = max(1.35 * across + 0.3, 5.4)
    figure = Figure(figsize=(width, height + 2.4), facecolor=PAPER, dpi=150, layout="constrained")
    halves = figure.add_gridspec(2, 1, height_ratios=(height, 2.4), hspace=0.02)
    parts = [figure.add_subfigure(halves[number]) for number in (0, 1)]
    for part in parts:
        part.set_facecolor(PAPER)
    grid = parts[0].subplots(lines, across, squeeze=False).ravel()
    for number, ax in enumerate(grid):
        ax.set_xticks([])
        ax.set_yticks([])
        if number < len(top):
            _draw_tile(ax, top[number], pictures.get(str(top["id"][number])), colours)
        else:
            ax.set_axis_off()
    _draw_scores(parts[1].subplots(), table, float(np.min(top["score"])), len(top), colours)
    return figure


def _colours(table: Table) -> dict[str, str]:
    """Give each label its colour, the most frequent ones first."""
    if "label" not in table.colnames:
        return {}
    labels, counts = np.unique(_labels(table), return_counts=True)
    names = [str(labels[place]) for place in np.argsort(-counts, kind="stable") if labels[place]]
    return {name: _COLOURS[number] if number < len(_COLOURS) else _OTHER for number, name in enumerate(names)}


def _labels(table: Table) -> np.ndarray:
    """Take the labels as text; some formats of tables keep an empty one as missing."""
    return np.ma.filled(np.ma.asarray(table["label"]).astype(np.str_), "")


def _draw_tile(ax: Axes, row: Table.Row, picture: np.ndarray | None, colours: dict[str, str]) -> None:
    ax.imshow(np.full((2, 2, 3), 0.15) if picture is None else picture, origin="lower", interpolation="nearest")
    label = "" if not colours or np.ma.is_masked(row["label"]) else str(row["label"])
    for side in ax.spines.values():
        side.set_visible(bool(label))
        side.set(color=colours.get(label, LINE), linewidth=2)
    name = str(row["id"])
    ax.set_title(name if len(name) <= 22 else f"{name[:10]}...{name[-9:]}", fontsize=6, color=QUIET, pad=2.5)
    ax.text(
        0.96,
        0.04,
        f"{row['score']:.3f}",
        transform=ax.transAxes,
        ha="right",
        va="bottom",
        fontsize=6.5,
        color=INK,
        bbox={"facecolor": PAPER, "alpha": 0.6, "edgecolor": "none", "pad": 1},
    )


def _draw_scores(ax: Axes, table: Table, least: float, drawn: int, colours: dict[str, str]) -> None:
    score = np.asarray(table["score"], dtype=float)
    ax.set_facecolor(PAPER)
    counts, *_ = ax.hist(score, bins=np.linspace(0, 1, 41).tolist(), color="0.45", edgecolor=PAPER, linewidth=0.4)
    ax.set_yscale("symlog", linthresh=1)
    top = max(float(np.max(counts)), 1.0)
    ax.axvline(least, color=INK, linewidth=0.8, linestyle=(0, (4, 3)))
    ax.text(
        least, 1.0, f" the {drawn} above ", transform=ax.get_xaxis_transform(), fontsize=7, color=INK, va="bottom",
        ha="left" if least < 0.75 else "right",
    )  # fmt: skip
    step = 2.2
    for number, (name, colour) in enumerate(list(colours.items())[: len(_COLOURS)]):
        some = score[_labels(table) == name]
        level = top * step ** (number + 1)
        ax.plot(some, np.full(len(some), level), "|", color=colour, markersize=6, label=f"{name} ({len(some)})")
    ax.set_ylim(0, top * step ** (min(len(colours), len(_COLOURS)) + 1))
    ax.set_xlim(-0.01, 1.01)
    ticks = [value for value in (0, 1, 10, 100, 1000, 10_000, 100_000, 1_000_000) if value <= top]
    ax.set_yticks(ticks, [f"{value:,}" for value in ticks])
    ax.set_xlabel("score", fontsize=8, color=INK)
    ax.set_ylabel("objects", fontsize=8, color=INK)
    ax.tick_params(colors=QUIET, labelsize=7, which="both")
    ax.tick_params(axis="y", which="minor", left=False)
    for side in ax.spines.values():
        side.set_color(LINE)
    if colours:
        ax.legend(
            fontsize=6.5, labelcolor=INK, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5), handlelength=1
        )
