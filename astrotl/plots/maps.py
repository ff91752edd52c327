"""The feature space as a map, coloured by what is known of the objects."""

from __future__ import annotations

from typing import Any

import numpy as np
from astropy.table import Table
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap

from astrotl.labels import numbers, words
from astrotl.plots._style import COLOURS, MARKS, PAGE, SMALL, UNKNOWN, panel, styled, with_unit

__all__ = ["feature_map"]

#: Whole numbers are classes unless there are more of them than can be told apart.
_MOST_WORDS = len(COLOURS) * len(MARKS)
#: Without its light end, which would sink into the paper.
_DARK = ListedColormap(colormaps["viridis"](np.linspace(0, 0.93, 256)))


@styled
def feature_map(table: Table, *, colour: str | None = None, ax: Axes | None = None) -> Axes:
    """Draw a map of a store, each object in the colour of its class or number.

    Parameters
    ----------
    table : `~astropy.table.Table`
        What `~astrotl.learn.project` gave: the columns ``x`` and ``y``, and any to take colours from.
    colour : str, optional
        The column of the colours; by default ``label``, if there is one. Words have a legend, the most frequent first;
        numbers have a bar. Objects without a value lie below all others, in grey.
    ax : `~matplotlib.axes.Axes`, optional
        Where to draw; by default in a figure of its own.

    Returns
    -------
    `~matplotlib.axes.Axes`
        What was drawn in; ``.figure.savefig(path)`` keeps it.
    """
    lost = [name for name in ("x", "y", *([colour] if colour else [])) if name not in table.colnames]
    if lost:
        raise ValueError(f"table: has no column {lost[0]!r}; it has {', '.join(table.colnames)}")
    if not len(table):
        raise ValueError("table: has no rows to draw")
    if colour is None and "label" in table.colnames:
        colour = "label"
    meta = table.meta.get("astrotl", {})
    ax = panel(ax, 0.72 * PAGE, 0.55 * PAGE)
    places = np.stack([numbers(table, "x"), numbers(table, "y")], axis=1)
    size = float(np.clip(7_000 / len(table), 1.0, 14))
    if colour is None:
        _scatter(ax, places, size, color=COLOURS[0])
    elif _holds_numbers(table, colour):
        _draw_numbers(ax, places, numbers(table, colour), size, _title(table, colour, meta))
    else:
        _draw_words(ax, places, words(table, colour), size, _title(table, colour, meta))
    _name_axes(ax, meta.get("map"), meta.get("shares"))
    return ax


def _holds_numbers(table: Table, column: str) -> bool:
    known = np.ma.asarray(table[column]).compressed()
    if known.dtype.kind not in "fiu":
        return False
    known = known[np.isfinite(known)]
    return len(np.unique(known)) > _MOST_WORDS or bool((known != np.round(known)).any())


def _title(table: Table, colour: str, meta: dict[str, Any]) -> str:
    """Name the colours as the column was called before it became the label."""
    name = meta.get("column") or colour if colour == "label" else colour
    return with_unit(str(name), getattr(table[colour], "unit", None))


def _draw_words(ax: Axes, places: np.ndarray, values: np.ndarray, size: float, title: str) -> None:
    names, counts = np.unique(values[values != ""], return_counts=True)
    order = np.argsort(-counts, kind="stable")
    shown, others = names[order[:_MOST_WORDS]], names[order[_MOST_WORDS:]]
    unknown, other = values == "", np.isin(values, others)
    for is_it, name in ((unknown, "not known"), (other, "others")):
        if is_it.any():
            _scatter(ax, places[is_it], size, color=UNKNOWN, alpha=0.6, label=f"{name} ({is_it.sum():,})")
    # The rarest are drawn last, lest the frequent ones hide them.
    for number, name in enumerate(shown):
        turn = number // len(COLOURS)
        is_it = values == name
        _scatter(
            ax, places[is_it], size, color=COLOURS[number % len(COLOURS)], marker=MARKS[turn],
            label=f"{name} ({is_it.sum():,})",
        )  # fmt: skip
    handles, labels = ax.get_legend_handles_labels()
    rest = len(handles) - len(shown)
    legend = ax.legend(
        [*handles[rest:], *handles[:rest]], [*labels[rest:], *labels[:rest]], title=title, loc="center left",
        bbox_to_anchor=(1.01, 0.5), handletextpad=0.3, alignment="left",
    )  # fmt: skip
    for handle in legend.legend_handles:
        if handle is not None:
            handle.set(sizes=[20], alpha=1)


def _draw_numbers(ax: Axes, places: np.ndarray, values: np.ndarray, size: float, title: str) -> None:
    known = np.isfinite(values)
    if not known.all():
        _scatter(ax, places[~known], size, color=UNKNOWN, alpha=0.6)
    # One wild value must not take all the colours.
    low, high = np.percentile(values[known], [1, 99])
    drawn = _scatter(ax, places[known], size, c=values[known], cmap=_DARK, vmin=low, vmax=high)
    beyond = (values[known].min() < low, values[known].max() > high)
    figure = ax.get_figure(root=False)
    assert figure is not None
    bar = figure.colorbar(
        drawn, ax=ax, pad=0.02, shrink=0.9,
        extend={(False, False): "neither", (True, False): "min", (False, True): "max"}.get(beyond, "both"),
    )  # fmt: skip
    bar.solids.set_alpha(1)  # type: ignore[union-attr]
    bar.set_label(title if known.all() else f"{title} ({np.sum(~known):,} not known, in grey)")


def _scatter(ax: Axes, places: np.ndarray, size: float, **look: Any) -> Any:
    return ax.scatter(places[:, 0], places[:, 1], s=size, linewidth=0, **{"alpha": 0.8, "rasterized": True, **look})


def _name_axes(ax: Axes, method: str | None, shares: list[float] | None) -> None:
    if method == "umap":
        # Neither the directions nor the lengths of such a map mean anything.
        ax.set_xticks([])
        ax.set_yticks([])
        ax.set_xlabel("UMAP: neighbours are alike; distances between groups mean nothing", fontsize=SMALL)
    elif method == "pca":
        held = [f" ({100 * share:.0f} % of all differences)" for share in shares or ()] or ["", ""]
        ax.set_xlabel(f"first main direction{held[0]}")
        ax.set_ylabel(f"second main direction{held[1]}")
        ax.set_aspect("equal", adjustable="datalim")
