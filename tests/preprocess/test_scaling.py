import numpy as np
import pytest
from astropy.visualization import ZScaleInterval

from astrotl.images import ImageBatch
from astrotl.preprocess import Linear, Normalise, Percentile, ZScale


@pytest.fixture
def batch():
    rng = np.random.default_rng(2)
    data = rng.normal(50, [[[[1]], [[5]], [[20]]]], (4, 3, 33, 35))
    data[1, 0, :5] = np.nan
    data[2, 1, 3, 3] = 1e4
    return ImageBatch(data, list("abcd"), ("g", "r", "i"))


def test_linear_takes_minimum_and_maximum_of_all_bands_so_that_colours_stay(batch):
    scaled = Linear()(batch).data
    assert np.nanmin(scaled, axis=(1, 2, 3)).tolist() == [0, 0, 0, 0]
    assert np.nanmax(scaled, axis=(1, 2, 3)).tolist() == [1, 1, 1, 1]
    assert np.ptp(scaled[0, 0]) < 0.2 * np.ptp(scaled[0, 2])


def test_linear_scales_each_band_alone_if_asked(batch):
    scaled = Linear(per="band")(batch).data
    assert (np.nanmin(scaled, axis=(2, 3)) == 0).all()
    assert (np.nanmax(scaled, axis=(2, 3)) == 1).all()


def test_fixed_limits_hold_for_every_image_and_one_for_each_channel(batch):
    scaled = Linear(low=[40, 30, 0], high=60)(batch).data
    expected = np.clip(
        (batch.data - np.reshape([40, 30, 0], (1, 3, 1, 1))) / np.reshape([20, 30, 60], (1, 3, 1, 1)), 0, 1
    )
    np.testing.assert_allclose(scaled, expected, atol=1e-6)


def test_limits_for_another_number_of_channels_are_refused(batch):
    with pytest.raises(ValueError, match=r"^low: expected one number or 3, for .*, got 2"):
        Linear(low=(0, 1), high=9)(batch)


def test_percentiles_are_clipped(batch):
    scaled = Percentile(low=1, high=99)(batch).data
    low, high = np.nanpercentile(batch.data[1].astype(float), [1, 99])
    np.testing.assert_allclose(scaled[1], np.clip((batch.data[1] - low) / (high - low), 0, 1), atol=1e-5)


@pytest.mark.parametrize("per", ["image", "band"])
def test_z_scale_has_the_limits_of_astropy(batch, per):
    scaled = ZScale(per=per)(batch).data
    pixels = batch.data[1] if per == "image" else batch.data[1, 2]
    low, high = ZScaleInterval().get_limits(pixels.astype(float))
    expected = np.clip((batch.data[1, 2] - low) / (high - low), 0, 1)
    np.testing.assert_allclose(scaled[1, 2], expected, atol=1e-5)


@pytest.mark.parametrize("step", [Linear(), Percentile(), ZScale(), Linear(0, 10), Percentile(per="band")])
def test_a_constant_is_black_and_missing_stays_missing(step):
    data = np.full((3, 2, 8, 8), np.nan)
    data[0] = -3
    data[1] = 0
    scaled = step(ImageBatch(data, list("abc"), ("g", "r")))
    assert scaled.value_range == (0, 1)
    assert (scaled.data[:2] == 0).all()
    assert np.isnan(scaled.data[2]).all()


def test_fluxes_in_tiny_units_are_scaled_too():
    flux = np.linspace(1e-32, 5e-32, 5).reshape(1, 1, 1, 5)
    np.testing.assert_allclose(
        Linear()(ImageBatch(flux, ["a"], ("r",))).data.ravel(), [0, 0.25, 0.5, 0.75, 1], atol=1e-5
    )


def test_normalise_is_that_of_networks(batch):
    normal = Normalise(mean=[1, 2, 3], std=[2, 4, 8])(batch)
    np.testing.assert_allclose(normal.data[:, 2], (batch.data[:, 2] - 3) / 8, rtol=1e-6)
    assert normal.value_range is None


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Linear(low=2, high=1), "high: expected more than low=2, got 1"),
        (lambda: Linear(low=(1, "a")), "low: expected one number or one for each channel"),
        (lambda: Linear(per="pixel"), "per: expected one of image, band"),
        (lambda: Percentile(low=-1), "low: expected a percentile from 0"),
        (lambda: Percentile(high=101), "high: expected a percentile above low=0.5, at most 100"),
        (lambda: Percentile(low=60, high=50), "high: expected a percentile above low=60"),
        (lambda: ZScale(contrast=0), "contrast: expected a number above 0"),
        (lambda: Normalise(0, 0), "std: expected numbers above 0"),
        (lambda: Normalise((), 1), "mean: expected one number or one for each channel"),
    ],
)
def test_a_wrong_parameter_is_named(make, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        make()
