"""Damaged epochs are found, good ones kept, bad nights named; light curves come back without what was flagged."""

import os
import subprocess
import sys

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from hypothesis import given, settings
from hypothesis import strategies as st

from astrotl import ExactIndex, FeatureStore, extract_features, simulate
from astrotl.sources import ArraySource, EpochSource
from astrotl.tables import read_table
from astrotl.tasks import Epochs, filter_light_curve


def store_of(path, batch, rows=None):
    rows = np.arange(len(batch)) if rows is None else rows
    source = EpochSource(ArraySource(batch.data[rows], ids=batch.ids[rows], channels=batch.channels))
    return extract_features(source, "profiles", path)


def flags_of(store, labels=None, **settings):
    return Epochs(**settings).run(ExactIndex.build(store), labels=labels)


@pytest.fixture(scope="module")
def nights(tmp_path_factory):
    """Twenty galaxies on thirty dates, two of them bad for all."""
    batch, truth = simulate.epochs(20, 30, seed=5, bad_nights=2)
    store = store_of(tmp_path_factory.mktemp("nights") / "e.h5", batch)
    return batch, truth, store, flags_of(store)


def made_store(path, features, ids):
    store = FeatureStore.open_or_create(path, ids, features.shape[1], {})
    store.write(np.arange(len(ids)), features)
    return store


def gaussian(path, objects=20, dates=30, seed=0, scatter=None, dims=5):
    """Hand-made features: each object has its place and its scatter, and its stack lies exactly there."""
    rng = np.random.default_rng(seed)
    scatter = np.ones(objects) if scatter is None else np.asarray(scatter)
    places = rng.normal(0, 100, (objects, 1, dims))
    features = np.concatenate(
        [places + scatter[:, None, None] * rng.normal(size=(objects, dates, dims)), places], axis=1
    )
    ids = [
        f"o{one:02d}/{'stack' if date == dates else f'd{date:02d}'}"
        for one in range(objects)
        for date in range(dates + 1)
    ]
    return features, ids, lambda: made_store(path, features.reshape(-1, dims), ids)


def test_damage_is_found_and_good_epochs_are_kept(nights):
    _, truth, _, table = nights
    assert table["id"].tolist() == truth["id"].tolist()
    damaged, flagged = truth["damage"] != "none", np.asarray(table["flagged"])
    assert flagged[damaged].mean() > 0.8
    assert flagged[~damaged].mean() < 0.02
    for kind in ("trail", "ghost"):
        assert flagged[truth["damage"] == kind].mean() > 0.95


def test_bad_nights_are_named_and_no_others(nights):
    _, truth, _, table = nights
    share = {day: np.mean(truth["damage"][truth["epoch"] == day] == "seeing") for day in np.unique(truth["epoch"])}
    bad = sorted(day for day, part in share.items() if part == 1)
    assert len(bad) == 2
    assert table.meta["astrotl"]["report"]["bad_nights"] == bad
    assert sorted(set(table["epoch"][table["bad_night"]])) == bad


def test_the_columns_say_the_same_thing(nights):
    table = nights[3]
    assert table.colnames == [
        "id", "object", "epoch", "distance", "threshold", "flagged", "score", "bad_night",
    ]  # fmt: skip
    assert np.array_equal(table["flagged"], table["distance"] > table["threshold"])
    assert np.array_equal(table["flagged"], table["score"] > 0)
    for name in np.unique(table["object"]):
        assert len(set(table["threshold"][table["object"] == name])) == 1
    report = table.meta["astrotl"]["report"]
    assert (report["objects"], report["epochs"], report["without_features"]) == (20, 600, 0)
    assert report["flagged"] == table["flagged"].sum()


def test_a_higher_limit_flags_less_and_never_something_else(nights):
    store, table = nights[2], nights[3]
    strict = flags_of(store, limit=8.0)
    assert 0 < strict["flagged"].sum() < table["flagged"].sum()
    assert not (np.asarray(strict["flagged"]) & ~np.asarray(table["flagged"])).any()


def test_the_threshold_is_each_objects_own(tmp_path):
    """What is far for a quiet object is nothing for a restless one."""
    features, _, make = gaussian(tmp_path / "e.h5", scatter=[0.1, 10.0] * 10)
    features[0, 3] += 3.0
    features[1, 3] += 3.0
    table = flags_of(make())
    flagged = dict(zip(table["id"].tolist(), table["flagged"].tolist(), strict=True))
    assert flagged["o00/d03"]
    assert not flagged["o01/d03"]


