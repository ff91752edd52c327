"""The pixels go through as they are, at the size that was asked for."""

import numpy as np
import pytest

from astrotl import ImageBatch, extract_features, simulate
from astrotl.extractors import Pixels
from astrotl.sources import ArraySource


def test_each_pixel_is_a_feature():
    data = np.random.default_rng(0).random((2, 3, 8, 8))
    features = Pixels(size=8).extract(ImageBatch(data, ["a", "b"], ("r", "g", "b"), value_range=(0, 1)))
    assert features.reshape(2, 3, 8, 8) == pytest.approx(data.astype(np.float32))


def test_physical_units_are_stretched(tmp_path):
    batch, _ = simulate.stamps(6, seed=1)
    features = extract_features(ArraySource(batch.data), Pixels(size=16), tmp_path / "p.h5").features()
    assert features.shape == (6, 3 * 16 * 16)
    assert 0 <= features.min() < features.max() <= 1
