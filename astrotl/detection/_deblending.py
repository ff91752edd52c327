"""Part what touches: every pixel belongs to the peak that one climbs to from it, if the peak stands out enough."""

from __future__ import annotations

import numpy as np

__all__ = ["deblend"]

_FRACTION = 0.01
_STEPS = ((0, 1), (1, -1), (1, 0), (1, 1))


def deblend(image: np.ndarray, segments: np.ndarray, prominence: float) -> np.ndarray:
    """Part segments at the saddles between their peaks.

    Of two peaks the lower one is a source of its own if it stands higher than ``prominence``, and than one per cent of
    its own height, above the saddle to the other: what is bright has more noise than the sky. The deblending of
    photutils would need scikit-image, and loops over all sources.

    Parameters
    ----------
    image : `~numpy.ndarray`
        The smoothed image, in units of its noise.
    segments : `~numpy.ndarray` of int
        The number of the segment that each pixel belongs to; 0 is none.
    prominence : float
        How far a peak must stand above the saddle, in the units of the image.

    Returns
    -------
    `~numpy.ndarray` of int
        The segments, counted from 1.
    """
    height = np.where(segments > 0, image, -np.inf).astype(np.float64)
    peak_of = _climb(height, segments > 0)
    merged_into = {peak: peak for peak in np.unique(peak_of[segments > 0]).tolist()}

    def root(peak: int) -> int:
        while merged_into[peak] != peak:
            merged_into[peak] = peak = merged_into[merged_into[peak]]
        return peak

    flat = height.ravel()
    for one, other, saddle in _saddles(height, peak_of):
        low, high = sorted((root(one), root(other)), key=lambda peak: (flat[peak], -peak))
        if low != high and flat[low] - saddle < max(prominence, _FRACTION * flat[low]):
            merged_into[low] = high
    parted = np.zeros(height.size, dtype=np.intp)
    inside = np.flatnonzero(segments)
    parted[inside] = np.unique([root(peak) for peak in peak_of.ravel()[inside].tolist()], return_inverse=True)[1] + 1
    return parted.reshape(height.shape)


def _climb(height: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Give each pixel the flat index of the peak that the steepest way from it leads to."""
    index = np.arange(height.size).reshape(height.shape)
    best, target = height.copy(), index.copy()
    for dy, dx in (*_STEPS, *((-dy, -dx) for dy, dx in _STEPS)):
        here, there = _shifted(dy, dx)
        # Of equal pixels the later one counts as higher, so that no way is a circle.
        better = (height[there] > best[here]) | ((height[there] == best[here]) & (index[there] > target[here]))
        better &= inside[here] & inside[there]
        best[here] = np.where(better, height[there], best[here])
        target[here] = np.where(better, index[there], target[here])
    way = target.ravel()
    while not np.array_equal(further := way[way], way):
        way = further
    return way.reshape(height.shape)


def _saddles(height: np.ndarray, peak_of: np.ndarray) -> list[tuple[int, int, float]]:
    """List the highest passage between each two peaks that touch, the highest first."""
    found = []
    for dy, dx in _STEPS:
        here, there = _shifted(dy, dx)
        passage = np.minimum(height[here], height[there])
        between = (peak_of[here] != peak_of[there]) & np.isfinite(passage)
        found.append(np.stack([peak_of[here][between], peak_of[there][between], passage[between]]))
    one, other, passage = np.concatenate(found, axis=1)
    order = np.argsort(-passage, kind="stable")
    return list(
        zip(one[order].astype(int).tolist(), other[order].astype(int).tolist(), passage[order].tolist(), strict=True)
    )


def _shifted(dy: int, dx: int) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Give the pixels that have a neighbour in this direction, and these neighbours."""
    along = [(slice(max(-d, 0), -d if d > 0 else None), slice(max(d, 0), d if d < 0 else None)) for d in (dy, dx)]
    (y_here, y_there), (x_here, x_there) = along
    return (y_here, x_here), (y_there, x_there)
