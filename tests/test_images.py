"""A batch of images checks what it is made of."""

import numpy as np
import pytest

from astrotl import ImageBatch


def test_pixels_become_native_float32():
    batch = ImageBatch(np.arange(8, dtype=">i2").reshape(1, 2, 2, 2), [7], ["g", "r"])
    assert batch.data.dtype == np.dtype("=f4")
    assert batch.ids.tolist() == ["7"]
    assert batch.channels == ("g", "r")


def test_what_float32_cannot_hold_becomes_infinite_without_a_word():
    assert np.isinf(ImageBatch(np.full((1, 1, 1, 1), 1e300), ["a"], ["g"]).data).all()


@pytest.mark.parametrize(
    ("data", "ids", "channels", "said"),
    [
        (np.zeros((2, 3, 4)), ["a", "b"], ("g",), r"data: expected \(n, channel, y, x\)"),
        (np.zeros((2, 1, 4, 4)), ["a"], ("g",), "ids: expected 2"),
        (np.zeros((2, 1, 4, 4)), ["a", "b"], ("g", "r"), "channels: expected 1"),
    ],
)
def test_what_does_not_fit_is_named(data, ids, channels, said):
    with pytest.raises(ValueError, match=said):
        ImageBatch(data, ids, channels)


def test_selecting_rows_keeps_ids_and_range():
    batch = ImageBatch(np.arange(3.0).reshape(3, 1, 1, 1), ["a", "b", "c"], ("g",), (0, 255))
    some = batch.select([2, 0])
    assert some.ids.tolist() == ["c", "a"]
    assert some.data.ravel().tolist() == [2, 0]
    assert some.value_range == (0, 255)


def test_new_pixels_lose_the_old_range():
    batch = ImageBatch(np.zeros((1, 1, 1, 1)), ["a"], ("g",), (0, 255))
    assert batch.with_data(batch.data).value_range is None
