"""How well it was learned: classes by their confusions, curves and calibration, numbers by their residuals."""

from __future__ import annotations

import textwrap

import numpy as np
from astropy.table import Table
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from scipy import stats

from astrotl.labels import numbers, words
from astrotl.learn.scoring import classes_of, labelled
from astrotl.measures import (
    accuracy,
    area_under_curve,
    bias,
    bootstrap,
    calibration_error,
    confusion,
    explained,
    f1,
    macro_f1,
    scatter,
)
from astrotl.plots._style import COLOURS, INK, LINE, ORANGE, PAPER, QUIET, SKY, darken

__all__ = ["classified", "estimated"]

_DASHES = ("-", "--", ":")
_BINS = 10
#: In so many slices of the true values the residuals are summed up, if each has enough of them.
_SLICES, _FEWEST = 10, 12


def classified(table: Table) -> Figure:
    """Draw how well classes are told apart, by the objects that were kept for the test.

    Four panels: what each class was said to be; the ROC curve of each class against the rest; how often answers of some
    probability are right; and the F1 of each class, with the range of 95 % of bootstrap samples.

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
    classes = classes_of(table)
    if len(classes) < 2:
        raise ValueError("table: has no columns p_CLASS of two or more classes")
    if "probability" not in table.colnames:
        raise ValueError(f"table: has no column 'probability'; it has {', '.join(table.colnames)}")
    known = labelled(table)
    number = {name: place for place, name in enumerate(classes)}
    true, said = (np.array([number[name] for name in words(known, column)]) for column in ("label", "predicted"))
    chances = np.stack([numbers(known, f"p_{name}") for name in classes], axis=1)

    side = float(np.clip(3.3 + 0.16 * len(classes), 4.0, 8.0))
    layout = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.12)
    figure = Figure(figsize=(2 * side + 1.2, 2 * side), facecolor=PAPER, dpi=150, layout=layout)
    (confused, curves), (calibrated, told) = figure.subplots(2, 2)
    _draw_confusion(confused, confusion(true, said, np.arange(len(classes))), classes)
    _draw_curves(curves, true, chances, classes)
    _draw_calibration(calibrated, numbers(known, "probability"), true == said)
    _draw_f1(told, true, said, classes)
    return figure


def estimated(table: Table) -> Figure:
    """Draw estimates against the truth, and below them how far off they are.

    The line with the band is the median of the residuals, and the middle 68 % of them, in slices of the true values.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Predictions with the columns ``label`` and ``predicted``, both numbers. Of a table with a column ``part`` the
        rows of the part "test" count, of another one all that have a label.

    Returns
    -------
    `~matplotlib.figure.Figure`
        The figure; ``figure.savefig(path)`` keeps it.
    """
    known = labelled(table)
    true, value = numbers(known, "label"), numbers(known, "predicted")
    figure = Figure(figsize=(5.2, 6.6), facecolor=PAPER, dpi=150, layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[2.6, 1])
    edges = np.array([min(true.min(), value.min()), max(true.max(), value.max())])
    edges += np.array([-0.05, 0.05]) * (np.ptp(edges) or 1)
    size = float(np.clip(6000 / len(true), 2, 18))
    for ax, line, shown in ((above, edges, value), (below, np.zeros(2), value - true)):
        ax.plot(edges, line, color=QUIET, linewidth=0.9, zorder=1)
        ax.scatter(true, shown, s=size, color=SKY, linewidth=0, alpha=0.7, zorder=2, rasterized=True)
        ax.set_xlim(*edges)
    above.set_ylim(*edges)
    largest = 1.1 * float(np.abs(value - true).max()) or 1.0
    below.set_ylim(-largest, largest)
    _draw_slices(below, true, value - true)
    unit = f" [{table['label'].unit}]" if getattr(table["label"], "unit", None) else ""
    column = table.meta.get("astrotl", {}).get("parameters", {}).get("column")
    name = f"{column}{unit}, " if column else ""
    above.set_ylabel(f"{name}estimated")
    below.set(ylabel="estimated - true", xlabel=f"{name}true")
    darken(above)
    darken(below)
    caption = "\n".join(
        (
            f"{len(true):,} objects",
            f"bias {bias(true, value):+.3g}",
            f"scatter {bootstrap(scatter, true, value)}",
            f"R² {bootstrap(explained, true, value)}",
        )
    )
    above.text(0.03, 0.97, caption, transform=above.transAxes, va="top", fontsize=8, color=INK, linespacing=1.4)
    return figure


def _draw_confusion(ax: Axes, counts: np.ndarray, classes: list[str]) -> None:
    members = counts.sum(axis=1, keepdims=True)
    share = np.divide(counts, members, out=np.zeros(counts.shape), where=members > 0)
    ax.imshow(share, cmap="cividis", vmin=0, vmax=1, aspect="auto")
    # In small cells there is room for one number only.
    size = float(np.interp(len(classes), (3, 8, 20), (9, 6.5, 5)))
    for row, column in np.ndindex(*counts.shape):
        if counts[row, column]:
            text = f"{100 * share[row, column]:.0f} %\n{counts[row, column]:,}"
            ax.text(
                column, row, text if len(classes) <= 8 else f"{counts[row, column]}", ha="center", va="center",
                fontsize=size, color=PAPER if share[row, column] > 0.55 else INK,
            )  # fmt: skip
    names = [_short(name) for name in classes]
    long = max(map(len, names)) * len(names) > 40
    ax.set_xticks(range(len(classes)), names, rotation=40 if long else 0, ha="right" if long else "center")
    ax.set_yticks(range(len(classes)), [f"{name} ({n:,})" for name, n in zip(names, members[:, 0], strict=True)])
    ax.set(xlabel="said to be", ylabel="is")
    darken(ax, "what each class was said to be", grid=False)
    if len(classes) > 12:
        ax.tick_params(labelsize=6)
    if long:
        for label in ax.get_xticklabels():
            label.set_rotation_mode("anchor")


def _draw_curves(ax: Axes, true: np.ndarray, chances: np.ndarray, classes: list[str]) -> None:
    ax.plot([0, 1], [0, 1], color=QUIET, linewidth=0.9, linestyle=":")
    for place, name in enumerate(classes):
        is_it = true == place
        if is_it.all() or not is_it.any():
            continue
        wrong, right = _roc(chances[:, place], is_it)
        ax.plot(
            wrong, right, color=COLOURS[place % len(COLOURS)], linestyle=_DASHES[place // len(COLOURS) % len(_DASHES)],
            linewidth=1.5, label=f"{_short(name)}  {area_under_curve(chances[:, place], is_it):.3f}",
        )  # fmt: skip
    ax.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    ax.set(xlabel="share of all others that is taken for it", ylabel="share of the class that is found")
    darken(ax, "ROC curve of each class, and the area under it")
    if ax.get_legend_handles_labels()[0]:
        ax.legend(
            fontsize=8 if len(classes) <= 10 else 6, labelcolor=INK, facecolor=PAPER, edgecolor=LINE, framealpha=0.85,
            loc="lower right", ncols=1 if len(classes) <= 12 else 2, handlelength=2.4,
        )  # fmt: skip


def _roc(score: np.ndarray, is_it: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give the shares of the others and of the class above each score, equal scores taken at once."""
    order = np.argsort(-score, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(score[order])), len(score) - 1)
    found = is_it[order].cumsum()[ends]
    return np.append(0, (ends + 1 - found) / np.sum(~is_it)), np.append(0, found / np.sum(is_it))


