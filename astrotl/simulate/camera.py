"""The telescope and its camera: bands, point spread function, pixels, zero point and noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import fft
from scipy.special import gamma, kv

from astrotl.simulate.profiles import CANVAS, FINE

__all__ = [
    "BANDS",
    "GAIN",
    "PIXEL_SCALE",
    "READ_NOISE",
    "SATURATION",
    "SEEING",
    "SKY",
    "ZERO_POINT",
    "add_noise",
    "band_index",
    "expose",
    "flux",
    "scatter",
]

#: Arcseconds along a pixel.
PIXEL_SCALE = 0.25
#: The AB magnitude of one count.
ZERO_POINT = 27.0
#: Electrons in a count, over the whole stack of exposures.
GAIN = 40.0
#: Counts of noise in a pixel without light.
READ_NOISE = 0.5
#: Counts that a pixel can hold.
SATURATION = 5000.0
#: The bands that the camera has.
BANDS = ("u", "g", "r", "i", "z", "y")
#: Full width at half maximum of the point spread function, in pixels.
SEEING = {"u": 2.9, "g": 2.6, "r": 2.4, "i": 2.2, "z": 2.1, "y": 2.1}
#: Counts of sky background in a pixel.
SKY = {"u": 40.0, "g": 60.0, "r": 100.0, "i": 140.0, "z": 180.0, "y": 220.0}

_MOFFAT_BETA = 3.0


@dataclass(frozen=True)
class _Frequencies:
    """Spatial frequencies of the canvas in cycles per pixel, with the response of a square pixel."""

    y: np.ndarray
    x: np.ndarray
    pixel: np.ndarray


def band_index(bands: Sequence[str]) -> list[int]:
    """Check the names of bands and give their places in `BANDS`."""
    if isinstance(bands, str) or not bands:
        raise ValueError(f"bands: expected a tuple of names out of {', '.join(BANDS)}, got {bands!r}")
    for band in bands:
        if band not in BANDS:
            raise ValueError(f"bands: {band!r} is not known; the camera has {', '.join(BANDS)}")
    if len(set(bands)) < len(bands):
        raise ValueError(f"bands: every band may stand only once, got {', '.join(bands)}")
    return [BANDS.index(band) for band in bands]


def flux(magnitude: np.ndarray | float) -> np.ndarray:
    """Turn magnitudes into counts."""
    return 10 ** (-0.4 * (np.asarray(magnitude, dtype=float) - ZERO_POINT))


def expose(light: np.ndarray, bands: Sequence[str], *, size: int, offsets: np.ndarray | None = None) -> np.ndarray:
    """Blur the light of a canvas as the atmosphere and the pixels do, and read it out.

    Parameters
    ----------
    light : `~numpy.ndarray`
        The canvas in each band, ``(band, y, x)``.
    bands : sequence of str
        The bands.
    size : int
        The side of the image in pixels.
    offsets : `~numpy.ndarray`, optional
        Where the canvas' centre falls in each band, ``(band, 2)``: pixels in y and x from the image's centre.

    Returns
    -------
    `~numpy.ndarray`
        The noiseless images in counts, ``(band, y, x)``.

    References
    ----------
    .. [1] Moffat, A. F. J. 1969, A&A, 3, 455: the point spread function

    Examples
    --------
    >>> import numpy as np
    >>> from astrotl.simulate.camera import expose
    >>> from astrotl.simulate.profiles import point
    >>> star = expose(100 * point()[np.newaxis], ("r",), size=33)[0]
    >>> tuple(int(place) for place in np.unravel_index(star.argmax(), star.shape))
    (16, 16)
    """
    start = (CANVAS - size) // 2
    # An odd image has its centre on a pixel, an even one between two; the canvas itself is even.
    centre = start + (size - 1) / 2 - (CANVAS - 1) / 2
    shifts = np.full((len(bands), 2), centre) + (0 if offsets is None else offsets)
    spectrum = fft.rfft2(np.asarray(light, dtype=np.float32))
    for number, band in enumerate(bands):
        spectrum[number] *= _transfer(SEEING[band])
        # Half a pixel lies between the canvas' middle point and the middle of its middle four pixels.
        spectrum[number] *= _shift(*(shifts[number] - 0.5))
    # Folding the spectrum reads every second row: the other ones need not be computed.
    folded = spectrum[:, :CANVAS] + spectrum[:, CANVAS:]
    rows = fft.ifft(folded, axis=1) * np.float32(FINE)
    image = fft.irfft(rows, n=CANVAS * FINE, axis=2)[:, :, ::FINE]
    return _cut(image, start, size)


def add_noise(image: np.ndarray, bands: Sequence[str], rng: np.random.Generator, level: float = 1.0) -> np.ndarray:
    """Add the noise of the light, the sky and the read-out to noiseless counts without sky.

    Light comes in so many electrons that its Poisson noise is as good as Gaussian.
    """
    return image + np.float32(level) * scatter(image, bands) * rng.standard_normal(image.shape, dtype=np.float32)


def scatter(image: np.ndarray, bands: Sequence[str]) -> np.ndarray:
    """Give the standard deviation of the noise in each pixel of noiseless counts without sky."""
    sky = np.array([SKY[band] for band in bands], dtype=np.float32)[:, np.newaxis, np.newaxis]
    return np.sqrt(np.maximum(image + sky, 0) / np.float32(GAIN) + np.float32(READ_NOISE**2))


def _cut(image: np.ndarray, start: int, size: int) -> np.ndarray:
    """Take the central pixels; beyond the canvas there is no light."""
    if start >= 0:
        return image[:, start : start + size, start : start + size]
    wide = np.zeros((len(image), size, size), dtype=image.dtype)
    wide[:, -start : CANVAS - start, -start : CANVAS - start] = image
    return wide


@lru_cache(maxsize=1)
def _frequencies() -> _Frequencies:
    side = CANVAS * FINE
    y = (fft.fftfreq(side) * FINE)[:, np.newaxis]
    x = (fft.rfftfreq(side) * FINE)[np.newaxis, :]
    return _Frequencies(y, x, np.sinc(y) * np.sinc(x))


@lru_cache(maxsize=16)
def _transfer(width: float) -> np.ndarray:
    """Transform a Moffat function of this full width at half maximum, seen through square pixels."""
    scale = width / (2 * np.sqrt(2 ** (1 / _MOFFAT_BETA) - 1))
    frequencies = _frequencies()
    order = _MOFFAT_BETA - 1
    phase = np.maximum(2 * np.pi * scale * np.hypot(frequencies.y, frequencies.x), 1e-9)
    moffat = 2 * (phase / 2) ** order * kv(order, phase) / gamma(order)
    return (moffat * frequencies.pixel).astype(np.float32)


def _shift(y: float, x: float) -> np.ndarray:
    frequencies = _frequencies()
    return np.exp(-2j * np.pi * y * frequencies.y).astype(np.complex64) * np.exp(
        -2j * np.pi * x * frequencies.x
    ).astype(np.complex64)
