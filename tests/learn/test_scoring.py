"""Scores are those of scikit-learn, on the objects that were kept for the test, and rare classes count."""

import numpy as np
import pytest
from astropy.table import MaskedColumn, Table
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from astrotl.errors import AstrotlWarning
from astrotl.learn import probe, scores
from astrotl.tables import read_table, write_table

from .conftest import KINDS


def value(found, measure, of=""):
    row = found[(found["measure"] == measure) & (found["class"] == of)]
    assert len(row) == 1
    return row["value"][0]


@pytest.fixture(scope="module")
def table(sky):
    return probe(*sky, "kind", head="knn", fraction=0.1)


def test_the_measures_are_those_of_scikit_learn(table):
    found = scores(table, samples=20)
    tested = table[table["part"] == "test"]
    true, said = np.asarray(tested["label"]), np.asarray(tested["predicted"])
    chances = np.stack([tested[f"p_{kind}"] for kind in KINDS], axis=1)
    expected = {
        "accuracy": metrics.accuracy_score(true, said),
        "precision": metrics.precision_score(true, said, average="macro"),
        "recall": metrics.recall_score(true, said, average="macro"),
        "f1": metrics.f1_score(true, said, average="macro"),
        "auc": metrics.roc_auc_score(true, chances, multi_class="ovr", average="macro"),
    }
    for name, number in expected.items():
        assert value(found, name) == pytest.approx(number), name
    for kind in KINDS:
        own = tested[f"p_{kind}"]
        assert value(found, "f1", kind) == pytest.approx(metrics.f1_score(true == kind, said == kind))
        assert value(found, "auc", kind) == pytest.approx(metrics.roc_auc_score(true == kind, own))
        assert value(found, "recall", kind) == pytest.approx(metrics.recall_score(true == kind, said == kind))
    assert 0 < value(found, "calibration error") < 0.3
    assert 0 < value(found, "brier") < 0.5
    assert found.meta["astrotl"]["measured"] == 104


def test_values_lie_in_their_intervals(table):
    found = scores(table, samples=100)
    inside = (found["low"] <= found["value"] + 1e-9) & (found["value"] <= found["high"] + 1e-9)
    # A calibration error is never below nothing, so that its samples lie above it.
    assert inside[found["measure"] != "calibration error"].all()
    assert np.isnan(scores(table, samples=0)["low"]).all()


def test_what_was_learned_from_is_measured_only_if_asked_for(table):
    learned = scores(table, part="learn", samples=0)
    assert value(learned, "accuracy") == 1.0
    assert value(scores(table, samples=0), "accuracy") < 1.0
    with pytest.raises(ValueError, match="part: the table has no 'train'; it has 'learn', 'spare', 'test'"):
        scores(table, part="train")


def test_without_parts_all_that_is_known_is_measured(table):
    whole = table["label", "predicted"]
    found = scores(whole, samples=0)
    assert value(found, "accuracy") == pytest.approx((table["label"] == table["predicted"]).mean())
    assert set(found["measure"]) == {"accuracy", "precision", "recall", "f1"}


@pytest.mark.parametrize("ending", [".ecsv", ".fits", ".csv"])
def test_a_table_that_was_written_has_the_same_scores(sky, tmp_path, ending):
    store, labels = sky
    table = probe(store, labels[:300], "kind")
    write_table(table, tmp_path / f"probe{ending}")
    one, other = scores(table, samples=0), scores(read_table(tmp_path / f"probe{ending}"), samples=0)
    np.testing.assert_allclose(one["value"], other["value"], rtol=1e-6)


def test_numbers_have_measures_of_their_own(sky):
    table = probe(*sky, "mass")
    found = scores(table, samples=50)
    assert found["measure"].tolist() == ["bias", "scatter", "robust scatter", "outliers", "explained"]
    tested = table[table["part"] == "test"]
    assert value(found, "explained") == pytest.approx(metrics.r2_score(tested["label"], tested["predicted"]))
    assert value(found, "scatter") ** 2 == pytest.approx(
        metrics.mean_squared_error(tested["label"], tested["predicted"])
    )
    assert value(found, "robust scatter") == pytest.approx(value(found, "scatter"), rel=0.3)
    assert value(found, "outliers") < 0.03


