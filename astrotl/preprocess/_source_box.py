"""The box around the source in the middle of each image, found in its own pixels."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from astrotl.preprocess._statistics import SortedPixels, only_known

_FEWEST_PIXELS = 5
_PEAK_ABOVE = 2.0
_SMALLEST_BOX = 12.0
_LEAST_NOISE = 1e-3


def whole_frames(data: np.ndarray) -> np.ndarray:
    """Give the largest central square of each image as ``x0, y0, x1, y1``."""
    n, _, height, width = data.shape
    return square_boxes(np.full(n, width / 2), np.full(n, height / 2), np.full(n, np.inf), data.shape)


def square_boxes(x: np.ndarray, y: np.ndarray, side: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Make square boxes that fit into the image, moved inwards rather than cut where they would reach out."""
    height, width = shape[2:]
    side = np.minimum(side, min(height, width))
    x0 = np.clip(x - side / 2, 0, width - side)
    y0 = np.clip(y - side / 2, 0, height - side)
    return np.stack([x0, y0, x0 + side, y0 + side], axis=1)


def source_boxes(data: np.ndarray, margin: float, sigma: float) -> np.ndarray:
    """Box the source that lies in the middle or nearest to it, or the whole frame where there is none."""
    boxes = whole_frames(data)
    if not data.size:
        return boxes
    image = _signal_to_noise(data)
    labels = _label_sources(image, sigma)
    y, x = np.indices(image.shape[1:]) + 0.5
    away = np.hypot(x - image.shape[2] / 2, y - image.shape[1] / 2)
    distance = np.where(labels > 0, away, np.inf).reshape(len(image), -1)
    nearest = distance.argmin(axis=1)
    found = distance[np.arange(len(image)), nearest] <= min(image.shape[1:]) / 4
    source = labels.reshape(len(image), -1)[np.arange(len(image)), nearest]
    light = np.where((labels == source[:, None, None]) & found[:, None, None], image, 0)
    total = light.sum(axis=(1, 2))
    found &= total > 0
    if not found.any():
        return boxes
    light, total = light[found], total[found]
    centre_x, centre_y = (light * x).sum(axis=(1, 2)) / total, (light * y).sum(axis=(1, 2)) / total
    reach = np.maximum(np.abs(x - centre_x[:, None, None]), np.abs(y - centre_y[:, None, None])) + 0.5
    side = 2 * margin * np.max(reach, axis=(1, 2), where=light > 0, initial=0)
    boxes[found] = square_boxes(centre_x, centre_y, np.maximum(side, _SMALLEST_BOX), data.shape)
    return boxes


def _signal_to_noise(data: np.ndarray) -> np.ndarray:
    """Sum the bands in units of their noise, so that a noisy band does not drown the others, and smooth lightly."""
    bands = np.nan_to_num(_in_noise(only_known(data)))
    return _in_noise(ndimage.gaussian_filter(bands.sum(axis=1, keepdims=True), sigma=(0, 0, 1, 1)))[:, 0]


def _in_noise(data: np.ndarray) -> np.ndarray:
    pixels = SortedPixels.of(data)
    sky = pixels.clipped()
    span = pixels.percentile(100) - pixels.percentile(0)
    noise = np.maximum(sky.std, _LEAST_NOISE * span)
    units = data - sky.median.astype(np.float32)
    return np.divide(units, noise, out=np.zeros(data.shape, np.float32), where=noise > 0, casting="same_kind")


def _label_sources(image: np.ndarray, sigma: float) -> np.ndarray:
    """Give each group of connected pixels above the threshold a number, through all images, unless it may be noise."""
    together = np.zeros((3, 3, 3), dtype=int)
    together[1] = 1
    labels, number = ndimage.label(image > sigma, structure=together)
    real = np.bincount(labels.ravel(), minlength=number + 1) >= _FEWEST_PIXELS
    real[1:] &= np.asarray(ndimage.maximum(image, labels, np.arange(1, number + 1))) > sigma + _PEAK_ABOVE
    return np.where(real[labels], labels, 0)
