"""Estimated against true values, with residuals and intervals."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from astropy.table import Table
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from astrotl.labels import numbers, truths
from astrotl.learn.scoring import labelled
from astrotl.measures import bias, bootstrap, coverage, explained, scatter, within
from astrotl.plots._style import (
    BLUE,
    COLUMN,
    ORANGE,
    PAGE,
    QUIET,
    RED,
    SMALL,
    SMALLEST,
    panel,
    sheet,
    styled,
    with_unit,
)
from astrotl.sources import ImageSource

__all__ = ["estimated", "properties"]

#: With more points than these their intervals would hide everything.
_MOST_BARS = 1500
#: In so many slices of the true values the residuals are summed up, if each has enough of them.
_SLICES, _FEWEST = 10, 12
_HEIGHT = 3.6
#: The heights of estimates and residuals, and what is between.
_PARTS, _GAP = (2.6, 1), 0.04


class _Estimates(NamedTuple):
    """What is compared: names, values, intervals where there are any, and which objects are as usual."""

    name: str
    unit: object
    true: np.ndarray
    value: np.ndarray
    low: np.ndarray | None
    high: np.ndarray | None
    inside: np.ndarray

    @property
    def dex(self) -> bool:
        return str(self.unit) == "dex" or self.name.lower().startswith("log")


@styled
def estimated(table: Table, *, column: str | None = None, ax: Axes | None = None) -> Axes:
    """Draw estimates against the truth, and below them how far off they are.

    The line with the band is the median of the residuals, and the middle 68 % of them, in slices of the true values.
    Open circles are objects outside the reference sample. Logarithms have a grey band that reaches 0.5 to either side.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Predictions with the columns ``label`` and ``predicted``, both numbers: of a table with a column ``part`` the
        rows of the part "test" count. Or the answer of `~astrotl.tasks.Properties`, with the columns NAME and
        NAME_true, and the intervals NAME_p16 to NAME_p84.
    column : str, optional
        NAME, where there are several.
    ax : `~matplotlib.axes.Axes`, optional
        Where to draw; by default in a figure of its own. It is cut in two, for the residuals.

    Returns
    -------
    `~matplotlib.axes.Axes`
        Where the estimates are; ``.figure.savefig(path)`` keeps it. The axes of the residuals are the figure's newest.
    """
    estimates = _of_column(table, column or _names(table)[0]) if column or _names(table) else _of_predictions(table)
    return _draw(estimates, panel(ax, height=_HEIGHT))


@styled
def properties(table: Table, images: ImageSource | None = None) -> Figure:  # noqa: ARG001
    """Draw the answer of the task ``properties`` for the objects whose true values are known.

    Parameters
    ----------
    table : `~astropy.table.Table`
        A table with the columns NAME and NAME_true for one or more names.
    images : `~astrotl.sources.ImageSource`, optional
        Not needed.

    Returns
    -------
    `~matplotlib.figure.Figure`
        The figure, with a panel for each name, drawn by `estimated`.
    """
    names = _names(table)
    if not names:
        raise ValueError("table: has no column NAME with NAME_true")
    across = min(len(names), 2)
    lines = -(-len(names) // across)
    figure = sheet(COLUMN if across == 1 else PAGE, _HEIGHT * lines)
    grid = figure.subplots(lines, across, squeeze=False).ravel()
    for name, ax in zip(names, grid, strict=False):
        _draw(_of_column(table, name), ax)
    for ax in grid[len(names) :]:
        ax.set_axis_off()
    return figure


def _names(table: Table) -> list[str]:
    return [name for name in table.colnames if f"{name}_true" in table.colnames]


def _of_column(table: Table, name: str) -> _Estimates:
    lost = [column for column in (name, f"{name}_true") if column not in table.colnames]
    if lost:
        raise ValueError(f"column: the table has no {lost[0]!r}; it has {', '.join(table.colnames)}")
    true, value = numbers(table, f"{name}_true"), numbers(table, name)
    ends = [numbers(table, end) if end in table.colnames else None for end in (f"{name}_p16", f"{name}_p84")]
    known = np.isfinite(true) & np.isfinite(value)
    if not known.any():
        raise ValueError(f"table: no true value of {name!r} is known, so there is nothing to compare with")
    inside = truths(table["reliable"], "reliable") if "reliable" in table.colnames else np.ones(len(table), bool)
    low, high = (None if end is None else end[known] for end in ends)
    return _Estimates(name, table[name].unit, true[known], value[known], low, high, inside[known])


def _of_predictions(table: Table) -> _Estimates:
    known = labelled(table)
    true, value = numbers(known, "label"), numbers(known, "predicted")
    name = table.meta.get("astrotl", {}).get("parameters", {}).get("column") or "value"
    unit = getattr(table["label"], "unit", None)
    return _Estimates(name, unit, true, value, None, None, np.ones(len(true), bool))


def _draw(found: _Estimates, above: Axes) -> Axes:
    below = _split(above)
    edges = np.array([min(found.true.min(), found.value.min()), max(found.true.max(), found.value.max())])
    edges += np.array([-0.05, 0.05]) * (np.ptp(edges) or 1)
    residual = found.value - found.true
    size = float(np.clip(3000 / len(found.true), 1.5, 10))
    for ax, line, shown in ((above, edges, found.value), (below, np.zeros(2), residual)):
        if found.dex:
            ax.fill_between(edges, line - 0.5, line + 0.5, color="0.5", alpha=0.12, linewidth=0, zorder=0)
        ax.plot(edges, line, color=QUIET, linewidth=0.8, zorder=1)
        if found.low is not None and found.high is not None and len(found.true) <= _MOST_BARS:
            low, high = found.low - found.value + shown, found.high - found.value + shown
            ax.vlines(found.true, low, high, color=BLUE, linewidth=0.5, alpha=0.25, zorder=2, gid="intervals")
        inside = found.inside
        ax.scatter(
            found.true[inside], shown[inside], s=size, color=BLUE, linewidth=0, alpha=0.75, zorder=3, rasterized=True,
            gid="inside",
        )  # fmt: skip
        ax.scatter(
            found.true[~inside], shown[~inside], s=1.6 * size + 4, facecolor="none", edgecolor=RED, linewidth=0.7,
            zorder=4, gid="outside",
        )  # fmt: skip
    _draw_slices(below, found.true, residual)
    above.set(xlim=edges, ylim=edges, ylabel=f"{with_unit(found.name, found.unit)}, estimated")
    above.tick_params(labelbottom=False)
    largest = max(1.1 * float(np.abs(residual).max()), 0.66 if found.dex else 0.0) or 1.0
    below.set(ylim=(-largest, largest), ylabel="residual", xlabel=f"{with_unit(found.name, found.unit)}, true")
    # Above the panel, where it hides no object.
    above.set_title(_caption(found), fontsize=SMALLEST, linespacing=1.35)
    if not found.inside.all():
        label = f"{np.sum(~found.inside):,} outside the reference sample"
        above.text(0.97, 0.03, label, transform=above.transAxes, ha="right", fontsize=SMALL, color=RED)
    return above


def _split(ax: Axes) -> Axes:
    """Make room below axes for others that share their x."""
    figure, place = ax.get_figure(root=False), ax.get_subplotspec()
    assert figure is not None
    if place is None:
        box, share = ax.get_position(), _PARTS[1] / sum(_PARTS)
        ax.set_position((box.x0, box.y0 + (share + _GAP) * box.height, box.width, (1 - share - _GAP) * box.height))
        return figure.add_axes((box.x0, box.y0, box.width, share * box.height), sharex=ax)
    grid = place.subgridspec(2, 1, height_ratios=_PARTS, hspace=_GAP)
    ax.set_subplotspec(grid[0])
    return figure.add_subplot(grid[1], sharex=ax)


def _draw_slices(ax: Axes, true: np.ndarray, residual: np.ndarray) -> None:
    count = min(_SLICES, len(true) // _FEWEST)
    if count < 2:
        return
    parts = np.array_split(np.argsort(true, kind="stable"), count)
    middle = [np.median(true[part]) for part in parts]
    low, centre, high = np.array([np.percentile(residual[part], (16, 50, 84)) for part in parts]).T
    ax.fill_between(middle, low, high, color=ORANGE, alpha=0.3, linewidth=0, zorder=5)
    ax.plot(middle, centre, color=ORANGE, zorder=6)


def _caption(found: _Estimates) -> str:
    true, value = found.true, found.value
    lines = [
        [f"{len(true):,} objects"],
        [f"bias {bias(true, value):+.3g}", f"scatter {bootstrap(scatter, true, value)}"],
        [f"R² {bootstrap(explained, true, value)}"],
    ]
    if found.dex:
        near, nearer = (100 * within(true, value, limit) for limit in (1, 0.5))
        lines[0] += [f"{nearer:.1f} % within 0.5", f"{near:.1f} % within 1"]
    if found.low is not None and found.high is not None:
        lines[2].append(f"68 % intervals hold {100 * coverage(true, found.low, found.high):.1f} %")
    return "\n".join(", ".join(line) for line in lines)
