import os

import numpy as np
import pytest
from astropy.table import MaskedColumn, Table
from PIL import Image

from astrotl.images import ImageBatch
from astrotl.preprocess import CropCatalogue, CropCentre, CropSource, Resize


def batch_of(data, value_range=None):
    return ImageBatch(data, [f"g{i}" for i in range(len(data))], tuple("gri"[: data.shape[1]]), value_range=value_range)


def galaxy(width, size=64, at=(32, 32), height=100, noise=1, seed=3):
    y, x = np.indices((size, size))
    light = height * np.exp(-((x - at[0]) ** 2 + (y - at[1]) ** 2) / 2 / width**2)
    return light + np.random.default_rng(seed).normal(0, noise, (2, size, size))


def light_of(image):
    """Measure centre and width of what is bright."""
    light = np.clip(image.mean(axis=0) - 0.2 * image.mean(axis=0).max(), 0, None)
    y, x = np.indices(light.shape)
    x, y, total = (light * x).sum() / light.sum(), (light * y).sum() / light.sum(), (light > 0).sum()
    return x, y, np.sqrt(total)


@pytest.mark.parametrize(("shape", "size"), [((9, 9), 3), ((10, 8), 4), ((7, 12), 7)])
def test_the_middle_is_kept(shape, size):
    data = np.zeros((1, 1, *shape))
    middle = tuple(slice((n - size) // 2, (n - size) // 2 + size) for n in shape)
    data[(0, 0, *middle)] = 1
    cropped = CropCentre(size)(batch_of(data, (0, 1)))
    assert cropped.data.shape == (1, 1, size, size)
    assert (cropped.data == 1).all()
    assert cropped.value_range == (0, 1)


def test_a_fraction_is_of_the_shorter_side():
    assert CropCentre(fraction=0.5)(batch_of(np.zeros((1, 1, 20, 10)))).data.shape == (1, 1, 5, 5)
    assert CropCentre(fraction=0.001)(batch_of(np.zeros((1, 1, 20, 10)))).data.shape == (1, 1, 1, 1)


def test_a_crop_larger_than_the_image_is_refused():
    with pytest.raises(ValueError, match=r"^size: expected at most 10, the images are 10 x 20 px; got 11"):
        CropCentre(11)(batch_of(np.zeros((1, 1, 20, 10))))


def test_sources_fill_the_same_part_of_the_frame_whatever_their_size():
    data = np.stack([galaxy(2), galaxy(5)])
    small, large = CropSource(size=100)(batch_of(data)).data
    assert light_of(small)[2] > 25
    assert light_of(small)[2] == pytest.approx(light_of(large)[2], rel=0.2)


def test_the_source_is_moved_to_the_middle():
    cropped = CropSource()(batch_of(galaxy(3, at=(27, 38))[None])).data[0]
    assert light_of(cropped)[:2] == pytest.approx((31.5, 31.5), abs=1)


def test_the_source_in_the_middle_wins_over_a_brighter_neighbour():
    data = galaxy(2, height=50) + galaxy(3, at=(8, 54), height=5000)
    cropped = CropSource(margin=1.2)(batch_of(data[None])).data[0]
    assert cropped.max() < 100
    assert light_of(cropped)[:2] == pytest.approx((31.5, 31.5), abs=2)


def test_a_larger_margin_shows_more_sky():
    batch = batch_of(galaxy(2)[None])
    tight, wide = (light_of(CropSource(margin=margin)(batch).data[0])[2] for margin in (1, 2))
    assert tight > 1.5 * wide


@pytest.mark.parametrize("noise", [0, 1])
def test_a_frame_without_a_source_in_the_middle_is_kept_whole(noise):
    data = np.stack([galaxy(2, height=0, noise=noise), galaxy(2, at=(5, 60), noise=noise)])
    cropped = CropSource()(batch_of(data)).data
    np.testing.assert_allclose(cropped, data, atol=1e-4)


def test_noise_is_not_taken_for_a_source():
    data = np.stack([galaxy(2, height=0, seed=seed) for seed in range(50)])
    np.testing.assert_allclose(CropSource()(batch_of(data)).data, data, atol=1e-4)


def test_a_source_without_noise_or_with_a_missing_band_is_found():
    data = np.stack([galaxy(2, noise=0), galaxy(2)])
    data[1, 1] = np.nan
    cropped = CropSource()(batch_of(data)).data
    assert light_of(cropped[0])[2] > 15
    assert light_of(cropped[1, :1])[2] > 15
    assert np.isnan(cropped[1, 1]).all()


def test_a_large_source_stays_within_the_frame():
    assert np.isfinite(CropSource(margin=5)(batch_of(galaxy(12, at=(40, 30))[None])).data).all()


@pytest.fixture
def catalogue(tmp_path):
    path = tmp_path / "sizes.ecsv"
    radius = MaskedColumn([0.0, 8.0, 4.0, 100.0], mask=[True, False, False, False])
    corners = {"x0": [0, 4, 0, 9.5], "y0": [0, 8, 0, 9.5], "x1": [0, 19, 9, 13.5], "y1": [0, 15, 3, 11.5]}
    Table({"name": ["g3", "g1", "g0", "g2"], "radius": radius, **corners}).write(path)
    return str(path)


def test_a_radius_in_the_catalogue_makes_the_box(catalogue):
    data = np.random.default_rng(1).normal(size=(4, 2, 32, 32)).astype(np.float32)
    cropped = CropCatalogue(catalogue, factor=1.5, size=20, id_column="name")(batch_of(data)).data
    for row, box in enumerate([(10, 10, 22, 22), (4, 4, 28, 28), (0, 0, 32, 32), (0, 0, 32, 32)]):
        expected = Image.fromarray(data[row, 1]).resize((20, 20), Image.Resampling.BICUBIC, box=box)
        np.testing.assert_allclose(cropped[row, 1], np.asarray(expected), atol=1e-4)


def test_a_box_in_the_catalogue_is_made_square_and_stays_within_the_image(catalogue):
    data = np.random.default_rng(1).normal(size=(4, 1, 32, 32)).astype(np.float32)
    step = CropCatalogue(catalogue, id_column="name", box=["x0", "y0", "x1", "y1"])
    cropped = step(batch_of(data)).data
    for row, box in enumerate([(0.5, 0, 9.5, 9), (4.5, 4.5, 19.5, 19.5), (10, 9, 14, 13), (0, 0, 32, 32)]):
        expected = Image.fromarray(data[row, 0]).resize((32, 32), Image.Resampling.BICUBIC, box=box)
        np.testing.assert_allclose(cropped[row, 0], np.asarray(expected), atol=1e-4)


def test_an_object_that_is_not_in_the_catalogue_is_named(catalogue):
    batch = ImageBatch(np.zeros((3, 1, 8, 8)), ["g1", "m31", "m33"], ("r",))
    with pytest.raises(ValueError, match=r"^table: .*sizes.ecsv has no row for m31 and 1 others in 'name'"):
        CropCatalogue(catalogue, id_column="name")(batch)


def test_a_column_that_is_not_in_the_catalogue_is_named(catalogue):
    with pytest.raises(
        ValueError, match=r"^table: .* has no column 'radii' \(did you mean 'radius'\?\); it has name, "
    ):
        CropCatalogue(catalogue, "radii", id_column="name")(batch_of(np.zeros((1, 1, 8, 8))))


def test_a_catalogue_that_was_changed_is_read_again(catalogue):
    batch = batch_of(np.random.default_rng(1).normal(size=(1, 1, 32, 32)))
    step = CropCatalogue(catalogue, id_column="name")
    before = step(batch).data
    Table({"name": ["g0"], "radius": [3.0]}).write(catalogue, overwrite=True)
    os.utime(catalogue, ns=(1, 1))
    assert not np.array_equal(step(batch).data, before)


def test_resizing_to_the_same_size_copies_nothing():
    batch = batch_of(np.zeros((1, 1, 8, 8)))
    assert Resize(8)(batch) is batch


def test_resizing_does_not_leave_a_known_range():
    edge = np.zeros((1, 1, 16, 16))
    edge[..., 8:] = 1
    free, bound = Resize(64)(batch_of(edge)), Resize(64, "lanczos")(batch_of(edge, (0, 1)))
    assert free.data.max() > 1.01
    assert bound.data.min() == 0
    assert bound.data.max() == 1
    assert bound.value_range == (0, 1)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (CropCentre, "size: expected either size or fraction"),
        (lambda: CropCentre(3, 0.5), "size: expected either size or fraction"),
        (lambda: CropCentre(0), "size: expected a whole number, at least 1"),
        (lambda: CropCentre(fraction=1.1), "fraction: expected a number above 0, at most 1"),
        (lambda: CropSource(margin=0), "margin: expected a number above 0"),
        (lambda: CropSource(size=2.5), "size: expected a whole number"),
        (lambda: CropSource(sigma=-1), "sigma: expected a number above 0"),
        (lambda: CropCatalogue(3), "table: expected the path of a table, got int"),
        (lambda: CropCatalogue("t.fits", factor=0), "factor: expected a number above 0"),
        (lambda: CropCatalogue("t.fits", box=("a", "b")), "box: expected the names of four columns"),
        (lambda: Resize(0), "size: expected a whole number, at least 1"),
        (lambda: Resize(8, "nearest"), "method: expected one of bilinear, bicubic, lanczos"),
    ],
)
def test_a_wrong_parameter_is_named(make, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        make()
