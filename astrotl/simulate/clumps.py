"""Galaxies with giant star-forming clumps, and a box around each clump that can be seen.

Blue points follow the light of discs; stars of our own galaxy and galaxies far behind are in the images too, unboxed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import astropy.units as u
import numpy as np
from astropy.table import Table

from astrotl.detection.table import make_boxes
from astrotl.simulate import profiles
from astrotl.simulate.camera import BANDS, PIXEL_SCALE, ZERO_POINT, add_noise, band_index, scatter
from astrotl.simulate.catalogue import check_seed, identifiers, stream
from astrotl.simulate.galaxies import Galaxy, Part
from astrotl.simulate.kinds import draw
from astrotl.simulate.plane import paste, somewhere, touches, whole_pixels
from astrotl.simulate.profiles import CANVAS, FINE, Grid
from astrotl.simulate.stars import star
from astrotl.sources import ArrayField

__all__ = ["BOX", "clumpy"]

#: The side of a clump's box in pixels: a little more than twice the width of a star.
BOX = 6.0
_MOST = 10
_FAINTEST, _BRIGHTEST = 0.01, 0.25
#: What is closer than this to a clump or to the nucleus would be seen as one with it.
_APART = 5.0
#: No clump is farther from the nucleus, so that its box is in the image.
_REACH = 26.0
#: A clump is seen if, in one band, its peak is above the noise and stands out from the light under it.
_ABOVE_NOISE, _ABOVE_LIGHT = 3.0, 0.4


@dataclass(frozen=True)
class _Clump:
    """A clump as drawn by lot: where it is, from the galaxy's centre, and its light."""

    y: float
    x: float
    ratio: float
    colour: float


def clumpy(
    n: int,
    *,
    size: int = 96,
    bands: tuple[str, ...] = ("g", "r", "i"),
    seed: int = 0,
    noise: float = 1.0,
) -> tuple[list[ArrayField], Table]:
    """Make images of galaxies with giant clumps of young stars, and the boxes around the clumps.

    Each image has one galaxy, a disc with arms and a bulge, and up to ten clumps. A clump is too small to be resolved,
    is bluer than the disc, lies where the disc shines, and has 1 to 25 % of the g light that the galaxy has without
    clumps; faint clumps are more frequent than bright ones. Stars and galaxies that have nothing to do with it are in
    the image as well. A clump is boxed if, in one of the bands, its peak is above three times the noise and above
    four tenths of the light under it. Image number i depends on the seed and on i, never on ``n``.

    Parameters
    ----------
    n : int
        How many images.
    size : int
        The side of an image in pixels of 0.25 arcsec, 64 to 512.
    bands : tuple of str
        Bands out of u, g, r, i, z, y.
    seed : int
        Where the random numbers start.
    noise : float
        The noise relative to that of a survey: 0 leaves it out.

    Returns
    -------
    fields : list of `~astrotl.sources.ArrayField`
        The images in counts, without sky; magnitude 27 is one count.
    boxes : `~astropy.table.Table`
        A table of boxes of the class ``clump``, 6 pixels wide, with the columns ``flux_ratio``, the clump's g light
        over the galaxy's, and ``mag``, the clump's magnitude in g.

    Raises
    ------
    ValueError
        If an argument is not among those allowed; the message says which are.

    References
    ----------
    .. [1] Mehta, V. et al. 2021, ApJ, 912, 49: the clumps of nearby galaxies
    .. [2] Popp, J. J. et al. 2024, RASTI, 3, 174: detectors that learn to find them

    Examples
    --------
    >>> from astrotl import simulate
    >>> fields, boxes = simulate.clumpy(3, seed=1)
    >>> fields[0]
    <ArrayField SIM0001: 96 x 96 px, channels g, r, i>
    >>> set(boxes["class"].tolist())
    {'clump'}
    """
    if n < 1:
        raise ValueError(f"n: expected one image or more, got {n}")
    if not 64 <= size <= 512:
        raise ValueError(f"size: expected 64 to 512 pixels, got {size}")
    if not noise >= 0:
        raise ValueError(f"noise: expected zero or more, got {noise}")
    check_seed(seed)
    band_index(bands)
    fields, rows = [], []
    for number, name in enumerate(identifiers(n)):
        rng = stream(seed, number)
        wcs = somewhere(rng, size)
        image, seen = _draw_image(size, bands, noise, rng)
        fields.append(ArrayField(add_noise(image, bands, rng, noise), name, channels=bands, wcs=wcs))
        rows += [(name, *values) for values in seen]
    names, x, y, ratio, magnitude = zip(*rows, strict=True) if rows else ([],) * 5
    boxes = make_boxes(names, x, y, BOX, BOX, "clump")
    boxes["flux_ratio"] = np.array(ratio, dtype=np.float64)
    boxes["mag"] = np.array(magnitude, dtype=np.float64) * u.mag
    boxes.meta = {"seed": seed, "pixel_scale": PIXEL_SCALE, "zero_point": ZERO_POINT}
    return fields, boxes


