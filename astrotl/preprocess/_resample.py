"""Resampling of boxes of images: separable weights with Pillow's conventions, a whole batch in two matrix products."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from astrotl.preprocess._statistics import all_known, is_known

_ELEMENTS_AT_A_TIME = 1 << 24


def _bilinear(x: np.ndarray) -> np.ndarray:
    return np.maximum(1 - np.abs(x), 0)


def _bicubic(x: np.ndarray) -> np.ndarray:
    # Keys (1981) with a = -1/2.
    x = np.abs(x)
    return np.where(x < 1, (1.5 * x - 2.5) * x * x + 1, np.where(x < 2, ((-0.5 * x + 2.5) * x - 4) * x + 2, 0))


def _lanczos(x: np.ndarray) -> np.ndarray:
    return np.where(np.abs(x) < 3, np.sinc(x) * np.sinc(x / 3), 0)


_KERNELS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "bilinear": _bilinear,
    "bicubic": _bicubic,
    "lanczos": _lanczos,
}
METHODS = tuple(_KERNELS)


def weights(pixels: int, size: int, start: np.ndarray | float, stop: np.ndarray | float, method: str) -> np.ndarray:
    """Give the weight of each pixel of an axis in each of ``size`` new pixels between start and stop.

    Start and stop are counted from the edge of the first pixel; arrays of them give one matrix each.
    """
    start, stop = np.asarray(start, dtype=np.float64), np.asarray(stop, dtype=np.float64)
    step = ((stop - start) / size)[..., None, None]
    centres = start[..., None, None] + (np.arange(size)[:, None] + 0.5) * step
    raw = _KERNELS[method]((np.arange(pixels) + 0.5 - centres) / np.maximum(step, 1))
    return (raw / raw.sum(axis=-1, keepdims=True)).astype(np.float32)


def resample(data: np.ndarray, size: int, boxes: np.ndarray | None = None, method: str = "bicubic") -> np.ndarray:
    """Resample each image, or its box ``x0, y0, x1, y1``, to a square; boxes lie within the image.

    A new pixel is NaN where less than half its weight comes from known pixels.
    """
    n, channels, height, width = data.shape
    out = np.empty((n, channels, size, size), dtype=np.float32)
    if not out.size:
        return out
    if boxes is None:
        rows, columns = (weights(pixels, size, 0, pixels, method) for pixels in (height, width))
    at_a_time = max(1, _ELEMENTS_AT_A_TIME // (channels * size * max(size, height) + size * (height + width)))
    for group, apply in _by_completeness(data):
        for begin in range(0, len(group), at_a_time):
            some = group[begin : begin + at_a_time]
            if boxes is not None:
                x0, y0, x1, y1 = boxes[some].T
                rows = weights(height, size, y0, y1, method)[:, None]
                columns = weights(width, size, x0, x1, method)[:, None]
            out[some] = apply(data[some], rows, columns)
    return out


def _by_completeness(data: np.ndarray) -> list[tuple[np.ndarray, Callable[..., np.ndarray]]]:
    """Tell images that miss pixels from those that do not, which are cheaper."""
    if all_known(data):
        return [(np.arange(len(data)), _apply)]
    complete = is_known(data).all(axis=(1, 2, 3))
    return [(np.flatnonzero(complete), _apply), (np.flatnonzero(~complete), _apply_to_known)]


def _apply(data: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    resampled: np.ndarray = rows @ (data @ np.swapaxes(columns, -1, -2))
    return resampled


def _apply_to_known(data: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    known = is_known(data)
    resampled = _apply(np.where(known, data, np.float32(0)), rows, columns)
    share = _apply(known.astype(np.float32), rows, columns)
    return np.divide(resampled, share, out=np.full_like(resampled, np.nan), where=share >= 0.5)
