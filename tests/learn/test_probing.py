"""A probe learns from some labels, is tested on others, and says which is which."""

import threading

import numpy as np
import pytest
from astropy import units as u
from astropy.table import MaskedColumn, Table
from sklearn.linear_model import LogisticRegression

from astrotl import FeatureStore
from astrotl.errors import AstrotlWarning
from astrotl.learn import part, probe, probing, read_target
from astrotl.tables import read_table, write_table

from .conftest import KINDS, filled, made


def test_every_object_is_classified(sky):
    store, labels = sky
    table = probe(store, labels, "kind")
    assert table.colnames == ["id", "part", "label", "predicted", "probability", *(f"p_{kind}" for kind in KINDS)]
    assert table["id"].tolist() == store.ids.tolist()
    chances = np.stack([table[f"p_{kind}"] for kind in KINDS], axis=1)
    np.testing.assert_allclose(chances.sum(axis=1), 1, rtol=1e-5)
    assert table["predicted"].tolist() == np.array(KINDS)[chances.argmax(axis=1)].tolist()
    np.testing.assert_array_equal(table["probability"], chances.max(axis=1))
    tested = table[table["part"] == "test"]
    assert len(tested) == 104
    assert (tested["label"] == tested["predicted"]).mean() > 0.85


def test_numbers_are_estimated_in_their_unit(sky):
    store, labels = sky
    labels = labels.copy()
    labels["mass"].unit = u.dex(u.solMass)
    table = probe(store, labels, "mass")
    assert table.colnames == ["id", "part", "label", "predicted"]
    assert table["predicted"].unit == table["label"].unit == u.dex(u.solMass)
    tested = table[table["part"] == "test"]
    assert np.std(tested["label"] - tested["predicted"]) < 0.3


def test_parts_are_those_of_the_split_and_the_rest_is_spare(sky):
    store, labels = sky
    table = probe(store, labels[:200], "kind", fraction=0.2, seed=4)
    parts, counts = np.unique(table["part"], return_counts=True)
    assert dict(zip(parts.tolist(), counts.tolist(), strict=True)) == {"": 220, "learn": 30, "spare": 120, "test": 50}
    assert table["label"].mask.tolist() == (table["part"] == "").tolist()
    target = read_target(labels[:200], store, "kind")
    assert np.flatnonzero(table["part"] == "test").tolist() == target.rows[part(target, 0.25, 4)[1]].tolist()


def test_the_same_objects_are_tested_whatever_the_head_and_the_fraction(sky):
    store, labels = sky
    tests = [
        probe(store, labels, "kind", head=head, fraction=fraction)["part"] == "test"
        for head, fraction in (("linear", 1.0), ("knn", 1.0), ("linear", 0.1))
    ]
    assert (tests[0] == tests[1]).all()
    assert (tests[0] == tests[2]).all()


def test_test_objects_and_spare_ones_teach_nothing(sky):
    """With other labels in the parts that are not learned from, the answers stay the same."""
    store, labels = sky
    table = probe(store, labels, "mass", fraction=0.5)
    changed = labels.copy()
    seen = table["part"] == "learn"
    # Ranks, and so the split, stay the same.
    changed["mass"][~seen] = changed["mass"][~seen] + 1e-9
    other = probe(store, changed, "mass", fraction=0.5)
    assert (other["part"] == table["part"]).all()
    np.testing.assert_array_equal(other["predicted"], table["predicted"])


def test_a_seed_gives_the_same_table(sky):
    store, labels = sky
    one, again, other = (probe(store, labels, "kind", head="mlp", seed=seed) for seed in (1, 1, 2))
    assert (one["probability"] == again["probability"]).all()
    assert (one["part"] == again["part"]).all()
    assert (one["part"] != other["part"]).any()


def test_objects_without_features_are_left_out(tmp_path):
    features, labels = made(60)
    store = FeatureStore.open_or_create(tmp_path / "f.h5", labels["id"], 20, {})
    store.write(range(10, 60), features[10:], {0: "unreadable"})
    with pytest.warns(AstrotlWarning, match="10 of the 60 labelled objects have no features"):
        table = probe(store, labels, "kind")
    assert table["id"].tolist() == labels["id"].tolist()[10:]
    known = dict(zip(labels["id"].tolist(), labels["kind"].tolist(), strict=True))
    assert table["label"].tolist() == [known[name] for name in table["id"].tolist()]


