"""Images beside themselves with a map laid over: where a network looked."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from matplotlib import colormaps
from matplotlib.axes import Axes

from astrotl.images import ImageBatch
from astrotl.pictures import rgb
from astrotl.plots._style import styled
from astrotl.plots._tiles import Tile, draw_tiles, in_rows

__all__ = ["explained"]

#: The brightest of the map is fully covered by it; single pixels must not outshine all others.
_TOP, _COVER = 99.5, 0.85
_LARGEST = 1.6


@styled
def explained(
    maps: npt.ArrayLike, batch: ImageBatch, *, columns: int = 3, most: int = 24, ax: Axes | None = None
) -> Axes:
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
    ax : `~matplotlib.axes.Axes`, optional
        Where to draw; by default in a figure of its own.

    Returns
    -------
    `~matplotlib.axes.Axes`
        What was drawn in; ``.figure.savefig(path)`` keeps it.
    """
    values = np.asarray(maps, dtype=float)
    if values.ndim == 4:
        values = values.mean(axis=1)
    expected = (len(batch), *batch.data.shape[2:])
    if values.shape != expected:
        raise ValueError(f"maps: expected one for each image, of the shape {expected}, got {values.shape}")
    if not len(batch):
        raise ValueError("batch: has no images to draw")
    pictures = rgb(batch.select(slice(most)))
    tiles = []
    for name, picture, map_ in zip(batch.ids.tolist(), pictures, values, strict=False):
        tiles += [Tile(picture, name), Tile(_laid_over(picture, map_))]
    return draw_tiles(in_rows(tiles, 2 * columns), ax, _LARGEST)


def _laid_over(picture: np.ndarray, values: np.ndarray) -> np.ndarray:
    low, high = values.min(), np.percentile(values, _TOP)
    share = np.clip((values - low) / (high - low), 0, 1) if high > low else np.zeros(values.shape)
    cover = _COVER * share[..., None]
    laid: np.ndarray = (1 - cover) * picture.mean(axis=-1, keepdims=True) + cover * colormaps["inferno"](share)[..., :3]
    return laid