def test_many_damaged_epochs_do_not_hide_each_other(tmp_path):
    features, _, make = gaussian(tmp_path / "e.h5")
    features[7, :8] += 30 * np.random.default_rng(1).choice([-1, 1], (8, 5))
    table = flags_of(make())
    own = table[table["object"] == "o07"]
    assert own["flagged"][:8].all()
    assert not own["flagged"][8:].any()


def test_an_offset_of_the_stack_flags_nothing(tmp_path):
    """A deep stack has less noise than any epoch; that all epochs differ from it is no damage."""
    features, _, make = gaussian(tmp_path / "e.h5")
    features[:, -1] += 50
    assert flags_of(make())["flagged"].mean() < 0.03


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.integers(-10, 10), st.integers(1, 60), st.integers(3, 12), st.integers(1, 25))
def test_units_do_not_matter_and_small_stores_work(tmp_path_factory, seed, power, dims, dates, objects):
    folder = tmp_path_factory.mktemp("units")
    features, ids, make = gaussian(folder / "a.h5", objects, dates, seed, dims=dims)
    table = flags_of(make())
    assert np.isfinite(table["distance"]).all()
    scaled = made_store(folder / "b.h5", (2.0**power * features).reshape(-1, dims), ids)
    assert np.allclose(flags_of(scaled)["score"], table["score"], rtol=1e-6, atol=1e-6)


def test_an_object_with_few_epochs_borrows_from_the_others(tmp_path, nights):
    batch, _, _, _ = nights
    ghost = simulate.epochs(1, 40, seed=9, damaged=1.0)
    rows = np.flatnonzero(
        [name.startswith(("SIM0001", "SIM0002", "SIM0003", "SIM0004")) for name in batch.ids.tolist()]
    )
    few = np.flatnonzero([name.startswith("SIM0005") for name in batch.ids.tolist()])[:4]
    data = np.concatenate([batch.data[rows], batch.data[few]])
    worst = ghost[0].data[np.flatnonzero(ghost[1]["damage"] == "trail")[0]]
    data[-1] = batch.data[few[-1]] + worst
    source = EpochSource(ArraySource(data, ids=np.concatenate([batch.ids[rows], batch.ids[few]])))
    table = flags_of(extract_features(source, "profiles", tmp_path / "few.h5"))
    assert table["flagged"][table["object"] == "SIM0005"].tolist() == [False, False, False, True]


def test_one_epoch_is_never_flagged(tmp_path):
    store = made_store(tmp_path / "e.h5", np.array([[1.0, 2.0], [1.0, 2.5]]), ["a/1", "a/stack"])
    table = flags_of(store)
    assert table["flagged"].tolist() == [False]


def test_without_a_stack_the_median_serves(tmp_path):
    features, ids, _ = gaussian(tmp_path / "e.h5")
    features[3, 5] += 30
    keep = np.array([not name.endswith("stack") for name in ids])
    store = made_store(tmp_path / "bare.h5", features.reshape(-1, 5)[keep], np.array(ids)[keep])
    table = flags_of(store)
    assert table["flagged"][table["id"] == "o03/d05"].tolist() == [True]
    assert table.meta["astrotl"]["report"]["without_stack"] == 20


def test_unread_epochs_are_counted_and_left_out(tmp_path):
    features, ids, _ = gaussian(tmp_path / "e.h5", objects=3)
    store = FeatureStore.open_or_create(tmp_path / "f.h5", ids, 5, {})
    rows = np.arange(len(ids))
    store.write(rows[rows != 4], features.reshape(-1, 5)[rows != 4], {4: "truncated"})
    table = flags_of(store)
    assert "o00/d04" not in table["id"].tolist()
    assert table.meta["astrotl"]["report"]["without_features"] == 1


def test_a_store_without_epochs_is_refused(tmp_path):
    for ids, said in ((["a"], "ids: expected OBJECT/EPOCH"), (["a/stack"], "has no epochs with features")):
        store = made_store(tmp_path / f"{len(ids[0])}.h5", np.ones((1, 2)), ids)
        with pytest.raises(ValueError, match=said):
            flags_of(store)
    with pytest.raises(ValueError, match="limit: must be above 0"):
        Epochs(limit=0)


