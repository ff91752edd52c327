import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from astrotl.preprocess._resample import resample

PILLOW = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


def with_pillow(data, size, box, method):
    resized = [
        [np.asarray(Image.fromarray(band).resize((size, size), PILLOW[method], box=box)) for band in image]
        for image in data
    ]
    return np.array(resized)


def noise(*shape, seed=0):
    return np.random.default_rng(seed).normal(10, 3, shape).astype(np.float32)


@settings(deadline=None)
@given(st.integers(1, 41), st.integers(1, 41), st.integers(1, 70), st.sampled_from(sorted(PILLOW)), st.data())
def test_any_size_and_any_box_give_what_pillow_gives(height, width, size, method, data):
    image = noise(2, 1, height, width, seed=height * width)
    corner = [data.draw(st.floats(0, 0.9)), data.draw(st.floats(0, 0.9))]
    far = [start + data.draw(st.floats(0.05, 1)) * (1 - start) for start in corner]
    box = (corner[0] * width, corner[1] * height, far[0] * width, far[1] * height)
    ours = resample(image, size, np.array([box, box]), method)
    np.testing.assert_allclose(ours, with_pillow(image, size, box, method), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("method", sorted(PILLOW))
@pytest.mark.parametrize("size", [7, 32, 224])
def test_whole_images_give_what_pillow_gives(method, size):
    image = noise(2, 3, 63, 49)
    np.testing.assert_allclose(resample(image, size, None, method), with_pillow(image, size, None, method), rtol=1e-4)


def test_each_image_has_its_own_box_also_in_blocks(monkeypatch):
    image = noise(5, 2, 20, 20)
    boxes = np.array([[i, 0, 10 + i, 10] for i in range(5)], dtype=float)
    monkeypatch.setattr("astrotl.preprocess._resample._ELEMENTS_AT_A_TIME", 3000)
    ours = resample(image, 16, boxes)
    for row in range(5):
        expected = with_pillow(image[row : row + 1], 16, tuple(boxes[row]), "bicubic")
        np.testing.assert_allclose(ours[row : row + 1], expected, rtol=1e-4)


def test_missing_pixels_do_not_darken_their_surroundings():
    image = np.full((2, 1, 30, 30), 5, dtype=np.float32)
    image[0, 0, 10, 10] = np.nan
    image[0, 0, :, 20:] = np.inf
    ours = resample(image, 15)
    assert np.isnan(ours[0, 0, :, 11:]).all()
    np.testing.assert_allclose(ours[0, 0, :, :9], 5, rtol=1e-5)
    np.testing.assert_allclose(ours[1], 5, rtol=1e-5)


def test_a_lonely_pixel_among_missing_ones_is_not_spread():
    image = np.full((1, 1, 20, 20), np.nan, dtype=np.float32)
    image[0, 0, 10, 10] = 7
    assert np.isnan(resample(image, 5)).all()
    enlarged = resample(image, 100)
    np.testing.assert_allclose(enlarged[np.isfinite(enlarged)], 7, rtol=1e-5)
    assert 9 <= np.isfinite(enlarged).sum() <= 36
