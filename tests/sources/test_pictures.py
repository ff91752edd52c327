import os

import numpy as np
import pytest
from PIL import Image

from astrotl.sources import FileSource


def test_pictures(tmp_path):
    rgb = np.zeros((6, 8, 3), np.uint8)
    rgb[..., 0], rgb[..., 1], rgb[..., 2] = 250, 120, 10
    Image.fromarray(rgb).save(tmp_path / "a.jpg", quality=95)
    Image.fromarray(rgb).save(tmp_path / "b.png")
    Image.fromarray(np.dstack([rgb, np.full((6, 8), 128, np.uint8)])).save(tmp_path / "c.png")
    Image.fromarray(rgb).quantize(4).save(tmp_path / "d.png")
    two = rgb.copy()
    two[5] = 0
    Image.fromarray(two).quantize(4).save(tmp_path / "e.png", transparency=b"\x00\x80")
    batch = FileSource(sorted(tmp_path.iterdir())).read()
    assert not batch.failed
    assert batch.channels == ("red", "green", "blue")
    assert batch.value_range == (0, 255)
    assert np.abs(batch.data[:, :, 3, 3] - [250, 120, 10]).max() <= 3
    only = FileSource([tmp_path / "b.png"], bands=["blue", "red"]).read()
    assert only.data[0, :, 0, 0].tolist() == [10, 250]


@pytest.mark.parametrize(
    ("picture", "value_range", "value"),
    [
        (Image.fromarray(np.full((5, 5), 77, np.uint8)), (0, 255), 77),
        (Image.fromarray(np.full((5, 5), 60000, np.uint16)), (0, 65535), 60000),
        (Image.new("LA", (5, 5), (80, 9)), (0, 255), 80),
        (Image.new("1", (5, 5), 1), (0, 255), 255),
    ],
)
def test_grey_pictures(tmp_path, picture, value_range, value):
    picture.save(tmp_path / "a.png")
    batch = FileSource([tmp_path / "a.png"]).read()
    assert batch.channels == ("grey",)
    assert batch.value_range == value_range
    assert (batch.data == value).all()


def test_pictures_of_different_kinds_never_mix_in_silence(tmp_path, stamp, noise):
    Image.new("L", (5, 5), 9).save(tmp_path / "a.png")
    Image.new("RGB", (5, 5), (1, 2, 3)).save(tmp_path / "b.png")
    Image.fromarray(np.full((5, 5), 999, np.uint16)).save(tmp_path / "c.png")
    paths = [*sorted(tmp_path.iterdir()), stamp("d.fits", noise(5, 5))]
    failed = FileSource(paths).read().failed
    assert failed["b"].endswith("has the planes red, green, blue, but the first file has grey")
    assert failed["c"].endswith("its values fill 0 to 65535, those of the first file fill 0 to 255")
    assert failed["d"].endswith("its values are in physical units, those of the first file fill 0 to 255")


def test_a_truncated_picture_fails_alone(tmp_path):
    rng = np.random.default_rng(1)
    for name in ("a.png", "b.png"):
        Image.fromarray(rng.integers(0, 255, (64, 64), np.uint8)).save(tmp_path / name)
    os.truncate(tmp_path / "b.png", 1500)
    failed = FileSource([tmp_path / "a.png", tmp_path / "b.png"]).read().failed
    assert list(failed) == ["b"]
    assert "b.png: cannot be read as a picture" in failed["b"]
