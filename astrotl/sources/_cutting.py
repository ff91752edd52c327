"""Cuts squares out of chips: where they lie on each, and their pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from astrotl.sources._mosaics import Chip
from astrotl.sources._pixels import OpenPlanes

#: Grids that agree this well, in pixels, are cut without interpolation.
_SAME_GRID = 0.01


@dataclass(frozen=True, eq=False)
class Grids:
    """The pixels of cutouts: squares of a chip, which may reach over its edge."""

    chip: Chip
    left: np.ndarray
    bottom: np.ndarray
    size: int

    @classmethod
    def around(cls, chip: Chip, x: np.ndarray, y: np.ndarray, size: int) -> Grids:
        """Lay the grids so that the positions are within half a pixel of their centres."""
        # A position between two pixels goes the same way in every process, whatever the last digits of the WCS there.
        left, bottom = (np.floor(at - (size - 1) / 2 + 0.5 + 1e-6).astype(np.intp) for at in (x, y))
        return cls(chip, left, bottom, size)

    def on(self, other: Chip) -> Places:
        """Find where the grids lie on a chip."""
        if other is self.chip:
            here = np.ones(len(self.left), dtype=bool)
            return Places(other, self.size, self.left, self.bottom, here, np.empty((2, 0, 3, 3)))
        nodes = self._nodes_on(other)
        lies = np.isfinite(nodes).all(axis=(0, 2, 3))
        left, bottom = np.rint(np.where(lies, nodes[:, :, 0, 0], 0)).astype(np.intp)
        steps = _steps(self.size)
        off_x = np.abs(nodes[0] - left[:, None, None] - steps)
        off_y = np.abs(nodes[1] - bottom[:, None, None] - steps[:, None])
        same = np.maximum(off_x, off_y).max(axis=(1, 2)) < _SAME_GRID
        return Places(other, self.size, left, bottom, same, nodes)

    def _nodes_on(self, other: Chip) -> np.ndarray:
        """Find the pixels of another chip under nine nodes of each grid, ``(x and y, n, 3, 3)``."""
        steps = _steps(self.size)
        x, y = np.broadcast_arrays(self.left[:, None, None] + steps, self.bottom[:, None, None] + steps[:, None])
        lon, lat = self.chip.to_sky(x.ravel(), y.ravel())
        if not other.wcs.has_distortion:
            return np.stack(other.from_sky(lon, lat, self.chip.frame)).reshape(2, *x.shape)
        # Distortion is undone in rounds, as many as the worst position needs; a cutout is not to hang on its block.
        each = zip(lon.reshape(-1, 9), lat.reshape(-1, 9), strict=True)
        nodes = [np.stack(other.from_sky(*grid, self.chip.frame)) for grid in each]
        return np.stack(nodes, axis=1).reshape(2, *x.shape)


@dataclass(frozen=True, eq=False)
class Places:
    """Where grids lie on a chip: on pixels of its own, or between them as nine nodes of each grid say."""

    chip: Chip
    size: int
    left: np.ndarray
    bottom: np.ndarray
    same: np.ndarray
    nodes: np.ndarray

    def cutout(self, number: int, opened: OpenPlanes) -> np.ndarray:
        """Give the chip's pixels on one of the grids, NaN where it has none."""
        if self.same[number]:
            return opened.box(self.chip, int(self.left[number]), int(self.bottom[number]), self.size, self.size)
        nodes = self.nodes[:, number]
        if not np.isfinite(nodes).all():
            return np.full((self.size, self.size), np.nan, dtype=np.float32)
        x, y = _through_nodes(nodes, self.size)
        left, bottom = int(np.floor(x.min())), int(np.floor(y.min()))
        width, height = int(np.ceil(x.max())) - left + 1, int(np.ceil(y.max())) - bottom + 1
        pixels = opened.box(self.chip, left, bottom, width, height)
        return np.asarray(ndimage.map_coordinates(pixels, [y - bottom, x - left], order=1, cval=np.nan))


def _steps(size: int) -> np.ndarray:
    return np.array([0.0, (size - 1) / 2, size - 1])


def _through_nodes(values: np.ndarray, size: int) -> np.ndarray:
    """Lay the parabola through three nodes a side over whole grids; sky projections bend far less than that."""
    t = np.linspace(-1, 1, size)
    weights = np.stack([t * (t - 1) / 2, 1 - t**2, t * (t + 1) / 2], axis=1)
    return np.asarray(weights @ values @ weights.T)
