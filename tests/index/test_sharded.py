"""An index of a folder of shards answers as one of all its rows would, and says which of its files is wrong."""

import shutil
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from astrotl import AnnoyIndex, ExactIndex, FeatureStore, Similar, open_index, open_store
from astrotl.errors import AstrotlWarning, IndexMismatchError, StoreError
from astrotl.index import ShardedIndex
from astrotl.index import sharded as room
from astrotl.store import Shard, ShardedStore

#: One has nothing done, one is smaller than what is asked for.
SIZES = (1200, 900, 3, 40, 1000)
NOTHING = 3


def make_folder(path, features, sizes, failed=()):
    """Write the features into shards of these sizes; the rows that failed have none."""
    features = np.asarray(features, dtype=np.float32)
    shards = [Shard(f"shard-{number:05}.h5", size) for number, size in enumerate(sizes)]
    store = ShardedStore.open_or_create(path, features.shape[1], 256, shards, {})
    for number, size in enumerate(sizes):
        rows = np.arange(*store.rows_of_shard(number).indices(len(store)))
        ids = [f"id{row}" for row in rows]
        shard = FeatureStore.open_or_create(
            store.path_of(number), ids, features.shape[1], {}, uuid=store.uuid_of(number)
        )
        done = np.flatnonzero(~np.isin(rows, failed))
        shard.write(done, features[rows[done]], dict.fromkeys(np.setdiff1d(np.arange(size), done).tolist(), "gone"))
    return store


@pytest.fixture(scope="module")
def features():
    """Most differences lie in few of 200 directions, as in a network's features."""
    rng = np.random.default_rng(8)
    mixed = rng.normal(size=(sum(SIZES), 200)) * (1 + np.arange(200)) ** -1.0 @ rng.normal(size=(200, 200))
    return np.maximum(mixed + rng.normal(size=200), 0).astype(np.float32)


@pytest.fixture(scope="module")
def failed():
    first = sum(SIZES[:NOTHING])
    return [0, 11, 1300, *range(first, first + SIZES[NOTHING])]


@pytest.fixture(scope="module")
def built(tmp_path_factory, features, failed):
    folder = tmp_path_factory.mktemp("built") / "survey"
    return ShardedIndex.build(make_folder(folder, features, SIZES, failed)).store.path


@pytest.fixture
def survey(tmp_path, built):
    """A copy of an indexed folder, to be harmed."""
    shutil.copytree(built, tmp_path / "survey")
    return tmp_path / "survey"


def true_distances(features, queries, metric, failed):
    features, queries = np.asarray(features, dtype=np.float64), np.asarray(queries, dtype=np.float64)
    if metric == "angular":
        features, queries = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (features, queries))
    true = np.stack([np.linalg.norm(query - features, axis=1) for query in queries])
    true[:, list(failed)] = np.inf
    return true


def made_at(folder):
    return {path.name: path.stat().st_mtime_ns for path in Path(folder).glob("*.ann")}


@pytest.mark.parametrize("metric", ["angular", "euclidean"])
def test_the_nearest_of_all_shards_are_found_with_true_distances(tmp_path, features, failed, metric):
    index = ShardedIndex.build(make_folder(tmp_path / "survey", features, SIZES, failed), metric=metric)
    queries = features[::15] + np.float32(0.01)
    true = true_distances(features, queries, metric, failed)
    rows, distances = index.query(queries, 10)
    np.testing.assert_allclose(distances, np.take_along_axis(true, rows, axis=1), rtol=1e-4, atol=1e-6)
    assert (np.diff(distances, axis=1) >= 0).all()
    assert np.mean([np.isin(a, b).mean() for a, b in zip(np.argsort(true, axis=1)[:, :10], rows, strict=True)]) > 0.98
    assert index.recall(10) > 0.98
    assert index.found > 0.98
    assert len(index) == len(features) - len(failed) == len(index.rows)


def test_one_query_is_answered_as_among_many(built, features):
    index = open_index(open_store(built))
    rows, distances = index.query(features[:100], 7)
    for number in range(0, 100, 9):
        alone, apart = index.query(features[number], 7)
        np.testing.assert_array_equal(alone[0], rows[number])
        np.testing.assert_array_equal(apart[0], distances[number])


