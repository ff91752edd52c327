"""Steps that bring an image to a range of values: [0, 1] by its limits, or mean 0 and spread 1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from astrotl.preprocess._statistics import SortedPixels, only_known
from astrotl.preprocess._validation import (
    frozen,
    is_number,
    per_channel,
    validate_choice,
    validate_numbers,
    validate_positive,
)

if TYPE_CHECKING:
    from astrotl.images import ImageBatch

__all__ = ["Linear", "Normalise", "Percentile", "ZScale"]

_SMALLEST_SPAN = 1e-37


def scaled(data: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Bring low to 0 and high to 1 and clip; no span at all becomes 0."""
    low, high = low.astype(np.float32), high.astype(np.float32)
    span = high - low
    out = np.clip(data, low, high)
    out -= low
    out /= np.where(span > _SMALLEST_SPAN, span, np.float32(1))
    return out


@dataclass(frozen=True)
class Linear:
    """Scale to [0, 1] between two limits and clip.

    Parameters
    ----------
    low, high : float or tuple of float, optional
        What becomes 0 and 1: one number or one for each channel, such as the limits of a survey. None for the minimum
        and the maximum.
    per : {"image", "band"}, optional
        Whether the bands of an image share minimum and maximum, which keeps its colours.

    Examples
    --------
    >>> from astrotl.images import ImageBatch
    >>> from astrotl.preprocess import Linear
    >>> batch = ImageBatch([[[[2, 4, 10]]]], ["a"], ("r",))
    >>> Linear()(batch).data.tolist()
    [[[[0.0, 0.25, 1.0]]]]
    >>> Linear(low=0, high=5)(batch).data.round(1).tolist()
    [[[[0.4..., 0.8..., 1.0]]]]
    """

    low: float | tuple[float, ...] | None = None
    high: float | tuple[float, ...] | None = None
    per: str = "image"

    def __post_init__(self) -> None:
        for name in ("low", "high"):
            value = frozen(getattr(self, name))
            object.__setattr__(self, name, value)
            if value is not None:
                validate_numbers(name, value)
        validate_choice("per", self.per, ("image", "band"))
        if self.low is not None and self.high is not None and not np.all(np.less(self.low, self.high)):
            raise ValueError(f"high: expected more than low={self.low}, got {self.high}")

    def __call__(self, batch: ImageBatch) -> ImageBatch:
        """Scale to [0, 1]."""
        data = only_known(batch.data)
        axes = (1, 2, 3) if self.per == "image" else (2, 3)
        low = _extreme(np.fmin, data, axes) if self.low is None else per_channel("low", self.low, batch.channels)
        high = _extreme(np.fmax, data, axes) if self.high is None else per_channel("high", self.high, batch.channels)
        low, high = np.broadcast_arrays(low, np.maximum(low, high))
        return batch.with_data(scaled(data, low, high), value_range=(0, 1))


@dataclass(frozen=True)
class Percentile:
    """Scale to [0, 1] between two percentiles of each image and clip.

    Parameters
    ----------
    low, high : float, optional
        The percentiles that become 0 and 1.
    per : {"image", "band"}, optional
        Whether the bands of an image share their limits, which keeps its colours.

    Examples
    --------
    The usual picture of a galaxy is made by two steps, `Percentile` and `Asinh`:

    >>> import numpy as np
    >>> from astrotl.images import ImageBatch
    >>> from astrotl.preprocess import Asinh, Percentile
    >>> batch = ImageBatch(np.arange(101.0).reshape(1, 1, 1, 101), ["a"], ("r",))
    >>> scaled = Percentile(low=10, high=90)(batch)
    >>> scaled.data[0, 0, 0, [0, 10, 50, 90, 100]].tolist()
    [0.0, 0.0, 0.5, 1.0, 1.0]
    >>> Asinh(softening=0.1)(scaled).data[0, 0, 0, [0, 50, 100]].round(2).tolist()
    [0.0, 0.769..., 1.0]
    """

    low: float = 0.5
    high: float = 99.5
    per: str = "image"

    def __post_init__(self) -> None:
        if not is_number(self.low) or not 0 <= self.low < 100:
            raise ValueError(f"low: expected a percentile from 0 to below 100, got {self.low!r}")
        if not is_number(self.high) or not self.low < self.high <= 100:
            raise ValueError(f"high: expected a percentile above low={self.low}, at most 100, got {self.high!r}")
        validate_choice("per", self.per, ("image", "band"))

    def __call__(self, batch: ImageBatch) -> ImageBatch:
        """Scale to [0, 1]."""
        data = only_known(batch.data)
        pixels = SortedPixels.of(data, self.per)
        return batch.with_data(
            scaled(data, pixels.percentile(self.low), pixels.percentile(self.high)), value_range=(0, 1)
        )


