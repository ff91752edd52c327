from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.visualization import make_lupton_rgb

from astrotl.images import ImageBatch
from astrotl.preprocess import Asinh, CropCentre, Log, Lupton, Percentile, Stretch, SubtractBackground

SHARED = Path(__file__).parents[3] / "shared" / "data"


def field(n=1, channels=3, size=64, sky=1000.0, noise=5.0):
    return np.random.default_rng(5).normal(sky, noise, (n, channels, size, size))


def batch_of(data, **kwargs):
    return ImageBatch(data, [str(i) for i in range(len(data))], tuple("irgzu"[: data.shape[1]]), **kwargs)


def blob(height, width=2.0, size=64, at=(32, 32)):
    y, x = np.indices((size, size))
    return height * np.exp(-((x - at[0]) ** 2 + (y - at[1]) ** 2) / 2 / width**2)


@pytest.mark.parametrize(
    ("step", "curve"),
    [
        (Log(50), lambda x: np.log(1 + 50 * x) / np.log(51)),
        (Asinh(0.02), lambda x: np.arcsinh(x / 0.02) / np.arcsinh(50)),
    ],
)
def test_curves_keep_0_and_1_and_clip_the_rest(step, curve):
    x = np.array([0, 0.001, 0.3, 1, -5, 7, np.nan, np.inf])
    drawn = step(batch_of(x[None, None, None]))
    np.testing.assert_allclose(drawn.data.ravel(), [*curve(x[:4]), 0, 1, np.nan, np.nan], rtol=1e-6)
    assert drawn.value_range == (0, 1)


def test_percentile_then_asinh_shows_faint_and_bright():
    data = field() + blob(1e5) + blob(100, width=6, at=(12, 12))
    drawn = Asinh(0.001)(Percentile(low=5, high=99.9)(batch_of(data))).data[0, 0]
    assert drawn[32, 32] == 1
    assert 0.05 < drawn[12, 12] < 0.9


def test_lupton_draws_the_picture_of_astropy():
    data = field(sky=0, noise=0.05) + blob(3, width=8) * np.reshape([3, 2, 1], (3, 1, 1))
    data[0, :, 40:44, 40:44] = np.reshape([300, 100, 10], (3, 1, 1))
    minimum = (0.01, 0.0, -0.01)
    theirs = make_lupton_rgb(*data[0].astype(np.float32), Q=8, stretch=0.5, minimum=minimum)
    ours = Lupton(q=8, stretch=0.5, minimum=minimum)(batch_of(data)).data[0]
    np.testing.assert_array_less(np.abs(theirs.transpose(2, 0, 1) - 255 * ours), 1.01)


def test_lupton_keeps_the_colour_of_the_brightest_pixels():
    data = field(sky=0, noise=1) + blob(1e6) * np.reshape([4, 2, 1], (3, 1, 1))
    i, r, g = Lupton()(batch_of(data)).data[0, :, 32, 32]
    assert i == pytest.approx(1)
    assert i / r == pytest.approx(2, rel=1e-3)
    assert i / g == pytest.approx(4, rel=1e-3)


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_lupton_chooses_its_stretch_for_any_number_of_bands(channels):
    data = field(channels=channels) + blob(400)
    drawn = Lupton()(SubtractBackground()(batch_of(data))).data
    assert drawn.shape[1] == channels
    assert np.median(drawn) < 0.1
    assert drawn[0, 0, 32, 32] > 0.4


def test_lupton_leaves_out_a_missing_band():
    data = np.full((1, 3, 1, 1), 2.0)
    data[0, 1] = np.nan
    drawn = Lupton(stretch=1)(batch_of(data)).data.ravel()
    assert np.isnan(drawn[1])
    assert drawn[0] == drawn[2] > 0


def test_lupton_takes_the_smallest_numbers_there_are():
    assert np.isfinite(Lupton()(batch_of(np.full((1, 3, 4, 4), 2.5e-44))).data).all()


def test_a_known_range_is_only_scaled():
    data = np.arange(256).reshape(1, 1, 16, 16)
    stretched = Stretch()(batch_of(data, value_range=(0, 255)))
    np.testing.assert_allclose(stretched.data, data / 255, atol=1e-6)
    assert stretched.value_range == (0, 1)
    np.testing.assert_array_equal(Stretch()(stretched).data, stretched.data)


def test_an_empty_field_stays_dark_and_a_source_is_bright():
    data = field(n=2)
    data[1] += blob(300)
    empty, source = Stretch()(batch_of(data)).data
    assert np.median(empty) < 0.3
    assert empty.max() < 0.6
    assert source[:, 32, 32].min() > 0.95


