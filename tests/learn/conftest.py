"""A store of made-up features in which two directions tell three kinds apart and a third one gives a mass."""

import numpy as np
import pytest
from astropy.table import Table
from threadpoolctl import threadpool_limits

from astrotl import FeatureStore

KINDS = ("disc", "elliptical", "merger")


def made(count, seed=0, width=20):
    """Make features and the labels that they follow from, the frequent kinds three times as many as the rare one."""
    rng = np.random.default_rng(seed)
    number = rng.choice(3, size=count, p=(3 / 7, 3 / 7, 1 / 7))
    mass = rng.normal(10, 0.5, count)
    features = rng.normal(0, 1, (count, width)).astype(np.float32)
    features[:, :2] += 2.5 * np.array([(0, 1), (1, 0), (-1, -1)])[number]
    features[:, 2] += 4 * (mass - 10)
    features[:, 3] = 7  # A feature that is always the same.
    names = [f"g{row}" for row in range(count)]
    return features, Table({"id": names, "kind": np.array(KINDS)[number], "mass": mass})


def filled(path, features, names):
    store = FeatureStore.open_or_create(path, names, features.shape[1], {"extractor": {"class": "made"}})
    store.write(range(len(features)), features)
    return store


@pytest.fixture(autouse=True)
def _one_thread():
    """Threads of scikit-learn that wait for each other make these tests ten times as slow on a busy machine."""
    with threadpool_limits(1):
        yield


@pytest.fixture(scope="session")
def sky(tmp_path_factory):
    """A store of 420 objects, and their labels."""
    features, labels = made(420)
    return filled(tmp_path_factory.mktemp("learn") / "f.h5", features, labels["id"]), labels
