"""Both indexes find neighbours; Annoy's is held against the exact one, and refuses what is not its own."""

import json
import shutil
from pathlib import Path

import annoy
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from astrotl import AnnoyIndex, ExactIndex, FeatureStore, open_index
from astrotl.errors import IndexMismatchError
from astrotl.index import annoy as annoy_room


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


@pytest.fixture
def long_features():
    """Most differences lie in few of 200 directions, as in a network's features."""
    rng = np.random.default_rng(8)
    mixed = rng.normal(size=(3000, 200)) * (1 + np.arange(200)) ** -1.0 @ rng.normal(size=(200, 200))
    return np.maximum(mixed + rng.normal(size=200), 0)


@pytest.fixture
def long_store(tmp_path, long_features):
    return make_store(tmp_path / "long.h5", long_features, failed=(0, 11))


def brute_force(features, queries, metric):
    features, queries = np.asarray(features, dtype=np.float64), np.asarray(queries, dtype=np.float64)
    if metric == "angular":
        features, queries = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (features, queries))
    return np.stack([np.linalg.norm(query - features, axis=1) for query in queries])


def brute_force_others(features, metric, failed=()):
    true = brute_force(features, features, metric)
    np.fill_diagonal(true, np.inf)
    true[:, list(failed)] = np.inf
    return np.delete(true, list(failed), axis=0)


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
        rows, distances = index.neighbours(k)
        assert rows.shape == distances.shape == (len(vectors), min(k, len(vectors) - 1))
        assert np.isfinite(distances).all()
        assert all(len({row, *found}) == len(found) + 1 for row, found in enumerate(rows.tolist()))


@pytest.mark.parametrize("metric", ["angular", "euclidean"])
@pytest.mark.parametrize("kind", [ExactIndex, AnnoyIndex])
def test_neighbours_are_the_nearest_others(long_store, long_features, kind, metric):
    rows, distances = kind.build(long_store, metric=metric).neighbours(7)
    true = brute_force_others(long_features, metric, failed=(0, 11))
    np.testing.assert_array_equal(rows, np.argsort(true, axis=1)[:, :7])
    np.testing.assert_allclose(distances, np.sort(true, axis=1)[:, :7], rtol=1e-5)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda x: x + 3e3, id="far from the origin"),
        pytest.param(lambda x: np.vstack([x, 1e4 * x[:3]]), id="few giants that all main directions belong to"),
        pytest.param(lambda x: np.vstack([x, x[:300]]), id="twins"),
        pytest.param(lambda x: np.vstack([x, x[:1].repeat(400, axis=0)]), id="very many of one"),
        pytest.param(lambda x: np.random.default_rng(1).normal(size=x.shape), id="no main directions"),
        pytest.param(lambda x: np.outer(np.arange(len(x)), np.ones(200)), id="on a line"),
    ],
)
def test_exact_neighbours_are_exact_whatever_the_features(tmp_path, long_features, change):
    features = np.asarray(change(long_features[:1000]), dtype=np.float32)
    index = ExactIndex.build(make_store(tmp_path / "f.h5", features), metric="euclidean")
    rows, distances = index.neighbours(5)
    true = brute_force_others(features, "euclidean")
    np.testing.assert_allclose(distances, np.sort(true, axis=1)[:, :5], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(np.take_along_axis(true, rows, axis=1), distances, rtol=1e-5, atol=1e-6)
    rows, distances = index.query(features[:50], 6)
    np.testing.assert_allclose(distances, np.sort(brute_force(features, features[:50], "euclidean"))[:, :6], rtol=1e-5)


@pytest.mark.parametrize("metric", ["angular", "euclidean"])
def test_reduced_features_find_the_same_with_true_distances(long_store, long_features, metric):
    index = AnnoyIndex.build(long_store, metric=metric, reduce=24)
    queries = long_features[::15]
    true = brute_force(long_features, queries, metric)
    true[:, [0, 11]] = np.inf
    for rows, distances in (
        index.query(queries, 10),
        tuple(np.concatenate(parts) for parts in zip(*(index.query(query, 10) for query in queries), strict=True)),
    ):
        np.testing.assert_allclose(distances, np.take_along_axis(true, rows, axis=1), rtol=1e-4, atol=1e-6)
        found = [np.isin(a, b).mean() for a, b in zip(np.argsort(true, axis=1)[:, :10], rows, strict=True)]
        assert np.mean(found) > 0.99
    assert Path(index.path).stat().st_size < 0.5 * long_features.size * 4


def test_very_many_objects_are_left_to_the_trees(long_store, monkeypatch):
    monkeypatch.setattr(annoy_room, "_AT_ONCE", 0)
    monkeypatch.setattr(annoy_room, "_ALONE", 0)
    monkeypatch.setattr(annoy_room, "_EXACT", 1000)
    index = AnnoyIndex.build(long_store, reduce=24)
    exact = ExactIndex.build(long_store).neighbours(5)[0]
    rows, distances = index.neighbours(5)
    assert np.mean([np.isin(a, b).mean() for a, b in zip(exact, rows, strict=True)]) > 0.98
    assert (rows != index.rows[:, None]).all()
    assert (np.diff(distances, axis=1) >= 0).all()


def test_a_query_leaves_the_vectors_as_they_are(store, features):
    asked = features[:50].astype(np.float32)
    for index in (ExactIndex.build(store), AnnoyIndex.build(store)):
        index.query(asked, 3)
        np.testing.assert_array_equal(asked, features[:50].astype(np.float32))


def test_the_same_seed_gives_the_same_files(long_store, tmp_path):
    first, second = (AnnoyIndex.build(long_store, tmp_path / name).path for name in ("a.ann", "b.ann"))
    for ending in ("", ".json", ".npz"):
        assert Path(f"{first}{ending}").read_bytes() == Path(f"{second}{ending}").read_bytes()


@pytest.mark.parametrize("metric", ["angular", "euclidean"])
def test_format_1_is_read_for_ever(store, features, metric):
    """What the first release wrote: trees over the features as they are, and a note that knows of nothing else."""
    trees = annoy.AnnoyIndex(16, metric)
    for item, row in enumerate(store.done()):
        trees.add_item(item, features[row])
    trees.build(50)
    path = Path(store.path).with_suffix(".ann")
    trees.save(str(path))
    note = {"format": "astrotl-annoy", "format_version": 1, "metric": metric, "dim": 16, "n": 498, "trees": 50}
    note |= {"seed": 1, "store": store.uuid, "bytes": path.stat().st_size}
    Path(f"{path}.json").write_text(json.dumps(note))
    index = open_index(store)
    rows, distances = index.query(features[50:90], 5)
    true = brute_force(features, features[50:90], metric)
    np.testing.assert_array_equal(rows[:, 0], np.arange(50, 90))
    np.testing.assert_allclose(distances, np.take_along_axis(true, rows, axis=1), rtol=1e-4, atol=1e-6)
    assert index.recall(10) > 0.95


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


@pytest.mark.parametrize("harm", ["no note", "cut", "bad note", "newer", "gone", "points cut", "points gone"])
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
    elif harm == "points cut":
        Path(f"{index}.npz").write_bytes(Path(f"{index}.npz").read_bytes()[:-100])
    elif harm == "points gone":
        Path(f"{index}.npz").unlink()
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
        (lambda index: index.neighbours(0), "k: must be 1 or more"),
        (lambda index: AnnoyIndex.build(index.store, trees=0), "trees: must be 1 or more"),
        (lambda index: AnnoyIndex.build(index.store, reduce=0), "reduce: must be 1 or more"),
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
