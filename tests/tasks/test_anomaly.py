"""Anomalies: planted ones come first, doubles do not hide, and a few labels turn the ranking."""

import subprocess
import sys

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from astrotl import AnnoyIndex, ExactIndex, FeatureStore, extract_features, simulate
from astrotl.sources import open_source
from astrotl.tasks import Anomaly, anomaly
from astrotl.tasks._anomaly_others import nearest_by_index, nearest_others

METHODS = ("fused", "first", "kth", "mean", "density")


def index_of(path, vectors, metric="euclidean", ids=None, dims=None):
    vectors = np.asarray(vectors, dtype=np.float32)
    ids = [f"G{row:03}" for row in range(len(vectors))] if ids is None else ids
    provenance = {} if dims is None else {"extractor": {"dims": dims, "parameters": {"parts": ["shape", "light"]}}}
    store = FeatureStore.open_or_create(path, ids, vectors.shape[1], provenance)
    store.write(range(len(vectors)), vectors)
    return ExactIndex.build(store, metric=metric)


def rank_of(table, name):
    return int(table["rank"][table["id"] == name][0])


def crowd(n=80, dim=6, seed=3):
    return np.random.default_rng(seed).normal(0, 1, (n, dim))


@pytest.fixture(scope="module")
def spoilt(tmp_path_factory):
    """Sixty good spirals, and six more that a bright bar crosses, so that they resemble each other."""
    batch, _ = simulate.stamps(66, kinds="spiral", size=32, seed=4)
    data = np.nan_to_num(batch.data)
    data[60:, :, 3:7] += 4 * np.abs(data).max(axis=(1, 2, 3)).mean()
    folder = tmp_path_factory.mktemp("spoilt")
    for name, image in zip(batch.ids, data, strict=True):
        fits.writeto(folder / f"{name}.fits", image)
    store = extract_features(open_source(folder, bands=("g", "r", "i")), "profiles", folder / "f.h5")
    return ExactIndex.build(store), set(batch.ids[60:].tolist()), folder


@pytest.mark.parametrize("method", METHODS)
def test_a_planted_stranger_comes_first(tmp_path, method):
    vectors = crowd()
    vectors[17] = 9
    table = Anomaly(method=method).run(index_of(tmp_path / "f.h5", vectors))
    assert table["id"][0] == "G017"
    assert table["rank"].tolist() == list(range(1, 81))
    assert (np.diff(table["score"]) <= 0).all()
    assert table["score"].min() >= 0
    assert 0.9 < table["score"][0] <= 1
    assert np.median(table["score"]) == pytest.approx(0.5, abs=0.02)


def test_damaged_images_that_resemble_each_other_come_first(spoilt):
    index, damaged, _ = spoilt
    assert damaged <= set(Anomaly().run(index)["id"][:12])
    assert len(damaged & set(Anomaly(method="first").run(index)["id"][:12])) < 3


def test_the_nearest_is_the_nearest_other(tmp_path):
    vectors = crowd()
    table = Anomaly().run(index_of(tmp_path / "f.h5", vectors))
    apart = cdist(vectors, vectors) + np.diag(np.full(80, np.inf))
    rows = [int(name[1:]) for name in table["id"]]
    assert [int(name[1:]) for name in table["nearest"]] == apart.argmin(axis=1)[rows].tolist()
    np.testing.assert_allclose(table["distance"], apart.min(axis=1)[rows], rtol=1e-4)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("copies", [1, 12])
def test_doubles_do_not_hide_each_other(tmp_path, method, copies):
    vectors = crowd(n=80 + copies)
    vectors[79:] = 9 + 1e-4 * crowd(n=copies + 1, seed=5)
    table = Anomaly(method=method).run(index_of(tmp_path / "f.h5", vectors))
    strange = {f"G{row:03}" for row in range(79, 80 + copies)}
    assert set(table["id"][: copies + 1]) == strange
    assert not strange & set(table["nearest"][: copies + 1])


def test_many_equal_strangers_do_not_pass_for_usual_when_fused(tmp_path):
    vectors = crowd(n=120)
    vectors[100:] = crowd(n=20, seed=7) * 0.5 + 7
    index = index_of(tmp_path / "f.h5", vectors)
    strange = {f"G{row:03}" for row in range(100, 120)}
    assert set(Anomaly().run(index)["id"][:20]) == strange
    assert set(Anomaly(method="first").run(index)["id"][:20]) != strange


def test_a_view_can_be_chosen(tmp_path):
    """One object is strange in shape and another in light."""
    vectors = np.concatenate([crowd(seed=1), crowd(seed=2)], axis=1)
    vectors[5, :6], vectors[9, 6:] = 9, 9
    index = index_of(tmp_path / "f.h5", vectors, dims=[6, 6])
    assert Anomaly(views="shape").run(index)["id"][0] == "G005"
    assert Anomaly(views=("2",)).run(index)["id"][0] == "G009"
    assert set(Anomaly().run(index)["id"][:2]) == {"G005", "G009"}
    with pytest.raises(ValueError, match=r"views: .* has no 'colour'; it has shape, light"):
        Anomaly(views=("colour",)).run(index)