@pytest.mark.parametrize("pool", [ThreadPoolExecutor, ProcessPoolExecutor])
def test_an_executor_builds_and_answers_the_same(tmp_path, built, features, failed, pool):
    context = {"mp_context": get_context("spawn")} if pool is ProcessPoolExecutor else {}
    store = make_folder(tmp_path / "survey", features, SIZES, failed)
    with pool(2, **context) as executor:
        ShardedIndex.build(store, executor=executor)
        here, there = open_index(open_store(built)), open_index(open_store(built), executor=executor)
        for given_ in (features[:100], features[:1]):
            for one, other in zip(here.query(given_, 20), there.query(given_, 20), strict=True):
                np.testing.assert_array_equal(one, other)
        assert here.recall(5, 50) == there.recall(5, 50)
    np.testing.assert_array_equal(open_index(store).query(features[:10], 3)[0], here.query(features[:10], 3)[0])


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_dask_cluster_builds_and_answers_the_same(tmp_path, built, features, failed):
    distributed = pytest.importorskip("distributed", reason="needs the extra dask")
    store = make_folder(tmp_path / "survey", features, SIZES, failed)
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster,
        distributed.Client(cluster) as client,
    ):
        executor = client.get_executor(pure=False)
        ShardedIndex.build(store, executor=executor)
        there = open_index(store, executor=executor).query(features[:40], 8)
    here = open_index(open_store(built)).query(features[:40], 8)
    np.testing.assert_array_equal(there[0], here[0])
    np.testing.assert_allclose(there[1], here[1], rtol=1e-5)


def test_more_may_be_asked_for_than_a_shard_or_all_of_them_have(built, features, failed):
    index = open_index(open_store(built))
    rows, distances = index.query(features[1:3], 10_000)
    assert rows.shape == (2, len(index))
    assert all(set(found) == set(index.rows.tolist()) for found in rows.tolist())
    true = true_distances(features, features[1:3], "angular", failed)
    np.testing.assert_allclose(distances, np.sort(true, axis=1)[:, : len(index)], rtol=1e-4, atol=1e-3)


def test_equally_near_rows_come_in_their_order_whatever_shard_they_are_in(tmp_path):
    features = np.tile(np.eye(4, dtype="f4"), (30, 1))
    index = ShardedIndex.build(make_folder(tmp_path / "survey", features, (50, 8, 62)))
    rows, distances = index.query(np.eye(4), 30)
    assert (distances == 0).all()
    np.testing.assert_array_equal(rows, np.arange(0, 120, 4) + np.arange(4)[:, None])


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    vectors=arrays(np.float32, st.tuples(st.integers(1, 30), st.integers(1, 5)), elements=st.integers(-3, 3)),
    k=st.integers(1, 40),
    parts=st.integers(1, 4),
)
def test_any_folder_can_be_searched(tmp_path, vectors, k, parts):
    """Equal vectors, zero vectors, shards of one object, more neighbours wanted than there are."""
    shutil.rmtree(tmp_path / "any", ignore_errors=True)
    sizes = [len(part) for part in np.array_split(vectors, min(parts, len(vectors)))]
    index = ShardedIndex.build(make_folder(tmp_path / "any", vectors, sizes), metric="euclidean", trees=3)
    exact = ExactIndex.build(index.store, metric="euclidean")
    rows, distances = index.query(vectors, k)
    np.testing.assert_allclose(distances, exact.query(vectors, k)[1], atol=1e-5)
    assert all(len(set(found)) == len(found) for found in rows.tolist())
    np.testing.assert_allclose(index.neighbours(k)[1], exact.neighbours(k)[1], atol=1e-5)


@pytest.mark.parametrize("most", [50_000, 100])
def test_neighbours_are_others(monkeypatch, built, features, failed, most):
    monkeypatch.setattr(room, "_EXACT", most)
    index = open_index(open_store(built))
    rows, distances = index.neighbours(5)
    true = true_distances(features, features[index.rows], "angular", failed)
    true[np.arange(len(index)), index.rows] = np.inf
    assert (rows != index.rows[:, None]).all()
    np.testing.assert_allclose(distances, np.take_along_axis(true, rows, axis=1), rtol=1e-4, atol=1e-6)
    assert np.mean([np.isin(a, b).mean() for a, b in zip(np.argsort(true)[:, :5], rows, strict=True)]) > 0.98


def test_a_shard_is_looked_through_for_its_part_only(tmp_path, features):
    """All shards together take less than each of them would if it were asked for the nearest of its own."""
    store = make_folder(tmp_path / "survey", np.tile(features, (4, 1))[: 8 * 1500], [1500] * 8)
    index = ShardedIndex.build(store)
    alone = AnnoyIndex(store.shard(0), tmp_path / "survey" / "shard-00000.ann")
    assert index._listing.nodes < 0.8 * alone._nodes


def test_the_index_of_a_shard_serves_alone(built, features):
    shard = open_store(built).shard(1)
    rows, _ = open_index(shard).query(features[1200 + 40 :][:3], 1)
    assert rows[:, 0].tolist() == [40, 41, 42]


