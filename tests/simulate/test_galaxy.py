"""One galaxy without noise: does it look like what it is called?"""

from __future__ import annotations

import numpy as np
import pytest

from astrotl import simulate

GALAXIES = ("elliptical", "spiral", "agn", "lens")
PIXEL_SCALE = 0.25


def radii(size: int) -> np.ndarray:
    y, x = np.indices((size, size)) - (size - 1) / 2
    return np.hypot(y, x)


def half_light_radius(image: np.ndarray) -> float:
    order = np.argsort(radii(image.shape[-1]), axis=None)
    grown = np.cumsum(image.ravel()[order])
    return float(radii(image.shape[-1]).ravel()[order][np.searchsorted(grown, grown[-1] / 2)])


@pytest.mark.parametrize("kind", GALAXIES)
@pytest.mark.parametrize("size", [64, 65])
def test_the_galaxy_is_in_the_middle(kind, size):
    for seed in range(5):
        image, _ = simulate.galaxy(kind, size=size, rng=seed)
        y, x = np.indices((size, size)) - (size - 1) / 2
        # Arcs and arms need not be symmetric, but the core is.
        core = np.where(radii(size) < 4, image, 0)
        assert np.abs((core * y).sum(axis=(1, 2)) / core.sum(axis=(1, 2))).max() < 0.6
        assert np.abs((core * x).sum(axis=(1, 2)) / core.sum(axis=(1, 2))).max() < 0.6


@pytest.mark.parametrize("kind", GALAXIES)
def test_the_light_adds_up_to_the_magnitudes(kind):
    for seed in range(5):
        image, truth = simulate.galaxy(kind, size=96, bands=("u", "g", "r", "i", "z", "y"), rng=seed)
        seen = 27 - 2.5 * np.log10(image.sum(axis=(1, 2)))
        assert seen == pytest.approx([truth[f"mag_{band}"] for band in simulate.BANDS], abs=0.01)


def test_a_magnitude_can_be_asked_for():
    faint, truth = simulate.galaxy("spiral", rng=3, magnitude=20.0)
    bright, _ = simulate.galaxy("spiral", rng=3, magnitude=17.5)
    assert truth["mag_r"] == pytest.approx(20.0)
    np.testing.assert_allclose(bright, 10 * faint, rtol=1e-4, atol=1e-3)


def test_size_and_bands_do_not_change_the_galaxy():
    small, of_small = simulate.galaxy("spiral", size=32, bands=("r",), rng=5)
    large, of_large = simulate.galaxy("spiral", size=128, bands=("g", "r"), rng=5)
    np.testing.assert_allclose(small[0], large[1, 48:80, 48:80], rtol=1e-4, atol=1e-4)
    assert of_small["log_mass"] == of_large["log_mass"]


def test_nothing_is_darker_than_the_sky():
    for kind in GALAXIES:
        image, _ = simulate.galaxy(kind, rng=2)
        assert image.min() > -1e-3 * image.max()


def test_ellipticals_are_redder_than_spirals_and_form_fewer_stars():
    truths = {kind: [simulate.galaxy(kind, size=16, rng=seed)[1] for seed in range(30)] for kind in GALAXIES[:2]}
    colour = {kind: np.median([truth["mag_g"] - truth["mag_r"] for truth in rows]) for kind, rows in truths.items()}
    specific = {kind: np.median([t["log_sfr"] - t["log_mass"] for t in rows]) for kind, rows in truths.items()}
    assert colour["elliptical"] > colour["spiral"] + 0.2
    assert specific["elliptical"] < specific["spiral"] - 1


def test_bright_galaxies_are_heavier():
    truths = [simulate.galaxy("elliptical", size=16, rng=seed)[1] for seed in range(50)]
    magnitudes, masses = ([truth[name] for truth in truths] for name in ("mag_r", "log_mass"))
    assert np.corrcoef(magnitudes, masses)[0, 1] < -0.9
    assert 9.0 < min(masses) < max(masses) < 12.0


