"""The kinds of galaxies, each drawn by lot."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from astrotl.simulate import profiles
from astrotl.simulate.camera import band_index
from astrotl.simulate.galaxies import Galaxy, Part
from astrotl.simulate.profiles import Grid

__all__ = ["GALAXIES", "check_size", "draw", "galaxy"]

_BRIGHTEST, _FAINTEST = 16.3, 20.8


def galaxy(
    kind: str,
    *,
    size: int = 64,
    bands: tuple[str, ...] = ("g", "r", "i"),
    rng: np.random.Generator | int,
    magnitude: float | None = None,
) -> tuple[np.ndarray, dict[str, float | str]]:
    """Draw one galaxy without noise or sky.

    Parameters
    ----------
    kind : str
        ``"elliptical"``, ``"spiral"``, ``"agn"`` (a galaxy with a bright blue nucleus) or ``"lens"`` (an elliptical
        with the arcs of a galaxy behind it).
    size : int
        The side of the image in pixels of 0.25 arcsec; the galaxy is in the middle.
    bands : tuple of str
        Bands out of u, g, r, i, z, y. The galaxy of one seed is the same whatever the bands and the size.
    rng : `~numpy.random.Generator` or int
        The random numbers, or a seed for them.
    magnitude : float, optional
        The total r magnitude; drawn by lot by default, mostly between 16.3 and 20.8.

    Returns
    -------
    image : `~numpy.ndarray`
        The counts, ``(band, y, x)`` in float32; magnitude 27 is one count.
    truth : dict
        What is known about the galaxy: see `~astrotl.simulate.survey` for the names and units.

    Raises
    ------
    ValueError
        If an argument is not among those allowed; the message says which are.

    References
    ----------
    .. [1] Bell, E. F. et al. 2003, ApJS, 149, 289: stellar mass from the r luminosity and g - r

    Examples
    --------
    >>> from astrotl import simulate
    >>> image, truth = simulate.galaxy("spiral", rng=1)
    >>> image.shape, truth["kind"]
    ((3, 64, 64), 'spiral')
    """
    if kind not in GALAXIES:
        raise ValueError(f"kind: {kind!r} is not known; choose from {', '.join(GALAXIES)}")
    check_size(size)
    band_index(bands)
    if magnitude is not None and not np.isfinite(magnitude):
        raise ValueError(f"magnitude: expected a finite number, got {magnitude}")
    drawn = draw(kind, np.random.default_rng(rng))
    if magnitude is not None:
        drawn = drawn.with_magnitude(magnitude)
    return drawn.picture(bands, size=size), drawn.truth(bands)


def draw(kind: str, rng: np.random.Generator) -> Galaxy:
    """Draw a galaxy of a known kind by lot."""
    return GALAXIES[kind](rng)


def check_size(size: int) -> None:
    """Refuse images that would not hold a galaxy."""
    if not 16 <= size <= 512:
        raise ValueError(f"size: expected 16 to 512 pixels, got {size}")


def _elliptical(rng: np.random.Generator, faintest: float = _FAINTEST) -> Galaxy:
    magnitude = _magnitude(rng, faintest)
    radius = _radius(rng, magnitude, typical=4.6, largest=7.0)
    angle, axis_ratio = rng.uniform(0, np.pi), rng.uniform(0.5, 1.0)
    index = rng.uniform(3.2, 4.5)
    young = rng.uniform(0.002, 0.02)
    stars = Part(
        lambda: profiles.sersic(Grid(angle, axis_ratio), radius, index),
        {"old": 1 - young, "young": young},
    )
    return Galaxy(
        kind="elliptical",
        shape="elliptical",
        magnitude=magnitude,
        redshift=_redshift(rng),
        parts=(stars,),
        reddening=rng.normal(0.0, 0.04),
        radius=radius,
        axis_ratio=axis_ratio,
        angle=angle,
        scatter=rng.normal(0.0, 0.1),
    )


def _spiral(rng: np.random.Generator, faintest: float = _FAINTEST) -> Galaxy:
    magnitude = _magnitude(rng, faintest)
    radius = _radius(rng, magnitude, typical=7.6, largest=10.0)
    scale = radius / 1.678
    angle = rng.uniform(0, np.pi)
    # Discs seen edge-on hide their arms; the most tilted ones are left out.
    cosine = rng.uniform(0.3, 1.0)
    axis_ratio = float(np.sqrt(0.15**2 + (1 - 0.15**2) * cosine**2))
    number = int(rng.choice([2, 2, 2, 3, 4]))
    pitch = np.radians(rng.uniform(13, 26)) * rng.choice([-1, 1])
    phase = rng.uniform(0, 2 * np.pi)
    contrast = rng.uniform(2.0, 5.0)
    bulge = rng.uniform(0.06, 0.35)
    bulge_radius = scale * rng.uniform(0.3, 0.5)
    in_arms, in_clumps = rng.uniform(0.5, 0.72), rng.uniform(0.03, 0.12)
    young_disc = float(np.clip(0.25 + 0.08 * (magnitude - 18.3) + rng.normal(0, 0.12), 0.02, 0.7))
    knots = _knots(rng, scale, number, pitch, phase)

    def flat() -> Grid:
        return Grid(angle, axis_ratio)

    disc_light, arm_light = (1 - bulge) * (1 - in_arms - in_clumps), (1 - bulge) * in_arms
    parts = (
        Part(
            lambda: profiles.sersic(Grid(angle, max(axis_ratio, 0.6)), bulge_radius, 2.5),
            {"old": bulge},
        ),
        Part(
            lambda: profiles.disc(flat(), scale),
            {"old": disc_light * (1 - young_disc), "young": disc_light * young_disc},
        ),
        Part(
            lambda: profiles.arms(flat(), 1.15 * scale, number=number, pitch=pitch, phase=phase, contrast=contrast),
            {"old": arm_light * 0.15, "young": arm_light * 0.85},
        ),
        Part(
            lambda: profiles.clumps(flat(), *knots),
            {"young": (1 - bulge) * in_clumps},
        ),
    )
    return Galaxy(
        kind="spiral",
        shape="spiral",
        magnitude=magnitude,
        redshift=_redshift(rng),
        parts=parts,
        # A tilted disc is seen through more of its dust.
        reddening=rng.normal(0.04, 0.04) + 0.1 * (1 - axis_ratio),
        radius=radius,
        axis_ratio=axis_ratio,
        angle=angle,
        scatter=rng.normal(0.0, 0.1),
        arms=number,
    )


def _agn(rng: np.random.Generator) -> Galaxy:
    host = _spiral(rng, faintest=19.3) if rng.uniform() < 0.6 else _elliptical(rng, faintest=19.3)
    share = rng.uniform(0.2, 0.6)
    nucleus = Part(profiles.point, {"nucleus": share})
    # The nucleus comes on top of the host's own light.
    total = host.magnitude + 2.5 * np.log10(1 - share)
    return replace(host, kind="agn", parts=(*_dim(host.parts, 1 - share), nucleus), magnitude=float(total))


def _lens(rng: np.random.Generator) -> Galaxy:
    deflector = _elliptical(rng, faintest=19.3)
    radius = rng.uniform(2.8, 4.2)
    angle, axis_ratio = deflector.angle, max(deflector.axis_ratio, 0.65)
    einstein_radius = radius * rng.uniform(2.2, 2.8)
    mass_ratio = rng.uniform(0.7, 0.92)
    distance, direction = einstein_radius * rng.uniform(0.03, 0.4), rng.uniform(0, 2 * np.pi)
    source = (distance * np.cos(direction), distance * np.sin(direction))
    source_radius, source_ratio = rng.uniform(0.8, 1.6), rng.uniform(0.6, 1.0)
    share = rng.uniform(0.15, 0.4)
    stars = Part(lambda: profiles.sersic(Grid(angle, axis_ratio), radius, 4.0), deflector.parts[0].shares)
    arcs = Part(
        lambda: profiles.lensed(
            Grid(angle),
            einstein_radius,
            mass_ratio=mass_ratio,
            source=source,
            source_radius=source_radius,
            source_ratio=source_ratio,
        ),
        {"source": share},
    )
    return replace(
        deflector,
        kind="lens",
        parts=(*_dim((stars,), 1 - share), arcs),
        radius=radius,
        axis_ratio=axis_ratio,
        einstein_radius=einstein_radius,
    )


def _knots(
    rng: np.random.Generator, scale: float, number: int, pitch: float, phase: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scatter regions of star formation along the arms: positions in the disc and shares of their light."""
    count = int(rng.integers(8, 22))
    radius = scale * rng.uniform(0.8, 3.2, count)
    arm = rng.integers(0, number, count) * (2 * np.pi / number)
    azimuth = phase + np.log(radius / (1.15 * scale)) / np.tan(pitch) + arm + rng.normal(0, 0.12, count)
    shares = rng.pareto(1.8, count) + 0.3
    return radius * np.cos(azimuth), radius * np.sin(azimuth), shares / shares.sum()


def _dim(parts: tuple[Part, ...], factor: float) -> tuple[Part, ...]:
    return tuple(replace(part, shares={name: share * factor for name, share in part.shares.items()}) for part in parts)


def _magnitude(rng: np.random.Generator, faintest: float) -> float:
    """Faint galaxies are more frequent than bright ones."""
    return float(_BRIGHTEST + (faintest - _BRIGHTEST) * rng.uniform() ** 0.8)


def _radius(rng: np.random.Generator, magnitude: float, *, typical: float, largest: float) -> float:
    """Bright galaxies are larger, with scatter."""
    radius = typical * 10 ** (-0.09 * (magnitude - 18.3)) * np.exp(rng.normal(0, 0.2))
    return float(np.clip(radius, 2.5, largest))


def _redshift(rng: np.random.Generator) -> float:
    return float(np.clip(rng.normal(0.12, 0.015), 0.07, 0.2))


#: How a galaxy of each kind is drawn.
GALAXIES: dict[str, Callable[[np.random.Generator], Galaxy]] = {
    "elliptical": _elliptical,
    "spiral": _spiral,
    "agn": _agn,
    "lens": _lens,
}