def test_a_task_asks_a_folder_as_it_asks_a_file(built):
    store = open_store(built)
    found, exact = (Similar("id5", k=5).run(index) for index in (open_index(store), ExactIndex.build(store)))
    assert found["id"].tolist() == exact["id"].tolist()


def test_what_is_built_is_kept_after_a_kill(tmp_path, features, failed):
    store = make_folder(tmp_path / "survey", features, SIZES, failed)
    bars = []

    class Bar:
        def __init__(self, **given_):
            bars.append(given_)

        def update(self, count):
            if len(bars) == 1:
                raise KeyboardInterrupt

        def close(self):
            pass

    with pytest.raises(KeyboardInterrupt):
        ShardedIndex.build(store, workers=1, progress=Bar)
    assert isinstance(open_index(store), ExactIndex)
    before = made_at(store.path)
    assert 0 < len(before) < 4
    index = ShardedIndex.build(store, progress=Bar)
    assert before.items() <= made_at(store.path).items()
    assert bars[0]["initial"] == 0 < bars[1]["initial"] < bars[1]["total"] == len(index)
    assert isinstance(open_index(store), ShardedIndex)


HARMS = {
    "gone": ("shard-00001.ann", "there is no such index"),
    "cut": ("shard-00001.ann", "is damaged"),
    "no note": ("shard-00001.ann", "no readable"),
    "no points": ("shard-00001.ann", "is damaged"),
    "another's": ("shard-00001.ann", "belongs to another store"),
    "its own alone": ("shard-00001.ann", "was not built as a part of"),
    "grown": ("shard-00001.h5", "has 900 objects with features, but 899 are in its index"),
    "begun": ("shard-00003.h5", "has 1 objects with features, but 0 are in its index"),
}


@pytest.mark.parametrize("harm", HARMS)
def test_a_shard_whose_index_is_wrong_is_named_and_made_again_alone(survey, features, harm):
    index = survey / "shard-00001.ann"
    if harm == "gone":
        index.unlink()
    elif harm == "cut":
        index.write_bytes(index.read_bytes()[:-100])
    elif harm == "no note":
        Path(f"{index}.json").unlink()
    elif harm == "no points":
        Path(f"{index}.npz").unlink()
    elif harm == "another's":
        for ending in ("", ".json", ".npz"):
            shutil.copy(survey / f"shard-00000.ann{ending}", f"{index}{ending}")
    elif harm == "its own alone":
        AnnoyIndex.build(open_store(survey).shard(1))
    elif harm == "grown":
        open_store(survey).shard(1).write([100], features[[1300]])
    else:
        open_store(survey).shard(3).write([0], features[[2103]])
    name, said = HARMS[harm]
    with pytest.raises(IndexMismatchError, match=said) as caught:
        open_index(open_store(survey))
    assert str(survey / name) in str(caught.value)
    assert f"make it again with: astrotl index {survey}" in str(caught.value)
    assert "\n" not in str(caught.value)
    before = made_at(survey)
    assert ShardedIndex.build(open_store(survey)).recall(10, 100) > 0.97
    after = made_at(survey)
    made = {file for file in after if after[file] != before.get(file)}
    assert made == {name.replace(".h5", ".ann")}


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda path: path.write_text("{"), "is damaged"),
        (lambda path: path.write_text(path.read_text().replace('"format_version": 1', '"format_version": 9')), "newer"),
        (lambda path: path.write_text(path.read_text().replace('"store": "', '"store": "0')), "another store"),
        (lambda path: path.write_text("[]"), "is damaged"),
    ],
)
def test_a_list_that_is_wrong_is_refused(survey, harm, said):
    harm(survey / "index.json")
    with pytest.raises(IndexMismatchError, match=rf"index\.json.*{said}") as caught:
        open_index(open_store(survey))
    assert "\n" not in str(caught.value)
    before = made_at(survey)
    ShardedIndex.build(open_store(survey))
    assert made_at(survey) == before


def test_the_command_that_makes_it_again_has_the_settings_that_it_was_made_with(tmp_path, features):
    store = make_folder(tmp_path / "survey", features, SIZES)
    ShardedIndex.build(store, metric="euclidean", trees=7)
    (tmp_path / "survey" / "shard-00000.ann").unlink()
    with pytest.raises(IndexMismatchError, match=r"astrotl index .*survey --metric euclidean --trees 7"):
        open_index(store)


def test_an_index_that_is_built_anew_meanwhile_is_not_mixed_with_the_old(survey, features):
    old = open_index(open_store(survey))
    ShardedIndex.build(open_store(survey), metric="euclidean")
    with pytest.raises(IndexMismatchError, match=r"has been built otherwise since.*astrotl index"):
        old.query(features[:1], 3)
    new = open_index(open_store(survey))
    assert new.metric == "euclidean"
    assert new.query(features[1:2], 1)[0].tolist() == [[1]]