@pytest.mark.parametrize("spoiler", ["cosmic ray", "saturated star"])
def test_one_bright_thing_does_not_wash_out_a_faint_galaxy(spoiler):
    data = field() + blob(60, width=5, at=(16, 16))
    data += 1e6 * (blob(1, width=0.3, at=(50, 50)) if spoiler == "cosmic ray" else blob(1, width=4, at=(50, 50)))
    drawn = Stretch()(batch_of(data)).data[0, 0]
    galaxy, sky = drawn[14:19, 14:19].mean(), np.median(drawn[:10, 30:])
    assert galaxy > 1.7 * sky


def test_bands_share_their_limits_so_that_a_red_source_stays_red():
    data = field() + blob(500) * np.reshape([1, 0.5, 0.1], (3, 1, 1))
    i, r, g = Stretch()(batch_of(data)).data[0, :, 30:35, 30:35].mean(axis=(1, 2))
    assert i > r > g


def test_a_source_in_one_band_alone_is_not_burnt_out():
    data = field() + blob(5000) * np.reshape([1, 0, 0], (3, 1, 1))
    drawn = Stretch()(batch_of(data)).data[0]
    assert 1 <= (drawn[0] == 1).sum() < 20
    assert np.median(drawn[1:]) < 0.3


def test_the_result_does_not_depend_on_units_or_background():
    data = field() + blob(500)
    counts, janskys = Stretch()(batch_of(data)).data, Stretch()(batch_of((data - 800) * 1e-20)).data
    np.testing.assert_allclose(counts, janskys, atol=2e-3)


def test_an_image_without_noise_is_drawn():
    drawn = Stretch()(batch_of(blob(7)[None, None])).data[0, 0]
    assert drawn[32, 32] == 1
    assert drawn[0, 0] < 0.2
    assert (np.diff(drawn[32, 32:50]) <= 0).all()
    speck = np.zeros((1, 1, 64, 64))
    speck[0, 0, 5, 5] = 3
    assert Stretch()(batch_of(speck)).data.max() == 1


def test_constant_is_black_and_missing_stays_missing():
    data = np.full((3, 2, 8, 8), np.nan)
    data[0], data[1] = 42, 0
    data[2, 0] = field(channels=1, size=8)[0]
    drawn = Stretch()(batch_of(data)).data
    assert (drawn[:2] == 0).all()
    assert np.isfinite(drawn[2, 0]).all()
    assert np.isnan(drawn[2, 1]).all()


@pytest.mark.skipif(not (SHARED / "stamps_gri").is_dir(), reason="needs the survey stamps in the folder shared")
def test_stamps_of_a_real_survey_show_their_source_on_a_dark_sky():
    folders = sorted((SHARED / "stamps_gri").iterdir())
    stamps = [np.stack([fits.getdata(folder / f"{band}.fits.gz") for band in "irg"]) for folder in folders]
    for stamp in stamps:
        drawn = Stretch()(CropCentre(64)(batch_of(stamp[None]))).data[0]
        assert np.median(drawn) < 0.4
        assert np.percentile(drawn, 99.9) > 0.5


@pytest.mark.skipif(not (SHARED / "radio_fr.npz").is_file(), reason="needs the radio images in the folder shared")
def test_radio_galaxies_are_white_on_dark():
    images = np.load(SHARED / "radio_fr.npz")["images"][:, None]
    drawn = Stretch()(batch_of(images)).data
    assert np.nanmedian(np.nanmedian(drawn, axis=(1, 2, 3))) < 0.3
    assert np.nanmin(np.nanmax(drawn, axis=(1, 2, 3))) > 0.6
    assert np.array_equal(np.isnan(drawn), np.isnan(images))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Log(0), "strength: expected a number above 0"),
        (lambda: Asinh(-1), "softening: expected a number above 0"),
        (lambda: Lupton(q=0), "q: expected a number above 0"),
        (lambda: Lupton(stretch=0), "stretch: expected a number above 0"),
        (lambda: Lupton(minimum="dark"), "minimum: expected one number or one for each channel"),
        (lambda: Stretch(high=0), "high: expected a percentile above 0, at most 100"),
        (lambda: Stretch(low=-30), "low: expected more than -20"),
        (lambda: Stretch(least=True), "least: expected a number above 0"),
    ],
)
def test_a_wrong_parameter_is_named(make, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        make()
