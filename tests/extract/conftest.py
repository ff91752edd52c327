"""Fifty galaxies, their features in one file, and the same in shards."""

import pytest

from astrotl import extract_features, simulate
from astrotl.sources import ArraySource


@pytest.fixture(scope="module")
def source():
    return ArraySource(simulate.stamps(50, size=32, seed=3)[0].data)


@pytest.fixture(scope="module")
def whole(source, tmp_path_factory):
    return extract_features(source, "profiles", tmp_path_factory.mktemp("whole") / "f.h5", block=4).features()


@pytest.fixture
def survey(source, tmp_path):
    return extract_features(source, "profiles", tmp_path / "survey", block=4, shard=16)
