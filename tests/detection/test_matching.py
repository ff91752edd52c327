"""Each found box belongs to one true box at most, the best that is still free."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from astrotl.detection import match, merge, suppress
from astrotl.detection.table import corners, make_boxes, overlaps


def some_boxes(seed, count, *, found, spread=40):
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(0, spread, (2, count))
    width, height = rng.uniform(4, 16, (2, count))
    image = rng.choice(["a", "b", "c"], count) if count else []
    label = rng.choice(["clump", "odd"], count) if count else []
    # Few different scores, so that some are equal.
    return make_boxes(image, x, y, width, height, label, rng.integers(1, 20, count) / 20 if found else None)


def matched_slowly(found, true, good, *, classes):
    """Walk over the found boxes, and over all true ones for each."""
    taken, of_found = set(), np.full(len(found), -1)
    for row in sorted(range(len(found)), key=lambda row: -found["score"][row]):
        best, value = -1, -np.inf
        for other in range(len(true)):
            same = found["image"][row] == true["image"][other]
            same &= not classes or found["class"][row] == true["class"][other]
            if same and other not in taken and good[row, other] >= value:
                best, value = other, good[row, other]
        if np.isfinite(value):
            of_found[row] = best
            taken.add(best)
    return of_found


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 25), st.integers(0, 25), st.booleans(), st.booleans())
def test_as_a_slow_walk_over_all_pairs(seed, number_found, number_true, classes, by_radius):
    found = some_boxes(seed, number_found, found=True)
    true = some_boxes(seed + 1, number_true, found=False)
    if by_radius:
        distance = np.hypot(*(np.subtract.outer(np.array(found[axis]), np.array(true[axis])) for axis in "xy"))
        good = np.where(distance <= 6, -distance, -np.inf)
        matches = match(found, true, radius=6, classes=classes)
    else:
        shared = overlaps(corners(found), corners(true))
        good = np.where(shared >= 0.3, shared, -np.inf)
        matches = match(found, true, overlap=0.3, classes=classes)
    np.testing.assert_array_equal(matches.true, matched_slowly(found, true, good, classes=classes))
    for row, other in enumerate(matches.true):
        assert other < 0 or matches.found[other] == row
    assert np.sum(matches.true >= 0) == np.sum(matches.found >= 0)


def test_a_source_found_twice_counts_once():
    true = make_boxes("a", 10, 10, 8, 8, "clump")
    found = make_boxes("a", [10, 10.5], 10, 8, 8, "clump", score=[0.6, 0.9])
    assert match(found, true).true.tolist() == [-1, 0]


def test_boxes_of_other_images_do_not_match():
    true = make_boxes("a", 10, 10, 8, 8, "clump")
    assert match(make_boxes("b", 10, 10, 8, 8, "clump", score=0.9), true).true.tolist() == [-1]


def test_the_class_counts_only_if_asked():
    true = make_boxes("a", 10, 10, 8, 8, "clump")
    found = make_boxes("a", 10, 10, 8, 8, "odd", score=0.9)
    assert match(found, true).true.tolist() == [0]
    assert match(found, true, classes=True).true.tolist() == [-1]


def test_a_box_of_no_size_or_place_matches_nothing():
    true = make_boxes("a", [10, np.nan], 10, 8, 8, "clump")
    found = make_boxes("a", [10, np.nan], 10, [0, 8], 8, "clump", score=0.9)
    assert match(found, true).true.tolist() == [-1, -1]
    assert match(found, true, radius=3).true.tolist() == [0, -1]


def test_what_is_above_a_score_matches_alike_without_the_rest():
    found, true = some_boxes(5, 60, found=True), some_boxes(6, 40, found=False)
    above = np.array(found["score"]) >= 0.5
    np.testing.assert_array_equal(match(found, true, radius=6).true[above], match(found[above], true, radius=6).true)


def test_many_boxes_in_one_image():
    true = some_boxes(1, 3000, found=False, spread=4000)
    found = true.copy()
    found["score"] = np.linspace(0, 1, 3000)
    assert match(found, true, overlap=0.9).true.tolist() == list(range(3000))


@pytest.mark.parametrize("wrong", [{"radius": 0}, {"radius": np.nan}, {"overlap": 0}, {"overlap": 1.2}])
def test_a_wrong_limit_is_refused(wrong):
    boxes = some_boxes(1, 3, found=True)
    with pytest.raises(ValueError, match=next(iter(wrong))):
        match(boxes, boxes, **wrong)


def test_found_boxes_need_scores():
    boxes = some_boxes(1, 3, found=False)
    with pytest.raises(ValueError, match="found: has no column 'score'"):
        match(boxes, boxes)


@pytest.mark.parametrize("use", [lambda found: match(found, found), suppress, lambda found: merge(found, 2)])
def test_a_box_without_a_score_is_named(use):
    found = make_boxes("a", [1, 30, 60], 1, 2, 2, "x", score=[0.9, np.nan, np.inf])
    with pytest.raises(ValueError, match=r"^found: 2 of 3, the first in row 1, have no score"):
        use(found)
    found["score"] = np.ma.array([0.9, 0.8, 0.7], mask=[True, False, False])
    with pytest.raises(ValueError, match=r"^found: 1 of 3, the first in row 0, has no score"):
        use(found)
