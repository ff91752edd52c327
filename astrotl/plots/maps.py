"""The feature space as a map, coloured by what is known of the objects."""

from __future__ import annotations

from typing import Any

import numpy as np
from astropy.table import Table
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from astrotl.labels import numbers, words
from astrotl.plots._style import COLOURS, INK, LINE, PAPER, QUIET, darken

__all__ = ["feature_map"]

_MARKS = ("o", "^", "s")
#: Whole numbers are classes unless there are more of them than can be told apart.
_MOST_WORDS = len(COLOURS) * len(_MARKS)
_REST = "0.42"
#: Without its dark end, which would sink into the paper.
_BRIGHT = ListedColormap(colormaps["viridis"](np.linspace(0.25, 1, 256)))


def feature_map(table: Table, *, colour: str | None = None) -> Figure:
    """Draw a map of a store, each object in the colour of its class or number.

    Parameters
    ----------
    table : `~astropy.table.Table`
        What `~astrotl.learn.project` gave: the columns ``x`` and ``y``, and any to take colours from.
    colour : str, optional
        The column of the colours; by default ``label``, if there is one. Words have a legend, the most frequent first;
        numbers have a bar. Objects without a value lie below all others, in grey.

    Returns
    -------
    `~matplotlib.figure.Figure`
        The figure; ``figure.savefig(path)`` keeps it.
    """
    lost = [name for name in ("x", "y", *([colour] if colour else [])) if name not in table.colnames]
    if lost:
        raise ValueError(f"table: has no column {lost[0]!r}; it has {', '.join(table.colnames)}")
    if not len(table):
        raise ValueError("table: has no rows to draw")
    if colour is None and "label" in table.colnames:
        colour = "label"
    meta = table.meta.get("astrotl", {})
    figure = Figure(figsize=(7.6, 6.2), facecolor=PAPER, dpi=150, layout="constrained")
    ax = figure.subplots()
    places = np.stack([numbers(table, "x"), numbers(table, "y")], axis=1)
    size = float(np.clip(14_000 / len(table), 1.5, 24))
    if colour is None:
        _scatter(ax, places, size, color=COLOURS[1])
    elif _holds_numbers(table, colour):
        _draw_numbers(figure, ax, places, numbers(table, colour), size, _title(table, colour, meta))
    else:
        _draw_words(ax, places, words(table, colour), size, _title(table, colour, meta))
    darken(ax, f"{len(table):,} objects")
    _name_axes(ax, meta.get("map"), meta.get("shares"))
    return figure


def _holds_numbers(table: Table, column: str) -> bool:
    known = np.ma.asarray(table[column]).compressed()
    if known.dtype.kind not in "fiu":
        return False
    known = known[np.isfinite(known)]
    return len(np.unique(known)) > _MOST_WORDS or bool((known != np.round(known)).any())


def _title(table: Table, colour: str, meta: dict[str, Any]) -> str:
    """Name the colours as the column was called before it became the label."""
    name = meta.get("column") or colour if colour == "label" else colour
    unit = getattr(table[colour], "unit", None)
    return f"{name} [{unit}]" if unit else str(name)


def _draw_words(ax: Axes, places: np.ndarray, values: np.ndarray, size: float, title: str) -> None:
    names, counts = np.unique(values[values != ""], return_counts=True)
    order = np.argsort(-counts, kind="stable")
    shown, others = names[order[:_MOST_WORDS]], names[order[_MOST_WORDS:]]
    unknown, other = values == "", np.isin(values, others)
    for is_it, name in ((unknown, "not known"), (other, "others")):
        if is_it.any():
            _scatter(ax, places[is_it], size, color=_REST, alpha=0.45, label=f"{name} ({is_it.sum():,})")
    # The rarest are drawn last, lest the frequent ones hide them.
    for number, name in enumerate(shown):
        turn = number // len(COLOURS)
        is_it = values == name
        _scatter(
            ax, places[is_it], size, color=COLOURS[number % len(COLOURS)], marker=_MARKS[turn],
            label=f"{name} ({is_it.sum():,})",
        )  # fmt: skip
    handles, labels = ax.get_legend_handles_labels()
    rest = len(handles) - len(shown)
    legend = ax.legend(
        [*handles[rest:], *handles[:rest]], [*labels[rest:], *labels[:rest]], title=title, loc="center left",
        bbox_to_anchor=(1.01, 0.5), fontsize=8, labelcolor=INK, frameon=False, handletextpad=0.3,
    )  # fmt: skip
    legend.get_title().set(color=INK, fontsize=8.5)
    for handle in legend.legend_handles:
        if handle is not None:
            handle.set(sizes=[26], alpha=1)


def _draw_numbers(figure: Figure, ax: Axes, places: np.ndarray, values: np.ndarray, size: float, title: str) -> None:
    known = np.isfinite(values)
    if not known.all():
        _scatter(ax, places[~known], size, color=_REST, alpha=0.45)
    # One wild value must not take all the colours.
    low, high = np.percentile(values[known], [1, 99])
    drawn = _scatter(ax, places[known], size, c=values[known], cmap=_BRIGHT, vmin=low, vmax=high)
    beyond = (values[known].min() < low, values[known].max() > high)
    bar = figure.colorbar(
        drawn, ax=ax, pad=0.02, shrink=0.9,
        extend={(False, False): "neither", (True, False): "min", (False, True): "max"}.get(beyond, "both"),
    )  # fmt: skip
    bar.solids.set_alpha(1)  # type: ignore[union-attr]
    bar.set_label(title if known.all() else f"{title} ({np.sum(~known):,} not known, in grey)", color=INK, fontsize=8.5)
    bar.ax.tick_params(colors=QUIET, labelsize=7.5)
    bar.outline.set_edgecolor(LINE)


def _scatter(ax: Axes, places: np.ndarray, size: float, **look: Any) -> Any:
    return ax.scatter(places[:, 0], places[:, 1], s=size, linewidth=0, **{"alpha": 0.8, "rasterized": True, **look})


def _name_axes(ax: Axes, method: str | None, shares: list[float] | None) -> None:
    if method == "umap":
        # Neither the directions nor the lengths of such a map mean anything.
        ax.set_xticks([])
        ax.set_yticks([])
        ax.set_xlabel("UMAP: neighbours are alike; distances between groups mean nothing")
    elif method == "pca":
        held = [f" ({100 * share:.0f} % of all differences)" for share in shares or ()] or ["", ""]
        ax.set_xlabel(f"first main direction{held[0]}")
        ax.set_ylabel(f"second main direction{held[1]}")
        ax.set_aspect("equal", adjustable="datalim")
    for label in (ax.xaxis.label, ax.yaxis.label):
        label.set(fontsize=8, color=INK)
