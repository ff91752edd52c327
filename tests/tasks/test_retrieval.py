"""Active galaxies and lenses found again: by examples, by labels, on the command line, and honestly measured."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from astropy.table import Table
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from astrotl import ExactIndex, FeatureStore, extract_features, simulate
from astrotl.extractors import Concat
from astrotl.sources import ArraySource
from astrotl.tasks import Agn, Lens
from astrotl.tasks.retrieval import is_one_of


@pytest.fixture(scope="module")
def sky(tmp_path_factory):
    """Four hundred galaxies: one in ten a lens, one in ten active; whole and centre measured."""
    kinds = {"spiral": 0.5, "elliptical": 0.3, "lens": 0.1, "agn": 0.1}
    batch, truth = simulate.stamps(400, kinds=kinds, size=48, seed=12)
    source = ArraySource(batch.data, ids=batch.ids, channels=batch.channels)
    path = tmp_path_factory.mktemp("sky") / "sky.h5"
    store = extract_features(source, Concat(["profiles", "profiles@0.5"]), path)
    return ExactIndex.build(store), truth["id", "kind"]


def made(path, features):
    """Make a small store by hand; its objects are A0, A1, ..."""
    store = FeatureStore.open_or_create(path, [f"A{row}" for row in range(len(features))], len(features[0]), {})
    store.write(range(len(features)), features)
    return ExactIndex.build(store)


def measured(task, index, labels):
    table = task.evaluate(index, labels=labels)
    return dict(zip(table["measure"].tolist(), table["value"].tolist(), strict=True))


def kinds_of(table, truth):
    kind = dict(zip(truth["id"].tolist(), truth["kind"].tolist(), strict=True))
    return np.array([kind[name] for name in table["id"].tolist()])


def test_five_lenses_find_the_others(sky):
    index, truth = sky
    lenses = truth["id"][truth["kind"] == "lens"].tolist()
    table = Lens(query=lenses[:5]).run(index)
    assert table.colnames == ["id", "rank", "score", "votes", "weighted_votes", "distance", "prototypes"]
    assert table["rank"].tolist() == list(range(1, 396))
    assert not set(lenses[:5]) & set(table["id"].tolist())
    assert (kinds_of(table, truth)[:20] == "lens").mean() > 0.8
    assert (np.diff(table["score"]) <= 0).all()
    assert 0 < table["score"].min() < table["score"].max() <= 1
    assert table["votes"].sum() == 5 * 10
    near = [names.split(",") for names in table["prototypes"].tolist()]
    assert all(len(set(names)) == 3 and set(names) <= set(lenses[:5]) for names in near)


def test_labels_teach_and_rank_the_labelled_too(sky):
    index, truth = sky
    table = Agn(column="kind", positive=["agn"]).run(index, labels=truth)
    assert len(table) == 400
    assert (table["label"][:30] == "agn").mean() > 0.9
    assert (kinds_of(table, truth) == table["label"]).all()


@pytest.mark.filterwarnings("ignore:1,000 of the 3,000 objects")
def test_the_score_of_the_unknown_is_a_probability(tmp_path):
    rng = np.random.default_rng(5)
    agn = rng.random(3000) < 0.2
    features = rng.normal(size=(3000, 6))
    features[agn, :2] += 1.2
    names = [f"A{row}" for row in range(3000)]
    labels = Table({"id": names[:1000], "bpt": np.where(agn[:1000], "liner", "none")})
    table = Agn(column="bpt", positive="liner").run(made(tmp_path / "f.h5", features), labels=labels)
    unknown = table[table["label"] == ""]
    true = agn[[int(name[1:]) for name in unknown["id"].tolist()]]
    for low, high in ((0.0, 0.1), (0.1, 0.3), (0.3, 0.6), (0.6, 1.0)):
        some = (unknown["score"] > low) & (unknown["score"] <= high)
        assert some.sum() > 100
        assert true[some].mean() == pytest.approx(unknown["score"][some].mean(), abs=0.07)


@pytest.mark.filterwarnings("ignore:200 of the 400 objects")
def test_half_of_the_labels_find_the_other_half(sky):
    index, truth = sky
    table = Agn(column="kind", positive=["agn"]).run(index, labels=truth[::2])
    unknown = table["label"] == ""
    assert unknown.sum() == 200
    agn = kinds_of(table[unknown], truth) == "agn"
    assert agn[:10].mean() > 0.8
    assert table["score"][unknown].mean() == pytest.approx(agn.mean(), abs=0.05)


def test_votes_and_distances_are_those_of_a_slow_search(sky):
    index, truth = sky
    queries = truth["id"][truth["kind"] == "lens"].tolist()[:4]
    table = Lens(query=queries, k=7, order="votes").run(index)
    from astrotl.tasks._retrieval_space import Space

    vectors = Space(index.store, index.rows).coordinates(index.rows).astype(float)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    ids = index.store.ids.tolist()
    votes, nearest = dict.fromkeys(ids, 0), dict.fromkeys(ids, np.inf)
    for query in queries:
        far = {name: np.linalg.norm(vectors[ids.index(name)] - vectors[ids.index(query)]) for name in ids}
        for name in sorted(set(ids) - set(queries), key=far.get)[:7]:
            votes[name] += 1
        nearest = {name: min(nearest[name], far[name]) for name in ids}
    assert table["votes"].tolist() == [votes[name] for name in table["id"].tolist()]
    assert (np.diff(table["votes"]) <= 0).all()
    np.testing.assert_allclose(table["distance"], [nearest[name] for name in table["id"].tolist()], atol=1e-3)


def test_a_nearer_neighbour_weighs_more_and_counter_examples_push_away(tmp_path):
    rng = np.random.default_rng(0)
    features = np.concatenate(
        [rng.normal((5, 0, 0), 0.5, (20, 3)), rng.normal((0, 5, 0), 0.5, (20, 3)), rng.normal(0, 0.5, (60, 3))]
    )
    index = made(tmp_path / "f.h5", features)
    table = Lens(query=["A0"], k=5, order="weighted_votes").run(index)
    voted = table[table["votes"] > 0]
    assert len(voted) == 5
    assert (np.diff(voted["distance"]) >= -1e-6).all()
    queries = ["A0", "A1", "A2", "A20", "A21", "A22"]
    both = Lens(query=queries).run(index)["id"].tolist()
    against = [f"A{row}" for row in range(30, 40)]
    one = Lens(query=queries, unlike=against).run(index)["id"].tolist()
    assert not set(queries + against) & set(one)
    assert {int(name[1:]) // 20 for name in both[:20]} == {0, 1}
    places = {
        group: np.mean([one.index(f"A{row}") for row in rows])
        for group, rows in (("a", range(3, 20)), ("b", range(23, 30)))
    }
    assert places["a"] < 10 < 15 < places["b"]


def test_evaluation_finds_nothing_in_noise_and_everything_in_a_gap(tmp_path):
    rng = np.random.default_rng(1)
    features = rng.normal(size=(300, 40))
    kind = np.where(np.arange(300) % 6 == 0, "agn", "no")
    labels = Table({"id": [f"A{row}" for row in range(300)], "kind": kind})
    noise = measured(Agn(column="kind", positive="agn"), made(tmp_path / "noise.h5", features), labels)
    # An object's own label would lift this far above chance: 40 numbers fit 50 objects well.
    assert noise["area under the curve"] == pytest.approx(0.5, abs=0.1)
    assert noise["positives at random"] == pytest.approx(1 / 6)
    features[kind == "agn", :20] += 12
    gap = measured(Agn(column="kind", positive="agn"), made(tmp_path / "gap.h5", features), labels)
    assert gap["area under the curve"] == gap["average precision"] == gap["purity of the first tenth"] == 1
    assert gap["lift in the first tenth"] == pytest.approx(6)
    assert gap["completeness of the first 100"] == 1
    assert gap["positives among a positive's neighbours"] > 0.9 > 0.1 > gap["positives among a negative's neighbours"]


def test_one_label_changes_nothing_about_the_place_of_its_own_object(sky):
    """Only through the folds of others may a label matter: turning it must not lift its own object."""
    index, truth = sky
    labels = truth.copy()
    row = int(np.flatnonzero(truth["kind"] == "spiral")[0])
    before = Agn(column="kind", positive=["agn"]).run(index, labels=labels)
    labels["kind"][row] = "agn"
    after = Agn(column="kind", positive=["agn"]).run(index, labels=labels)
    name = truth["id"][row]
    assert after["score"][after["id"] == name][0] == pytest.approx(before["score"][before["id"] == name][0], abs=0.03)


def test_a_ranking_by_examples_is_measured_on_the_others(sky):
    index, truth = sky
    lenses = truth["id"][truth["kind"] == "lens"].tolist()
    values = measured(Lens(query=lenses[:5], column="kind", positive="lens"), index, truth)
    table = Lens(query=lenses[:5], column="kind", positive="lens").run(index, labels=truth)
    assert values["purity of the first 20"] == (table["label"][:20] == "lens").mean()
    assert values["positives at random"] == pytest.approx((len(lenses) - 5) / 395)
    by_votes = Lens(query=lenses[:5], column="kind", positive="lens", order="votes")
    voted = by_votes.run(index, labels=truth)
    assert measured(by_votes, index, truth)["purity of the first 20"] == (voted["label"][:20] == "lens").mean()


def test_classes_are_counted_in_or_out(sky):
    index, truth = sky
    both = measured(Agn(column="kind", positive=["agn", "lens"]), index, truth)
    assert {"area under the curve, agn", "area under the curve, lens"} <= set(both)
    only = Agn(column="kind", positive=["agn"], negative=["spiral"])
    asked = only.run(index, labels=truth)
    spirals = int((truth["kind"] == "spiral").sum())
    agn = int((truth["kind"] == "agn").sum())
    assert measured(only, index, truth)["positives at random"] == pytest.approx(agn / (agn + spirals))
    assert len(asked) == 400


def test_the_same_question_has_the_same_answer(sky):
    index, truth = sky
    one, two = (Agn(column="kind", positive=["agn"]).run(index, labels=truth) for _ in range(2))
    assert all((one[name] == two[name]).all() for name in one.colnames)


@given(
    scale=st.lists(st.floats(1e-3, 1e3), min_size=4, max_size=4),
    shift=st.lists(st.floats(-100, 100), min_size=4, max_size=4),
    seed=st.integers(0, 99),
)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_units_do_not_matter(tmp_path_factory, scale, shift, seed):
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(40, 4))
    folder = tmp_path_factory.mktemp("units")
    plain = Lens(query=["A0", "A1"]).run(made(folder / "a.h5", features))
    other = Lens(query=["A0", "A1"]).run(made(folder / "b.h5", features * scale + np.multiply(shift, scale)))
    places = dict(zip(other["id"].tolist(), other["rank"].tolist(), strict=True))
    # float32 files round, so that near ties may change places.
    assert (
        np.abs(
            [places[name] - rank for name, rank in zip(plain["id"].tolist(), plain["rank"].tolist(), strict=True)]
        ).max()
        <= 2
    )


@pytest.mark.parametrize(
    ("limit", "right"), [(">=2", [1, 1, 0, 0]), ("<2", [0, 0, 1, 0]), (">2", [0, 1, 0, 0]), ("2.0", [1, 0, 0, 0])]
)
def test_a_limit_compares_numbers_and_leaves_the_unknown_alone(limit, right):
    assert is_one_of(np.array(["2.0", "3.0", "0.7", ""]), [limit]).tolist() == [bool(one) for one in right]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({}, "labels: are needed"),
        ({"k": 0, "query": "A0"}, "k: must be 1 or more"),
        ({"order": "beauty", "query": "A0"}, "order: must be one of"),
        ({"positive": "agn"}, "column: is needed"),
        ({"column": "kind"}, "positive: say which"),
        ({"unlike": "A0"}, "unlike: counter-examples need a query"),
        ({"query": "B0"}, "query: 'B0' is not an id"),
        ({"query": "A0", "unlike": "B0"}, "unlike: 'B0' is not an id"),
        ({"query": "@nowhere.txt"}, "query: nowhere.txt cannot be read"),
        ({"query": ("A0", "A1", "A2")}, "query: holds every object"),
    ],
)
def test_what_cannot_be_asked_is_said(tmp_path, asked, said):
    index = made(tmp_path / "f.h5", [[1, 2], [3, 1], [0, 0]])
    with pytest.raises(ValueError, match=f"^{said}"):
        Lens(**asked).run(index)


def test_labels_without_what_is_looked_for_are_refused(tmp_path):
    index = made(tmp_path / "f.h5", [[1, 2], [3, 1], [0, 0]])
    labels = Table({"id": ["A0", "A1", "A2"], "bpt": ["liner", "none", "none"]})
    with pytest.raises(ValueError, match=r"^positive: no object has quasar in 'bpt'; it has liner, none"):
        Agn(column="bpt", positive="quasar").run(index, labels=labels)
    with pytest.raises(
        ValueError, match=r"^positive: at least two objects of either kind .* 1 positive and 2 negative"
    ):
        Agn(column="bpt", positive="liner").run(index, labels=labels)


def test_failed_rows_are_left_out(tmp_path):
    features = np.random.default_rng(3).normal(size=(30, 5))
    store = FeatureStore.open_or_create(tmp_path / "f.h5", [f"A{row}" for row in range(30)], 5, {})
    store.write(range(10, 30), features[10:])
    index = ExactIndex.build(store)
    assert set(Lens(query="A12").run(index)["id"].tolist()) == {f"A{row}" for row in range(10, 30)} - {"A12"}
    with pytest.raises(ValueError, match=r"^query: 'A3' has no features"):
        Lens(query="A3").run(index)


def test_the_command_line_asks_and_measures(sky, tmp_path):
    index, truth = sky
    truth.write(tmp_path / "labels.csv")
    lenses = truth["id"][truth["kind"] == "lens"].tolist()
    (tmp_path / "known.txt").write_text("\n".join(lenses[:6]) + "\n")

    def call(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "astrotl", "run", *arguments],
            capture_output=True, text=True, cwd=tmp_path, check=False, env={**os.environ, "COLUMNS": "120"},
        )  # fmt: skip

    done = call(
        "lens", index.store.path, "--labels", "labels.csv", "--column", "kind", "--positive", "lens,agn", "--negative",
        "spiral,elliptical", "-k", "5", "-o", "lens.ecsv", "--evaluate",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "area under the curve, lens" in done.stdout
    written = next(path for path in tmp_path.glob("*.json"))
    assert "average precision" in json.dumps(json.loads(written.read_text()))
    done = call("lens", index.store.path, "--query", "@known.txt", "-o", "more.vot")
    assert done.returncode == 0, done.stderr
    found = Table.read(tmp_path / "more.vot")["id"].astype(str).tolist()
    assert found == Lens(query=lenses[:6]).run(index)["id"].tolist()
