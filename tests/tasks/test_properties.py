"""Numbers from look-alikes: right, honest about their errors, and never helped by what is already known."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.table import MaskedColumn, Table
from hypothesis import given, settings
from hypothesis import strategies as st

from astrotl import ExactIndex, FeatureStore, extract_features, simulate
from astrotl.errors import AstrotlWarning
from astrotl.measures import coverage, scatter
from astrotl.sources import ArraySource
from astrotl.tasks import Properties
from astrotl.tasks.properties import _MOST

KINDS = ("learned", "mean", "median", "distance", "density")


def index_of(folder, features, dims=None, metric="euclidean"):
    features = np.asarray(features, dtype=float)
    path = folder / f"{len(list(folder.iterdir()))}.h5"
    provenance = {"extractor": {"dims": dims}} if dims else {}
    store = FeatureStore.open_or_create(path, [f"g{n}" for n in range(len(features))], features.shape[1], provenance)
    store.write(range(len(features)), features)
    return ExactIndex.build(store, metric=metric)


def labels_of(index, **columns):
    return Table({"id": index.store.ids, **columns})


@pytest.fixture(scope="module")
def sky(tmp_path_factory):
    """Three hundred simulated galaxies whose mass and star formation go with light, shape and colour."""
    batch, truth = simulate.stamps(300, size=32, kinds={"spiral": 0.6, "elliptical": 0.4}, seed=4)
    source = ArraySource(batch.data, ids=batch.ids, channels=batch.channels)
    store = extract_features(source, "profiles", tmp_path_factory.mktemp("sky") / "f.h5")
    return ExactIndex.build(store), truth["id", "log_mass", "log_sfr"]


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    """Objects at random places of a plane, with a number that grows with one axis and is noisier along the other."""
    rng = np.random.default_rng(3)
    features = rng.uniform(0, 1, (600, 2))
    values = 4 * features[:, 0] + rng.normal(0, 0.05 + 0.5 * features[:, 1])
    index = index_of(tmp_path_factory.mktemp("cloud"), features)
    return index, labels_of(index, mass=values)


def test_masses_and_star_formation_are_found_again(sky):
    index, truth = sky
    table = Properties(["log_mass", "log_sfr"]).run(index, labels=truth)
    assert table["id"].tolist() == truth["id"].tolist()
    for name in ("log_mass", "log_sfr"):
        assert table[f"{name}_true"].tolist() == truth[name].tolist()
        assert scatter(truth[name], table[name]) < 0.6 * np.std(truth[name])
    assert (table["references"] == 16).all()
    assert table.meta["astrotl"]["references"] == {"log_mass": 300, "log_sfr": 300}


def test_learning_beats_the_mean_of_neighbours(sky):
    index, truth = sky
    errors = {kind: scatter(truth["log_mass"], run(index, truth, kind, "log_mass")) for kind in ("learned", "mean")}
    assert errors["learned"] < 0.9 * errors["mean"]


def run(index, labels, kind, name, k=16):
    return Properties([name], k=k, estimate=kind).run(index, labels=labels)[name]


def test_two_views_tell_more_than_one(tmp_path):
    rng = np.random.default_rng(8)
    features, noise = rng.normal(size=(400, 6)), rng.normal(size=(400, 50))
    values = features[:, 0] + features[:, 3]
    both = index_of(tmp_path, np.hstack([features[:, :3], 100 * features[:, 3:], noise]), dims=[3, 3, 50])
    one = index_of(tmp_path, np.hstack([features[:, :3], noise]), dims=[3, 50])
    errors = [scatter(values, run(index, labels_of(index, x=values), "learned", "x")) for index in (both, one)]
    assert errors[0] < 0.3 < 0.7 < errors[1]


def test_a_curved_relation_is_followed(tmp_path):
    """No straight line helps here, so the look-alikes must."""
    features = np.random.default_rng(2).uniform(-1, 1, (600, 2))
    index = index_of(tmp_path, features)
    values = (features**2).sum(axis=1)
    found = run(index, labels_of(index, x=values), "learned", "x", k=8)
    assert scatter(values, found) < 0.25 * np.std(values)


def test_the_simple_estimates_are_what_they_say(tmp_path):
    features = np.array([[0.0], [1.0], [3.0], [6.0], [10.0]])
    index, values = index_of(tmp_path, features), np.array([5.0, 1.0, 2.0, 6.0, 9.0])
    labels = labels_of(index, x=values)
    assert run(index, labels, "mean", "x", k=3)[0] == pytest.approx(3)
    assert run(index, labels, "median", "x", k=3)[0] == pytest.approx(2)
    assert run(index, labels, "distance", "x", k=3)[0] == pytest.approx((1 / 1 + 2 / 3 + 6 / 6) / (1 + 1 / 3 + 1 / 6))
    found = Properties("x", k=3, estimate="mean").run(index, labels=labels)
    assert found["distance"].tolist() == [6, 5, 3, 5, 9]


def test_rare_values_count_more_when_density_is_undone(tmp_path):
    """Nine tenths of the references are light; around every object the mean is drawn to them."""
    rng = np.random.default_rng(5)
    heavy = rng.random(500) < 0.1
    values = np.where(heavy, 11.0, 9.0) + rng.normal(0, 0.1, 500)
    index = index_of(tmp_path, rng.normal(size=(500, 2)))
    labels = labels_of(index, mass=values)
    plain, weighted = (np.mean(run(index, labels, kind, "mass", k=40)) for kind in ("mean", "density"))
    assert plain == pytest.approx(9.2, abs=0.1)
    assert weighted == pytest.approx(10, abs=0.35)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [30, 120])
def test_the_own_value_changes_nothing(tmp_path, kind, count):
    rng = np.random.default_rng(count)
    index = index_of(tmp_path, rng.normal(size=(count, 4)), dims=[2, 2])
    values = rng.normal(10, 1, count)
    wrong = values.copy()
    wrong[7] += 1000
    before, after = (
        Properties(["x"], k=5, estimate=kind).run(index, labels=labels_of(index, x=x)) for x in (values, wrong)
    )
    for name in ("x", "x_p16", "x_p84", "reliable", "distance"):
        assert before[name][7] == after[name][7]
    assert (before["x"] != after["x"]).any()


@pytest.mark.parametrize("kind", KINDS)
def test_intervals_hold_what_they_promise(cloud, kind):
    index, labels = cloud
    table = Properties(["mass"], k=12, estimate=kind).run(index, labels=labels)
    inside = (table["mass_true"] >= table["mass_p16"]) & (table["mass_true"] <= table["mass_p84"])
    assert 0.62 < inside.mean() < 0.75
    for outside in (table["mass_true"] < table["mass_p16"], table["mass_true"] > table["mass_p84"]):
        assert 0.11 < outside.mean() < 0.21


def test_intervals_hold_for_objects_without_a_value(cloud):
    index, labels = cloud
    known = np.random.default_rng(1).random(len(labels)) < 0.5
    partly = labels_of(index, mass=MaskedColumn(labels["mass"], mask=~known))
    with pytest.warns(AstrotlWarning, match="mass is known for"):
        table = Properties(["mass"]).run(index, labels=partly)
    new = table[~known]
    assert np.isnan(new["mass_true"]).all()
    assert 0.6 < coverage(labels["mass"][~known], new["mass_p16"], new["mass_p84"]) < 0.76
    assert scatter(labels["mass"][~known], new["mass"]) < 0.45


def test_intervals_are_wider_where_values_differ_more(cloud):
    index, labels = cloud
    table = Properties(["mass"]).run(index, labels=labels)
    noisy = index.store.features(index.rows)[:, 1]
    width = table["mass_p84"] - table["mass_p16"]
    assert width[noisy > 0.8].mean() > 1.5 * width[noisy < 0.2].mean()


def test_missing_values_are_skipped_and_said(tmp_path):
    index = index_of(tmp_path, np.arange(12.0)[:, None])
    values = np.where(np.arange(12) % 2, np.nan, 7.0)
    with pytest.warns(AstrotlWarning, match="x is known for 6 of the 12 objects; the other 6 are no references"):
        table = Properties("x", k=3, estimate="mean").run(index, labels=labels_of(index, x=values))
    assert table["x"].tolist() == pytest.approx([7.0] * 12)
    assert table.meta["astrotl"]["references"] == {"x": 6}


def test_each_column_has_its_own_references(tmp_path):
    index = index_of(tmp_path, np.arange(12.0)[:, None])
    labels = labels_of(index, a=np.arange(12.0), b=np.r_[np.full(4, 2.0), np.full(8, np.nan)])
    with pytest.warns(AstrotlWarning, match="b is known for 4 of"):
        table = Properties(["a", "b"], k=5, estimate="mean").run(index, labels=labels)
    assert table["b"].tolist() == pytest.approx([2.0] * 12)
    assert table["references"].tolist() == [3] * 4 + [4] * 8
    assert table.meta["astrotl"]["references"] == {"a": 12, "b": 4}


@pytest.mark.parametrize("kind", ["learned", "mean"])
def test_a_stranger_is_not_reliable(tmp_path, kind):
    features = np.random.default_rng(0).normal(size=(200, 3))
    features[50] = 30
    index = index_of(tmp_path, features)
    values = features[:, 0].copy()
    values[50] = np.nan
    with pytest.warns(AstrotlWarning, match="199 of the 200"):
        table = Properties("x", estimate=kind).run(index, labels=labels_of(index, x=values))
    assert not table["reliable"][50]
    assert table["reliable"].mean() > 0.97
    assert table["distance"][50] == table["distance"].max()


def test_an_object_without_features_has_no_answer(tmp_path):
    store = FeatureStore.open_or_create(tmp_path / "f.h5", [f"g{n}" for n in range(11)], 1, {})
    store.write(range(10), np.arange(10.0)[:, None], {})
    store.write([10], [[0]], {10: "truncated"})
    index = ExactIndex.build(store, metric="euclidean")
    with pytest.warns(AstrotlWarning, match="10 of the 11"):
        table = Properties("x", k=2).run(index, labels=labels_of(index, x=np.arange(11.0)))
    assert np.isnan(table["x"][10])
    assert not table["reliable"][10]
    assert table["references"][10] == 0
    assert np.isfinite(table["x"][:10]).all()


def test_too_many_references_are_thinned_out(tmp_path, monkeypatch):
    monkeypatch.setattr("astrotl.tasks.properties._MOST", 100)
    features = np.random.default_rng(0).uniform(size=(300, 2))
    index = index_of(tmp_path, features)
    with pytest.warns(AstrotlWarning, match="100 of its 300 references are used"):
        table = Properties("x").run(index, labels=labels_of(index, x=features[:, 0]))
    assert scatter(features[:, 0], table["x"]) < 0.1
    assert _MOST <= 20_000


@settings(max_examples=40, deadline=None)
@given(
    st.integers(3, 70), st.integers(1, 6), st.integers(1, 40), st.sampled_from(KINDS),
    st.sampled_from(["noise", "same", "twins", "whole numbers"]), st.integers(0, 10**6),
)  # fmt: skip
def test_every_table_is_whole(tmp_path_factory, count, dim, k, kind, shape, seed):
    rng = np.random.default_rng(seed)
    features, values = rng.normal(size=(count, dim)), rng.normal(size=count)
    if shape == "same":
        features[:], values[:] = 1, 5
    elif shape == "twins":
        features[: count // 2] = features[0]
    elif shape == "whole numbers":
        features, values = np.round(features), np.round(values)
    index = index_of(tmp_path_factory.mktemp("whole"), features, metric="angular")
    labels = labels_of(index, x=values)
    table = Properties("x", k=k, estimate=kind).run(index, labels=labels)
    low, value, high = (np.asarray(table[name]) for name in ("x_p16", "x", "x_p84"))
    assert (low <= value).all()
    assert (value <= high).all()
    assert (table["references"] == min(k, count - 1)).all()
    if shape == "same":
        assert value == pytest.approx(5)
    if kind != "learned":
        assert value.min() >= values.min() - 1e-9
        assert value.max() <= values.max() + 1e-9
    again = Properties("x", k=k, estimate=kind).run(index, labels=labels[rng.permutation(count)])
    assert again["x"].tolist() == value.tolist()


def test_evaluate_measures_what_run_gives(sky):
    index, truth = sky
    task = Properties("log_mass")
    table, measures = task.run(index, labels=truth), task.evaluate(index, labels=truth)
    found = dict(zip(measures["measure"], measures["value"], strict=True))
    assert list(found) == [
        f"log_mass_{name}" for name in ("bias", "scatter", "within_0.5", "within_1", "coverage")
    ]  # fmt: skip
    wrong = np.asarray(table["log_mass"] - truth["log_mass"])
    assert found["log_mass_scatter"] == pytest.approx(np.sqrt(np.mean(wrong**2)))
    assert found["log_mass_within_0.5"] == pytest.approx(np.mean(np.abs(wrong) < 0.5))
    assert found["log_mass_bias"] == pytest.approx(np.median(wrong))
    assert 0.6 < found["log_mass_coverage"] < 0.76
    assert (measures["low"] <= measures["value"]).all()
    assert (measures["value"] <= measures["high"]).all()


def test_units_and_descriptions_come_along(cloud):
    index, labels = cloud
    table = Properties("mass").run(index, labels=labels_of(index, mass=labels["mass"] * u.kg))
    assert {str(table[name].unit) for name in ("mass", "mass_p16", "mass_p84", "mass_true")} == {"kg"}
    assert all(column.description for column in table.columns.values())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"column": ()}, "column: there is none"),
        ({"column": ("a", "a")}, "column: the same column is named twice"),
        ({"column": ("id",)}, "column: 'id' is a column of the result"),
        ({"column": ("distance",)}, "column: 'distance' is a column of the result"),
        ({"column": ("a",), "k": 0}, "k: must be 1 or more, got 0"),
        ({"column": ("a",), "estimate": "best"}, "estimate: must be one of learned, mean"),
    ],
)
def test_bad_parameters_are_named(arguments, said):
    with pytest.raises(ValueError, match=said):
        Properties(**arguments)


def test_bad_labels_are_named(cloud):
    index, labels = cloud
    with pytest.raises(ValueError, match="labels: Properties needs"):
        Properties("mass").run(index)
    with pytest.raises(ValueError, match="column: the labels have no 'mas'"):
        Properties("mas").run(index, labels=labels)
    few = labels_of(index, mass=np.r_[1.0, 2.0, np.full(598, np.nan)])
    with pytest.raises(ValueError, match="column: 'mass' is known for 2 of the 600 objects; 3 or more are needed"):
        Properties("mass").run(index, labels=few)


def test_on_the_command_line(tmp_path):
    batch, truth = simulate.stamps(60, size=32, seed=7)
    for name, image in zip(batch.ids, batch.data, strict=True):
        fits.writeto(tmp_path / f"{name}.fits", image)
    truth["id", "log_mass", "log_sfr"].write(tmp_path / "labels.csv")
    extract = ["extract", "*.fits", "--extractor", "profiles", "-o", "f.h5"]
    ask = ["run", "properties", "f.h5", "--labels", "labels.csv", "--column", "log_mass,log_sfr", "-k", "5",
           "-o", "masses.ecsv", "--plot", "masses.png", "--evaluate"]  # fmt: skip
    for words in (extract, ask):
        done = subprocess.run(
            [sys.executable, "-m", "astrotl", *words],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            check=False,
            env={**os.environ, "COLUMNS": "120"},
        )
        assert done.returncode == 0, done.stderr
    assert "log_sfr_coverage" in done.stdout
    table = Table.read(tmp_path / "masses.ecsv")
    assert table.colnames == [
        "id", *(f"log_{name}{end}" for name in ("mass", "sfr") for end in ("", "_p16", "_p84", "_true")),
        "reliable", "references", "distance",
    ]  # fmt: skip
    assert table["references"].tolist() == [5] * 60
    assert "log_mass_within_0.5" in json.loads((tmp_path / "masses.json").read_text())["measures"]
    assert (tmp_path / "masses.png").stat().st_size > 10_000
