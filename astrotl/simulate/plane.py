"""Where small images lie in a large one, and where the large one lies on the sky."""

from __future__ import annotations

import numpy as np
from astropy.wcs import WCS

from astrotl.simulate.camera import PIXEL_SCALE
from astrotl.simulate.profiles import CANVAS

__all__ = ["paste", "projection", "somewhere", "touches", "whole_pixels", "window"]


def projection(centre: tuple[float, float], pixel: tuple[float, float], scale: float = PIXEL_SCALE) -> WCS:
    """Make a tangential projection, north up and east to the left, with its centre on this pixel in x and y.

    Examples
    --------
    >>> from astrotl.simulate.plane import projection
    >>> projection((150.0, 2.0), (47.5, 47.5)).pixel_to_world_values(47.5, 47.5)
    (array(150.), array(2.))
    """
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.cunit = ["deg", "deg"]
    wcs.wcs.crval = centre
    wcs.wcs.crpix = [pixel[0] + 1, pixel[1] + 1]
    wcs.wcs.cdelt = [-scale / 3600, scale / 3600]
    wcs.wcs.radesys = "ICRS"
    return wcs


def somewhere(rng: np.random.Generator, size: int, scale: float = PIXEL_SCALE) -> WCS:
    """Point an image of this size at a place drawn by lot, away from the poles."""
    centre = (float(rng.uniform(0, 360)), float(rng.uniform(-60, 60)))
    return projection(centre, ((size - 1) / 2, (size - 1) / 2), scale)


def touches(place: np.ndarray, shape: tuple[int, ...]) -> bool:
    """Ask whether an image around a place, ``(band, 2)`` in y and x, would reach into the large one in every band."""
    reach = CANVAS / 2 - 2
    return bool(np.all(place > -reach) and np.all(place < np.array(shape[1:]) - 1 + reach))


def whole_pixels(place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find the whole pixels where an image's corner falls in each band, and how far off its middle the object is."""
    corner = np.rint(place - (CANVAS - 1) / 2).astype(int)
    return corner, place - corner - (CANVAS - 1) / 2


def window(corner: np.ndarray, shape: tuple[int, ...]) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Give the part of the large image under a small one, and that part of the small one."""
    starts = np.maximum(corner, 0)
    ends = np.minimum(corner + CANVAS, shape[1:])
    there = tuple(slice(start, end) for start, end in zip(starts, ends, strict=True))
    here = tuple(slice(start, end) for start, end in zip(starts - corner, ends - corner, strict=True))
    return there, here


def paste(large: np.ndarray, image: np.ndarray, corner: np.ndarray) -> None:
    """Add the light of a small image to a large one, each band with its own corner."""
    for row, lowest in enumerate(corner):
        there, here = window(lowest, large.shape)
        large[row][there] += image[row][here]
