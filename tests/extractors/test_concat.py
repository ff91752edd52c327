"""Several views side by side, each with the same weight."""

import pickle

import numpy as np
import pytest

from astrotl import Concat, Profiles, extract_features, simulate
from astrotl.errors import PluginError
from astrotl.extract import extractor_of
from astrotl.preprocess import Choose, CropCentre
from astrotl.sources import ArraySource


@pytest.fixture(scope="module")
def batch():
    return simulate.stamps(12, seed=9)[0]


def profiles_of(batch):
    for step in Profiles().default_steps():
        batch = step(batch)
    features = Profiles().extract(batch)
    return features / np.linalg.norm(features, axis=1, keepdims=True)


def test_blocks_are_the_parts_scaled_to_their_weights(batch):
    both = Concat([Profiles(), "profiles@0.5"], weights=[1, 2])
    features = both.extract(batch)
    assert features.shape == (12, both.dim) == (12, 56)
    np.testing.assert_allclose(features[:, :28], profiles_of(batch), rtol=1e-5)
    np.testing.assert_allclose(features[:, 28:], 2 * profiles_of(CropCentre(fraction=0.5)(batch)), rtol=1e-4, atol=1e-6)


def test_a_part_sees_only_its_bands_in_their_order(batch):
    features = Concat(["profiles:i+r+g", "profiles@0.5:g+g+i"]).extract(batch)
    np.testing.assert_allclose(features[:, :28], profiles_of(Choose(("i", "r", "g"))(batch)), rtol=1e-5)
    inner = CropCentre(fraction=0.5)(Choose(("g", "g", "i"))(batch))
    np.testing.assert_allclose(features[:, 28:], profiles_of(inner), rtol=1e-4, atol=1e-6)


def test_five_bands_go_into_triplets(tmp_path):
    """Any number of bands, each triplet recorded in the store."""
    made, _ = simulate.stamps(6, bands=tuple("ugriz"), seed=2)
    extractor = Concat(["profiles:r+g+u", "profiles:z+i+r"])
    store = extract_features(ArraySource(made.data, channels=made.channels), extractor, tmp_path / "f.h5")
    assert store.shape == (6, 56)
    assert store.provenance["extractor"]["parameters"]["parts"] == ["profiles:r+g+u", "profiles:z+i+r"]
    assert store.provenance["extractor"]["dims"] == [28, 28]


def test_a_band_that_is_not_there_is_named(batch):
    with pytest.raises(ValueError, match=r"'y'.*g, r, i"):
        Concat(["profiles:y+r+g"]).extract(batch)


def test_it_is_made_again_from_its_store(batch, tmp_path):
    made = Concat(["profiles", "profiles@0.5"], weights=[1, 3])
    store = extract_features(ArraySource(batch.data), made, tmp_path / "f.h5")
    again = extractor_of(store)
    assert again.signature() == made.signature()
    np.testing.assert_array_equal(again.extract(batch), made.extract(batch))
    with_objects = extract_features(ArraySource(batch.data), Concat([Profiles(rings=3)]), tmp_path / "g.h5")
    assert extractor_of(with_objects).dim == Profiles(rings=3).dim


def test_it_travels_as_a_recipe():
    assert len(pickle.dumps(Concat([Profiles(), "profiles@0.5"]))) < 600


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ({"parts": []}, ValueError, "parts: expected a list"),
        ({"parts": "profiles"}, ValueError, "parts: expected a list"),
        ({"parts": ["profiles"], "weights": [1, 2]}, ValueError, "weights: expected 1 positive"),
        ({"parts": ["profiles"], "weights": [0]}, ValueError, "weights: expected 1 positive"),
        ({"parts": ["profiles@2"]}, ValueError, "fraction"),
        ({"parts": ["profiles@half"]}, ValueError, "half"),
        ({"parts": ["profiles:"]}, ValueError, "parts: expected NAME"),
        ({"parts": ["profilez"]}, PluginError, "profilez"),
    ],
)
def test_wrong_parts_are_named(arguments, error, said):
    with pytest.raises(error, match=said):
        Concat(**arguments).dim  # noqa: B018
