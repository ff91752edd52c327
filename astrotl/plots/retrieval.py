"""What was found, side by side, and how pure and complete the list is at every depth."""

from __future__ import annotations

import numpy as np
from astropy.table import Row, Table
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from astrotl.labels import words
from astrotl.plots._style import BLUE, ORANGE, QUIET, RED, panel, sheet, styled
from astrotl.plots._tiles import Tile, draw_tiles, in_rows, number, pictures_of, sheet_below, size_of
from astrotl.sources import ImageSource
from astrotl.tasks.retrieval import is_one_of

__all__ = ["ranking_curves", "retrieved"]

_RIGHT, _WRONG, _PURE, _FULL = BLUE, RED, BLUE, ORANGE
_SAMPLES, _NUMBERS = 300, 6_000_000
_POINTS = 400
_BELOW = 2.1


@styled
def retrieved(table: Table, images: ImageSource, *, columns: int = 8, most: int = 32) -> Figure:
    """Draw the first of a ranked list, and, where labels are known, its purity and completeness at every depth.

    Parameters
    ----------
    table : `~astropy.table.Table`
        The answer of `~astrotl.tasks.Agn` or `~astrotl.tasks.Lens`. With labels, frames tell right from wrong, and the
        curves of `ranking_curves` follow below.
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
    table = table[np.argsort(table["rank"], kind="stable")]
    truth = _truth(table)
    pictures = pictures_of(images, table["id"][:most].tolist(), "the first objects of the table")
    rows = in_rows([_tile(row, pictures, right) for row, right in zip(table[:most], truth, strict=False)], columns)
    if not 0 < (truth == 1).sum() < (truth >= 0).sum():
        figure = sheet(*size_of(rows))
        draw_tiles(rows, figure.subplots())
        return figure
    figure, ax = sheet_below(rows, _BELOW, {"right": _RIGHT, "wrong": _WRONG})
    ranking_curves(table, ax=ax)
    return figure


@styled
def ranking_curves(table: Table, *, ax: Axes | None = None) -> Axes:
    """Draw how pure and complete a ranked list is at every depth, by those of its objects whose label is known.

    Bands hold 95 % of bootstrap samples, and dotted lines are what picking blindly gives.

    Parameters
    ----------
    table : `~astropy.table.Table`
        The answer of `~astrotl.tasks.Agn` or `~astrotl.tasks.Lens`, asked with labels.
    ax : `~matplotlib.axes.Axes`, optional
        Where to draw; by default in a figure of its own.

    Returns
    -------
    `~matplotlib.axes.Axes`
        What was drawn in; ``.figure.savefig(path)`` keeps it.
    """
    truth = _truth(table)
    known = truth >= 0
    if not 0 < (truth == 1).sum() < known.sum():
        raise ValueError("table: needs labels of some objects that are looked for and of some that are not")
    ax = panel(ax)
    order = np.argsort(table["rank"][known], kind="stable")
    positive = truth[known][order] == 1
    count = len(positive)
    depths = np.unique(np.geomspace(1, count, _POINTS).round().astype(int))
    lines = _at(np.ones((1, count)), positive, depths)
    # Each object counts as often as a bootstrap sample would have drawn it.
    weights = np.random.default_rng(0).poisson(1.0, (max(20, min(_SAMPLES, _NUMBERS // count)), count))
    # A share of one or two objects has no interval worth the name.
    wide = depths >= min(5, count)
    blindly = (np.full(len(depths), positive.mean()), depths / count)
    names = ("purity", "completeness")
    for name, colour, (line,), sampled, blind in zip(
        names, (_PURE, _FULL), lines, _at(weights, positive, depths), blindly, strict=True
    ):
        low, high = np.nanpercentile(sampled, [2.5, 97.5], axis=0)
        ax.fill_between(depths[wide], low[wide], high[wide], color=colour, alpha=0.25, linewidth=0)
        ax.plot(depths, line, color=colour, linestyle="-" if name == "purity" else "--", label=name)
        ax.plot(depths, blind, color=colour, linestyle=":", linewidth=0.9)
    ax.plot([], [], color=QUIET, linestyle=":", linewidth=0.9, label="picked blindly")
    ax.set_xscale("log")
    ax.xaxis.set_major_formatter(FuncFormatter(lambda depth, _: f"{depth:,.0f}"))
    ax.set(xlim=(1, count), ylim=(0, 1.02), xlabel="depth in the list, labelled objects", ylabel="share")
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3)
    return ax


def _tile(row: Row, pictures: dict[str, np.ndarray], right: int) -> Tile:
    name, frame = str(row["id"]), {1: _RIGHT, 0: _WRONG}.get(right)
    return Tile(pictures.get(name), name, left=f"#{row['rank']}", right=number(row["score"]), frame=frame)


def _truth(table: Table) -> np.ndarray:
    """Say what is known of each row: 1 looked for, 0 not, -1 unknown."""
    asked = table.meta.get("astrotl", {}).get("parameters", {})
    if "label" not in table.colnames or not asked.get("positive"):
        return np.full(len(table), -1)
    values = words(table, "label")
    negative = is_one_of(values, asked["negative"]) if asked.get("negative") else values != ""
    return np.where(is_one_of(values, asked["positive"]), 1, np.where(negative, 0, -1))


def _at(weights: np.ndarray, positive: np.ndarray, depths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give purity and completeness at some depths for each set of weights."""
    reached = weights.cumsum(axis=1)[:, depths - 1]
    right = (weights * positive).cumsum(axis=1)
    with np.errstate(invalid="ignore"):
        return right[:, depths - 1] / reached, right[:, depths - 1] / right[:, -1:]