def _draw_calibration(ax: Axes, sure: np.ndarray, right: np.ndarray) -> None:
    place = np.clip((sure * _BINS).astype(int), 0, _BINS - 1)
    count = np.bincount(place, minlength=_BINS)
    full = np.flatnonzero(count)
    mean = np.bincount(place, sure, _BINS)[full] / count[full]
    hits = np.bincount(place, right, _BINS)[full].astype(int)
    ranges = [stats.binomtest(hit, n).proportion_ci(method="wilson") for hit, n in zip(hits, count[full], strict=True)]
    low, high = np.array([(found.low, found.high) for found in ranges]).T
    ax.plot([0, 1], [0, 1], color=QUIET, linewidth=0.9, linestyle=":")
    # How many answers each point stands for, as a strip along the floor.
    ax.bar(
        (np.arange(_BINS) + 0.5) / _BINS, 0.12 * count / count.max(), 1 / _BINS, color="0.35", edgecolor=PAPER, zorder=0
    )
    ax.vlines(mean, low, high, color=ORANGE, linewidth=1.3)
    ax.plot(mean, hits / count[full], "o-", color=ORANGE, markersize=5, linewidth=0.8)
    ax.set(xlim=(0, 1), ylim=(0, 1.02))
    ax.set(xlabel="probability of the answer", ylabel="share of right answers, with binomial 95 % intervals")
    darken(ax, f"calibration: an error of {calibration_error(sure, right, _BINS):.3f} on {len(sure):,} objects")


def _draw_f1(ax: Axes, true: np.ndarray, said: np.ndarray, classes: list[str]) -> None:
    found = [bootstrap(lambda a, b, of=place: f1(a, b, of), true, said) for place in range(len(classes))]
    names = [_short(name) for name in classes]
    mean = bootstrap(macro_f1, true, said)
    for place, measure in enumerate((*found, mean)):
        colour = INK if place == len(classes) else COLOURS[place % len(COLOURS)]
        ax.plot([measure.low, measure.high], [place, place], color=colour, linewidth=1.6)
        ax.plot([measure.value], [place], "D" if place == len(classes) else "o", color=colour, markersize=6)
        if np.isfinite(measure.value):
            ax.annotate(
                f"{measure.value:.3f}", (measure.value, place), (0, 5), textcoords="offset points", ha="center",
                fontsize=7 if len(classes) <= 12 else 5.5, color=INK,
            )  # fmt: skip
    ax.set_yticks(range(len(classes) + 1), [*names, "mean of all"])
    ax.set_ylim(len(classes) + 0.6, -0.8)
    ends = np.array([(measure.low, measure.high) for measure in (*found, mean)])
    least = float(np.nanmin(ends)) if np.isfinite(ends).any() else 0.0
    ax.set_xlim(max(-0.02, np.floor(10 * least) / 10 - 0.05), 1.02)
    ax.set_xlabel("F1, with the range of 95 % of bootstrap samples")
    darken(ax, f"F1 of each class; {100 * accuracy(true, said):.1f} % of all are right")


def _draw_slices(ax: Axes, true: np.ndarray, residual: np.ndarray) -> None:
    count = min(_SLICES, len(true) // _FEWEST)
    if count < 2:
        return
    parts = np.array_split(np.argsort(true, kind="stable"), count)
    middle = [np.median(true[part]) for part in parts]
    low, centre, high = np.array([np.percentile(residual[part], (16, 50, 84)) for part in parts]).T
    ax.fill_between(middle, low, high, color=ORANGE, alpha=0.25, linewidth=0, zorder=3)
    ax.plot(middle, centre, color=ORANGE, linewidth=1.6, zorder=4)


def _short(name: str) -> str:
    return (
        textwrap.shorten(name, 22, placeholder=" ...")
        if " " in name
        else name
        if len(name) <= 22
        else f"{name[:19]}..."
    )
