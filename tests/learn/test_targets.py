"""Labels are checked before anything is learned: what is left out is said, what cannot be learned is refused."""

import warnings

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.table import MaskedColumn, Table

from astrotl import FeatureStore
from astrotl.errors import AstrotlWarning
from astrotl.learn import read_target
from astrotl.sources import ArraySource

IDS = [f"g{number}" for number in range(12)]


@pytest.fixture
def source():
    return ArraySource(np.zeros((12, 1, 2, 2), dtype=np.float32), ids=IDS)


def labels(**columns):
    return Table({"id": IDS, **columns})


KINDS = ["disc"] * 6 + ["merger"] * 3 + ["elliptical"] * 3


def test_classes_are_numbered_in_the_order_of_their_names(source):
    target = read_target(labels(kind=KINDS), source, "kind")
    assert target.classes == ("disc", "elliptical", "merger")
    assert target.values.tolist() == [0] * 6 + [2] * 3 + [1] * 3
    assert target.rows.tolist() == list(range(12))


def test_labels_come_by_their_ids_in_any_order(source):
    mixed = labels(kind=KINDS)[np.random.default_rng(1).permutation(12)]
    np.testing.assert_array_equal(
        read_target(mixed, source, "kind").values, read_target(labels(kind=KINDS), source, "kind").values
    )


def test_classes_that_are_asked_for_come_in_the_order_asked_and_others_are_left_out(source):
    target = read_target(labels(kind=KINDS), source, "kind", classes=["merger", "disc"])
    assert target.classes == ("merger", "disc")
    assert target.values.tolist() == [1] * 6 + [0] * 3


def test_whole_numbers_are_asked_for_as_they_are(source):
    target = read_target(labels(grade=[0, 1, 2] * 4), source, "grade", classes=[0, 2])
    assert target.classes == ("0", "2")
    assert len(target) == 8


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([0.5, 1.5] * 6, "numbers"),
        ([0, 1] * 6, "classes"),
        ([0.0, 1.0] * 6, "classes"),
        ([True, False] * 6, "classes"),
        (["0.5", "1.5"] * 6, "classes"),
    ],
)
def test_the_kind_is_seen_by_what_the_column_holds(source, values, kind):
    target = read_target(labels(value=values), source, "value")
    assert ("classes" if target.classes else "numbers") == kind


def test_more_than_twenty_whole_numbers_are_numbers():
    source = ArraySource(np.zeros((30, 1, 2, 2), dtype=np.float32))
    assert read_target(Table({"id": source.ids, "count": np.arange(30)}), source, "count").classes == ()


def test_the_kind_can_be_said(source):
    assert read_target(labels(grade=[1, 2, 3] * 4), source, "grade", kind="numbers").classes == ()
    assert read_target(labels(kind=KINDS), source, "kind", kind="classes").classes


def test_nan_masked_and_empty_labels_are_no_labels(source):
    values = MaskedColumn([np.nan, np.inf, 9.5, 9.6, 9.7, *np.linspace(10, 11, 7)], mask=[False] * 4 + [True] * 8)
    values.mask[6:] = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        target = read_target(labels(mass=values), source, "mass")
        assert target.rows.tolist() == [2, 3, *range(6, 12)]
        words = MaskedColumn(["", " ", *KINDS[2:]], mask=[False, False, True] + [False] * 9)
        assert read_target(labels(kind=words), source, "kind").rows.tolist() == list(range(3, 12))


def test_a_class_with_one_member_is_counted_and_left_out(source):
    kinds = ["disc"] * 5 + ["merger"] * 5 + ["ring", "lens"]
    with pytest.warns(AstrotlWarning, match="kind: 2 classes with one member only, left out: lens, ring$"):
        target = read_target(labels(kind=kinds), source, "kind")
    assert target.classes == ("disc", "merger")
    assert len(target) == 10


def test_rows_of_labels_without_an_object_are_counted(source):
    known = Table({"id": [*IDS[:8], "x1", "x2"], "kind": ["disc", "merger"] * 5})
    with pytest.warns(AstrotlWarning, match="8 of the 12 objects .* and 2 of the 10 rows of labels have no object"):
        assert len(read_target(known, source, "kind")) == 8


