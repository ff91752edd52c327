"""Numbers of blue light around a red centre: they tell lenses, and do not depend on brightness, size or no-data."""

import numpy as np
import pytest

from astrotl import simulate
from astrotl.extractors import Arcs
from astrotl.images import ImageBatch
from astrotl.measures import area_under_curve


def feature(batch, name, **settings):
    arcs = Arcs(**settings)
    return arcs.extract(batch)[:, arcs.names.index(name)]


def ring(radius, size=64):
    """Draw a red galaxy, and around it a thin ring in the blue alone."""
    y, x = np.indices((size, size)) - (size - 1) / 2
    around = np.hypot(y, x)
    galaxy, noise = 100 * np.exp(-around / 3), np.random.default_rng(0).normal(0, 0.5, (3, size, size))
    blue = 0.3 * galaxy + 5.0 * (np.abs(around - radius) < 1)
    return ImageBatch(
        (np.stack([galaxy, 0.6 * galaxy, blue]) + noise)[None].astype(np.float32), np.array(["a"]), ("i", "r", "g")
    )


def test_names_and_features_belong_together():
    assert len(set(Arcs().names)) == Arcs().dim == len(Arcs().extract(ring(6))[0])


@pytest.mark.parametrize(("radius", "number"), [(6, 2), (12, 4), (17, 5)])
def test_a_blue_ring_is_found_where_it_is(radius, number):
    shares = [feature(ring(radius), f"share_{one}")[0] for one in range(1, 7)]
    assert np.argmax(shares) + 1 == number
    assert feature(ring(radius), "colour")[0] == pytest.approx(np.log10(0.3), abs=0.05)


def test_an_arc_on_one_side_is_one_sided_and_a_ring_is_not():
    whole = ring(12)
    half = ImageBatch(whole.data.copy(), whole.ids, whole.channels)
    half.data[:, 2, :, :32] = 0.3 * half.data[:, 0, :, :32]
    assert feature(half, "one_sided_4")[0] > 0.5 > 0.2 > feature(whole, "one_sided_4")[0]


def test_lenses_have_more_blue_light_around_than_ellipticals():
    batch, truth = simulate.stamps(80, kinds=("lens", "elliptical"), bands=("i", "r", "g"), seed=3)
    score = sum(feature(batch, f"brightest_{number}") for number in (2, 3, 4))
    assert area_under_curve(score, truth["kind"] == "lens") > 0.95


def test_exposure_and_the_order_of_bands_do_not_matter():
    batch, _ = simulate.stamps(8, bands=("i", "r", "g"), seed=3)
    longer = ImageBatch(batch.data * 37, batch.ids, batch.channels)
    turned = ImageBatch(batch.data[:, ::-1], batch.ids, batch.channels[::-1])
    np.testing.assert_allclose(Arcs().extract(longer), Arcs().extract(batch), atol=2e-2)
    np.testing.assert_allclose(Arcs(blue=0, red=-1).extract(turned), Arcs().extract(batch), atol=1e-5)


@pytest.mark.parametrize("spoil", ["blank", "all missing", "hole", "negative"])
def test_damaged_images_have_finite_numbers(spoil):
    batch, _ = simulate.stamps(2, bands=("i", "r", "g"), seed=3)
    data = batch.data.copy()
    if spoil == "blank":
        data[:] = 0
    elif spoil == "all missing":
        data[:] = np.nan
    elif spoil == "hole":
        data[:, :, 20:40, 20:40] = np.nan
    else:
        data = -np.abs(data)
    assert np.isfinite(Arcs()._extract(data)).all()


@pytest.mark.parametrize("scale", [1e-18, 1e-3, 1e6])
def test_the_unit_of_the_pixels_does_not_matter(scale):
    batch, _ = simulate.stamps(6, bands=("i", "r", "g"), seed=1)
    scaled = ImageBatch(batch.data * np.float64(scale), batch.ids, batch.channels)
    np.testing.assert_allclose(Arcs().extract(scaled), Arcs().extract(batch), atol=1e-3)


@pytest.mark.parametrize("size", [1, 2, 3, 8, 12, 16, 33])
def test_small_images_are_measured(size):
    images = np.random.default_rng(0).normal(size=(3, 3, size, size))
    assert np.isfinite(Arcs().extract(ImageBatch(images, ["a", "b", "c"], ("i", "r", "g")))).all()
