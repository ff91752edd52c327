"""Radio images with double and compact sources, and a box around each of them.

The beam, the pixels and the noise are those of a survey at 1.4 GHz such as FIRST.
"""

from __future__ import annotations

from dataclasses import dataclass

import astropy.units as u
import numpy as np
from astropy.table import Table
from scipy.ndimage import gaussian_filter

from astrotl.detection.table import make_boxes
from astrotl.simulate.catalogue import check_seed, identifiers, stream
from astrotl.simulate.plane import somewhere
from astrotl.sources import ArrayField

__all__ = ["doubles"]

#: Arcseconds along a pixel, the beam's standard deviation in pixels, and the noise in Jy/beam.
_SCALE = 1.8
_BEAM = 5.4 / 2.3548 / _SCALE
_NOISE = 1.5e-4
_BEAM_AREA = 2 * np.pi * _BEAM**2
#: Emission counts from so many times the noise on.
_ABOVE_NOISE = 3.0
_MOST, _TRIES, _MARGIN = 4, 20, 5


@dataclass(frozen=True)
class _Source:
    """A source as a sum of Gaussians, in pixels from its core along its axis and across it."""

    label: str
    reach: float
    #: The brightest pixel, over the noise.
    peak: float
    along: np.ndarray
    across: np.ndarray
    light: np.ndarray
    length: np.ndarray
    width: np.ndarray

    def paint(self, y: np.ndarray, x: np.ndarray, angle: float) -> np.ndarray:
        """Give its brightness in Jy/beam at pixels counted from the core; the beam has widened every Gaussian."""
        along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
        length, width = np.hypot(self.length, _BEAM), np.hypot(self.width, _BEAM)
        exponent = ((along[..., None] - self.along) / length) ** 2 + ((across[..., None] - self.across) / width) ** 2
        image = np.exp(-0.5 * exponent) @ (self.light * _BEAM**2 / (length * width))
        return image * (self.peak * _NOISE / image.max())


def doubles(n: int, *, size: int = 128, seed: int = 0) -> tuple[list[ArrayField], Table]:
    """Make radio images of one to four sources each, and the boxes around the sources.

    A source of the class ``FR-I`` has two jets that are brightest near the core, widen, bend and fade; one of the class
    ``FR-II`` has two lobes that are brightest at their far ends, in hot spots, and perhaps a core; a ``compact`` one is
    hardly resolved. The noise is Gaussian and has the beam's shape. A box holds all of a source that is brighter than
    three times the noise. Image number i depends on the seed and on i, never on ``n``.

    Parameters
    ----------
    n : int
        How many images.
    size : int
        The side of an image in pixels of 1.8 arcsec, 64 to 512; the beam is 5.4 arcsec wide.
    seed : int
        Where the random numbers start.

    Returns
    -------
    fields : list of `~astrotl.sources.ArrayField`
        The images in Jy/beam, with the channel ``radio``; the noise is 0.15 mJy/beam.
    boxes : `~astropy.table.Table`
        A table of boxes with the column ``flux``, the source's total flux density in Jy.

    Raises
    ------
    ValueError
        If an argument is not among those allowed; the message says which are.

    References
    ----------
    .. [1] Fanaroff, B. L. & Riley, J. M. 1974, MNRAS, 167, 31P: the two classes of doubles
    .. [2] Becker, R. H., White, R. L. & Helfand, D. J. 1995, ApJ, 450, 559: the survey FIRST

    Examples
    --------
    >>> from astrotl import simulate
    >>> fields, boxes = simulate.doubles(10, seed=1)
    >>> fields[0]
    <ArrayField SIM0001: 128 x 128 px, channels radio>
    >>> sorted(set(boxes["class"].tolist()))
    ['FR-I', 'FR-II', 'compact']
    """
    if n < 1:
        raise ValueError(f"n: expected one image or more, got {n}")
    if not 64 <= size <= 512:
        raise ValueError(f"size: expected 64 to 512 pixels, got {size}")
    check_seed(seed)
    fields, rows = [], []
    for number, name in enumerate(identifiers(n)):
        rng = stream(seed, number)
        wcs = somewhere(rng, size, _SCALE)
        image = np.zeros((size, size))
        rows += [(name, *values) for values in _add_sources(image, rng)]
        fields.append(ArrayField(image + _noise(size, rng), name, channels=("radio",), wcs=wcs))
    names, label, left, bottom, right, top, flux = map(np.array, zip(*rows, strict=True))
    boxes = make_boxes(names, (left + right) / 2, (bottom + top) / 2, right - left, top - bottom, label)
    boxes["flux"] = flux * u.Jy
    boxes.meta = {"seed": seed, "pixel_scale": _SCALE, "beam": _BEAM * 2.3548 * _SCALE, "noise": _NOISE}
    return fields, boxes