def test_labelled_objects_without_features_are_counted(tmp_path):
    store = FeatureStore.open_or_create(tmp_path / "f.h5", IDS, 1, {})
    store.write(range(9), np.zeros((9, 1)), {9: "unreadable"})
    with pytest.warns(AstrotlWarning, match="3 of the 12 labelled objects have no features and are left out"):
        target = read_target(labels(kind=["a", "b"] * 6), store, "kind")
    assert target.rows.tolist() == list(range(9))


def test_what_is_left_after_that_must_still_do(tmp_path):
    store = FeatureStore.open_or_create(tmp_path / "f.h5", IDS, 1, {})
    store.write([0, 1, 3, 4, 6, 7, 9], np.zeros((7, 1)), {2: "unreadable"})
    with pytest.warns(AstrotlWarning) as said:
        target = read_target(labels(kind=["a"] * 3 + ["b"] * 3 + ["c"] * 3 + ["d"] * 3, host=IDS), store, "kind")
    assert sorted(str(one.message) for one in said) == [
        "5 of the 12 labelled objects have no features and are left out",
        "kind: 1 class with one member only, left out: d",
    ]
    assert (target.classes, target.values.tolist()) == (("a", "b", "c"), [0, 0, 1, 1, 2, 2])
    with (
        pytest.warns(AstrotlWarning, match="5 of the 12"),
        pytest.raises(ValueError, match="column: 'mass' is known for 7 of the 7 objects, with 1 different"),
    ):
        read_target(labels(mass=[1.5, 1.5, 2.5] * 4), store, "mass")


def test_objects_of_unknown_group_are_each_their_own(source):
    target = read_target(labels(kind=KINDS, galaxy=["m1", "m1", ""] * 4), source, "kind", groups="galaxy")
    assert target.groups is not None
    assert len(np.unique(target.groups)) == 1 + 4
    assert target.groups[0] == target.groups[1] == target.groups[3]


@pytest.mark.parametrize(
    ("columns", "asked", "said"),
    [
        (
            {"kind": KINDS},
            {"column": "kinds"},
            r"column: the labels have no 'kinds' \(did you mean 'kind'\?\); .* id, k",
        ),
        ({"kind": KINDS}, {"column": "kind", "groups": "galaxy"}, "groups: the labels have no 'galaxy'"),
        ({"kind": KINDS}, {"column": "kind", "kind": "words"}, "kind: must be one of classes, numbers, got 'words'"),
        ({"kind": KINDS}, {"column": "kind", "kind": "numbers"}, "column: 'kind' of the labels does not hold numbers"),
        ({"mass": [9.5] * 12}, {"column": "mass"}, "column: 'mass' is known for 12 of the 12 .* with 1 different"),
        ({"mass": [9.5, 10.5, 11.5] + [np.nan] * 9}, {"column": "mass"}, "known for 3 of the 12 .* are the least"),
        ({"mass": [np.nan] * 12}, {"column": "mass"}, "column: 'mass' has 0 classes with 2 or more members"),
        ({"kind": ["disc"] * 12}, {"column": "kind"}, r"has 1 classes with 2 or more members \(disc\); two are needed"),
        (
            {"kind": KINDS},
            {"column": "kind", "classes": ["disc", "mergers"]},
            "classes: no object is 'mergers' .*'merger'",
        ),
        ({"kind": KINDS}, {"column": "kind", "classes": ["disc"]}, "column: 'kind' has 1 classes"),
        ({"mass": KINDS}, {"column": "mass", "kind": "numbers", "classes": ["disc"]}, "classes: go with classes"),
        ({"flux": np.ones((12, 3))}, {"column": "flux"}, "column: 'flux' must hold one word or number each"),
        ({"at": SkyCoord(np.arange(12), 0, unit="deg")}, {"column": "at"}, "column: 'at' must hold one word or number"),
        ({"kind": KINDS}, {"column": "kind", "id_column": "name"}, "id_column: labels has no column 'name'"),
    ],
)
def test_what_cannot_be_learned_is_refused(source, columns, asked, said):
    with pytest.raises(ValueError, match=said):
        read_target(labels(**columns), source, **asked)


def test_a_column_of_names_is_no_column_of_classes():
    source = ArraySource(np.zeros((100, 1, 2, 2), dtype=np.float32))
    names = Table({"id": source.ids, "host": [f"NGC{number // 2}" for number in range(100)]})
    with pytest.raises(ValueError, match="column: 'host' has 50 classes for 100 objects; does it hold names"):
        read_target(names, source, "host")
