"""Order statistics of every image, or every band of it, at once: each is sorted once and then only looked up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

LARGEST = 1e30  # beyond lie only the sentinels that some programs write for "no data"; below, no float32 sum overflows
_PIXELS_AT_A_TIME = 1 << 20
_MOMENT_BLOCK = 64


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
        shape = (n, 1, 1, 1) if per == "image" else (n, channels, 1, 1)
        if not rows or not pixels:
            return cls(np.full((rows, 1), np.nan, dtype=np.float32), np.zeros(rows, dtype=np.intp), shape)
        flat = data.reshape(rows, pixels)
        values = np.sort(flat, axis=1)
        # The ends tell: whatever is no measurement is sorted there.
        odd = np.flatnonzero(~((values[:, 0] > -LARGEST) & (values[:, -1] < LARGEST)))
        count = np.full(rows, pixels)
        if len(odd):
            values[odd] = np.sort(only_known(flat[odd]), axis=1)
            count[odd] = np.count_nonzero(~np.isnan(values[odd]), axis=1)
        return cls(values, count, shape)

    @property
    def complete(self) -> bool:
        """Whether no pixel is missing."""
        return bool((self.count == self.values.shape[1]).all())

    def percentile(self, q: float) -> np.ndarray:
        """Interpolate linearly between the known pixels."""
        rank = np.maximum(self.count - 1, 0) * (q / 100)
        below = np.floor(rank).astype(np.intp)
        above = np.minimum(below + 1, np.maximum(self.count - 1, 0))
        rows = np.arange(len(self.values))
        low, high = (self.values[rows, place].astype(np.float64) for place in (below, above))
        return (low + (high - low) * (rank - below)).reshape(self.shape)

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
    moments = _Moments(values, _median(values, np.arange(len(values)), first, last))
    rows = np.arange(len(values))
    for _ in range(iterations):
        median, std = _median(values, rows, first[rows], last[rows]), moments(rows, first[rows], last[rows])[1]
        begin = np.clip(_first_not_below(values, rows, median - sigma * std), first[rows], last[rows])
        end = np.clip(_first_above(values, rows, median + sigma * std), begin, last[rows])
        changed = (begin != first[rows]) | (end != last[rows])
        first[rows], last[rows] = begin, end
        rows = rows[changed]
        if not len(rows):
            break
    rows = np.arange(len(values))
    mean, std = moments(rows, first, last)
    return _median(values, rows, first, last), mean, std


class _Moments:
    """Mean and standard deviation of a stretch of each row, put together from those of short blocks."""

    def __init__(self, values: np.ndarray, origin: np.ndarray) -> None:
        rows, pixels = values.shape
        self.origin = origin
        self.centred = np.subtract(values, origin[:, None], dtype=np.float64)
        whole = pixels // _MOMENT_BLOCK
        blocks = self.centred[:, : whole * _MOMENT_BLOCK].reshape(rows, whole, _MOMENT_BLOCK)
        # One more number, since reduceat takes no index beyond the last.
        self.sums = np.append(blocks.sum(axis=2), 0)
        self.squares = np.append(np.einsum("rbi,rbi->rb", blocks, blocks), 0)
        self.starts = np.arange(rows) * whole

    def __call__(self, rows: np.ndarray, first: np.ndarray, last: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        begin, end = -(-first // _MOMENT_BLOCK), last // _MOMENT_BLOCK
        inside = begin < end
        begin, end = np.where(inside, begin, 0), np.where(inside, end, 0)
        edges = (self.starts[rows] + np.stack([begin, end])).T.ravel()
        total, squared = (
            np.where(inside, np.add.reduceat(sums, edges)[::2], 0.0) for sums in (self.sums, self.squares)
        )
        head = self._between(rows, first, np.where(inside, begin * _MOMENT_BLOCK, last))
        tail = self._between(rows, np.where(inside, end * _MOMENT_BLOCK, last), last)
        empty = last <= first
        number = np.where(empty, 1, last - first)
        offset = (total + head.sum(axis=1) + tail.sum(axis=1)) / number
        variance = (squared + (head**2).sum(axis=1) + (tail**2).sum(axis=1)) / number - offset**2
        offset[empty] = variance[empty] = np.nan
        return self.origin[rows] + offset, np.sqrt(np.maximum(variance, 0))

    def _between(self, rows: np.ndarray, first: np.ndarray, last: np.ndarray) -> np.ndarray:
        """Take the few values of each row from first to last, and zeros after them."""
        places = first[:, None] + np.arange(2 * _MOMENT_BLOCK)
        values = self.centred[rows[:, None], np.minimum(places, self.centred.shape[1] - 1)]
        return np.where(places < last[:, None], values, 0.0)


def _median(values: np.ndarray, rows: np.ndarray, first: np.ndarray, last: np.ndarray) -> np.ndarray:
    middle = np.maximum(first + last, 1)
    below, above = (middle - 1) // 2, np.minimum(middle // 2, np.maximum(last - 1, 0))
    return (values[rows, below].astype(np.float64) + values[rows, above]) / 2


def _first_not_below(values: np.ndarray, rows: np.ndarray, limit: np.ndarray) -> np.ndarray:
    # A limit of another type would have every row converted.
    near = limit.astype(np.float32)
    near = np.where(near < limit, np.nextafter(near, np.float32(np.inf)), near)
    return _search(values, rows, near, "left")


def _first_above(values: np.ndarray, rows: np.ndarray, limit: np.ndarray) -> np.ndarray:
    near = limit.astype(np.float32)
    near = np.where(near > limit, np.nextafter(near, np.float32(-np.inf)), near)
    return _search(values, rows, near, "right")


def _search(values: np.ndarray, rows: np.ndarray, limit: np.ndarray, side: Literal["left", "right"]) -> np.ndarray:
    return np.array([values[row].searchsorted(at, side) for row, at in zip(rows, limit, strict=True)], dtype=np.intp)
