"""Steps that repair and clean: missing pixels, background, noise and outliers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from astrotl.preprocess._statistics import SortedPixels, all_known, is_known, only_known
from astrotl.preprocess._validation import validate_choice, validate_number, validate_positive, validate_whole

if TYPE_CHECKING:
    from astrotl.images import ImageBatch

__all__ = ["ClipNoise", "ClipOutliers", "FillNoData", "SubtractBackground"]

_WINDOWS_AT_A_TIME = 100_000


@dataclass(frozen=True)
class FillNoData:
    """Write a number wherever there is no data: where a pixel is NaN, infinite, or beyond 1e30.

    Parameters
    ----------
    how : {"constant", "median"}, optional
        Write `value`, or the median of the pixels nearby. Where all of these are missing too it is the median of the
        band, and 0 in a band without any data.
    value : float, optional
        The constant.
    size : int, optional
        The width of the window of the median, in pixels; an odd number.

    Examples
    --------
    >>> import numpy as np
    >>> from astrotl.images import ImageBatch
    >>> from astrotl.preprocess import FillNoData
    >>> batch = ImageBatch([[[[1, np.nan], [3, 5]]]], ["a"], ("r",))
    >>> FillNoData("median", size=3)(batch).data.tolist()
    [[[[1.0, 3.0], [3.0, 5.0]]]]
    """

    how: str = "constant"
    value: float = 0.0
    size: int = 5

    def __post_init__(self) -> None:
        validate_choice("how", self.how, ("constant", "median"))
        validate_number("value", self.value)
        validate_whole("size", self.size, least=3)
        if self.size % 2 == 0:
            raise ValueError(f"size: expected an odd number of pixels, got {self.size}")

    def __call__(self, batch: ImageBatch) -> ImageBatch:
        """Fill what is missing."""
        data = batch.data
        if all_known(data):
            return batch
        if self.how == "median":
            return batch.with_data(_fill_with_median(only_known(data), self.size), value_range=batch.value_range)
        filled = np.where(is_known(data), data, np.float32(self.value))
        return batch.with_data(filled, value_range=_range_if_it_holds(batch, self.value))


@dataclass(frozen=True)
class SubtractBackground:
    """Subtract the sigma-clipped median from each band of each image.

    Parameters
    ----------
    sigma : float, optional
        Pixels further than this many standard deviations from the median are left out.
    iterations : int, optional
        How often, at most.

    Examples
    --------
    >>> import numpy as np
    >>> from astrotl.images import ImageBatch
    >>> from astrotl.preprocess import SubtractBackground
    >>> batch = ImageBatch(np.full((1, 2, 8, 8), 7.0), ["a"], ("g", "r"))
    >>> float(SubtractBackground()(batch).data.max())
    0.0
    """

    sigma: float = 3.0
    iterations: int = 5

    def __post_init__(self) -> None:
        validate_positive("sigma", self.sigma)
        validate_whole("iterations", self.iterations)

    def __call__(self, batch: ImageBatch) -> ImageBatch:
        """Subtract the background."""
        data = only_known(batch.data)
        background = SortedPixels.of(data).clipped(self.sigma, self.iterations).median
        return batch.with_data(data - background.astype(np.float32))


@dataclass(frozen=True)
class ClipNoise:
    """Set to zero what does not rise above the noise, as studies of radio galaxies do.

    A pixel keeps its value where it exceeds the sigma-clipped median of its band by ``sigma`` times the sigma-clipped
    standard deviation (Aniyan and Thorat 2017, ApJS 230, 20).

    Parameters
    ----------
    sigma : float, optional
        The height of the threshold in standard deviations, also used for the clipping itself.
    iterations : int, optional
        How often to clip, at most.

    Examples
    --------
    >>> import numpy as np
    >>> from astrotl.images import ImageBatch
    >>> from astrotl.preprocess import ClipNoise
    >>> noise = np.random.default_rng(1).normal(size=(1, 1, 32, 32))
    >>> noise[0, 0, 16, 16] = 100
    >>> bool(np.count_nonzero(ClipNoise()(ImageBatch(noise, ["a"], ("radio",))).data) < 10)
    True
    """

    sigma: float = 3.0
    iterations: int = 5

    def __post_init__(self) -> None:
        validate_positive("sigma", self.sigma)
        validate_whole("iterations", self.iterations)

    def __call__(self, batch: ImageBatch) -> ImageBatch:
        """Set the noise to zero."""
        data = only_known(batch.data)
        noise = SortedPixels.of(data).clipped(self.sigma, self.iterations)
        threshold = (noise.median + self.sigma * noise.std).astype(np.float32)
        return batch.with_data(
            np.where(data <= threshold, np.float32(0), data), value_range=_range_if_it_holds(batch, 0)
        )


@dataclass(frozen=True)
class ClipOutliers:
    """Clamp each band to some standard deviations around its median.

    Median and standard deviation are sigma-clipped, so that they are those of the sky. Only negative outliers (dead
    pixels, bowls around bright sources) are clamped if nothing is said, for real sources are outliers on the other
    side. A band without noise stays as it is.

    Parameters
    ----------
    low, high : float or None, optional
        How many standard deviations below and above the median are allowed; None for no limit.
    sigma : float, optional
        Pixels further than this many standard deviations from the median are left out of both.
    iterations : int, optional
        How often, at most.

    Examples
    --------
    >>> import numpy as np
    >>> from astrotl.images import ImageBatch
    >>> from astrotl.preprocess import ClipOutliers
    >>> sky = np.random.default_rng(1).normal(size=(1, 1, 32, 32))
    >>> sky[0, 0, 0, :2] = -999, 999
    >>> clipped = ClipOutliers(low=5)(ImageBatch(sky, ["a"], ("r",))).data
    >>> bool(clipped.min() > -6), float(clipped.max())
    (True, 999.0)
    """

    low: float | None = 5.0
    high: float | None = None
    sigma: float = 3.0
    iterations: int = 5

    def __post_init__(self) -> None:
        if self.low is None and self.high is None:
            raise ValueError("low: expected a number for low, for high or for both, got None twice")
        for name in ("low", "high"):
            if getattr(self, name) is not None:
                validate_positive(name, getattr(self, name))
        validate_positive("sigma", self.sigma)
        validate_whole("iterations", self.iterations)

    def __call__(self, batch: ImageBatch) -> ImageBatch:
        """Clamp the outliers."""
        data = only_known(batch.data)
        sky = SortedPixels.of(data).clipped(self.sigma, self.iterations)
        std = np.where(sky.std > 0, sky.std, np.inf)
        lowest = -np.inf if self.low is None else (sky.median - self.low * std).astype(np.float32)
        highest = np.inf if self.high is None else (sky.median + self.high * std).astype(np.float32)
        return batch.with_data(np.clip(data, lowest, highest).astype(np.float32), value_range=batch.value_range)


def _range_if_it_holds(batch: ImageBatch, value: float) -> tuple[float, float] | None:
    if batch.value_range is None or not batch.value_range[0] <= value <= batch.value_range[1]:
        return None
    return batch.value_range


def _fill_with_median(data: np.ndarray, size: int) -> np.ndarray:
    band = np.nan_to_num(SortedPixels.of(data).percentile(50)).astype(np.float32)
    filled = np.where(np.isnan(data), band, data)
    edge = size // 2
    padded = np.pad(data, ((0, 0), (0, 0), (edge, edge), (edge, edge)), constant_values=np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (size, size), axis=(2, 3))
    missing = np.nonzero(np.isnan(data))
    for start in range(0, len(missing[0]), _WINDOWS_AT_A_TIME):
        places = tuple(axis[start : start + _WINDOWS_AT_A_TIME] for axis in missing)
        nearby = SortedPixels.of(windows[places][:, None]).percentile(50).ravel()
        seen = ~np.isnan(nearby)
        filled[tuple(axis[seen] for axis in places)] = nearby[seen]
    return filled