def _add_sources(image: np.ndarray, rng: np.random.Generator) -> list[tuple[str, float, float, float, float, float]]:
    """Add sources where there is room, and give the class, the box's edges and the flux of each."""
    size, rows = len(image), []
    taken: list[tuple[float, float, float]] = []
    for _ in range(int(rng.integers(1, _MOST + 1))):
        source = (_fading, _edge_brightened, _compact)[rng.integers(3)](rng)
        angle = rng.uniform(0, 2 * np.pi)
        reach = source.reach + _MARGIN
        for _ in range(_TRIES):
            y, x = rng.uniform(reach, size - 1 - reach, 2)
            if all(np.hypot(y - other[0], x - other[1]) > reach + other[2] for other in taken):
                break
        else:
            continue
        taken.append((y, x, reach))
        low = np.floor(np.array([y, x]) - reach).astype(int).clip(0)
        window = tuple(slice(start, start + int(2 * reach) + 2) for start in low)
        rows_of, columns_of = np.mgrid[window][:, : size - low[0], : size - low[1]]
        light = source.paint(rows_of - y, columns_of - x, angle)
        image[window] += light
        bright = np.nonzero(light > _ABOVE_NOISE * _NOISE)
        (bottom, left), (top, right) = low + np.min(bright, axis=1) - 0.5, low + np.max(bright, axis=1) + 0.5
        rows.append((source.label, left, bottom, right, top, float(light.sum() / _BEAM_AREA)))
    return rows


def _compact(rng: np.random.Generator) -> _Source:
    size = rng.uniform(0, 0.8)
    zero = np.zeros(1)
    return _Source("compact", 4.0, _peak(rng, 8), zero, zero, zero + 1, zero + size, zero + size * rng.uniform(0.3, 1))


def _fading(rng: np.random.Generator) -> _Source:
    """Draw two jets as chains of Gaussians, which widen and fade from the core on."""
    reach = rng.uniform(9, 20)
    steps = np.linspace(0, 1, 10)[1:]
    bend = rng.normal(0, 0.25)
    # Both jets bend to the same side where gas blows against them, to opposite sides where the core turns.
    turns = bend * np.array([1.0, rng.choice([-1.0, 1.0])])
    ratio, fade, opening = rng.uniform(0.5, 1.0), rng.uniform(0.35, 0.7), rng.uniform(0.1, 0.18)
    parts = [(0.0, 0.0, rng.uniform(0.5, 2.0), 0.3, 0.3)]
    for sign, brightness, turn in ((1, 1.0, turns[0]), (-1, ratio, turns[1])):
        for step in steps:
            brightness_here = brightness * np.exp(-step / fade) * rng.uniform(0.8, 1.2)
            parts.append(
                (sign * step * reach, turn * step**2 * reach, brightness_here, reach / 10, 0.5 + opening * step * reach)
            )
    return _Source("FR-I", 1.3 * reach, _peak(rng, 25), *np.array(parts).T)


def _edge_brightened(rng: np.random.Generator) -> _Source:
    """Draw two lobes, each a hot spot at the far end and a chain of Gaussians back towards the core."""
    reach = rng.uniform(8, 22)
    ratio, arm, spot = rng.uniform(0.5, 1.0), rng.uniform(0.75, 1.0), rng.uniform(0.8, 2.0)
    width, bridge = rng.uniform(0.1, 0.18) * reach, rng.uniform(0.3, 0.7)
    parts = []
    for sign, brightness, length in ((1, 1.0, 1.0), (-1, ratio, arm)):
        tilt = rng.normal(0, 0.06) * reach
        far = length * reach
        parts.append((sign * far, tilt, brightness * spot, 0.4, 0.6))
        parts += [
            (sign * step * far, tilt * step, brightness * bridge * step**2, 0.1 * reach, width)
            for step in np.linspace(0.9, rng.uniform(0.3, 0.6), 6)
        ]
    if rng.uniform() < 0.6:
        parts.append((0.0, 0.0, rng.uniform(0.1, 0.5), 0.2, 0.2))
    return _Source("FR-II", 1.2 * reach, _peak(rng, 20), *np.array(parts).T)


def _peak(rng: np.random.Generator, least: float) -> float:
    """Draw how far the brightest pixel is above the noise: mostly not very far."""
    return float(least * np.exp(rng.exponential(0.8)))


def _noise(size: int, rng: np.random.Generator) -> np.ndarray:
    white = rng.standard_normal((size, size))
    # Blurring leaves of white noise one over twice the square root of pi times the beam's standard deviation.
    return _NOISE * 2 * np.sqrt(np.pi) * _BEAM * gaussian_filter(white, _BEAM, mode="wrap")