def test_labels_measure_the_flags_and_change_none(nights):
    _, truth, store, table = nights
    index = ExactIndex.build(store)
    task = Epochs(column="damage")
    told = task.run(index, labels=truth)
    assert np.array_equal(told["flagged"], table["flagged"])
    assert np.array_equal(told["damaged"], truth["damage"] != "none")
    measures = task.evaluate(index, labels=truth)
    value = dict(zip(measures["measure"].tolist(), measures["value"].tolist(), strict=True))
    damaged = truth["damage"] != "none"
    assert value["damaged epochs found"] == pytest.approx(np.mean(table["flagged"][damaged]))
    assert value["good epochs lost"] == pytest.approx(np.mean(table["flagged"][~damaged]))
    with pytest.raises(ValueError, match="evaluate: needs labels, and the column"):
        Epochs().evaluate(index)


def test_a_light_curve_comes_back_without_the_flagged(nights):
    table = nights[3]
    curve = Table({"object": table["object"], "date": table["epoch"], "mag": np.arange(len(table)) / 10.0})
    curve.add_row(("unknown", "D01", 1.0))
    kept = filter_light_curve(curve[::-1], table)
    assert len(kept) == len(table) + 1 - table["flagged"].sum()
    assert kept["object"][0] == "unknown"
    assert set(kept["mag"][1:]) == set(curve["mag"][:-1][~np.asarray(table["flagged"])])
    by_id = filter_light_curve(Table({"id": table["id"]}), table)
    assert by_id["id"].tolist() == table["id"][~np.asarray(table["flagged"])].tolist()
    with pytest.raises(ValueError, match="light_curve: needs the columns object and epoch"):
        filter_light_curve(Table({"mag": [1.0]}), table)


def test_dates_may_be_numbers_and_flags_may_come_from_a_file(tmp_path):
    flags = Table({"object": ["1", "1", "2"], "epoch": ["57001", "57002", "57001"], "flagged": [True, False, False]})
    flags.write(tmp_path / "flags.csv")
    curve = Table({"object": [1, 1, 2], "epoch": [57001.0, 57002.0, 57001.0]})
    assert filter_light_curve(curve, flags)["epoch"].tolist() == [57002, 57001]
    again = read_table(tmp_path / "flags.csv")
    again["flagged"] = again["flagged"] == "True"
    assert len(filter_light_curve(curve, again)) == 2


def test_from_files_to_flags_on_the_command_line(tmp_path):
    batch, _ = simulate.epochs(4, 12, seed=3, size=32)
    for name, image in zip(batch.ids.tolist(), batch.data, strict=True):
        path = tmp_path / "epochs" / f"{name}.fits"
        path.parent.mkdir(parents=True, exist_ok=True)
        fits.writeto(path, image[0])

    def call(*words):
        done = subprocess.run(
            [sys.executable, "-W", "error", "-m", "astrotl", *words],
            capture_output=True, text=True, cwd=tmp_path, check=False, env={**os.environ, "COLUMNS": "120"},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    said = call("extract", "epochs/*/*.fits", "--stack", "median", "--extractor", "profiles", "-o", "epochs.h5")
    assert said.startswith("epochs.h5: 52 x 28 features")
    assert "flags.ecsv: 48 rows" in call("run", "epochs", "epochs.h5", "-o", "flags.ecsv", "--plot", "flags.png")
    assert (tmp_path / "flags.png").stat().st_size > 10_000
    table = read_table(tmp_path / "flags.ecsv")
    assert table["flagged"].dtype.kind == "b"
    assert "bad_nights" in table.meta["astrotl"]["report"]


@pytest.mark.parametrize("dates", [4, 6, 8])
def test_few_dates_do_not_cost_good_epochs(tmp_path, dates):
    """A threshold learnt from few epochs is uncertain, so it stands farther out; else 4 to 6 % of these were lost."""
    rng = np.random.default_rng(dates)
    ids = [f"o{number}/{date}" for number in range(120) for date in (*map(str, range(dates)), "stack")]
    features = np.repeat(5 * rng.normal(size=(120, 6)), dates + 1, axis=0)
    epochs = np.array([not name.endswith("stack") for name in ids])
    features[epochs] += rng.normal(size=(epochs.sum(), 6))
    table = Epochs().run(ExactIndex.build(made_store(tmp_path / "f.h5", features, ids)))
    assert table["flagged"].mean() < 0.02
