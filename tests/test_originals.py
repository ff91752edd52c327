"""The images of a store, opened again from where they lay."""

import numpy as np
import pytest

from astrotl import extract_features, open_source
from astrotl.originals import images_of
from astrotl.sources import ArraySource


@pytest.fixture
def stamps(tmp_path):
    rng = np.random.default_rng(0)
    np.save(tmp_path / "stamps.npy", rng.normal(size=(12, 3, 24, 24)).astype(np.float32))
    return tmp_path


def test_the_same_images_come_back(stamps):
    source = open_source(stamps / "stamps.npy")
    again = images_of(extract_features(source, "profiles", stamps / "f.h5"))
    np.testing.assert_array_equal(again.read().data, source.read().data)


def test_other_objects_in_their_place_are_refused(stamps):
    store = extract_features(open_source(stamps / "stamps.npy"), "profiles", stamps / "f.h5")
    np.save(stamps / "stamps.npy", np.zeros((11, 3, 24, 24), dtype=np.float32))
    with pytest.raises(ValueError, match=r"images: those in .* are no longer those that"):
        images_of(store)


def test_images_that_were_in_memory_are_gone(stamps):
    store = extract_features(ArraySource(np.ones((3, 1, 24, 24))), "profiles", stamps / "f.h5")
    with pytest.raises(ValueError, match="were in memory"):
        images_of(store)
