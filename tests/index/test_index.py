"""Both indexes find neighbours; Annoy's is held against the exact one, and refuses what is not its own."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from astrotl import AnnoyIndex, ExactIndex, FeatureStore, open_index
from astrotl.errors import IndexMismatchError


def make_store(path, features, failed=()):
    features = np.asarray(features, dtype=np.float32)
    store = FeatureStore.open_or_create(path, [f"id{row}" for row in range(len(features))], features.shape[1], {})
    rows = np.delete(np.arange(len(features)), list(failed))
    store.write(rows, features[rows], dict.fromkeys(failed, "gone"))
    return store


@pytest.fixture
def features():
    return np.random.default_rng(2).normal(size=(500, 16))


@pytest.fixture
def store(tmp_path, features):
    return make_store(tmp_path / "features.h5", features, failed=(7, 100))


def brute_force(features, queries, metric):
    if metric == "angular":
        features, queries = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (features, queries))
    return np.linalg.norm(queries[:, None] - features, axis=2)


@pytest.mark.parametrize("metric", ["angular", "euclidean"])
def test_exact_search_is_exact(store, features, metric):
    queries = np.random.default_rng(3).normal(size=(20, 16))
    rows, distances = ExactIndex.build(store, metric=metric).query(queries, 9)
    true = brute_force(features, queries, metric)
    true[:, [7, 100]] = np.inf
    np.testing.assert_array_equal(rows, np.argsort(true, axis=1)[:, :9])
    np.testing.assert_allclose(distances, np.sort(true, axis=1)[:, :9], rtol=1e-5)


@pytest.mark.parametrize("metric", ["angular", "euclidean"])
def test_annoy_gives_the_same_distances_and_nearly_the_same_rows(store, metric):
    index = AnnoyIndex.build(store, metric=metric, trees=60)
    vectors = store.features([0, 50, 499])
    rows, distances = index.query(vectors, 5)
    exact_rows, exact = ExactIndex.build(store, metric=metric).query(vectors, 5)
    np.testing.assert_array_equal(rows[:, 0], [0, 50, 499])
    np.testing.assert_allclose(distances[:, 1], exact[:, 1], atol=2e-3)
    assert index.recall(10) > 0.95
    assert ExactIndex.build(store, metric=metric).recall(10) == 1
    assert not np.isin([7, 100], np.concatenate([rows, exact_rows])).any()


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    vectors=arrays(np.float32, st.tuples(st.integers(1, 30), st.integers(1, 5)), elements=st.integers(-3, 3)),
    k=st.integers(1, 40),
    metric=st.sampled_from(["angular", "euclidean"]),
)
def test_any_store_can_be_searched(tmp_path, vectors, k, metric):
    """Equal vectors, zero vectors, one object alone, more neighbours wanted than there are."""
    path = tmp_path / "any.h5"
    path.unlink(missing_ok=True)
    store = make_store(path, vectors)
    for index in (ExactIndex.build(store, metric=metric), AnnoyIndex.build(store, metric=metric, trees=3)):
        rows, distances = index.query(vectors, k)
        assert rows.shape == distances.shape == (len(vectors), min(k, len(vectors)))
        assert np.isfinite(distances).all()
        assert (np.diff(distances, axis=1) >= -1e-6).all()
        assert all(len(set(found)) == len(found) for found in rows.tolist())


def test_the_same_seed_gives_the_same_file(store, tmp_path):
    first, second = (Path(AnnoyIndex.build(store, tmp_path / name).path).read_bytes() for name in ("a.ann", "b.ann"))
    assert first == second


def test_an_index_beside_the_store_is_found(store):
    assert isinstance(open_index(store), ExactIndex)
    AnnoyIndex.build(store)
    assert isinstance(open_index(store), AnnoyIndex)


def test_an_index_of_another_store_is_refused(store, features, tmp_path):
    AnnoyIndex.build(store)
    other = make_store(tmp_path / "other.h5", features)
    shutil.copy(tmp_path / "features.ann", tmp_path / "other.ann")
    shutil.copy(tmp_path / "features.ann.json", tmp_path / "other.ann.json")
    with pytest.raises(IndexMismatchError, match=r"other\.ann: belongs to another store.*astrotl index"):
        open_index(other)


def test_an_index_is_refused_after_the_store_has_grown(store):
    AnnoyIndex.build(store)
    store.write([7], np.ones((1, 16)))
    with pytest.raises(IndexMismatchError, match=r"holds 498 objects, but .* now has 499"):
        open_index(store)


@pytest.mark.parametrize("harm", ["no note", "cut", "bad note", "newer", "gone"])
def test_a_harmed_index_is_refused_in_one_line(store, harm):
    index = Path(AnnoyIndex.build(store).path)
    note = Path(f"{index}.json")
    if harm == "no note":
        note.unlink()
    elif harm == "cut":
        index.write_bytes(index.read_bytes()[:-100])
    elif harm == "bad note":
        note.write_text("{")
    elif harm == "newer":
        note.write_text(json.dumps({**json.loads(note.read_text()), "format_version": 99}))
    else:
        index.unlink()
    with pytest.raises(IndexMismatchError, match=r"features\.ann") as caught:
        AnnoyIndex(store, index)
    assert "\n" not in str(caught.value)


def test_nothing_is_left_under_the_final_name_by_a_build_that_fails(store, tmp_path):
    with pytest.raises(OSError, match=r"x\.ann"):
        AnnoyIndex.build(store, tmp_path / "gone" / "x.ann")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["features.h5"]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda index: index.query([[1, 2]], 3), "vectors: expected 16 features, got 2"),
        (lambda index: index.query(np.full((1, 16), np.nan), 3), "vectors: must be finite"),
        (lambda index: index.query(np.ones(16), 0), "k: must be 1 or more"),
        (lambda index: AnnoyIndex.build(index.store, metric="manhattan"), "metric: must be one of angular, euclidean"),
        (lambda index: AnnoyIndex.build(index.store, trees=0), "trees: must be 1 or more"),
        (lambda index: AnnoyIndex.build(index.store, leaves=4), "leaves: an Annoy index has no such setting"),
    ],
)
def test_wrong_arguments_are_named(store, call, said):
    with pytest.raises(ValueError, match=said):
        call(ExactIndex.build(store))


def test_a_store_without_features_cannot_be_indexed(tmp_path):
    store = FeatureStore.open_or_create(tmp_path / "f.h5", ["a"], 2, {})
    with pytest.raises(ValueError, match="has no features yet"):
        AnnoyIndex.build(store)


def test_exact_search_reads_in_blocks(tmp_path):
    """More rows than one block holds, with ties across the blocks."""
    features = np.tile(np.eye(4, dtype="f4"), (6000, 1))
    store = make_store(tmp_path / "many.h5", features)
    rows, distances = ExactIndex.build(store).query(np.eye(4), 5)
    assert (distances == 0).all()
    np.testing.assert_array_equal(rows % 4, np.broadcast_to(np.arange(4)[:, None], (4, 5)))
    assert all(len(set(found)) == 5 for found in rows.tolist())
