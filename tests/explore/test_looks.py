"""Pictures as the page shows them: by the original pixels, the chosen bands and the chosen stretch."""

import io

import numpy as np
import pytest
from PIL import Image

from astrotl.explore import looks
from astrotl.explore.looks import Look, Pictures, packed
from astrotl.pictures import rgb
from astrotl.sources import ArraySource, FileSource


@pytest.fixture
def pictures(survey):
    return Pictures(survey.source, np.arange(len(survey.source)))


def pixels(picture):
    return np.asarray(Image.open(io.BytesIO(picture))).astype(float)


def test_a_picture_is_what_all_of_astrotl_draws(survey, pictures):
    wanted = 255 * rgb(survey.source[7:8].read())[0, ::-1]
    assert np.abs(pixels(pictures.bands(7, Look(), 64)[0]) - wanted).max() <= 0.51
    small = pixels(pictures.thumbnails([7], Look(), 64)[0])
    assert np.abs(small - wanted).mean() < 8


def test_a_softer_stretch_lifts_what_is_faint(pictures):
    faint, plain = (pixels(pictures.thumbnails([7], look, 64)[0]).mean() for look in (Look(softening=0.05), Look()))
    assert faint > 1.3 * plain


def test_bands_are_chosen_for_each_colour(survey, pictures):
    i, r, g = survey.source.channels
    one = pixels(pictures.bands(7, Look(bands=(i, g, g)), 64)[0])
    assert (one[..., 1] == one[..., 2]).all()
    assert (one[..., 0] != one[..., 1]).any()
    grey = pixels(pictures.bands(7, Look(bands=(r,)), 64)[0])
    assert (grey[..., 0] == grey[..., 1]).all()
    assert (grey[..., 0] == grey[..., 2]).all()
    with pytest.raises(ValueError, match="bands: must be one, or those of red, green and blue"):
        Look(bands=(g, r))


def test_all_bands_are_stretched_alike(survey):
    """A band that is twice as bright is seen to be."""
    image = np.zeros((1, 2, 32, 32), dtype=np.float32)
    image += np.random.default_rng(0).normal(size=image.shape)
    image[0, :, 14:18, 14:18] += np.array([100, 50])[:, None, None]
    drawn = Pictures(ArraySource(image), np.array([0])).bands(0, Look(), 64)
    assert len(drawn) == 3
    bright, faint = (pixels(one)[15, 15] for one in drawn[1:])
    assert bright > faint + 20


def test_a_picture_that_came_as_one_is_only_stretched_when_asked():
    image = np.random.default_rng(0).integers(0, 60, (1, 24, 24, 3), dtype=np.uint8)
    pictures = Pictures(ArraySource(image), np.array([0]))
    np.testing.assert_array_equal(pixels(pictures.bands(0, Look(), 64)[0]), image[0, ::-1])
    assert pixels(pictures.thumbnails([0], Look(softening=1.0), 64)[0]).max() > 120


def test_large_images_are_made_small_and_small_ones_are_not_made_large(survey):
    large = Pictures(ArraySource(np.zeros((1, 1, 200, 100))), np.array([0]))
    assert pixels(large.thumbnails([0], Look(), 50)[0]).shape[:2] == (50, 25)


def test_where_there_is_no_image_there_is_no_picture(tmp_path):
    Image.new("RGB", (20, 20), (9, 99, 9)).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"no image")
    source = FileSource([tmp_path / "a.png", tmp_path / "b.png"], ids=["a", "b"], size=20)
    drawn = Pictures(source, np.array([0, 1, -1])).thumbnails([2, 1, 0], Look(), 64)
    assert [one is None for one in drawn] == [True, True, False]
    lengths = np.frombuffer(packed(drawn)[:16], "<u4").tolist()
    assert lengths == [3, 0, 0, len(drawn[2])]


def test_no_more_pictures_are_kept_than_there_is_room_for(pictures, monkeypatch):
    monkeypatch.setattr(looks, "_ROOM", 20_000)
    pictures.thumbnails(list(range(100)), Look(), 64)
    assert 0 < sum(len(one) for one in pictures._kept.values()) <= 20_000
    again = pictures.thumbnails([0, 99, 0], Look(), 64)
    assert again[0] == again[2] != again[1]


def test_a_picture_that_two_tabs_ask_for_at_once_is_counted_once(pictures, monkeypatch):
    """Else the room would seem full for ever, and nothing would be kept any more."""
    monkeypatch.setattr(looks, "_ROOM", 40_000)
    for _ in range(30):
        pictures._keep((0, Look(), 64), bytes(2000))
    assert pictures._size == 2000
    assert len(pictures.thumbnails([1, 2], Look(), 64)) == 2


@pytest.mark.parametrize("side", [0, -4, 10**6])
def test_a_picture_has_a_size(pictures, side):
    for draw in (lambda: pictures.thumbnails([0], Look(), side), lambda: pictures.bands(0, Look(), side)):
        with pytest.raises(ValueError, match="side: must lie between 16 and 1024 pixels"):
            draw()
