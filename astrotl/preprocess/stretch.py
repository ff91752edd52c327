"""Steps that bend brightness so that faint and bright parts are both seen: curves, Lupton, and the default."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from astrotl.preprocess._statistics import LARGEST, SortedPixels, all_known, is_known, only_known
from astrotl.preprocess._validation import (
    frozen,
    is_number,
    per_channel,
    validate_number,
    validate_numbers,
    validate_positive,
)
from astrotl.preprocess.scaling import scaled

if TYPE_CHECKING:
    from astrotl.images import ImageBatch

__all__ = ["Asinh", "Log", "Lupton", "Stretch"]

# An image without noise, such as a simulated one, is drawn as if it had a thousandth of its own range.
_NO_NOISE = 1e-6
_SUPPOSED_NOISE = 1e-3


@dataclass(frozen=True)
class Log:
    """Draw values in [0, 1] through ``log(1 + strength x) / log(1 + strength)``.

    Parameters
    ----------
    strength : float, optional
        The larger, the more the faint parts are lifted.

    Examples
    --------
    >>> from astrotl.images import ImageBatch
    >>> from astrotl.preprocess import Log
    >>> Log(strength=99)(ImageBatch([[[[0, 1 / 11, 1]]]], ["a"], ("r",))).data.round(3).tolist()
    [[[[0.0, 0.5, 1.0]]]]
    """

    strength: float = 1000.0

    def __post_init__(self) -> None:
        validate_positive("strength", self.strength)

    def __call__(self, batch: ImageBatch) -> ImageBatch:
        """Draw the values through the curve."""
        curve = _from_0_to_1(batch.data)
        curve *= np.float32(self.strength)
        np.log1p(curve, out=curve)
        curve /= np.float32(math.log1p(self.strength))
        return batch.with_data(np.minimum(curve, 1, out=curve), value_range=(0, 1))


@dataclass(frozen=True)
class Asinh:
    """Draw values in [0, 1] through ``arcsinh(x / softening) / arcsinh(1 / softening)``.

    Put it after a step that scales to [0, 1], such as `Percentile`.

    Parameters
    ----------
    softening : float, optional
        Where the curve turns from linear to logarithmic; the smaller, the more the faint parts are lifted.

    Examples
    --------
    >>> from astrotl.images import ImageBatch
    >>> from astrotl.preprocess import Asinh
    >>> Asinh(softening=0.1)(ImageBatch([[[[0, 0.1, 1]]]], ["a"], ("r",))).data.round(2).tolist()
    [[[[0.0, 0.28..., 1.0]]]]
    """

    softening: float = 0.1

    def __post_init__(self) -> None:
        validate_positive("softening", self.softening)

    def __call__(self, batch: ImageBatch) -> ImageBatch:
        """Draw the values through the curve."""
        curve = _from_0_to_1(batch.data)
        return batch.with_data(_asinh(curve, np.float32(self.softening)), value_range=(0, 1))


@dataclass(frozen=True)
class Lupton:
    """Stretch the brightness and keep the colours, after Lupton et al. (2004, PASP 116, 133).

    The mean of all bands is drawn through an arcsinh and every band multiplied by the same factor; where the brightest
    band would exceed 1 all are divided by it. The numbers are those of `~astropy.visualization.make_lupton_rgb`, for
    any number of bands and as fractions. Put `SubtractBackground` before it, unless the background is known to be 0.

    Parameters
    ----------
    q : float, optional
        How strongly the bright parts are compressed.
    stretch : float, optional
        The scale of the linear part, in the units of the image. None to choose it for each image: five times its noise,
        or more where the brightest 0.3 percent would otherwise be white.
    minimum : float or tuple of float, optional
        What becomes black: one number or one for each band.

    Examples
    --------
    >>> import numpy as np
    >>> from astrotl.images import ImageBatch
    >>> from astrotl.preprocess import Lupton
    >>> batch = ImageBatch([[[[4.0]], [[2.0]], [[0.0]]]], ["a"], ("i", "r", "g"))
    >>> i, r, g = Lupton(stretch=2.0)(batch).data.ravel()
    >>> bool(np.isclose(i, 2 * r)), float(g)
    (True, 0.0)
    """

    q: float = 8.0
    stretch: float | None = None
    minimum: float | tuple[float, ...] = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "minimum", frozen(self.minimum))
        validate_positive("q", self.q)
        if self.stretch is not None:
            validate_positive("stretch", self.stretch)
        validate_numbers("minimum", self.minimum)

    def __call__(self, batch: ImageBatch) -> ImageBatch:
        """Stretch the brightness."""
        minimum = per_channel("minimum", self.minimum, batch.channels)
        bands = only_known(only_known(batch.data) - minimum.astype(np.float32))
        intensity = _mean_over_bands(bands)
        stretch = self._choose_stretch(intensity) if self.stretch is None else self.stretch
        slope = 0.1 / math.asinh(0.1 * self.q)
        mapped = np.arcsinh(self.q / stretch * intensity) * slope
        factor = np.divide(mapped, intensity, out=np.zeros(mapped.shape), where=intensity > 0)
        positive = np.maximum(bands, 0)
        factor /= np.maximum(np.fmax.reduce(positive, axis=1, keepdims=True) * factor, 1)
        positive *= np.minimum(factor, LARGEST).astype(np.float32)
        return batch.with_data(np.minimum(positive, 1, out=positive), value_range=(0, 1))

    def _choose_stretch(self, intensity: np.ndarray) -> np.ndarray:
        pixels = SortedPixels.of(intensity.astype(np.float32))
        white = math.sinh(math.asinh(0.1 * self.q) / 0.1) / self.q
        noise = pixels.clipped().std
        bright = _brightest(pixels, 99.7, np.zeros(noise.shape))
        stretch = np.fmax(5 * noise, bright / white)
        return np.where(stretch > 0, stretch, 1.0)


@dataclass(frozen=True)
class Stretch:
    """Make any image fill [0, 1] sensibly: what happens when nothing else is asked for.

    Where the range of the values is known, as for a JPEG, that range is scaled to [0, 1] and nothing else is done.
    Images in physical units lose the sigma-clipped median of each band, and are drawn through an arcsinh between limits
    that the bands share, so that colours are kept. All but ``high`` is in units of the noise, which is the
    sigma-clipped standard deviation, averaged over the bands.

    Parameters
    ----------
    softening : float, optional
        How far above black the curve turns from linear to logarithmic.
    low : float, optional
        How far below the background is black.
    high : float, optional
        The percentile that is white, in the band where that is brightest.
    least : float, optional
        White is at least this far above the background, so that an empty field stays dark.

    Examples
    --------
    >>> import numpy as np
    >>> from astrotl.images import ImageBatch
    >>> from astrotl.preprocess import Stretch
    >>> sky = np.random.default_rng(1).normal(1000, 5, size=(1, 3, 32, 32))
    >>> sky[0, :, 14:18, 14:18] += 5000
    >>> stretched = Stretch()(ImageBatch(sky, ["a"], ("i", "r", "g")))
    >>> bool(np.median(stretched.data) < 0.2), float(stretched.data.max()), stretched.value_range
    (True, 1.0, (0, 1))
    """

    softening: float = 3.0
    low: float = 1.5
    high: float = 99.7
    least: float = 20.0

    def __post_init__(self) -> None:
        validate_positive("softening", self.softening)
        validate_number("low", self.low)
        if not is_number(self.high) or not 0 < self.high <= 100:
            raise ValueError(f"high: expected a percentile above 0, at most 100, got {self.high!r}")
        validate_positive("least", self.least)
        if self.low <= -self.least:
            raise ValueError(f"low: expected more than {-self.least}, which is white, got {self.low}")

    def __call__(self, batch: ImageBatch) -> ImageBatch:
        """Stretch to [0, 1]."""
        if batch.value_range is not None:
            low, high = (np.array(limit, dtype=np.float64) for limit in batch.value_range)
            return batch.with_data(scaled(only_known(batch.data), low, high), value_range=(0, 1))
        pixels = SortedPixels.of(batch.data)
        data = batch.data if pixels.complete else only_known(batch.data)
        sky = pixels.clipped()
        bright = np.fmax.reduce(_brightest(pixels, self.high, sky.median), axis=1, keepdims=True)
        noise = _mean_over_bands(sky.std)
        noise = np.where(noise > _NO_NOISE * bright, noise, _SUPPOSED_NOISE * bright)
        black, white = -self.low * noise, np.fmax(bright, self.least * noise)
        span = white - black
        curve = scaled(data, sky.median + black, sky.median + white)
        softening = np.divide(self.softening * noise, span, out=np.ones(span.shape), where=span > 0)
        return batch.with_data(_asinh(curve, softening.astype(np.float32)), value_range=(0, 1))


def _from_0_to_1(data: np.ndarray) -> np.ndarray:
    clipped = np.clip(data, np.float32(0), np.float32(1))
    if not all_known(data):
        clipped[~is_known(data)] = np.nan
    return clipped


def _asinh(curve: np.ndarray, softening: np.ndarray | np.float32) -> np.ndarray:
    """Draw [0, 1] through the curve, in place."""
    curve /= softening
    np.arcsinh(curve, out=curve)
    curve /= np.arcsinh(1 / softening)
    return np.minimum(curve, 1, out=curve)


def _brightest(pixels: SortedPixels, percentile: float, background: np.ndarray) -> np.ndarray:
    """Measure how far the percentile, or else the maximum, rises above the background."""
    high = pixels.percentile(percentile)
    return np.where(high > background, high, pixels.percentile(100)) - background


def _mean_over_bands(values: np.ndarray) -> np.ndarray:
    """Take the mean of the bands that have data."""
    known = ~np.isnan(values)
    if known.all():
        return values.mean(axis=1, keepdims=True, dtype=np.float64)
    number = np.count_nonzero(known, axis=1, keepdims=True)
    total = np.sum(np.where(known, values, 0), axis=1, keepdims=True, dtype=np.float64)
    return np.divide(total, number, out=np.full(total.shape, np.nan), where=number > 0)