@pytest.fixture(scope="module")
def three_kinds(tmp_path_factory):
    """A crowd, twenty artefacts very far out to one side and twenty rare galaxies not so far to the other."""
    rng = np.random.default_rng(8)
    vectors = rng.normal(0, 1, (400, 8))
    vectors[300:350] += np.array([12, 0, 0, 0, 0, 0, 0, 0])
    vectors[350:] += np.array([0, 4, 3, 0, 0, 0, 0, 0])
    truth = np.array(["boring"] * 300 + ["artefact"] * 50 + ["interesting"] * 50)
    index = index_of(tmp_path_factory.mktemp("kinds") / "f.h5", vectors)
    return index, Table({"id": index.store.ids, "label": truth})


def test_rounds_of_labels_raise_the_interesting_and_sink_artefacts(three_kinds):
    """What a user does: label the first four that have none, three times."""
    index, truth = three_kinds
    kind = dict(zip(truth["id"].tolist(), truth["label"].tolist(), strict=True))
    table, seen, shares = Anomaly().run(index), [], []
    for count in (4, 3, 3):
        seen += [name for name in table["id"].tolist() if name not in seen][:count]
        labels = Table({"id": seen, "label": [kind[name] for name in seen]})
        table = Anomaly().run(index, labels=labels)
        fresh = [kind[name] for name in table["id"].tolist() if name not in seen][:30]
        shares.append(fresh.count("interesting") / 30)
    first = [kind[name] for name in Anomaly().run(index)["id"].tolist()][:30]
    assert first.count("artefact") > 20
    assert shares[-1] > 0.75
    assert fresh.count("artefact") == 0


def test_what_is_labelled_is_settled(three_kinds):
    index, _ = three_kinds
    labels = Table({"id": ["G000", "G001", "G310", "G003"], "label": ["interesting", "boring", "artefact", "odd word"]})
    table = Anomaly().run(index, labels=labels)
    assert table["id"][0] == "G000"
    assert set(table["id"][-2:]) == {"G001", "G310"}
    assert table["score"][0] == 1
    assert table["score"][-2:].tolist() == [0, 0]
    assert 0 < table["score"][table["id"] == "G003"][0] < 1
    assert table["label"][table["id"] == "G003"][0] == "odd word"
    assert (table["label"] == "").sum() == 396


def test_the_labels_may_have_other_words(three_kinds):
    index, truth = three_kinds
    labels = Table({"id": truth["id"], "kind": [f"my {label}" for label in truth["label"]]})
    task = Anomaly(column="kind", artefact="my artefact", boring="my boring", interesting="my interesting")
    assert set(task.run(index, labels=labels)["label"][:50]) == {"my interesting"}
    with pytest.raises(ValueError, match=r"labels: 'kind' says nowhere artefact, .*; it says my artefact, my boring"):
        Anomaly(column="kind").run(index, labels=labels)


def test_the_measures_hold_what_is_planted(three_kinds):
    index, truth = three_kinds
    measures = Anomaly().evaluate(index, labels=truth)
    value = dict(zip(measures["measure"], measures["value"], strict=True))
    assert value["AUC, artefacts against boring"] > 0.99
    assert value["AUC, not boring against boring"] > 0.9
    assert value["the same, steered by other labels"] > 0.97
    assert value["interesting found in the first 15 %"] < 0.6
    assert value["the same 15 %, steered by other labels"] > 0.9
    assert (measures["low"] <= measures["value"]).all()
    assert (measures["value"] <= measures["high"]).all()


def test_an_objects_own_label_does_not_help_it(tmp_path):
    """Labels drawn by lot cannot be foretold, even where each object has a double with the same label."""
    rng = np.random.default_rng(2)
    vectors = np.repeat(rng.normal(0, 1, (100, 30)), 2, axis=0)
    labels = Table({"id": [f"G{row:03}" for row in range(200)]})
    labels["label"] = np.repeat(rng.choice(["boring", "interesting"], 100), 2)
    measures = Anomaly().evaluate(index_of(tmp_path / "f.h5", vectors), labels=labels)
    steered = measures["value"][measures["measure"] == "the same, steered by other labels"][0]
    assert 0.3 < steered < 0.65