def test_groups_stay_together(sky):
    store, labels = sky
    labels = labels.copy()
    labels["galaxy"] = np.arange(420) // 4
    table = probe(store, labels, "kind", groups="galaxy")
    for galaxy in range(105):
        assert len(set(table["part"][labels["galaxy"] == galaxy].tolist())) == 1


def test_classes_that_are_not_asked_for_are_unlabelled(sky):
    store, labels = sky
    table = probe(store, labels, "kind", classes=["merger", "disc"])
    assert table.colnames[-2:] == ["p_merger", "p_disc"]
    assert (table["label"].mask == (labels["kind"] == "elliptical")).all()


def test_positions_come_along(tmp_path):
    features, labels = made(60)
    store = FeatureStore.open_or_create(tmp_path / "f.h5", labels["id"], 20, {}, positions=np.ones((60, 2)))
    store.write(range(60), features)
    table = probe(store, labels, "kind")
    assert table.colnames[1:3] == ["ra", "dec"]
    assert table["ra"].unit == u.deg


def test_the_table_says_where_it_comes_from(sky):
    store, labels = sky
    told = probe(store, labels, "kind", head=LogisticRegression(C=0.5), fraction=0.5).meta["astrotl"]
    assert told["probe"] == "LogisticRegression(C=0.5)"
    assert told["parameters"]["fraction"] == 0.5
    assert told["parameters"]["classes"] == list(KINDS)
    assert (told["learned"], told["tested"]) == (158, 104)
    assert told["store"]["uuid"] == store.uuid
    assert told["extractor"] == {"class": "made"}


@pytest.mark.parametrize("ending", [".ecsv", ".fits", ".parquet"])
def test_it_is_the_same_after_writing_and_reading(sky, tmp_path, ending):
    store, labels = sky
    table = probe(store, labels[:200], "kind")
    write_table(table, tmp_path / f"probe{ending}")
    back = read_table(tmp_path / f"probe{ending}")
    assert back.colnames == table.colnames
    assert np.ma.filled(np.ma.asarray(back["part"]).astype(str), "").tolist() == table["part"].tolist()
    np.testing.assert_allclose(back["probability"], table["probability"])
    assert back.meta["astrotl"]["learned"] == 150


def test_a_large_store_is_asked_in_blocks(tmp_path, sky, monkeypatch):
    store, labels = sky
    whole = probe(store, labels, "kind")
    monkeypatch.setattr(probing, "_BLOCK", 100)
    blocks = probe(store, labels, "kind")
    np.testing.assert_allclose(blocks["probability"], whole["probability"], rtol=1e-5)


def test_labels_are_checked_before_anything_is_learned(sky):
    store, labels = sky
    with pytest.raises(ValueError, match="column: the labels have no 'kinds'"):
        probe(store, labels, "kinds")
    with pytest.raises(ValueError, match="test: must lie between 0 and 1, got 0"):
        probe(store, labels, "kind", test=0)
    with pytest.raises(ValueError, match="fraction: must be above 0 and at most 1, got 2"):
        probe(store, labels, "kind", fraction=2)
    with pytest.raises(ValueError, match="head: there is no 'deep'"):
        probe(store, labels, "kind", head="deep")


def test_several_threads_may_probe_at_once(sky):
    store, labels = sky
    found = {}

    def ask(seed):
        found[seed] = probe(store, labels, "kind", seed=seed)

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for seed, table in found.items():
        np.testing.assert_array_equal(table["probability"], probe(store, labels, "kind", seed=seed)["probability"])


def test_a_label_of_one_word_is_none_where_it_is_masked(tmp_path):
    features, labels = made(60)
    labels["kind"] = MaskedColumn(labels["kind"], mask=np.arange(60) < 20)
    table = probe(filled(tmp_path / "f.h5", features, labels["id"]), Table(labels), "kind")
    assert table["label"].mask.tolist() == [True] * 20 + [False] * 40
    assert (table["part"][:20] == "").all()
