"""The optics: point sources, profiles and noise against what is known about them."""

from __future__ import annotations

import numpy as np
import pytest

from astrotl.simulate.camera import SEEING, SKY, add_noise, expose
from astrotl.simulate.profiles import Grid, lensed, point, sersic


def moffat(size: int, width: float, y: float, x: float, finer: int = 11) -> np.ndarray:
    """Integrate a Moffat function over pixels by brute force."""
    scale = width / (2 * np.sqrt(2 ** (1 / 3) - 1))
    steps = (np.arange(size * finer) + 0.5) / finer - size / 2
    squared = (steps[:, None] - y) ** 2 + (steps[None, :] - x) ** 2
    light = 2 / (np.pi * scale**2) * (1 + squared / scale**2) ** -3.0
    return light.reshape(size, finer, size, finer).sum(axis=(1, 3)) / finer**2


@pytest.mark.parametrize("size", [32, 33])
@pytest.mark.parametrize("offset", [(0.0, 0.0), (0.3, -0.45), (-5.2, 3.7)])
def test_a_star_is_a_moffat_function_through_square_pixels(size, offset):
    bands = ("g", "i")
    stars = expose(np.stack([point()] * 2), bands, size=size, offsets=np.array([offset] * 2))
    for star, band in zip(stars, bands, strict=True):
        np.testing.assert_allclose(star, moffat(size, SEEING[band], *offset), atol=2e-4)


def test_half_the_light_is_within_the_effective_radius():
    # The outermost light fades away, so that a steep profile has a little less than half of the rest outside.
    for index, expected in ((1.0, 0.5), (4.0, 0.56)):
        light = sersic(Grid(), 5.0, index)
        assert light[Grid().radius_squared < 25].sum() == pytest.approx(expected, abs=0.02)


def test_a_lens_shows_a_ring_or_two_images():
    radius = np.sqrt(Grid().radius_squared)
    lens = {"mass_ratio": 0.999, "source_radius": 0.5, "source_ratio": 1.0}
    ring = lensed(Grid(), 8.0, source=(0.0, 0.0), **lens)
    assert ring[np.abs(radius - 8) < 1.5].sum() > 0.9
    # A singular isothermal sphere puts the images at the Einstein radius plus and minus the offset.
    images = lensed(Grid(), 8.0, source=(3.0, 0.0), **lens)
    x = Grid().major + 0 * Grid().minor
    for side, expected in ((x > 0, 11.0), (x < 0, -5.0)):
        assert (images * x)[side].sum() / images[side].sum() == pytest.approx(expected, abs=0.5)


def test_noise_grows_with_the_sky_and_the_light():
    rng = np.random.default_rng(1)
    for counts in (0.0, 500.0):
        image = np.full((2, 200, 200), counts, dtype=np.float32)
        noise = add_noise(image, ("g", "r"), rng) - image
        expected = np.sqrt((np.array([SKY["g"], SKY["r"]]) + counts) / 40 + 0.25)
        assert noise.std(axis=(1, 2)) == pytest.approx(expected, rel=0.02)