@given(st.integers(3, 60), st.integers(1, 7), st.integers(1, 5), st.integers(1, 4), st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_blocks_find_what_all_against_all_finds(n, k, dim, copies, seed):
    vectors = np.random.default_rng(seed).normal(0, 1, (n, dim))
    vectors = np.repeat(vectors, copies, axis=0).astype(np.float32)
    places = np.arange(len(vectors))
    found, distances = nearest_others(vectors.__getitem__, places, places, k, same=1e-3)
    apart = cdist(vectors, vectors)
    apart[apart < 1e-3] = np.inf
    true = np.sort(apart, axis=1)[:, :k]
    known = np.isfinite(true)
    width = true.shape[1]
    assert (np.isfinite(distances[:, :width]) == known).all()
    np.testing.assert_allclose(distances[:, :width][known], true[known], rtol=1e-3, atol=2e-3)
    assert (found[~np.isfinite(distances)] == -1).all()
    rows = np.nonzero(np.isfinite(distances))
    np.testing.assert_allclose(apart[rows[0], found[rows]], distances[rows], rtol=1e-3, atol=2e-3)


@pytest.mark.parametrize("kind", [ExactIndex, AnnoyIndex])
def test_a_large_store_is_searched_by_its_index(tmp_path, monkeypatch, kind):
    vectors = crowd(n=300)
    vectors[280:] = vectors[280] + 8
    vectors[279] = -9
    index = kind.build(index_of(tmp_path / "f.h5", vectors).store, metric="euclidean")
    small = Anomaly(method="mean").run(index)
    monkeypatch.setattr(anomaly, "LARGE", 100)
    large = Anomaly(method="mean").run(index)
    assert set(large["id"][:21]) == set(small["id"][:21]) == {f"G{row:03}" for row in range(279, 300)}
    if kind is ExactIndex:
        assert large["nearest"].tolist() == small["nearest"].tolist()
        np.testing.assert_allclose(large["score"], small["score"], rtol=1e-3)


def test_an_index_full_of_doubles_is_asked_for_more(tmp_path):
    vectors = crowd(n=120)
    vectors[:40] = 5
    found, distances = nearest_by_index(index_of(tmp_path / "f.h5", vectors), 2)
    assert (found[:40] >= 40).all()
    assert (distances[:40] > 1).all()


def test_blocks_larger_than_one(tmp_path, monkeypatch):
    index = index_of(tmp_path / "f.h5", crowd(n=150), metric="angular")
    whole = Anomaly(method="density").run(index)
    monkeypatch.setattr("astrotl.tasks._anomaly_others._BLOCK", 13)
    parts = Anomaly(method="density").run(index)
    assert parts["id"].tolist() == whole["id"].tolist()
    np.testing.assert_allclose(parts["score"], whole["score"], rtol=1e-3)


def test_rows_without_features_are_left_out(tmp_path):
    store = FeatureStore.open_or_create(tmp_path / "f.h5", [f"G{row}" for row in range(30)], 4, {})
    store.write(range(29), crowd(n=29, dim=4), failed={29: "no such file"})
    labels = Table({"id": store.ids, "label": ["boring"] * 29 + ["interesting"]})
    table = Anomaly().run(ExactIndex.build(store))
    assert len(table) == 29
    assert "label" not in table.colnames
    with pytest.raises(ValueError, match="all of one meaning"):
        Anomaly().evaluate(ExactIndex.build(store), labels=labels)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("vectors", [np.ones((5, 2)), [[0, 1], [1, 0], [1, 1]]])
def test_few_or_equal_objects_still_get_a_rank(tmp_path, method, vectors):
    table = Anomaly(method=method).run(index_of(tmp_path / "f.h5", vectors))
    assert sorted(table["rank"]) == list(range(1, len(vectors) + 1))
    assert np.isfinite(table["score"]).all()


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"k": 0}, "k: must be 1 or more, got 0"),
        ({"method": "lof"}, "method: must be one of fused, first, kth, mean, density, got 'lof'"),
        ({"boring": ("artefact",)}, "artefact, boring, interesting: 'artefact' stands more than once"),
    ],
)
def test_bad_parameters_are_refused(parameters, said):
    with pytest.raises(ValueError, match=said):
        Anomaly(**parameters)


def test_two_objects_are_too_few(tmp_path):
    with pytest.raises(ValueError, match=r"store: .* has 2 objects with features, and 3 are the least"):
        Anomaly().run(index_of(tmp_path / "f.h5", np.eye(2)))


def test_the_measures_need_labels(tmp_path):
    with pytest.raises(ValueError, match="labels: nothing can be measured without them"):
        Anomaly().evaluate(index_of(tmp_path / "f.h5", crowd()))


def test_on_the_command_line(spoilt):
    """A first look, a few labels in a plain file, and a second look with its figure and its measures."""
    _, damaged, folder = spoilt

    def run(*arguments):
        command = [sys.executable, "-W", "error", "-m", "astrotl", "run", "anomaly", "f.h5", *arguments]
        return subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)

    done = run("-o", "weird.ecsv", "-k", "8", "--method", "kth")
    assert done.returncode == 0, done.stderr
    first = Table.read(folder / "weird.ecsv")
    assert set(first["id"][:6]) == damaged
    first["label"] = ["defect"] * 5 + [""] * 55 + ["dull"] * 6
    first["id", "label"].write(folder / "seen.ecsv")
    done = run(
        "--labels", "seen.ecsv", "--artefact", "defect", "--boring", "dull", "-o", "next.ecsv", "--evaluate",
        "--plot", "next.png",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    second = Table.read(folder / "next.ecsv")
    sixth = (damaged - set(first["id"][:5])).pop()
    assert rank_of(second, sixth) > rank_of(first, sixth)
    assert "AUC, artefacts against boring" in done.stdout
    assert (folder / "next.json").is_file()
    assert (folder / "next.png").stat().st_size > 10_000
