"""Labels come to the rows of a store by the objects' ids, and what does not match is counted and said."""

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.table import MaskedColumn, Table

from astrotl import ExactIndex, FeatureStore, Similar, Task
from astrotl.errors import AstrotlWarning
from astrotl.labels import align, numbers, truths, words
from astrotl.measures import Measure
from astrotl.tasks import Column


@pytest.fixture
def store(tmp_path):
    store = FeatureStore.open_or_create(tmp_path / "f.h5", ["101", "102", "103"], 1, {})
    store.write([0, 1, 2], [[1], [2], [3]])
    return store


def test_rows_come_in_the_stores_order(store):
    aligned = align(Table({"objid": [103, 101, 102], "kind": ["c", "a", "b"]}), store)
    assert aligned["id"].tolist() == ["101", "102", "103"]
    assert aligned["kind"].tolist() == ["a", "b", "c"]


@pytest.mark.parametrize(
    "names", [["efigi/103.jpg", "efigi/101.jpg", "efigi/102.jpg"], ["103.fits.gz", "101.fits.gz", "102.fits.gz"]]
)
def test_files_names_are_ids(store, names):
    assert align(Table({"path": names, "z": [3.0, 1.0, 2.0]}), store)["z"].tolist() == [1, 2, 3]


def test_a_dot_in_a_name_is_no_ending(tmp_path):
    store = FeatureStore.open_or_create(tmp_path / "f.h5", ["J1414.7+5447", "J1419.1+5326"], 1, {})
    labels = Table({"path": ["lenses/J1419.1+5326.png", "lenses/J1414.7+5447.png"], "grade": [1.0, 3.0]})
    assert align(labels, store)["grade"].tolist() == [3, 1]


def test_the_column_that_matches_best_is_taken(store):
    labels = Table({"id": [1, 2, 3], "number": [101, 7, 8], "galaxy": ["101", "102", "103"], "z": [1.0, 2.0, 3.0]})
    assert align(labels, store)["z"].tolist() == [1, 2, 3]
    with pytest.warns(AstrotlWarning, match="1 of the 3 objects"):
        aligned = align(labels, store, "number")
    assert aligned["z"].mask.tolist() == [False, True, True]


def test_what_does_not_match_is_said_and_masked(store):
    labels = Table({"id": ["101", "103", "999", "998"], "kind": ["a", "c", "x", "y"]})
    with pytest.warns(
        AstrotlWarning, match=r"2 of the 3 objects .* have labels, and 2 of the 4 rows of labels have no object"
    ):
        aligned = align(labels, store)
    assert words(aligned, "kind").tolist() == ["a", "", "c"]


def test_masked_and_missing_numbers_are_nan(store):
    labels = Table({"id": ["101", "102", "103"], "z": MaskedColumn([1.0, 2.0, np.inf], mask=[True, False, False])})
    assert np.isnan(numbers(align(labels, store), "z")).tolist() == [True, False, True]


@pytest.mark.parametrize(
    ("labels", "options", "said"),
    [
        ({"id": ["a", "b"]}, {}, "labels: no column holds ids of .*, such as '101'; the columns are id"),
        ({"id": ["101", "101"]}, {}, "labels: the id '101' stands more than once"),
        ({"id": ["101"]}, {"id_column": "name"}, "id_column: labels has no column 'name'"),
    ],
)
def test_labels_that_cannot_be_used_are_refused(store, labels, options, said):
    with pytest.raises(ValueError, match=said):
        align(Table(labels), store, **options)


def test_a_column_that_is_not_there_is_answered_with_those_that_are(store):
    aligned = align(Table({"id": ["101", "102", "103"], "kind": ["a", "b", "c"]}), store)
    with pytest.raises(ValueError, match="column: the labels have no 'class'; they have id, kind"):
        words(aligned, "class")
    with pytest.raises(ValueError, match="column: 'kind' of the labels does not hold numbers"):
        numbers(aligned, "kind")


class Labelled(Task):
    labels = "required"
    columns = (Column("id", "str", "the object"),)

    def _run(self, index, labels):
        return labels["id", "kind"]

    def _evaluate(self, index, labels):
        return {"share of a": Measure(float((words(labels, "kind") == "a").mean()), 0.0, 1.0)}


def test_a_task_gets_its_labels_in_the_stores_order(store):
    labels = Table({"number": [103, 102, 101], "kind": ["c", "b", "a"]})
    index = ExactIndex.build(store)
    assert Labelled().run(index, labels=labels)["kind"].tolist() == ["a", "b", "c"]
    measured = Labelled().evaluate(index, labels=labels)
    assert measured.colnames == ["measure", "value", "low", "high"]
    assert measured["value"][0] == pytest.approx(1 / 3)
    assert measured.meta["astrotl"]["task"] == "Labelled"


def test_labels_are_asked_for_or_refused(store):
    index = ExactIndex.build(store)
    with pytest.raises(ValueError, match="labels: Labelled needs a table of them"):
        Labelled().run(index)
    with pytest.raises(ValueError, match="labels: Similar has no use for them"):
        Similar("101").run(index, labels=Table({"id": ["101"]}))
    with pytest.raises(ValueError, match="evaluate: Similar has nothing that could be measured"):
        Similar("101").evaluate(index)


def test_a_result_given_back_is_joined_by_its_ids_and_not_by_its_ranks(tmp_path):
    store = FeatureStore.open_or_create(tmp_path / "f.h5", [str(n) for n in range(1, 11)], 1, {})
    given = Table({"rank": [1, 2, 3], "id": ["7", "3", "9"], "label": ["a", "b", "c"]})
    with_labels = words(align(given, store), "label")
    assert with_labels[[6, 2, 8]].tolist() == ["a", "b", "c"]
    with pytest.raises(ValueError, match=r"labels: several columns hold ids .* id_column"):
        align(Table({"first": [1, 2], "second": [2, 3], "label": ["a", "b"]}), store)


def test_a_class_is_no_id(tmp_path):
    store = FeatureStore.open_or_create(tmp_path / "f.h5", [str(n) for n in range(1, 11)], 1, {})
    aligned = align(Table({"class": [1, 2], "objid": [5, 6]}), store)
    assert words(aligned, "class")[[4, 5]].tolist() == ["1", "2"]


def test_what_is_unknown_is_no_word(store):
    labels = Table(
        {"id": ["101", "102", "103"], "flag": [1.0, np.nan, 0.0], "said": np.array(["yes", None, " "], dtype=object)}
    )
    aligned = align(labels, store)
    assert words(aligned, "flag").tolist() == ["1", "", "0"]
    assert words(aligned, "said").tolist() == ["yes", "", ""]


def test_vectors_and_positions_are_left_out(store):
    labels = Table({"id": ["101", "102", "103"], "flux": np.ones((3, 4)), "z": [1.0, 2.0, 3.0]})
    labels["position"] = SkyCoord([1, 2, 3], [4, 5, 6], unit="deg")
    assert align(labels, store).colnames == ["id", "z"]


def test_yes_and_no_are_read_as_a_csv_file_writes_them():
    assert truths(["True", "false", "1", "0"], "flags").tolist() == [True, False, True, False]
    with pytest.raises(ValueError, match="flags: expected true or false, got 'maybe'"):
        truths(["maybe"], "flags")
