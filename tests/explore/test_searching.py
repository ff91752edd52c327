"""Query by example: rows, images that were dropped, positions."""

import gzip
import io

import numpy as np
import pytest
from astropy.io import fits
from PIL import Image

from astrotl import ExactIndex, extract_features, open_source
from astrotl.errors import ImageError
from astrotl.explore import searching
from astrotl.explore.searching import like_file, like_rows, near_position


@pytest.fixture(scope="module")
def index(survey):
    return ExactIndex.build(survey.store)


def as_fits(data):
    file = io.BytesIO()
    fits.writeto(file, data)
    return file.getvalue()


def test_an_object_is_nearest_to_itself_and_then_its_neighbours(index, survey):
    distances = like_rows(index, [7])
    rows, apart = index.query(survey.store.features([7]), 10)
    assert distances[7] == 0
    np.testing.assert_allclose(distances[rows[0]], apart[0], atol=1e-4)


def test_of_several_examples_the_nearest_counts(index):
    one, two = like_rows(index, [7]), like_rows(index, [9])
    np.testing.assert_allclose(like_rows(index, [7, 9]), np.fmin(one, two), atol=1e-6)


def test_only_look_alikes_have_a_distance(index, monkeypatch):
    monkeypatch.setattr(searching, "_MOST", 10)
    assert np.isfinite(like_rows(index, [7])).sum() == 10


@pytest.mark.parametrize("name", ["seen.fits", "SEEN.FIT", "../../seen.fits", "seen.fits.gz", "/etc/passwd.fts"])
def test_an_image_finds_itself(index, survey, name):
    content = as_fits(survey.source[7:8].read().data[0])
    distances = like_file(index, gzip.compress(content) if name.endswith("gz") else content, name)
    assert np.nanargmin(distances) == 7
    assert distances[7] < 0.01


def test_a_picture_finds_itself(tmp_path, survey):
    batch = survey.source[:20].read()
    folder = tmp_path / "stamps"
    folder.mkdir()
    scaled = np.clip(np.nan_to_num(batch.data[:, 0]) * 2 + 40, 0, 255).astype(np.uint8)
    for number, image in enumerate(scaled):
        Image.fromarray(np.stack([image] * 3, axis=-1)).save(folder / f"{number:02}.png")
    index = ExactIndex.build(extract_features(open_source(folder), "profiles", tmp_path / "f.h5"))
    assert np.nanargmin(like_file(index, (folder / "05.png").read_bytes(), "05.png")) == 5


@pytest.mark.parametrize(
    ("content", "name", "error", "said"),
    [
        (b"x", "virus.exe", ValueError, "file: must end in .jpg"),
        (b"x", "", ValueError, "file: must end in"),
        (b"no image", "a.fits", ImageError, "file: cannot be read as an image"),
        (b"no image", "a.png", ImageError, "file: cannot be read as an image"),
        (b"no gzip", "a.fits.gz", ImageError, "file: cannot be unpacked"),
        (b"", "a.jpg", ImageError, "file: cannot be read as an image"),
    ],
)
def test_what_is_no_image_is_said(index, content, name, error, said):
    with pytest.raises(error, match=said) as found:
        like_file(index, content, name)
    # Where it lay meanwhile is of no use to anybody.
    assert "dropped" not in str(found.value)


def test_an_image_with_other_bands_is_said(index):
    with pytest.raises(ImageError, match="file: must have all bands of the store: "):
        like_file(index, as_fits(np.ones((32, 32), dtype=np.float32)), "one.fits")


def test_a_file_that_claims_to_be_huge_is_never_unfolded(index, monkeypatch):
    """A few kB may stand for many GB: as a packed file, a picture, or a header."""
    monkeypatch.setattr(searching, "_MOST_UNPACKED", 1 << 20)
    with pytest.raises(ValueError, match="file: must be at most 1 MB when unpacked"):
        like_file(index, gzip.compress(bytes(3 << 20)), "bomb.fits.gz")
    file = io.BytesIO()
    Image.new("1", (9000, 9000)).save(file, "PNG")
    assert len(file.getvalue()) < 100_000
    with pytest.raises(ImageError, match="file: must have at most 64 million pixels"):
        like_file(index, file.getvalue(), "bomb.png")
    header = fits.Header([("SIMPLE", True), ("BITPIX", -32), ("NAXIS", 2), ("NAXIS1", 100_000), ("NAXIS2", 100_000)])
    with pytest.raises(ImageError, match="file: must have at most 64 million pixels"):
        like_file(index, header.tostring().encode(), "bomb.fits")
    with pytest.raises(ValueError, match="file: must be at most 64 MB"):
        like_file(index, bytes((64 << 20) + 1), "a.fits")


def test_positions_around_zero_hours_and_at_the_pole():
    positions = np.array([[0.001, 0.0], [359.999, 0.0], [180.0, 0.0], [77.0, 89.9999]])
    apart = near_position(positions, 360.0, 0.0, 10)
    np.testing.assert_allclose(apart, [3.6, 3.6, np.nan, np.nan], rtol=1e-6)
    assert near_position(positions, 257.0, 90.0, 1)[3] == pytest.approx(0.36)


@pytest.mark.parametrize("given", [(10, 91, 1), (np.nan, 0, 1), (1, 1, 0), (1, 1, -5), (1, 1, np.inf)])
def test_what_is_no_position_is_said(given):
    with pytest.raises(ValueError, match="position: must be"):
        near_position(np.zeros((1, 2)), *given)
    with pytest.raises(ValueError, match="position: those of these objects are not known"):
        near_position(None, *given)
