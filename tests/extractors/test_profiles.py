"""The numbers of ``profiles`` mean what their names say."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from astrotl import ImageBatch, Profiles, simulate


def measure(images, **parameters):
    images = np.asarray(images, dtype="f4")
    profiles = Profiles(bands=images.shape[1], **parameters)
    batch = ImageBatch(images, np.arange(len(images)), tuple(map(str, range(images.shape[1]))))
    return dict(zip(profiles.names, profiles.extract(batch).T, strict=True))


def blob(size=65, sigma=5.0, axis_ratio=1.0, flux=(1.0, 1.0, 1.0)):
    y, x = np.indices((size, size)) - (size - 1) / 2
    light = np.exp(-0.5 * ((x / sigma) ** 2 + (y / sigma / axis_ratio) ** 2))
    return np.array(flux)[:, None, None] * light / light.sum()


def test_names_and_features_belong_together():
    for bands, rings in ((1, 6), (3, 6), (5, 3)):
        profiles = Profiles(bands=bands, rings=rings)
        assert len(profiles.names) == len(set(profiles.names)) == profiles.dim
    assert Profiles().dim == 28


def test_brightness_falls_outwards():
    seen = measure([blob()])
    rings = [seen[f"brightness_{ring}"][0] for ring in range(1, 7)]
    assert rings == sorted(rings, reverse=True)


def test_colours_tell_red_from_blue():
    seen = measure([blob(flux=(3, 2, 1)), blob(flux=(1, 2, 3))])
    for ring in (1, 2, 3):
        assert seen[f"colour_12_{ring}"][0] > 0.1 > -0.1 > seen[f"colour_12_{ring}"][1]


def test_a_brighter_object_has_larger_totals_and_nothing_else_changes():
    faint, bright = measure([blob()]), measure([10 * blob()])
    for name in faint:
        expected = faint[name] + (1 if name.startswith("total") else 0)
        np.testing.assert_allclose(bright[name], expected, atol=1e-3, err_msg=name)


def test_shapes_are_told_apart():
    seen = measure([blob(sigma=4), blob(sigma=8), blob(sigma=8, axis_ratio=0.4)])
    assert seen["half_light"][0] < seen["half_light"][1]
    # The half-light radius of a Gaussian is 1.18 sigma; the half side is 32.5 px.
    np.testing.assert_allclose(seen["half_light"][:2], [1.18 * 4 / 32.5, 1.18 * 8 / 32.5], atol=0.03)
    assert seen["ellipticity"][2] > 0.6 > 0.05 > seen["ellipticity"][1]


def test_a_shifted_companion_makes_it_asymmetric():
    alone = blob(sigma=3)
    pair = alone + np.roll(alone, 12, axis=2)
    seen = measure([alone, pair])
    assert seen["asymmetry"][0] < 0.01 < 0.3 < seen["asymmetry"][1]


def test_light_in_one_spot_is_concentrated():
    de_vaucouleurs, _ = simulate.stamps(30, kinds="elliptical", seed=1, noise=0.1)
    discs, _ = simulate.stamps(30, kinds="spiral", seed=1, noise=0.1)
    ellipticals, spirals = (measure(batch.data) for batch in (de_vaucouleurs, discs))
    assert np.median(ellipticals["concentration"]) > np.median(spirals["concentration"])
    assert np.median(ellipticals["clumpiness"]) < np.median(spirals["clumpiness"])


def test_missing_pixels_hardly_matter():
    image = blob()
    holed = image.copy()
    holed[:, 40:43, 20:50] = np.nan
    whole, some = measure([image]), measure([holed])
    for name in whole:
        assert abs(whole[name][0] - some[name][0]) < 0.5, name


@settings(max_examples=60, deadline=None)
@given(
    arrays(
        np.float32,
        st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(1, 9), st.integers(1, 9)),
        elements=st.floats(-1e8, 1e8, width=32) | st.sampled_from([np.nan, 0.0, -1.0]),
    )
)
def test_any_image_gives_finite_numbers(images):
    features = np.stack(list(measure(images).values()))
    assert np.isfinite(features).all()


def test_one_object_does_not_depend_on_the_others():
    batch, _ = simulate.stamps(20, seed=4)
    together, alone = measure(batch.data), measure(batch.data[7:8])
    for name in alone:
        np.testing.assert_allclose(alone[name][0], together[name][7], rtol=1e-4, atol=1e-5, err_msg=name)


def test_mass_of_simulated_galaxies_can_be_read_off():
    """Real information: neighbours in these numbers have nearly the same mass."""
    batch, truth = simulate.stamps(400, kinds=("elliptical", "spiral"), seed=5)
    features = np.stack(list(measure(batch.data).values()), axis=1)
    features = (features - features.mean(axis=0)) / features.std(axis=0)
    apart = np.linalg.norm(features[:, None] - features, axis=2) + 1e9 * np.eye(400)
    mass = np.asarray(truth["log_mass"])
    estimated = mass[np.argsort(apart, axis=1)[:, :8]].mean(axis=1)
    assert np.std(estimated - mass) < 0.6 * np.std(mass)


@pytest.mark.parametrize("channels", [1, 3])
def test_tiny_images_are_measured(channels):
    assert all(np.isfinite(value).all() for value in measure(np.ones((2, channels, 2, 2))).values())