def test_a_shard_that_is_lost_is_named(survey):
    (survey / "shard-00001.h5").unlink()
    with pytest.raises(StoreError, match=r"shard-00001\.h5: is missing.*astrotl repair"):
        open_index(open_store(survey))


def test_shards_that_are_not_there_yet_are_left_out(tmp_path, features):
    store = make_folder(tmp_path / "survey", features, SIZES)
    Path(store.path_of(4)).unlink()
    with pytest.warns(AstrotlWarning, match=r"1 of 5 shards are missing and left out, the first, shard-00004\.h5"):
        index = ShardedIndex.build(open_store(store.path))
    assert len(index) == sum(SIZES[:4])
    assert (index.query(features[:50], 5)[0] < sum(SIZES[:4])).all()


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda store: ShardedIndex.build(store, metric="manhattan"), "metric: must be one of"),
        (lambda store: ShardedIndex.build(store, trees=0), "trees: must be 1 or more"),
        (lambda store: ShardedIndex.build(store, window=0), "window: must be 1 or more"),
        (lambda store: ShardedIndex.build(store, workers=0), "workers: must be 1 or more"),
        (lambda store: ShardedIndex.build(store, jobs=3), "jobs: an index of shards has no such setting"),
        (lambda store: ShardedIndex.build(store, "other.ann"), "path: the indexes of a folder of shards lie beside"),
        (lambda store: ShardedIndex.build(store.shard(0)), r"store: .*shard-00000\.h5 is no folder of shards"),
        (lambda store: AnnoyIndex.build(store), "store: .* is a folder of shards, which ShardedIndex indexes"),
        (lambda store: open_index(store, "other.ann"), "path: a folder of shards has its index in the folder"),
    ],
)
def test_wrong_arguments_are_named(tmp_path, call, said):
    store = make_folder(tmp_path / "survey", np.eye(8), (4, 4))
    with pytest.raises(ValueError, match=said):
        call(store)


def test_a_folder_without_features_cannot_be_indexed(tmp_path):
    store = make_folder(tmp_path / "survey", np.eye(4), (2, 2), failed=range(4))
    with pytest.raises(ValueError, match="has no features yet"):
        ShardedIndex.build(store)


def test_the_command_indexes_a_folder(tmp_path, monkeypatch, features, failed):
    from click.testing import CliRunner

    from astrotl.cli import cli

    monkeypatch.chdir(tmp_path)
    make_folder(tmp_path / "survey", features, SIZES, failed)
    said = CliRunner().invoke(cli, ["index", "survey"], catch_exceptions=False).output
    assert "index.json: 3,100 objects, angular, finds" in said
    said = CliRunner().invoke(cli, ["run", "similar", "survey", "--query", "id5"], catch_exceptions=False).output
    assert len(said.splitlines()) == 18
    with pytest.raises(ValueError, match=r"scheduler: .*is one file"):
        CliRunner().invoke(
            cli,
            ["index", "survey/shard-00000.h5", "--scheduler", "local"],
            catch_exceptions=False,
            standalone_mode=False,
        )


def test_neighbours_that_all_lie_in_one_shard_are_found(tmp_path, monkeypatch):
    """One shard holds something else altogether: a dense cloud, far away from all others."""
    random = np.random.default_rng(5)
    vectors = random.normal(size=(1600, 8)).astype(np.float32)
    vectors[:200] = 0.01 * vectors[:200] + 20
    plan = [Shard(f"shard-{number:05}.h5", 200) for number in range(8)]
    store = ShardedStore.open_or_create(tmp_path / "survey", 8, 64, plan, {})
    for number in range(8):
        rows = np.arange(200 * number, 200 * (number + 1))
        path, uuid = store.path_of(number), store.uuid_of(number)
        FeatureStore.open_or_create(path, rows, 8, {}, uuid=uuid).write(rows - rows[0], vectors[rows])
    index = ShardedIndex.build(store, metric="euclidean")
    true, _ = ExactIndex.build(store, metric="euclidean").query(vectors[:50], 10)
    found, _ = index.query(vectors[:50], 10)
    # By the main directions of all alone, which lead from the cloud to the others, it would be 0.85.
    assert np.mean([np.isin(a, b).mean() for a, b in zip(true, found, strict=True)]) > 0.93
    fairly = index.query(vectors[:50], 60)
    monkeypatch.setattr("astrotl.index._asked._share", lambda count, shards: count)
    for answer, wanted in zip(fairly, index.query(vectors[:50], 60), strict=True):
        np.testing.assert_array_equal(answer, wanted)
