import numpy as np
import pytest
from astropy.stats import sigma_clipped_stats

from astrotl.images import ImageBatch
from astrotl.preprocess import ClipNoise, ClipOutliers, FillNoData, SubtractBackground


def one(image, value_range=None):
    return ImageBatch(np.asarray(image, dtype=float)[None, None], ["a"], ("r",), value_range=value_range)


@pytest.fixture
def sky():
    return np.random.default_rng(1).normal(100, 2, (2, 3, 40, 40))


def test_missing_pixels_become_the_constant_and_others_stay():
    filled = FillNoData(value=-1)(one([[1, np.nan], [np.inf, 4]]))
    assert filled.data.ravel().tolist() == [1, -1, -1, 4]


def test_a_complete_batch_is_not_copied():
    batch = one([[1, 2]])
    assert FillNoData()(batch) is batch


def test_filling_keeps_the_value_range_only_if_the_constant_lies_in_it():
    batch = one([[10, np.nan]], value_range=(10, 20))
    assert FillNoData()(batch).value_range is None
    assert FillNoData(value=15)(batch).value_range == (10, 20)
    assert FillNoData("median")(batch).value_range == (10, 20)


def test_missing_pixels_become_the_median_of_their_window():
    image = np.arange(49.0).reshape(7, 7)
    image[3, 3] = np.nan
    expected = np.nanmedian(image[1:6, 1:6])
    assert FillNoData("median", size=5)(one(image)).data[0, 0, 3, 3] == expected


def test_the_median_widens_to_the_band_and_then_to_zero():
    data = np.full((1, 2, 9, 9), np.nan)
    data[0, 0, 0, :3] = 1, 2, 6
    filled = FillNoData("median", size=3)(ImageBatch(data, ["a"], ("g", "r"))).data
    assert filled[0, 0, 8, 8] == 2
    assert (filled[0, 1] == 0).all()


def test_the_median_of_many_missing_pixels_is_taken_in_blocks(monkeypatch):
    image = np.random.default_rng(1).normal(size=(20, 20))
    image[::2] = np.nan
    at_once = FillNoData("median")(one(image)).data
    monkeypatch.setattr("astrotl.preprocess.clean._WINDOWS_AT_A_TIME", 7)
    np.testing.assert_array_equal(FillNoData("median")(one(image)).data, at_once)


def test_the_background_of_each_band_is_subtracted(sky):
    sky[0, 1] += 500
    sky[:, :, :8, :8] += 1000
    subtracted = SubtractBackground()(ImageBatch(sky, ["a", "b"], ("g", "r", "i"))).data
    expected = sky[0, 1] - sigma_clipped_stats(sky[0, 1])[1]
    np.testing.assert_allclose(subtracted[0, 1], expected, atol=1e-3)
    assert np.abs(np.median(subtracted, axis=(2, 3))).max() < 1


def test_noise_becomes_zero_and_sources_keep_their_value(sky):
    sky[0, 0, 20, 20] = 5000
    clipped = ClipNoise(sigma=5)(ImageBatch(sky, ["a", "b"], ("g", "r", "i"))).data
    assert clipped[0, 0, 20, 20] == 5000
    assert np.count_nonzero(clipped) == 1


def test_a_constant_image_is_all_noise_and_missing_pixels_stay_missing():
    clipped = ClipNoise()(one([[7, 7, 7, np.nan]])).data.ravel()
    np.testing.assert_array_equal(clipped, [0, 0, 0, np.nan])


def test_negative_outliers_are_clamped_and_sources_kept(sky):
    sky[0, 0, 0, :2] = -9999, 9999
    clipped = ClipOutliers()(ImageBatch(sky, ["a", "b"], ("g", "r", "i"))).data
    assert clipped[0, 0, 0, 0] == pytest.approx(90, abs=1)
    assert clipped[0, 0, 0, 1] == 9999
    both = ClipOutliers(low=None, high=4)(ImageBatch(sky, ["a", "b"], ("g", "r", "i"))).data
    assert both[0, 0, 0, 0] == -9999
    assert both[0, 0, 0, 1] == pytest.approx(108, abs=1)


def test_a_source_without_noise_around_it_is_not_clamped():
    image = np.zeros((8, 8))
    image[4, 4] = 5
    assert ClipOutliers(low=3, high=3)(one(image)).data.max() == 5


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FillNoData("mean"), "how: expected one of constant, median"),
        (lambda: FillNoData(value=float("nan")), "value: expected a number"),
        (lambda: FillNoData(size=4), "size: expected an odd number"),
        (lambda: FillNoData(size=1), "size: expected a whole number, at least 3"),
        (lambda: SubtractBackground(sigma=0), "sigma: expected a number above 0"),
        (lambda: SubtractBackground(iterations=1.5), "iterations: expected a whole number"),
        (lambda: ClipNoise(sigma="3"), "sigma: expected a number above 0"),
        (lambda: ClipOutliers(low=None), "low: expected a number for low, for high or for both"),
        (lambda: ClipOutliers(high=-1), "high: expected a number above 0"),
    ],
)
def test_a_wrong_parameter_is_named(make, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        make()
