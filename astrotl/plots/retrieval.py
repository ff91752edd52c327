"""What was found, side by side, and how pure and complete the list is at every depth."""

from __future__ import annotations

import numpy as np
from astropy.table import Table
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from astrotl.pictures import rgb
from astrotl.plots._style import GREEN, INK, LINE, ORANGE, PAPER, QUIET, RED, SKY
from astrotl.sources import ImageSource
from astrotl.tasks.retrieval import is_one_of

__all__ = ["retrieved"]

_YES, _NO, _PURE, _FULL = GREEN, RED, SKY, ORANGE
_SAMPLES, _NUMBERS = 300, 6_000_000
_POINTS = 400


def retrieved(table: Table, images: ImageSource, *, columns: int = 8, most: int = 32) -> Figure:
    """Draw the first of a ranked list, and, where labels are known, its purity and completeness at every depth.

    Parameters
    ----------
    table : `~astropy.table.Table`
        The answer of `~astrotl.tasks.Agn` or `~astrotl.tasks.Lens`. With labels, a green frame means right and an
        orange one wrong, and the curves follow below: lines count the labelled objects, bands hold 95 % of bootstrap
        samples, and the dashes are what picking blindly gives.
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
    curves = 0 < (truth == 1).sum() < (truth >= 0).sum()
    across = min(columns, len(table), most)
    lines = -(-min(most, len(table)) // across)
    heights = (1.5 * lines, 3.0) if curves else (1.5 * lines,)
    width = max(1.35 * across + 0.3, 7.5 if curves else 0)
    figure = Figure(figsize=(width, sum(heights)), facecolor=PAPER, dpi=150, layout="constrained")
    parts = figure.subfigures(len(heights), 1, height_ratios=heights, hspace=0.02, squeeze=False).ravel()
    for part in parts:
        part.set_facecolor(PAPER)
    grid = parts[0].subplots(lines, across, squeeze=False).ravel()
    _draw_first(grid, table[:most], truth[:most], images)
    if curves:
        pure, full = parts[1].subplots(1, 2)
        _draw_curves(pure, full, truth[truth >= 0] == 1)
    return figure


def _truth(table: Table) -> np.ndarray:
    """Say what is known of each row: 1 looked for, 0 not, -1 unknown."""
    asked = table.meta.get("astrotl", {}).get("parameters", {})
    if "label" not in table.colnames or not asked.get("positive"):
        return np.full(len(table), -1)
    values = np.ma.filled(np.ma.asarray(table["label"]), "").astype(np.str_)
    negative = is_one_of(values, asked["negative"]) if asked.get("negative") else values != ""
    return np.where(is_one_of(values, asked["positive"]), 1, np.where(negative, 0, -1))


def _draw_first(grid: np.ndarray, table: Table, truth: np.ndarray, images: ImageSource) -> None:
    known = set(images.ids.tolist())
    shown = [name for name in table["id"].tolist() if name in known]
    if not shown:
        raise ValueError("images: hold none of the first objects of the table")
    pictures = dict(zip(shown, rgb(images[images.rows_of(shown)].read()), strict=True))
    for ax in grid:
        ax.set_xticks([])
        ax.set_yticks([])
        ax.set_facecolor(PAPER)
        for spine in ax.spines.values():
            spine.set_visible(False)
    for ax, row, right in zip(grid, table, truth.tolist(), strict=False):
        ax.imshow(pictures.get(row["id"], np.full((2, 2, 3), 0.15)), origin="lower", interpolation="nearest")
        ax.set_title(_short(str(row["id"])), fontsize=6, color=QUIET, pad=3)
        text = {"transform": ax.transAxes, "va": "bottom", "fontsize": 6, "color": INK}
        ax.text(0.04, 0.03, f"{row['rank']}", ha="left", **text)
        ax.text(0.96, 0.03, f"{row['score']:.3g}", ha="right", **text)
        if right >= 0:
            for spine in ax.spines.values():
                spine.set(visible=True, color=_YES if right else _NO, linewidth=1.6)


def _draw_curves(pure: Axes, full: Axes, positive: np.ndarray) -> None:
    count = len(positive)
    depths = np.unique(np.geomspace(1, count, _POINTS).round().astype(int))
    purity, completeness = _at(np.ones((1, count)), positive, depths)
    # Each object counts as often as a bootstrap sample would have drawn it.
    weights = np.random.default_rng(0).poisson(1.0, (max(20, min(_SAMPLES, _NUMBERS // count)), count))
    purities, completenesses = _at(weights, positive, depths)
    base = positive.mean()
    for ax, line, sampled, colour, name in (
        (pure, purity[0], purities, _PURE, "purity"),
        (full, completeness[0], completenesses, _FULL, "completeness"),
    ):
        low, high = np.nanpercentile(sampled, [2.5, 97.5], axis=0)
        # A share of one or two objects has no interval worth the name.
        wide = depths >= min(5, count)
        ax.fill_between(depths[wide], low[wide], high[wide], color=colour, alpha=0.25, linewidth=0)
        ax.plot(depths, line, color=colour, linewidth=1.6)
        ax.set_xscale("log")
        ax.xaxis.set_major_formatter(FuncFormatter(lambda depth, _: f"{depth:,.0f}"))
        ax.set_xlim(1, count)
        ax.set_ylim(0, 1.02)
        ax.set_xlabel("depth: how far down the list, labelled objects", fontsize=7.5, color=INK)
        ax.set_ylabel(name, fontsize=7.5, color=INK)
        ax.set_facecolor(PAPER)
        ax.tick_params(colors=QUIET, labelsize=6.5, which="both")
        ax.grid(color=LINE, linewidth=0.4)
        for side, spine in ax.spines.items():
            spine.set(visible=side in ("left", "bottom"), color=QUIET)
    pure.axhline(base, color=QUIET, linestyle="--", linewidth=1)
    pure.annotate(f"at random {base:.2g}", (1, base), (3, 3), textcoords="offset points", fontsize=6.5, color=QUIET)
    full.plot(depths, depths / count, color=QUIET, linestyle="--", linewidth=1)


def _at(weights: np.ndarray, positive: np.ndarray, depths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give purity and completeness at some depths for each set of weights."""
    reached = weights.cumsum(axis=1)[:, depths - 1]
    right = (weights * positive).cumsum(axis=1)
    with np.errstate(invalid="ignore"):
        return right[:, depths - 1] / reached, right[:, depths - 1] / right[:, -1:]


def _short(name: str) -> str:
    return name if len(name) <= 18 else f"{name[:8]}...{name[-7:]}"
