"""What a detector has found: the images with boxes, and completeness and purity against the score and each other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

import numpy as np
from astropy.table import Table
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from astrotl.detection import best_threshold, completeness_by, completeness_curve, match
from astrotl.detection.matching import must_agree
from astrotl.detection.table import check_boxes, corners
from astrotl.images import ImageBatch
from astrotl.pictures import rgb
from astrotl.plots._style import BLUE, INK, ORANGE, PAGE, QUIET, RED, SMALL, SMALLEST, sheet, shorten, styled, with_unit
from astrotl.sources import Field

__all__ = ["boxed", "completeness_purity"]

#: Told apart by the line as well as by the colour.
_LOOKS: dict[str, dict[str, Any]] = {
    "found": {"color": BLUE, "linestyle": "-", "linewidth": 1.2},
    "right": {"color": BLUE, "linestyle": "-", "linewidth": 1.2},
    "missed": {"color": ORANGE, "linestyle": (0, (3, 1.5)), "linewidth": 1.2},
    "false": {"color": RED, "linestyle": (0, (1, 0.5)), "linewidth": 1.8},
}
#: Images are drawn with no more pixels than this along a side.
_SHARPEST = 768
_LETTERS = 30
_CURVES = {"completeness": {"color": ORANGE, "linestyle": "--"}, "purity": {"color": BLUE, "linestyle": "-"}}


@styled
def boxed(
    fields: Iterable[Field],
    found: Table,
    true: Table | None = None,
    *,
    threshold: float = 0.5,
    columns: int = 4,
    most: int = 16,
    radius: float | None = None,
    overlap: float = 0.5,
    classes: bool | None = None,
) -> Figure:
    """Draw images with the boxes that were found in them: right ones, false ones, and the true ones that were missed.

    Where there are several classes, each box has the name of its own, and one with the wrong name is false.

    Parameters
    ----------
    fields : iterable of `~astrotl.sources.Field`
        The images.
    found : `~astropy.table.Table`
        Boxes with scores.
    true : `~astropy.table.Table`, optional
        The true boxes; without them there is no right and wrong.
    threshold : float, optional
        The score from which on a box counts as found.
    columns : int, optional
        How many images a row holds.
    most : int, optional
        How many images are drawn at the most, the first ones; the legend counts their boxes.
    radius, overlap : float, optional
        How found and true boxes are matched, as in `astrotl.detection.match`.
    classes : bool, optional
        Whether a match must be of the same class; by default where the true boxes have more than one.

    Returns
    -------
    `~matplotlib.figure.Figure`
        The figure; ``figure.savefig(path)`` keeps it.
    """
    for name, value in (("columns", columns), ("most", most)):
        if value < 1:
            raise ValueError(f"{name}: expected one or more, got {value}")
    shown = list(islice(fields, most))
    if not shown:
        raise ValueError("fields: hold no image to draw")
    boxes = _sorted_out(found, true, threshold, radius=radius, overlap=overlap, classes=classes)
    named = len({str(name) for some in boxes.values() for name in some["class"]}) > 1
    counts = dict.fromkeys(boxes, 0)
    across = min(columns, len(shown))
    lines = -(-len(shown) // across)
    tall = max(field.shape[0] / field.shape[1] for field in shown)
    wide = PAGE / max(across, 2)
    figure = sheet(wide * across, (wide * min(tall, 2.0) + 0.1) * lines + 0.25)
    grid = figure.subplots(lines, across, squeeze=False).ravel()
    for ax in grid:
        ax.set_axis_off()
    for ax, field in zip(grid, shown, strict=False):
        _draw_field(ax, field)
        for kind, some in boxes.items():
            here = some[np.asarray(some["image"], dtype=np.str_) == field.id]
            counts[kind] += len(here)
            _draw_boxes(ax, here, kind, named)
    handles = [Line2D([], [], label=f"{kind} ({count:,})", **_LOOKS[kind]) for kind, count in counts.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), handlelength=2.6)
    return figure


@styled
def completeness_purity(
    found: Table,
    true: Table,
    *,
    threshold: float | None = None,
    by: str | None = None,
    radius: float | None = None,
    overlap: float = 0.5,
    classes: bool | None = None,
) -> Figure:
    """Draw completeness and purity against the score, and against each other; bands and bars are 95 % intervals.

    Parameters
    ----------
    found, true : `~astropy.table.Table`
        Boxes with scores, and the true ones.
    threshold : float, optional
        The score to mark; by default the one at which the lower of completeness and purity is highest.
    by : str, optional
        A column of ``true``, such as a magnitude: a third panel has completeness at the threshold in bins of it, and
        purity if ``found`` has the column too.
    radius, overlap : float, optional
        How found and true boxes are matched, as in `astrotl.detection.match`.
    classes : bool, optional
        Whether a match must be of the same class; by default where the true boxes have more than one.

    Returns
    -------
    `~matplotlib.figure.Figure`
        The figure; ``figure.savefig(path)`` keeps it.
    """
    if not len(true):
        raise ValueError("true: has no box to be found")
    matching: dict[str, Any] = {"radius": radius, "overlap": overlap, "classes": classes}
    if threshold is None:
        threshold = best_threshold(found, true, **matching)
    curve = completeness_curve(found, true, **matching)
    if not len(curve):
        raise ValueError("found: has no box to draw")
    # The mark needs not be one of the scores.
    (marked,) = completeness_curve(found, true, thresholds=[threshold], **matching)
    count = 2 if by is None else 3
    figure = sheet(PAGE, 2.9 if count == 3 else 3.6)
    panels = figure.subplots(1, count)
    _draw_against_score(panels[0], curve, marked)
    _draw_against_each_other(panels[1], curve, marked)
    if by is not None:
        _draw_by(panels[2], completeness_by(found, true, by, threshold=threshold, **matching), true, by)
    for ax in panels:
        ax.set_ylim(0, 1.03)
    lines, names = panels[0].get_legend_handles_labels()
    # Below the panels it covers nothing.
    figure.legend(lines, names, loc="outside lower center", ncols=2)
    return figure


def _sorted_out(
    found: Table, true: Table | None, threshold: float, *, classes: bool | None, **matching: Any
) -> dict[str, Table]:
    """Sort boxes by what became of them."""
    check_boxes(found, "found", found=True)
    found = found[np.asarray(found["score"], dtype=np.float64) >= threshold]
    if true is None:
        return {"found": found}
    matches = match(found, true, classes=must_agree(true, classes), **matching)
    return {"right": found[matches.true >= 0], "missed": true[matches.found < 0], "false": found[matches.true < 0]}


def _draw_field(ax: Axes, field: Field) -> None:
    height, width = field.shape
    data = _read(field, max(1, -(-max(height, width) // _SHARPEST)))
    picture = rgb(ImageBatch(data[None], np.array([field.id]), field.channels, field.value_range))[0]
    ax.imshow(picture, extent=(-0.5, width - 0.5, -0.5, height - 0.5))
    # A box over the edge must not make room for itself.
    ax.set(xlim=(-0.5, width - 0.5), ylim=(-0.5, height - 0.5))
    ax.set_title(shorten(field.id, _LETTERS), fontsize=SMALLEST, color=QUIET, loc="center", pad=2)


def _read(field: Field, step: int) -> np.ndarray:
    """Read a field, the mean of so many pixels for one, by rows of them, so that a large one need not be in memory."""
    height, width = field.shape
    if step == 1:
        return field.read(0, 0, width, height)
    across = -(-width // step)
    rows = []
    for bottom in range(0, height, step):
        strip = field.read(0, bottom, across * step, step).reshape(len(field.channels), step, across, step)
        known = np.isfinite(strip)
        number = known.sum(axis=(1, 3))
        total = np.where(known, strip, 0).sum(axis=(1, 3))
        rows.append(np.divide(total, number, out=np.full(total.shape, np.nan, dtype=np.float32), where=number > 0))
    return np.stack(rows, axis=1)


def _draw_boxes(ax: Axes, boxes: Table, kind: str, named: bool) -> None:
    for (left, bottom, right, top), name in zip(corners(boxes), boxes["class"], strict=True):
        ax.add_patch(Rectangle((left, bottom), right - left, top - bottom, fill=False, gid=kind, **_LOOKS[kind]))
        if named:
            ax.text(left, top, str(name), color=_LOOKS[kind]["color"], fontsize=SMALLEST, va="bottom", clip_on=True)


def _draw_against_score(ax: Axes, curve: Table, marked: Table.Row) -> None:
    for name, look in _CURVES.items():
        _draw_line(ax, curve["threshold"], curve, name)
        ax.plot([marked["threshold"]], [marked[name]], "o", color=look["color"])
    ax.axvline(marked["threshold"], color=QUIET, linewidth=0.8, linestyle=(0, (4, 3)))
    ax.set(xlabel="score from which on a box counts", ylabel="share")
    ax.set_title(f"at the score {marked['threshold']:.2f}: {marked['found']:,} boxes", fontsize=SMALL)


def _draw_against_each_other(ax: Axes, curve: Table, marked: Table.Row) -> None:
    known = np.isfinite(curve["purity"])
    ax.plot(curve["completeness"][known], curve["purity"][known], color=INK)
    completeness, purity = marked["completeness"], marked["purity"]
    ax.hlines(
        purity, marked["completeness_low"], marked["completeness_high"], color=_CURVES["completeness"]["color"], lw=1.8
    )
    ax.vlines(completeness, marked["purity_low"], marked["purity_high"], color=_CURVES["purity"]["color"], lw=1.8)
    ax.plot([completeness], [purity], "o", color=INK)
    ax.set(xlim=(0, 1.03), xlabel="completeness", ylabel="purity")
    ax.set_title(f"completeness {completeness:.2f}, purity {purity:.2f}", fontsize=SMALL)


def _draw_by(ax: Axes, bins: Table, true: Table, by: str) -> None:
    middle = (np.asarray(bins["low"]) + np.asarray(bins["high"])) / 2
    for name in _CURVES:
        if name in bins.colnames:
            _draw_line(ax, middle, bins, name, marker="o")
    ax.set(xlabel=with_unit(by, getattr(true[by], "unit", None)), ylabel="share")
    ax.set_title(f"at that score, in bins of {by}", fontsize=SMALL)


def _draw_line(ax: Axes, x: Sequence[float], values: Table, name: str, **look: Any) -> None:
    look = {**_CURVES[name], **look}
    ax.fill_between(x, values[f"{name}_low"], values[f"{name}_high"], color=look["color"], alpha=0.25, linewidth=0)
    ax.plot(x, values[name], label=name, **look)
