"""Order statistics of every image, or every band of it, at once: each is sorted once and then only looked up."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

LARGEST = 1e30  # beyond lie only the sentinels that some programs write for "no data"; below, no float32 sum overflows
_PIXELS_AT_A_TIME = 1 << 19


def is_known(data: np.ndarray) -> np.ndarray:
    """Mark the pixels that hold a measurement."""
    return np.abs(data) < LARGEST


def all_known(data: np.ndarray) -> bool:
    """Whether no pixel is missing."""
    return not data.size or bool(data.min() > -LARGEST and data.max() < LARGEST)


def only_known(data: np.ndarray) -> np.ndarray:
    """Write NaN wherever there is no measurement; data without such pixels come back as they are."""
    return data if all_known(data) else np.where(is_known(data), data, np.float32(np.nan))


class Clipped(NamedTuple):
    """What is left after clipping, each shaped to broadcast against the images."""

    median: np.ndarray
    mean: np.ndarray
    std: np.ndarray


@dataclass(frozen=True, eq=False)
class SortedPixels:
    """The pixels of each image or band in rising order, the missing ones last; an empty row answers NaN."""

    values: np.ndarray
    count: np.ndarray
    shape: tuple[int, ...]

    @classmethod
    def of(cls, data: np.ndarray, per: str = "band") -> SortedPixels:
        """Sort each image (``per="image"``) or each band of it (``per="band"``)."""
        n, channels, height, width = data.shape
        rows, pixels = (n, channels * height * width) if per == "image" else (n * channels, height * width)
        values = np.full((rows, max(pixels, 1)), np.nan, dtype=np.float32)
        values[:, :pixels] = only_known(data).reshape(rows, pixels)
        values.sort(axis=1)
        if rows and np.isnan(values[:, -1]).any():
            count = np.count_nonzero(~np.isnan(values), axis=1)
        else:
            count = np.full(rows, values.shape[1])
        return cls(values, count, (n, 1, 1, 1) if per == "image" else (n, channels, 1, 1))

    def percentile(self, q: float) -> np.ndarray:
        """Interpolate linearly between the known pixels."""
        place = np.maximum(self.count - 1, 0) * (q / 100)
        below = np.floor(place).astype(np.intp)
        above = np.minimum(below + 1, np.maximum(self.count - 1, 0))
        low, high = _at(self.values, below), _at(self.values, above)
        return (low + (high - low) * (place - below)).reshape(self.shape)

    def clipped(self, sigma: float = 3.0, iterations: int = 20) -> Clipped:
        """Take median, mean and standard deviation, leaving out again and again what lies beyond sigma."""
        rows = max(1, _PIXELS_AT_A_TIME // self.values.shape[1])
        found = np.empty((3, len(self.values)))
        for start in range(0, len(self.values), rows):
            part = slice(start, start + rows)
            found[:, part] = _clip(self.values[part], self.count[part], sigma, iterations)
        return Clipped(*(numbers.reshape(self.shape) for numbers in found))


def _clip(values: np.ndarray, count: np.ndarray, sigma: float, iterations: int) -> tuple[np.ndarray, ...]:
    first, last = np.zeros_like(count), count.copy()
    origin = _median(values, first, last)
    moments = _Moments(values, origin)
    for _ in range(iterations):
        median, std = _median(values, first, last), moments(first, last)[1]
        tighter_first = _place(values, median - sigma * std, first, last)
        tighter_last = _place(values, median + sigma * std, first, last, after=True)
        if np.array_equal(tighter_first, first) and np.array_equal(tighter_last, last):
            break
        first, last = tighter_first, tighter_last
    mean, std = moments(first, last)
    return _median(values, first, last), mean, std


class _Moments:
    """Mean and standard deviation of a stretch of each row."""

    def __init__(self, values: np.ndarray, origin: np.ndarray) -> None:
        # One more number, since reduceat takes no index beyond the last.
        self.centred = np.zeros(values.size + 1)
        np.subtract(values, origin[:, None], out=self.centred[:-1].reshape(values.shape))
        self.squared = np.square(self.centred)
        self.origin = origin
        self.starts = np.arange(len(values)) * values.shape[1]

    def __call__(self, first: np.ndarray, last: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        edges = np.stack([self.starts + first, self.starts + last], axis=1).ravel()
        empty = last <= first
        number = np.where(empty, 1, last - first)
        offset = np.add.reduceat(self.centred, edges)[::2] / number
        variance = np.add.reduceat(self.squared, edges)[::2] / number - offset**2
        offset[empty] = variance[empty] = np.nan
        return self.origin + offset, np.sqrt(np.maximum(variance, 0))


def _median(values: np.ndarray, first: np.ndarray, last: np.ndarray) -> np.ndarray:
    middle = np.maximum(first + last, 1)
    return (_at(values, (middle - 1) // 2) + _at(values, np.minimum(middle // 2, np.maximum(last - 1, 0)))) / 2


def _at(values: np.ndarray, place: np.ndarray) -> np.ndarray:
    return values[np.arange(len(values)), place].astype(np.float64)


def _place(
    values: np.ndarray, limit: np.ndarray, first: np.ndarray, last: np.ndarray, *, after: bool = False
) -> np.ndarray:
    """Bisect all rows at once for the first value not below the limit, or with ``after`` above it."""
    low, high = first.copy(), last.copy()
    for _ in range(math.ceil(math.log2(values.shape[1] + 1)) + 1):
        middle = (low + high) // 2
        value = _at(values, np.minimum(middle, values.shape[1] - 1))
        right = (low < high) & (value <= limit if after else value < limit)
        low, high = np.where(right, middle + 1, low), np.where(right, high, middle)
    return low
