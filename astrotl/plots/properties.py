"""Estimated against true values, with residuals and intervals."""

from __future__ import annotations

import numpy as np
from astropy.table import Table
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from astrotl.measures import bias, coverage, scatter, within
from astrotl.sources import ImageSource

__all__ = ["properties"]

_INSIDE, _OUTSIDE, _LINE = "#1f4e79", "#d1602b", "0.35"
#: With more points than these their intervals would hide everything.
_MOST_BARS = 1500


def properties(table: Table, images: ImageSource | None = None) -> Figure:  # noqa: ARG001
    """Draw the answer of the task ``properties`` for the objects whose true values are known.

    Above are the estimates against the true values, with their 68 % intervals; below is estimate minus truth. The
    shaded band reaches 0.5 to either side. Open circles are objects outside the reference sample.

    Parameters
    ----------
    table : `~astropy.table.Table`
        A table with the columns NAME, NAME_p16, NAME_p84 and NAME_true for one or more names.
    images : `~astrotl.sources.ImageSource`, optional
        Not needed.

    Returns
    -------
    `~matplotlib.figure.Figure`
        The figure, with a panel for each name.
    """
    names = [name for name in table.colnames if {f"{name}_p16", f"{name}_p84", f"{name}_true"} <= set(table.colnames)]
    if not names:
        raise ValueError("table: has no column NAME with NAME_p16, NAME_p84 and NAME_true")
    figure = Figure(figsize=(3.9 * len(names) + 0.3, 5.2), dpi=150, layout="constrained")
    grid = figure.subplots(2, len(names), squeeze=False, sharex="col", height_ratios=[2.6, 1])
    for number, name in enumerate(names):
        _draw(grid[0, number], grid[1, number], table, name)
    return figure


def _draw(above: Axes, below: Axes, table: Table, name: str) -> None:
    ends = ("_true", "", "_p16", "_p84")
    columns: list[np.ndarray] = [np.ma.filled(np.ma.asarray(table[name + end], dtype=float), np.nan) for end in ends]
    known = np.isfinite(columns[0]) & np.isfinite(columns[1])
    if not known.any():
        raise ValueError(f"table: no true value of {name!r} is known, so there is nothing to compare with")
    inside = np.asarray(table["reliable"], dtype=bool) if "reliable" in table.colnames else np.ones(len(table), bool)
    inside = inside[known]
    true, value, low, high = (column[known] for column in columns)

    edges = np.array([min(true.min(), value.min()), max(true.max(), value.max())])
    edges += np.array([-0.06, 0.06]) * (np.ptp(edges) or 1)
    zero = np.zeros(2)
    for ax, line, shown in ((above, edges, value), (below, zero, value - true)):
        ax.fill_between(edges, line - 0.5, line + 0.5, color="0.5", alpha=0.13, lw=0, zorder=0)
        ax.plot(edges, line, color=_LINE, lw=0.9, zorder=1)
        if len(true) <= _MOST_BARS:
            ax.vlines(true, low - value + shown, high - value + shown, color=_INSIDE, lw=0.5, alpha=0.22, zorder=2)
        size = float(np.clip(4000 / len(true), 2, 16))
        ax.scatter(true[inside], shown[inside], s=size, color=_INSIDE, lw=0, alpha=0.75, zorder=3, rasterized=True)
        ax.scatter(
            true[~inside], shown[~inside], s=1.6 * size + 4, facecolor="none", edgecolor=_OUTSIDE, lw=0.9, zorder=4
        )
        ax.set_xlim(*edges)
        ax.tick_params(direction="in", top=True, right=True, labelsize=8)
    above.set_ylim(*edges)
    largest = 1.1 * max(np.abs(value - true).max(), 0.6)
    below.set_ylim(-largest, largest)

    unit = f" [{table[name].unit}]" if table[name].unit else ""
    above.set_ylabel(f"{name}{unit}, estimated", fontsize=9)
    below.set_ylabel("estimated - true", fontsize=9)
    below.set_xlabel(f"{name}{unit}, true", fontsize=9)
    above.text(0.04, 0.96, _caption(true, value, low, high), transform=above.transAxes, va="top", fontsize=7.5)
    if not inside.all():
        label = f"{np.sum(~inside)} outside the reference sample"
        above.text(0.97, 0.03, label, transform=above.transAxes, ha="right", fontsize=7.5, color=_OUTSIDE)


def _caption(true: np.ndarray, value: np.ndarray, low: np.ndarray, high: np.ndarray) -> str:
    near, nearer = (100 * within(true, value, limit) for limit in (1, 0.5))
    lines = (
        f"{len(true):,} objects",
        f"bias {bias(true, value):+.2f}, scatter {scatter(true, value):.2f}",
        f"{nearer:.1f} % within 0.5, {near:.1f} % within 1",
        f"68 % intervals hold {100 * coverage(true, low, high):.1f} %",
    )
    return "\n".join(lines)
