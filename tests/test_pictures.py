"""Pictures of images: colours, thumbnails that travel within a page, and the objects that have none."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from astrotl import ImageBatch
from astrotl.pictures import rgb, thumbnails
from astrotl.sources import ArraySource, FileSource


def opened(address):
    kind, _, data = address.partition(",")
    assert kind == "data:image/jpeg;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


@pytest.mark.parametrize("bands", [1, 2, 3, 5])
def test_any_number_of_bands_becomes_a_colour_picture(bands):
    data = np.random.default_rng(0).normal(size=(2, bands, 9, 9))
    data[1, 0, 3, 3] = np.nan
    picture = rgb(ImageBatch(data, ["a", "b"], tuple(map(str, range(bands)))))
    assert picture.shape == (2, 9, 9, 3)
    assert picture.min() >= 0
    assert picture.max() <= 1
    assert np.ptp(picture[0]) > 0.3


def test_pictures_from_a_camera_keep_their_colours():
    red = np.zeros((1, 3, 4, 4))
    red[0, 0] = 255
    picture = rgb(ImageBatch(red, ["a"], ("red", "green", "blue"), (0, 255)))
    np.testing.assert_allclose(picture[0, 0, 0], [1, 0, 0])


def test_a_thumbnail_is_the_picture_with_north_up():
    data = np.zeros((1, 1, 40, 40))
    data[0, 0, 30:38, 4:12] = 100
    picture = opened(thumbnails(ArraySource(data, ids=["a"]), ["a"])["a"])
    assert picture.shape == (40, 40, 3)
    rows, columns = np.nonzero(picture[..., 0] > 200)
    assert (rows.mean(), columns.mean()) == pytest.approx((5.5, 7.5), abs=1)


def test_a_thumbnail_of_a_large_image_is_small():
    data = np.random.default_rng(0).normal(size=(1, 3, 600, 400))
    (address,) = thumbnails(ArraySource(data, ids=["large"]), ["large"], side=96).values()
    assert opened(address).shape == (96, 64, 3)
    assert len(address) < 40_000


def test_more_than_one_block_comes_in_order_and_twice_is_once():
    data = np.random.default_rng(0).normal(size=(80, 1, 8, 8))
    images = ArraySource(data, ids=[f"g{row}" for row in range(80)])
    wanted = [f"g{row}" for row in range(79, -1, -1)]
    assert list(thumbnails(images, [*wanted, "g5"])) == wanted


def test_what_cannot_be_read_or_is_not_there_has_no_thumbnail(tmp_path):
    Image.fromarray(np.full((8, 8, 3), 90, np.uint8)).save(tmp_path / "good.png")
    (tmp_path / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    images = FileSource(sorted(tmp_path.glob("*.png")))
    assert list(thumbnails(images, ["torn", "stranger", "good"])) == ["good"]


def test_no_side_is_refused():
    with pytest.raises(ValueError, match=r"^side: must be at least 1 pixel, got 0"):
        thumbnails(ArraySource(np.zeros((1, 1, 4, 4))), [], side=0)
