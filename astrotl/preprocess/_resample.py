"""Resampling of boxes of images: separable weights with Pillow's conventions, a whole batch in two matrix products."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator

import numpy as np

from astrotl.preprocess._statistics import all_known, is_known

_ELEMENTS_AT_A_TIME = 1 << 24
_STRIP = 16


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


@functools.lru_cache(maxsize=16)
def _whole_weights(pixels: int, size: int, method: str) -> np.ndarray:
    return weights(pixels, size, 0, pixels, method)


def resample(data: np.ndarray, size: int, boxes: np.ndarray | None = None, method: str = "bicubic") -> np.ndarray:
    """Resample each image, or its box ``x0, y0, x1, y1``, to a square; boxes lie within the image.

    A new pixel is NaN where less than half its weight comes from known pixels.
    """
    n, channels, height, width = data.shape
    out = np.empty((n, channels, size, size), dtype=np.float32)
    if not out.size:
        return out
    if boxes is None:
        rows, columns = (_whole_weights(pixels, size, method) for pixels in (height, width))
    known = None if all_known(data) else is_known(data)
    if known is not None:
        data = np.where(known, data, np.float32(0))
    at_a_time = max(1, _ELEMENTS_AT_A_TIME // (channels * size * max(size, height) + size * (height + width)))
    for begin in range(0, n, at_a_time):
        some = slice(begin, begin + at_a_time)
        if boxes is not None:
            x0, y0, x1, y1 = boxes[some].T
            rows = weights(height, size, y0, y1, method)[:, None]
            columns = weights(width, size, x0, x1, method)[:, None]
        _weigh(data[some], rows, columns, out[some])
        if known is not None:
            _allow_for_missing(out[some], known[some], rows, columns)
    return out


def _allow_for_missing(resampled: np.ndarray, known: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> None:
    """Divide by the weight that known pixels had, in the images that miss any."""
    for row in np.flatnonzero(~known.all(axis=(1, 2, 3))):
        own = [matrix if matrix.ndim == 2 else matrix[row] for matrix in (rows, columns)]
        share = np.empty_like(resampled[row])
        _weigh(known[row].astype(np.float32), own[0], own[1], share)
        resampled[row] = np.divide(resampled[row], share, out=np.full_like(share, np.nan), where=share >= 0.5)


def _weigh(data: np.ndarray, rows: np.ndarray, columns: np.ndarray, out: np.ndarray) -> None:
    """Weigh along both axes, in strips of new pixels that leave out the old ones without any weight there."""
    across = np.empty((*data.shape[:-1], columns.shape[-2]), dtype=np.float32)
    # One matrix for all images makes one long product of them.
    lines, lines_across = (of.reshape(-1, of.shape[-1]) if columns.ndim == 2 else of for of in (data, across))
    for new, old in _strips(columns):
        np.matmul(lines[..., old], np.swapaxes(columns[..., new, old], -1, -2), out=lines_across[..., new])
    for new, old in _strips(rows):
        np.matmul(rows[..., new, old], across[..., old, :], out=out[..., new, :])


def _strips(matrix: np.ndarray) -> Iterator[tuple[slice, slice]]:
    for start in range(0, matrix.shape[-2], _STRIP):
        new = slice(start, start + _STRIP)
        used = np.flatnonzero(matrix[..., new, :].any(axis=tuple(range(matrix.ndim - 1))))
        yield new, slice(used[0], used[-1] + 1)
