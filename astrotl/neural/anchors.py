"""Which boxes a detector begins with: those of the sizes and shapes that it is to find."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Anchors", "fit_anchors"]

#: A box has at least so many places of a map along its side, and no detector more maps than that.
_PLACES, _MAPS = 3, 3
_SIZES_A_MAP = 2


@dataclass(frozen=True)
class Anchors:
    """The boxes that a detector begins with at each place of each map.

    Parameters
    ----------
    strides : tuple of int
        How many pixels apart the places of each map lie.
    sizes : tuple of tuple of float
        For each map, the sizes in pixels: the root of the area.
    ratios : tuple of float
        The heights of boxes over their widths.
    """

    strides: tuple[int, ...]
    sizes: tuple[tuple[float, ...], ...]
    ratios: tuple[float, ...]


def fit_anchors(width: np.ndarray, height: np.ndarray, strides: Sequence[int]) -> Anchors:
    """Choose maps, sizes and shapes that suit boxes.

    The sizes lie evenly, in factors, between the small and the large boxes, two a map; the shapes are the middle and
    the ends of those that the boxes have, unless nearly all are alike.

    Examples
    --------
    >>> from astrotl.neural.anchors import fit_anchors
    >>> fit_anchors(np.full(50, 24.0), np.full(50, 24.0), strides=(4, 8, 16, 32))
    Anchors(strides=(8,), sizes=((20.2, 28.5),), ratios=(1.0,))
    """
    sizes = np.sqrt(width * height)
    small, large = np.quantile(sizes, [0.05, 0.95])
    fine = [stride for stride in strides if stride * _PLACES <= small] or [min(strides)]
    first = list(strides).index(max(fine))
    # A coarser map is there for what is twice as large.
    count = int(np.clip(1 + np.floor(np.log2(large / small) + 0.5), 1, min(_MAPS, len(strides) - first)))
    taken = tuple(strides[first : first + count])
    middle, reach = np.sqrt(small * large), max(np.sqrt(large / small), 2**0.25)
    ladder = middle * np.geomspace(1 / reach, reach, _SIZES_A_MAP * count)
    shapes = np.quantile(np.log(height / width), [0.1, 0.5, 0.9])
    ratios = np.exp(shapes) if np.ptp(shapes) > np.log(1.5) else np.exp(shapes[1:2])
    return Anchors(
        taken,
        tuple(tuple(np.round(pair, 1).tolist()) for pair in ladder.reshape(count, _SIZES_A_MAP)),
        tuple(dict.fromkeys(float(f"{ratio:.3g}") for ratio in ratios)),
    )
