"""Images beside themselves with a map laid over: where a network looked."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from astrotl.images import ImageBatch
from astrotl.pictures import rgb
from astrotl.plots._style import INK, PAPER, QUIET

__all__ = ["explained"]

#: The brightest of the map is fully covered by it; single pixels must not outshine all others.
_TOP, _COVER = 99.5, 0.85


def explained(maps: npt.ArrayLike, batch: ImageBatch, *, columns: int = 3, most: int = 24) -> Figure:
    """Draw images, and each of them once more with its map over it: bright where the network looked.

    Parameters
    ----------
    maps : array_like
        What `~astrotl.neural.attention` or `~astrotl.neural.saliency` gave; of several heads the mean is drawn.
    batch : `~astrotl.ImageBatch`
        The images that they belong to.
    columns : int, optional
        How many objects a row holds.
    most : int, optional
        How many objects are drawn at the most.

    Returns
    -------
    `~matplotlib.figure.Figure`
        The figure; ``figure.savefig(path)`` keeps it.
    """
    values = np.asarray(maps, dtype=float)
    if values.ndim == 4:
        values = values.mean(axis=1)
    expected = (len(batch), *batch.data.shape[2:])
    if values.shape != expected:
        raise ValueError(f"maps: expected one for each image, of the shape {expected}, got {values.shape}")
    if not len(batch):
        raise ValueError("batch: has no images to draw")
    count = min(len(batch), most)
    across = min(columns, count)
    lines = -(-count // across)
    pictures = rgb(batch.select(slice(count)))
    figure = Figure(figsize=(3.5 * across + 0.1, 1.95 * lines + 0.1), facecolor=PAPER, dpi=150, layout="constrained")
    figure.set_facecolor(PAPER)
    # A narrow gap within a pair, a wider one to the next.
    grid = figure.add_gridspec(lines, 3 * across, width_ratios=[1, 1, 0.06] * across, wspace=0.02)
    for place in range(count):
        row, column = divmod(place, across)
        left, right = (figure.add_subplot(grid[row, 3 * column + side]) for side in (0, 1))
        for ax in (left, right):
            ax.set_axis_off()
        left.imshow(pictures[place], origin="lower", interpolation="nearest")
        left.set_title(_short(str(batch.ids[place])), fontsize=7, color=INK, loc="left", pad=3)
        _lay_over(right, pictures[place], values[place])
    figure.supxlabel("left: what the network was shown; right: where it looked", fontsize=7, color=QUIET)
    return figure


def _lay_over(ax: Axes, picture: np.ndarray, values: np.ndarray) -> None:
    low, high = values.min(), np.percentile(values, _TOP)
    share = np.clip((values - low) / (high - low), 0, 1) if high > low else np.zeros(values.shape)
    ax.imshow(picture.mean(axis=-1), origin="lower", cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    ax.imshow(share, origin="lower", cmap="inferno", vmin=0, vmax=1, alpha=_COVER * share, interpolation="nearest")


def _short(name: str) -> str:
    return name if len(name) <= 26 else f"{name[:12]}...{name[-11:]}"