def test_outliers_are_counted_and_do_not_widen_the_robust_scatter():
    rng = np.random.default_rng(0)
    true = rng.normal(size=1000)
    said = true + rng.normal(0, 0.1, 1000)
    said[:50] += 30
    found = scores(Table({"label": true, "predicted": said}), samples=0)
    assert value(found, "robust scatter") == pytest.approx(0.1, rel=0.15)
    assert value(found, "outliers") == pytest.approx(0.05, abs=0.01)
    assert value(scores(Table({"label": true, "predicted": true}), samples=0), "outliers") == 0


def test_avoiding_a_rare_class_does_not_pay():
    table = Table({"label": ["a"] * 9 + ["b"], "predicted": ["a"] * 10, "p_a": [0.9] * 10, "p_b": [0.1] * 10})
    found = scores(table, samples=0)
    assert value(found, "accuracy") == 0.9
    assert value(found, "precision") == pytest.approx(0.45)
    assert value(found, "recall") == 0.5
    assert np.isnan(value(found, "precision", "b"))


def test_a_class_without_a_test_object_is_left_out_of_the_mean():
    table = Table({"label": ["a", "b"], "predicted": ["a", "b"]})
    for name, column in (("p_a", [0.9, 0.0]), ("p_b", [0.1, 0.8]), ("p_c", [0.0, 0.2])):
        table[name] = column
    found = scores(table, samples=10)
    assert [value(found, name) for name in ("precision", "recall", "f1", "auc")] == [1, 1, 1, 1]
    assert np.isnan(value(found, "recall", "c"))


def test_labels_of_classes_that_were_not_learned_are_counted():
    table = Table({"label": ["a", "b", "ring", "lens"], "predicted": ["a", "b", "a", "b"]})
    table["p_a"], table["p_b"] = [0.9, 0.2, 0.6, 0.1], [0.1, 0.8, 0.4, 0.9]
    with pytest.warns(AstrotlWarning, match="2 objects are of classes that were not learned, and are left out"):
        assert value(scores(table, samples=0), "accuracy") == 1


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=60))
def test_whatever_is_said_macro_measures_are_those_of_scikit_learn(pairs):
    true, said = np.array(pairs).T
    found = scores(Table({"label": true.astype(str), "predicted": said.astype(str)}), samples=0)
    there = np.unique(true)
    expected = metrics.precision_recall_fscore_support(true, said, labels=there, average="macro", zero_division=0)
    for name, number in zip(("precision", "recall", "f1"), expected, strict=False):
        assert value(found, name) == pytest.approx(number)


TWO = {"p_a": [1.0], "p_b": [0.0]}
HIDDEN = MaskedColumn(["a", "b"], mask=[True, False])


@pytest.mark.parametrize(
    ("columns", "asked", "said"),
    [
        ({"label": ["a"]}, {}, "table: has no column 'predicted'; it has label"),
        ({"label": ["", ""], "predicted": ["a", "b"]}, {}, "table: no object that could be measured has a label"),
        ({"label": HIDDEN, "predicted": ["a", "b"], "part": ["test", "x"]}, {}, "table: no object that could be"),
        ({"label": ["c"], "predicted": ["a"], **TWO}, {}, "table: no label is one of the classes a, b"),
        ({"label": ["a"], "predicted": ["c"], **TWO}, {}, "predicted: 'c' is none of the classes a, b"),
        ({"label": ["a"], "predicted": ["a"]}, {"samples": -1}, "samples: must be 0 or more, got -1"),
    ],
)
def test_what_cannot_be_measured_is_refused(columns, asked, said):
    with pytest.raises(ValueError, match=said):
        scores(Table(columns), **asked)
