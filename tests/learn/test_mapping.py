"""Maps of a store: who is alike lies together, and the same store has the same map."""

import numpy as np
import pytest
from astropy.table import Table
from sklearn.decomposition import PCA

from astrotl import FeatureStore
from astrotl.errors import MissingDependencyError
from astrotl.learn import project


def store_of(features, path):
    store = FeatureStore.open_or_create(path, [f"g{row}" for row in range(len(features))], features.shape[1], {})
    store.write(np.arange(len(features)), features)
    return store


@pytest.fixture
def groups():
    """Three tight groups of forty vectors of very different lengths, far from each other."""
    rng = np.random.default_rng(5)
    middles = np.repeat(rng.normal(size=(3, 80)), 40, axis=0)
    return (middles + rng.normal(scale=0.25, size=middles.shape)) * rng.uniform(0.2, 5, (120, 1))


@pytest.fixture
def store(groups, tmp_path):
    return store_of(groups, tmp_path / "features.h5")


def places(table):
    return np.stack([table["x"], table["y"]], axis=1)


def apart(points):
    """Give the distance between the nearest two groups against the largest extent of one."""
    parts = points.reshape(3, 40, 2)
    middles = parts.mean(axis=1)
    between = min(np.linalg.norm(middles[a] - middles[b]) for a, b in ((0, 1), (0, 2), (1, 2)))
    return between / np.linalg.norm(parts - middles[:, None], axis=2).max()


def test_the_main_directions_are_those_of_scikit_learn(store, groups):
    table = project(store)
    unit = groups.astype(np.float32)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    theirs = PCA(2, svd_solver="full").fit(unit)
    found = places(table)
    expected = theirs.transform(unit)
    np.testing.assert_allclose(np.abs(found), np.abs(expected), atol=1e-5)
    np.testing.assert_allclose(table.meta["astrotl"]["shares"], theirs.explained_variance_ratio_, atol=1e-4)


@pytest.mark.parametrize("method", ["pca", "umap"])
def test_who_is_alike_lies_together(store, method):
    table = project(store, method=method)
    assert apart(places(table)) > 1.5
    assert table["id"].tolist() == store.ids.tolist()
    assert table.meta["astrotl"]["map"] == method


def test_the_same_seed_gives_the_same_umap(store):
    first, second = (project(store, method="umap", seed=3) for _ in range(2))
    np.testing.assert_array_equal(places(first), places(second))


def test_a_map_of_very_few_objects(tmp_path):
    few = store_of(np.random.default_rng(0).normal(size=(4, 3)), tmp_path / "few.h5")
    for method in ("pca", "umap"):
        assert np.isfinite(places(project(few, method=method))).all()


def test_objects_that_are_all_alike_lie_in_one_place(tmp_path):
    same = store_of(np.ones((20, 6)), tmp_path / "same.h5")
    np.testing.assert_allclose(places(project(same)), 0, atol=1e-6)


def test_labels_come_along_and_objects_without_features_do_not(groups, tmp_path):
    store = FeatureStore.open_or_create(tmp_path / "some.h5", [f"g{row}" for row in range(120)], 80, {})
    store.write(np.arange(100), groups[:100], failed={110: "is gone"})
    labels = Table({"id": [f"g{row}" for row in range(50)][::-1], "kind": np.arange(50)[::-1]})
    table = project(store, labels=labels, column="kind")
    assert len(table) == 100
    assert table["label"][:50].tolist() == list(range(50))
    assert np.array(table["label"].mask)[50:].all()
    assert table.meta["astrotl"]["column"] == "kind"


def test_what_cannot_be_mapped_is_said(store, tmp_path):
    with pytest.raises(ValueError, match="method: must be one of pca, umap, got 'tsne'"):
        project(store, method="tsne")
    labels = Table({"id": ["g0", "g1"], "kind": ["a", "b"]})
    with pytest.raises(ValueError, match="column: goes with labels"):
        project(store, labels=labels)
    with pytest.raises(ValueError, match=r"column: the labels have no 'knd'.*kind.*they have id, kind"):
        project(store, labels=labels, column="knd")
    with pytest.raises(ValueError, match=r"store: 2 objects of .* have features, too few for a map"):
        project(store_of(np.eye(2), tmp_path / "two.h5"))


def test_without_umap_the_extra_is_named(store, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "umap", None)
    with pytest.raises(
        MissingDependencyError, match=r'a map by umap needs .*umap-learn.*pip install "astrotl\[learn\]"'
    ):
        project(store, method="umap")


def test_some_rows_are_placed_alone_and_those_without_features_never(groups, tmp_path):
    store = FeatureStore.open_or_create(tmp_path / "part.h5", [f"g{row}" for row in range(121)], groups.shape[1], {})
    store.write(np.arange(120), groups)
    table = project(store, rows=[7, 3, 119, 120, 40, 3])
    assert table["id"].tolist() == ["g3", "g7", "g40", "g119"]