@dataclass(frozen=True)
class ZScale:
    """Scale to [0, 1] between the limits of IRAF's z-scale, as `~astropy.visualization.ZScaleInterval` finds them.

    Parameters
    ----------
    contrast : float, optional
        The smaller, the wider the limits.
    per : {"image", "band"}, optional
        Whether the bands of an image share their limits, which keeps its colours.

    Examples
    --------
    >>> import numpy as np
    >>> from astrotl.images import ImageBatch
    >>> from astrotl.preprocess import ZScale
    >>> batch = ImageBatch(np.random.default_rng(1).normal(size=(1, 1, 32, 32)), ["a"], ("r",))
    >>> scaled = ZScale()(batch).data
    >>> float(scaled.min()), float(scaled.max())
    (0.0, 1.0)
    """

    contrast: float = 0.25
    per: str = "image"

    def __post_init__(self) -> None:
        validate_positive("contrast", self.contrast)
        validate_choice("per", self.per, ("image", "band"))

    def __call__(self, batch: ImageBatch) -> ImageBatch:
        """Scale to [0, 1]."""
        from astropy.visualization import ZScaleInterval

        data = only_known(batch.data)
        n, channels, height, width = data.shape
        shape = (n, 1, 1, 1) if self.per == "image" else (n, channels, 1, 1)
        limits = np.full((n * shape[1], 2), np.nan)
        interval = ZScaleInterval(contrast=self.contrast)
        for row, pixels in enumerate(data.reshape(len(limits), channels // max(shape[1], 1) * height * width)):
            known = pixels[~np.isnan(pixels)]
            if known.size:
                limits[row] = interval.get_limits(known.astype(np.float64))
        low, high = limits.T.reshape(2, *shape)
        return batch.with_data(scaled(data, low, np.maximum(low, high)), value_range=(0, 1))


@dataclass(frozen=True)
class Normalise:
    """Subtract a mean and divide by a standard deviation, as the weights of many networks ask for.

    Parameters
    ----------
    mean, std : float or tuple of float
        One number or one for each channel.

    Examples
    --------
    >>> from astrotl.images import ImageBatch
    >>> from astrotl.preprocess import Normalise
    >>> batch = ImageBatch([[[[1]], [[2]]]], ["a"], ("g", "r"))
    >>> Normalise(mean=(0, 1), std=2)(batch).data.ravel().tolist()
    [0.5, 0.5]
    """

    mean: float | tuple[float, ...]
    std: float | tuple[float, ...]

    def __post_init__(self) -> None:
        for name in ("mean", "std"):
            object.__setattr__(self, name, frozen(getattr(self, name)))
            validate_numbers(name, getattr(self, name))
        if not np.all(np.greater(self.std, 0)):
            raise ValueError(f"std: expected numbers above 0, got {self.std}")

    def __call__(self, batch: ImageBatch) -> ImageBatch:
        """Subtract the mean and divide."""
        mean = per_channel("mean", self.mean, batch.channels).astype(np.float32)
        std = per_channel("std", self.std, batch.channels).astype(np.float32)
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            return batch.with_data(only_known((only_known(batch.data) - mean) / std))


def _extreme(take: np.ufunc, data: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    """Take the minimum or the maximum of what is known."""
    return take.reduce(data, axis=axes, keepdims=True, initial=np.float32(np.nan)).astype(np.float64)
