"""Columns of a store and of results: joined, ordered, filtered and given out."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.table import MaskedColumn, QTable, Table
from astropy.time import Time

from astrotl import FeatureStore
from astrotl.errors import AstrotlWarning
from astrotl.explore.objects import Objects
from astrotl.tables import read_table


@pytest.fixture
def store(tmp_path):
    return FeatureStore.open_or_create(tmp_path / "f.h5", ["a", "b", "c", "d"], 1, {}, positions=[[1, 2]] * 4)


def ids(objects, *given, **more):
    return objects.ids[objects.order(*given, **more)].tolist()


def test_results_come_first_in_their_order_and_once_each(store):
    objects = Objects(store, Table({"query": ["x", "x", "y"], "id": ["c", "a", "c"], "distance": [0.1, 0.2, 0.3]}))
    assert ids(objects, "", False) == ["c", "a", "b", "d"]
    np.testing.assert_array_equal(objects.column("distance").values, [0.2, np.nan, 0.1, np.nan])
    assert objects.column("query").values.tolist() == ["x", "", "x", ""]


def test_what_is_not_known_comes_last_whichever_way_is_up(store):
    score = MaskedColumn([3, 1, 2], mask=[False, False, True])
    objects = Objects(store, Table({"id": ["a", "b", "c"], "score": score, "kind": ["s", "", "e"]}))
    assert ids(objects, "score", False)[:2] == ["b", "a"]
    assert ids(objects, "score", True)[:2] == ["a", "b"]
    assert ids(objects, "kind", False)[:2] == ["c", "a"]
    assert ids(objects, "kind", True)[:2] == ["a", "c"]


@pytest.mark.parametrize(
    ("wanted", "passed"),
    [
        (("score", ">=", "2"), ["b", "c"]),
        (("score", "<=", 2), ["a", "b"]),
        (("score", "=", 2), ["b"]),
        (("kind", "is", "spiral"), ["a"]),
        (("kind", "is not", "spiral"), ["b", "c", "d"]),
        (("kind", "contains", "SPI"), ["a", "b"]),
        (("label", "is", ""), ["a", "b", "d"]),
        (("id", "contains", "c"), ["c"]),
    ],
)
def test_filters(store, wanted, passed):
    objects = Objects(
        store, Table({"id": ["a", "b", "c"], "score": [1.0, 2.0, 3.0], "kind": ["spiral", "no spiral", "lens"]})
    )
    objects.label("c", "ring")
    given = dict(zip(("column", "op", "value"), wanted, strict=True))
    assert sorted(ids(objects, "", False, filters=[given])) == passed


def test_what_does_not_fit_is_said(store):
    with pytest.warns(AstrotlWarning, match="1 of the 2 rows of results have no object"):
        Objects(store, Table({"id": ["a", "z"], "score": [1.0, 2.0]}))
    with pytest.raises(ValueError, match="results: none of their ids is in"):
        Objects(store, Table({"id": ["y", "z"], "score": [1.0, 2.0]}))


def test_labels_of_results_are_not_those_of_the_page(store):
    objects = Objects(store, Table({"id": ["a"], "label": ["lens"]}))
    objects.label("a", "boring")
    table = objects.table(np.array([0]))
    assert (table["label"][0], table["known label"][0]) == ("boring", "lens")


def test_long_numbers_keep_all_their_digits(store):
    objects = Objects(store, Table({"id": ["a", "b"], "specobj": [1237648720693755918, 7]}))
    assert objects.shown(np.array([0]), ["specobj"]) == [["1237648720693755918"]]


def test_units_and_descriptions_are_kept(store):
    results = Table({"id": ["a"], "z": [0.5]})
    results["z"].description, results["z"].unit = "redshift", "km/s"
    table = Objects(store, results).table(np.arange(4))
    assert (table["z"].description, str(table["z"].unit), str(table["ra"].unit)) == ("redshift", "km / s", "deg")


def test_times_are_shown_and_positions_passed_over(store, tmp_path):
    """They are columns of their own kinds also where the table was written as ECSV."""
    when = Time([60000.0, 60001.0], format="mjd")
    results = QTable(
        {"id": ["a", "b"], "seen": when, "mag": [18, 19] * u.mag, "at": SkyCoord([1, 2], [3, 4], unit="deg")}
    )
    results.write(tmp_path / "out.ecsv")
    objects = Objects(store, read_table(tmp_path / "out.ecsv"))
    assert objects.shown(np.array([0, 3]), ["seen", "mag"]) == [["2023-02-25T00:00:00.000", 18.0], ["", None]]
    assert "at" not in [known.name for known in objects.columns]


def test_the_most_frequent_word_has_the_first_colour(store):
    objects = Objects(store, Table({"id": ["a", "b", "c"], "kind": ["x", "y", "y"]}))
    codes, names = objects.column("kind").codes()
    assert (codes.tolist(), names) == ([1, 0, 0, -1], ["y", "x"])


def test_an_id_is_found_again_after_it_was_labelled(store):
    objects = Objects(store)
    assert objects.label("b", "ring") == 1
    assert objects.label("nobody", "ring") is None
    assert objects.shown(np.array([1]), ["id", "label", "ra"]) == [["b", "ring", 1.0]]
