"""The dates of each object on a line: how far each image is from the stack, and which ones are too far."""

from __future__ import annotations

import numpy as np
from astropy.table import Table
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpecFromSubplotSpec

from astrotl.images import ImageBatch
from astrotl.plots._style import BLUE, FAINT, INK, PAGE, QUIET, RED, SMALL, SMALLEST, sheet, shorten, styled
from astrotl.sources import ImageSource

__all__ = ["epoch_timelines"]

_GOOD, _BAD, _NIGHT = BLUE, RED, "#f6e3c3"
#: Distances are drawn on a scale that is linear up to so many thresholds and logarithmic beyond.
_LINEAR = 2.0
#: The width of the lines, in widths of an image.
_WIDE = 6
_LETTERS = 12


@styled
def epoch_timelines(table: Table, images: ImageSource, *, objects: int = 6, most: int = 6) -> Figure:
    """Draw the distances of each object's epochs over time, and the images that were flagged beside its stack.

    Parameters
    ----------
    table : `~astropy.table.Table`
        What `~astrotl.tasks.Epochs` gave.
    images : `~astrotl.sources.ImageSource`
        Where the images are; those of the objects' stacks among them.
    objects : int, optional
        How many objects are drawn: those with the most flagged epochs.
    most : int, optional
        How many flagged images are drawn of each.

    Returns
    -------
    `~matplotlib.figure.Figure`
        The figure; ``figure.savefig(path)`` keeps it.
    """
    if not len(table):
        raise ValueError("table: has no rows to draw")
    names, number = np.unique(table["object"], return_inverse=True)
    counts = np.bincount(number, weights=table["flagged"])
    shown = names[np.argsort(-counts, kind="stable")[:objects]]
    epochs = np.unique(table["epoch"])
    across = 1 + min(most, int(counts.max()))
    figure = sheet(PAGE, 0.95 * len(shown) + 0.6)
    grid = figure.add_gridspec(len(shown), 2, width_ratios=[_WIDE, across])
    first: Axes | None = None
    for place, name in enumerate(shown):
        rows = table[table["object"] == name]
        line = figure.add_subplot(grid[place, 0], sharex=first)
        first = first or line
        _draw_line(line, rows, epochs)
        line.tick_params(labelbottom=place == len(shown) - 1)
        _draw_images(figure, GridSpecFromSubplotSpec(1, across, grid[place, 1], wspace=0.05), rows, images)
    _label_dates(line, epochs)
    handles, labels = line.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=len(labels))
    if len(shown) > 1:
        figure.supylabel("distance from the stack / threshold")
    else:
        line.set_ylabel("distance / threshold")
    return figure


def _draw_line(ax: Axes, rows: Table, epochs: np.ndarray) -> None:
    at = np.searchsorted(epochs, rows["epoch"])
    height = np.asarray(rows["distance"] / rows["threshold"])
    flagged = np.asarray(rows["flagged"])
    for night in at[np.asarray(rows["bad_night"])]:
        ax.axvspan(night - 0.5, night + 0.5, color=_NIGHT, lw=0, zorder=0)
    ax.axhline(1, color=INK, linewidth=0.8, linestyle="--", label="threshold of the object")
    ax.vlines(at, 0, height, color=FAINT, linewidth=0.6, zorder=1)
    ax.plot(at[~flagged], height[~flagged], "o", markersize=2.5, color=_GOOD, label="kept")
    ax.plot(at[flagged], height[flagged], "D", markersize=3.5, color=_BAD, label="flagged")
    ax.fill_between([], [], [], color=_NIGHT, lw=0, label="bad night")
    ax.set_yscale("symlog", linthresh=_LINEAR, linscale=2)
    ax.set_ylim(0, max(1.6, 1.5 * float(height.max())))
    ticks = [tick for tick in (0, 1, 3, 10, 100, 1000) if tick <= ax.get_ylim()[1]]
    ax.set_yticks(ticks, [str(tick) for tick in ticks])
    ax.minorticks_off()
    ax.set_xlim(-0.8, len(epochs) - 0.2)
    ax.set_title(str(rows["object"][0]), fontsize=SMALL, pad=2)


def _label_dates(ax: Axes, epochs: np.ndarray) -> None:
    step = -(-len(epochs) // 10)
    ax.set_xticks(np.arange(0, len(epochs), step), epochs[::step], rotation=30 if len(str(epochs[0])) > 4 else 0)


def _draw_images(figure: Figure, grid: GridSpecFromSubplotSpec, rows: Table, images: ImageSource) -> None:
    """Draw the stack and the worst of the flagged images, all on the stack's own scale."""
    worst = rows[np.asarray(rows["flagged"])]
    worst = worst[np.argsort(-np.asarray(worst["score"]), kind="stable")[: grid.ncols - 1]]
    wanted = [f"{rows['object'][0]}/stack", *worst["id"].tolist()]
    known = set(images.ids.tolist())
    shown = [name for name in wanted if name in known]
    if not shown:
        return
    batch = images[images.rows_of(shown)].read()
    for place, picture in enumerate(_greys(batch)):
        ax = figure.add_subplot(grid[0, place])
        ax.imshow(picture, cmap="gray_r", vmin=0, vmax=1)
        ax.set_xticks([])
        ax.set_yticks([])
        is_stack = shown[place].endswith("/stack")
        for spine in ax.spines.values():
            spine.set_color(QUIET if is_stack else _BAD)
        date = shorten(shown[place].rpartition("/")[2], _LETTERS)
        ax.set_title(date, fontsize=SMALLEST, pad=2, loc="center")


def _greys(batch: ImageBatch) -> np.ndarray:
    """Stretch the mean of the bands as the first image asks for; NaN stays NaN and is drawn as blank."""
    known = np.isfinite(batch.data)
    count = np.maximum(known.sum(axis=1), 1)
    mean = np.where(known.any(axis=1), np.where(known, batch.data, 0).sum(axis=1) / count, np.nan)
    last = mean[-1] if len(mean) > 1 else mean[0]
    noise = 1.4826 * np.nanmedian(np.abs(last - np.nanmedian(last))) if np.isfinite(last).any() else 0.0
    sky = np.nanmedian(mean[0]) if np.isfinite(mean[0]).any() else 0.0
    top = np.nanmax(mean[0]) - sky if np.isfinite(mean[0]).any() else 1.0
    unit = noise or abs(top) or 1.0
    low, high = np.arcsinh(-2.0), np.arcsinh(max(top / unit, 5.0))
    return np.asarray((np.arcsinh((mean - sky) / unit) - low) / (high - low))