def test_a_spiral_has_arms_and_an_elliptical_none():
    """Along a circle in the plane of a face-on disc the arms come up as a wave."""

    def waviness(kind: str, seed: int) -> float:
        image, truth = simulate.galaxy(kind, rng=seed)
        ring = np.abs(radii(64) - 1.3 * truth["radius"] / PIXEL_SCALE) < 0.7
        return float(image[0][ring].std() / image[0][ring].mean())

    round_enough = {
        kind: [seed for seed in range(200) if simulate.galaxy(kind, size=16, rng=seed)[1]["axis_ratio"] > 0.93]
        for kind in ("spiral", "elliptical")
    }
    wavy = {kind: [waviness(kind, seed) for seed in seeds] for kind, seeds in round_enough.items()}
    assert np.median(wavy["spiral"]) > 2 * np.median(wavy["elliptical"])


def test_position_angle_runs_from_north_through_east():
    image = next(
        image
        for image, truth in (simulate.galaxy("elliptical", rng=seed) for seed in range(100))
        if truth["axis_ratio"] < 0.6 and 30 < truth["position_angle"] < 60
    )
    y, x = np.indices((64, 64)) - 31.5
    # North is up and east is left, so that the galaxy leans to the upper left.
    assert (image[1] * x * y).sum() < 0


def test_an_active_nucleus_is_a_blue_point():
    for seed in range(10):
        image, truth = simulate.galaxy("agn", rng=seed)
        assert 0.2 <= truth["nucleus_share"] <= 0.6
        assert half_light_radius(image[1]) < 7
        core = radii(64) < 2
        outskirts = (radii(64) > 6) & (radii(64) < 16)
        inner = -2.5 * np.log10(image[0][core].sum() / image[1][core].sum())
        outer = -2.5 * np.log10(image[0][outskirts].sum() / image[1][outskirts].sum())
        if truth["shape"] == "elliptical":
            assert inner < outer - 0.1


def test_an_active_galaxy_is_more_concentrated_than_others():
    def concentration(kind: str, shape: str) -> float:
        values = []
        for seed in range(40):
            image, truth = simulate.galaxy(kind, rng=seed)
            if truth["shape"] == shape:
                values.append(image[0][radii(64) < 2].sum() / image[0].sum())
        return float(np.median(values))

    for shape in ("elliptical", "spiral"):
        assert concentration("agn", shape) > 1.4 * concentration(shape, shape)


def test_arcs_lie_near_the_einstein_radius():
    """The bands z and y are equally sharp: what z has more than the lens' own colour belongs to the arcs."""
    for seed in range(20):
        image, truth = simulate.galaxy("lens", size=96, bands=("z", "y"), rng=seed)
        assert truth["shape"] == "elliptical"
        colour = image[0, 48, 48] / image[1, 48, 48]
        arcs = np.abs(image[0] - colour * image[1])
        distance = (arcs * radii(96)).sum() / arcs.sum() * PIXEL_SCALE
        assert distance == pytest.approx(truth["einstein_radius"], rel=0.25)


def test_only_lenses_have_an_einstein_radius():
    assert np.isnan(simulate.galaxy("spiral", rng=1)[1]["einstein_radius"])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"kind": "lense"}, "kind: 'lense' is not known; choose from elliptical, spiral, agn, lens"),
        ({"kind": "damaged"}, "kind: 'damaged' is not known"),
        ({"bands": ("g", "H")}, "bands: 'H' is not known; the camera has u, g, r, i, z, y"),
        ({"bands": ("g", "g")}, "bands: every band may stand only once"),
        ({"bands": ()}, "bands: expected"),
        ({"bands": "gri"}, "bands: expected"),
        ({"size": 4}, "size: expected 16 to 512"),
        ({"magnitude": np.nan}, "magnitude: expected a finite number"),
    ],
)
def test_wrong_arguments_are_named(wrong, message):
    keywords = {"kind": "spiral", "rng": 1, **wrong}
    with pytest.raises(ValueError, match=f"^{message}"):
        simulate.galaxy(keywords.pop("kind"), **keywords)