def _draw_image(
    size: int, bands: Sequence[str], noise: float, rng: np.random.Generator
) -> tuple[np.ndarray, list[tuple[float, float, float, float]]]:
    """Draw one image without noise, and x, y, flux ratio and magnitude of the clumps that can be seen in it."""
    image = np.zeros((len(bands), size, size), dtype=np.float32)
    host, clumps = _host(rng), []
    middle = (size - 1) / 2 + rng.uniform(-3, 3, 2)
    _add(image, middle, partial(host.picture, bands))
    host_magnitude = float(host.magnitudes()[BANDS.index("g")])
    for clump in _clumps(host, rng):
        place = middle + np.array([clump.y, clump.x])
        magnitude = host_magnitude - 2.5 * np.log10(clump.ratio)
        before = image.copy()
        _add(image, place, partial(star, magnitude - clump.colour, clump.colour, bands))
        clumps.append((place, clump.ratio, magnitude, (image - before).max(axis=(1, 2))))
    _add_others(image, bands, np.array([middle, *(place for place, *_ in clumps)]), rng)
    limit = _ABOVE_NOISE * noise * scatter(image, bands)
    seen = []
    for place, ratio, magnitude, peak in clumps:
        y, x = np.rint(place).astype(int)
        light = image[:, y, x]
        if np.any((peak > limit[:, y, x]) & (peak > _ABOVE_LIGHT * (light - peak))):
            seen.append((float(place[1]), float(place[0]), ratio, magnitude))
    return image, seen


def _host(rng: np.random.Generator) -> Galaxy:
    """Draw a disc galaxy that is large enough for its clumps to be told apart; it has no small knots of its own."""
    magnitude = rng.uniform(16.0, 18.5)
    radius = float(np.clip(9.5 * 10 ** (-0.09 * (magnitude - 17.3)) * np.exp(rng.normal(0, 0.15)), 7.0, 11.0))
    scale = radius / 1.678
    angle, axis_ratio = rng.uniform(0, np.pi), rng.uniform(0.35, 1.0)
    number = int(rng.choice([2, 2, 3, 4]))
    pitch = np.radians(rng.uniform(15, 30)) * rng.choice([-1, 1])
    phase, contrast = rng.uniform(0, 2 * np.pi), rng.uniform(0.5, 3.0)
    bulge, in_arms, young = rng.uniform(0.05, 0.3), rng.uniform(0.1, 0.6), rng.uniform(0.15, 0.5)
    bulge_radius = scale * rng.uniform(0.3, 0.5)

    def flat() -> Grid:
        return Grid(angle, axis_ratio)

    disc_light, arm_light = (1 - bulge) * (1 - in_arms), (1 - bulge) * in_arms
    parts = (
        Part(lambda: profiles.sersic(Grid(angle, max(axis_ratio, 0.6)), bulge_radius, 2.5), {"old": bulge}),
        Part(
            lambda: profiles.disc(flat(), scale),
            {"old": disc_light * (1 - young), "young": disc_light * young},
        ),
        Part(
            lambda: profiles.arms(flat(), 1.15 * scale, number=number, pitch=pitch, phase=phase, contrast=contrast),
            {"old": arm_light * 0.4, "young": arm_light * 0.6},
        ),
    )
    return Galaxy(
        kind="spiral",
        shape="spiral",
        magnitude=float(magnitude),
        redshift=0.05,
        parts=parts,
        reddening=rng.normal(0.04, 0.04) + 0.1 * (1 - axis_ratio),
        radius=radius,
        axis_ratio=axis_ratio,
        angle=angle,
        scatter=0.0,
        arms=number,
    )


def _clumps(host: Galaxy, rng: np.random.Generator) -> list[_Clump]:
    """Draw places by the light of disc and arms, shares by a luminosity function that falls with a power of two."""
    light = np.sum([sum(part.shares.values()) * part.paint() for part in host.parts[1:]], axis=0).ravel().cumsum()
    clumps: list[_Clump] = []
    for _ in range(int(rng.integers(0, _MOST + 1))):
        point = int(np.searchsorted(light, rng.uniform(0, light[-1])))
        place = np.divmod(point, CANVAS * FINE) - np.full(2, CANVAS * FINE // 2) + rng.uniform(-0.5, 0.5, 2)
        y, x = place / FINE
        share, colour = rng.uniform(), rng.uniform(-0.1, 0.25)
        ratio = 1 / (1 / _FAINTEST + share * (1 / _BRIGHTEST - 1 / _FAINTEST))
        taken = [(0.0, 0.0), *((other.y, other.x) for other in clumps)]
        if min(np.hypot(y - there[0], x - there[1]) for there in taken) >= _APART and np.hypot(y, x) < _REACH:
            clumps.append(_Clump(float(y), float(x), ratio, colour))
    return clumps


def _add_others(image: np.ndarray, bands: Sequence[str], taken: np.ndarray, rng: np.random.Generator) -> None:
    """Add stars and small far galaxies, none of them on the galaxy's centre or on a clump."""
    size = image.shape[-1]
    # As many to a square arcminute in large images as in small ones.
    area = (size / 96) ** 2
    for is_star in np.repeat([True, False], rng.poisson([2.0 * area, 1.5 * area])):
        place, magnitude, colour = rng.uniform(0, size - 1, 2), 17 + 5 * np.sqrt(rng.uniform()), rng.uniform(0.4, 1.4)
        far = draw(str(rng.choice(["spiral", "elliptical"])), rng).with_magnitude(magnitude + 1.5)
        if np.hypot(*(taken - place).T).min() >= _APART:
            _add(image, place, partial(star, magnitude, colour, bands) if is_star else partial(far.picture, bands))


def _add(image: np.ndarray, place: np.ndarray, picture: Callable[..., np.ndarray]) -> None:
    """Add what lies at this place, in y and x, the same one in each band."""
    places = np.tile(place, (len(image), 1))
    if touches(places, image.shape):
        corners, offsets = whole_pixels(places)
        paste(image, picture(size=CANVAS, offsets=offsets), corners)
