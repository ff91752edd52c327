import numpy as np
import pytest
from astropy.stats import sigma_clipped_stats
from hypothesis import given, settings
from hypothesis import strategies as st

from astrotl.preprocess._statistics import SortedPixels, only_known


def noisy_images(seed, missing, offset, spread):
    rng = np.random.default_rng(seed)
    data = rng.normal(offset, spread, (3, 2, rng.integers(4, 30), rng.integers(4, 30)))
    data[rng.random(data.shape) < 0.1] += 30 * spread
    data[rng.random(data.shape) < missing] = np.nan
    return data.astype(np.float32)


images = st.builds(
    noisy_images,
    st.integers(0, 2**32 - 1),
    st.sampled_from([0, 0.1, 0.9]),
    st.sampled_from([0, -5, 1e4]),
    st.sampled_from([1e-6, 1, 1e5]),
)


@settings(deadline=None)
@given(images, st.sampled_from([1.5, 3, 5]), st.integers(1, 8))
def test_clipped_statistics_are_those_of_astropy(data, sigma, iterations):
    clipped = SortedPixels.of(data).clipped(sigma, iterations)
    for image in range(3):
        for band in range(2):
            pixels = data[image, band].astype(np.float64)
            pixels = pixels[np.isfinite(pixels)]
            if not pixels.size:
                continue
            mean, median, std = sigma_clipped_stats(pixels, sigma=sigma, maxiters=iterations)
            assert clipped.mean[image, band, 0, 0] == pytest.approx(mean, rel=1e-6)
            assert clipped.median[image, band, 0, 0] == pytest.approx(median, rel=1e-6)
            assert clipped.std[image, band, 0, 0] == pytest.approx(std, rel=1e-5)


@settings(deadline=None)
@given(images, st.floats(0, 100))
def test_percentiles_are_those_of_the_known_pixels(data, q):
    data[0] = np.nan
    data[1, 0, 0, 0] = 1
    per_image, per_band = (SortedPixels.of(data, per).percentile(q) for per in ("image", "band"))
    assert np.isnan(per_image[0]).all()
    np.testing.assert_allclose(per_image[1], np.nanpercentile(data[1].astype(float), q), rtol=1e-6)
    for image in (1, 2):
        for band in range(2):
            pixels = data[image, band].astype(float)
            if np.isfinite(pixels).any():
                np.testing.assert_allclose(per_band[image, band], np.nanpercentile(pixels, q), rtol=1e-6)


def test_one_huge_pixel_does_not_spoil_the_standard_deviation_of_the_rest():
    sky = np.random.default_rng(1).normal(size=(1, 1, 64, 64))
    sky[0, 0, 0, :3] = -9e29, 9e29, 1e12
    assert SortedPixels.of(sky.astype(np.float32)).clipped(iterations=10).std.item() == pytest.approx(1, abs=0.05)


def test_an_image_without_data_answers_nan_and_a_constant_one_has_no_spread():
    data = np.full((2, 1, 4, 4), np.nan, dtype=np.float32)
    data[1] = 7
    clipped = SortedPixels.of(data).clipped()
    assert np.isnan([numbers[0].item() for numbers in clipped]).all()
    assert [numbers[1].item() for numbers in clipped] == [7, 7, 0]


def test_many_images_are_clipped_in_blocks_as_one_is_alone(monkeypatch):
    monkeypatch.setattr("astrotl.preprocess._statistics._PIXELS_AT_A_TIME", 100)
    data = noisy_images(3, 0.2, 5, 1)
    together = SortedPixels.of(data).clipped()
    alone = [SortedPixels.of(data[i : i + 1]).clipped() for i in range(3)]
    np.testing.assert_allclose(together.std, np.concatenate([one.std for one in alone]), rtol=1e-12)


def test_sentinels_count_as_missing_and_clean_data_are_not_copied():
    data = np.array([1, np.inf, -np.inf, 1e30, -3e38, 9e29], dtype=np.float32)
    np.testing.assert_array_equal(np.isnan(only_known(data)), [False, True, True, True, True, False])
    assert only_known(data[:1]) is not data
    clean = np.zeros(3, dtype=np.float32)
    assert only_known(clean) is clean
