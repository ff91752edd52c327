"""How far each pixel stands above the sky, in units of the noise, all bands together."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from astropy.stats import mad_std
from scipy import ndimage

__all__ = ["noise_of_sums", "significance", "smoothed"]


def significance(
    data: np.ndarray, smooth: float, flatten: Callable[[np.ndarray], np.ndarray], step: float = 0.0
) -> np.ndarray:
    """Sum the bands in units of their noise, and smooth the sum.

    Parameters
    ----------
    data : `~numpy.ndarray`
        The bands, ``(channel, y, x)``; NaN is no data.
    smooth : float
        The standard deviation of the Gaussian that smooths, in pixels.
    flatten : callable
        Takes the sky from a band.
    step : float, optional
        The step between two values of a picture, which its noise cannot be below.

    Returns
    -------
    `~numpy.ndarray`
        The significance, 0 where there is no data.
    """
    total, count = np.zeros(data.shape[1:]), np.zeros(data.shape[1:], dtype=int)
    for band in data.astype(np.float64):
        known = np.isfinite(band)
        if not known.any():
            continue
        flat = flatten(band)
        # In a picture whose sky is cut off most pixels are the same.
        noise = max(mad_std(flat[known]), step) or np.std(flat[known])
        total[known] += flat[known] / (noise or 1.0)
        count += known
    unknown = count == 0
    image = np.where(unknown, np.nan, total / np.sqrt(np.maximum(count, 1)))
    image = np.where(unknown, 0, smoothed(image, smooth))
    # The pixels of many an image are not independent; those of a sky that is cut off only seem to have no noise.
    white = min(1.0, 1 / (2 * np.sqrt(np.pi) * smooth)) if smooth else 1.0
    return image / max(mad_std(image[~unknown]), white) if not unknown.all() else image


def smoothed(image: np.ndarray, width: float) -> np.ndarray:
    """Smooth with a Gaussian of this standard deviation, over the pixels that are known."""
    known = np.isfinite(image)
    weight = ndimage.gaussian_filter(known.astype(np.float64), width)
    return ndimage.gaussian_filter(np.where(known, image, 0), width) / np.maximum(weight, 1e-6)


def noise_of_sums(segments: np.ndarray, smooth: float, structure: float | None = None) -> np.ndarray:
    """Give the noise of the sum of the significance over each segment: what was smoothed adds up, more than its root.

    Parameters
    ----------
    segments : `~numpy.ndarray` of int
        The number of the segment that each pixel belongs to, from 1; 0 is none.
    smooth : float
        The standard deviation of the Gaussian that has smoothed the noise, in pixels.
    structure : float, optional
        That of a Gaussian that was taken off.

    Returns
    -------
    `~numpy.ndarray`
        The noise, where that of a pixel is 1.

    Examples
    --------
    >>> segments = np.ones((3, 3), dtype=int)
    >>> noise_of_sums(segments, smooth=0).round(1).tolist(), noise_of_sums(segments, smooth=1.5).round(1).tolist()
    ([3.0], [7.9])
    """
    reach = int(np.ceil(4 * np.hypot(smooth, structure or 0))) + 1

    def passed(mask: np.ndarray) -> float:
        left = ndimage.gaussian_filter(np.pad(mask, reach).astype(np.float64), smooth)
        return float(np.sum((left if structure is None else left - ndimage.gaussian_filter(left, structure)) ** 2))

    found = enumerate(ndimage.find_objects(segments), 1)
    return np.sqrt([passed(segments[where] == number) for number, where in found]) / np.sqrt(passed(np.ones((1, 1))))
