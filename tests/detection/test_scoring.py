"""Average precision is that of COCO; completeness and purity are counted on matches, with intervals."""

import sys

import numpy as np
import pytest

from astrotl.detection import best_threshold, completeness_by, completeness_curve, detection_scores
from astrotl.detection._precision import Ranked, of_library
from astrotl.detection.table import make_boxes
from astrotl.errors import AstrotlWarning, MissingDependencyError


def field_of(seed, *, number=60, images="abcdefghijkl", labels=("clump", "odd")):
    """True boxes, and found ones: most of the true ones, a bit off, and false ones of mostly lower score."""
    rng = np.random.default_rng(seed)
    image = rng.choice(list(images), number)
    x, y = rng.uniform(0, 200, (2, number))
    label = rng.choice(labels, number)
    true = make_boxes(image, x, y, 10, 10, label)
    hit = rng.random(number) < 0.8
    off = rng.normal(0, 1.5, (2, hit.sum()))
    right = rng.integers(30, 100, hit.sum()) / 100
    wrong = rng.integers(0, 70, 30) / 100
    x_wrong, y_wrong = rng.uniform(0, 200, (2, 30))
    found = make_boxes(
        [*image[hit], *rng.choice(list(images), 30)],
        [*(x[hit] + off[0]), *x_wrong],
        [*(y[hit] + off[1]), *y_wrong],
        10,
        rng.uniform(8, 12, hit.sum() + 30),
        [*label[hit], *rng.choice(labels, 30)],
        [*right, *wrong],
    )
    return found, true


def value(table, measure):
    return float(table["value"][table["measure"] == measure][0])


def test_average_precision_of_a_case_by_hand():
    true = make_boxes("a", [10, 30], 10, 8, 8, "clump")
    found = make_boxes("a", [10, 50, 30], 10, 8, 8, "clump", score=[0.9, 0.8, 0.7])
    # Purity is 1 up to half of the boxes (51 of the 101 completenesses), and 2/3 beyond.
    assert value(detection_scores(found, true, samples=0), "ap50") == pytest.approx((51 + 50 * 2 / 3) / 101)


@pytest.mark.parametrize("seed", range(8))
def test_the_precision_that_is_drawn_again_is_that_of_the_library(seed):
    found, true = field_of(seed)
    images, overlaps = np.unique([*found["image"], *true["image"]]), np.linspace(0.1, 0.9, 9)
    curves = Ranked(found, true, images, overlaps)
    ours = [curves.precision(np.ones(len(images), int), [number]) for number in range(9)]
    np.testing.assert_allclose(ours, of_library(found, true, overlaps), rtol=1e-12)


def test_an_image_that_is_drawn_twice_counts_as_two():
    found, true = field_of(3, images="ab")
    found["score"] += np.linspace(0, 1e-3, len(found))
    more_found, more_true = found.copy(), true.copy()
    for boxes, more in ((found, more_found), (true, more_true)):
        for row in boxes[np.array(boxes["image"]) == "b"]:
            more.add_row(["c", *list(row)[1:]])
    curves = Ranked(found, true, np.array(["a", "b"]), np.array([0.5]))
    assert curves.precision(np.array([1, 2]), [0]) == pytest.approx(
        of_library(more_found, more_true, np.array([0.5]))[0], rel=1e-12
    )


def test_more_boxes_in_an_image_than_coco_counts():
    x, y = np.divmod(np.arange(1500), 50) * np.array([[20], [20]])
    true = make_boxes("a", x, y, 10, 10, "clump")
    found = make_boxes("a", x, y, 10, 10, "clump", score=np.linspace(0.1, 1, 1500))
    assert value(detection_scores(found, true, samples=0), "ap50") == pytest.approx(1)


def test_counts_above_the_threshold():
    true = make_boxes(["a", "a", "b"], [10, 30, 10], 10, 8, 8, "clump")
    found = make_boxes(["a", "a", "b"], [10, 60, 10], 10, 8, 8, "clump", score=[0.9, 0.7, 0.4])
    table = detection_scores(found, true, samples=0)
    assert value(table, "completeness") == pytest.approx(1 / 3)
    assert value(table, "purity") == pytest.approx(1 / 2)
    assert value(table, "f1") == pytest.approx(0.4)
    assert value(detection_scores(found, true, samples=0, threshold=0.3), "completeness") == pytest.approx(2 / 3)


def test_intervals_hold_the_value_and_come_from_images():
    found, true = field_of(1)
    table = detection_scores(found, true, samples=200)
    assert np.all(table["low"] <= table["value"])
    assert np.all(table["value"] <= table["high"])
    assert np.all(table["high"] - table["low"] > 0.01)
    assert table.meta["astrotl"]["images"] == 12
    again = detection_scores(found, true, samples=200)
    np.testing.assert_array_equal(table["low"], again["low"])


def test_one_image_has_no_intervals_and_few_have_too_narrow_ones():
    found, true = field_of(1)
    with pytest.warns(AstrotlWarning, match=r"images: there are no intervals, .* and there is only 1$") as told:
        table = detection_scores(found, true, images=["a"], samples=50)
    assert len(told) == 1
    assert np.isnan(table["low"]).all()
    assert np.isnan(table["high"]).all()
    assert np.isfinite(table["value"]).all()
    with pytest.warns(AstrotlWarning, match=r"images: the intervals are too narrow, .* and there are only 9$") as told:
        table = detection_scores(found, true, images=list("abcdefghi"), samples=50)
    assert len(told) == 1
    assert np.all(table["low"] < table["high"])


def test_images_without_boxes_widen_what_is_drawn_and_others_are_left_out():
    found, true = field_of(1)
    table = detection_scores(found, true, images=["a", "b", "nothing here"], samples=0)
    assert table.meta["astrotl"]["images"] == 3
    assert table.meta["astrotl"]["true"] == np.isin(true["image"], ["a", "b"]).sum()


def test_nothing_found_is_no_completeness_and_no_purity():
    found, true = field_of(1)
    table = detection_scores(found[:0], true, samples=20)
    assert value(table, "ap50") == value(table, "completeness") == 0
    assert np.isnan(value(table, "purity"))


def test_nothing_true_is_no_purity():
    found, true = field_of(1)
    table = detection_scores(found, true[:0], samples=20)
    assert np.isnan(value(table, "ap50"))
    assert np.isnan(value(table, "completeness"))
    assert value(table, "purity") == 0


def test_other_classes_are_said():
    found, true = field_of(1)
    found["class"] = ["object"] * len(found)
    with pytest.warns(AstrotlWarning, match=r"no box is of a class of the true ones \(clump, odd\)"):
        table = detection_scores(found, true, samples=0)
    assert value(table, "map") == value(table, "completeness") == 0
    with pytest.warns(AstrotlWarning, match="no box is of a class of the true ones"):
        assert value(detection_scores(found, true, samples=0, classes=False), "completeness") > 0.4


def test_where_there_are_several_classes_a_match_is_of_the_same():
    found, true = field_of(1)
    found["class"] = np.where(np.arange(len(found)) % 2, found["class"], "odd")
    measures = {
        "scores": lambda **asked: value(detection_scores(found, true, samples=0, **asked), "completeness"),
        "curve": lambda **asked: completeness_curve(found, true, thresholds=[0.5], **asked)["completeness"][0],
        "by": lambda **asked: np.sum(
            (by := completeness_by(found, true, "y", bins=[0, 200], **asked))["completeness"] * by["true"] / len(true)
        ),
    }
    for name, measure in measures.items():
        assert measure() == measure(classes=True) < measure(classes=False), name
    assert len({round(float(measure()), 9) for measure in measures.values()}) == 1
    assert detection_scores(found, true, samples=0).meta["astrotl"]["classes"] is True
    assert best_threshold(found, true) == best_threshold(found, true, classes=True)
    alone = true.copy()
    alone["class"] = ["star"] * len(true)
    assert completeness_curve(found, alone, thresholds=[0.5])["completeness"][0] == measures["curve"](classes=False)


def test_no_image_at_all_is_refused():
    found, true = field_of(1)
    with pytest.raises(ValueError, match="images: there is none"):
        detection_scores(found[:0], true[:0])


def test_without_the_library_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "faster_coco_eval", None)
    found, true = field_of(1)
    with pytest.raises(MissingDependencyError, match="average precision needs the package faster_coco_eval"):
        detection_scores(found, true, samples=0)


def test_the_curve_agrees_with_the_scores_at_each_threshold():
    found, true = field_of(2)
    curve = completeness_curve(found, true, radius=4, thresholds=[0.3, 0.6])
    assert curve["threshold"].tolist() == [0.6, 0.3]
    for row in curve:
        table = detection_scores(found, true, radius=4, threshold=row["threshold"], samples=0)
        assert row["completeness"] == pytest.approx(value(table, "completeness"))
        assert row["purity"] == pytest.approx(value(table, "purity"))
        assert row["found"] == np.sum(found["score"] >= row["threshold"])
        assert row["completeness_low"] < row["completeness"] < row["completeness_high"]


def test_the_curve_of_nothing():
    found, true = field_of(2)
    assert len(completeness_curve(found[:0], true)) == 0
    curve = completeness_curve(found, true[:0])
    assert np.isnan(curve["completeness"]).all()
    assert (curve["purity"] == 0).all()
    assert np.isnan(completeness_curve(found, true, thresholds=[2.0])["purity"][0])


def test_the_best_threshold_is_best():
    found, true = field_of(4)
    best = best_threshold(found, true, radius=4)
    curve = completeness_curve(found, true, radius=4)
    lower = np.minimum(curve["completeness"], curve["purity"])
    assert lower[curve["threshold"] == best][0] == lower.max()
    with pytest.raises(ValueError, match="found: has no box"):
        best_threshold(found[:0], true)


def test_completeness_by_brightness():
    found, true = field_of(4)
    true["mag"] = np.linspace(18, 24, len(true))
    true["mag"][0] = np.nan
    by = completeness_by(found, true, "mag", bins=4, radius=4, threshold=0)
    assert by["true"].sum() == len(true) - 1
    assert np.ptp(by["true"]) <= 1
    assert np.all((by["completeness_low"] < by["completeness"]) & (by["completeness"] < by["completeness_high"]))
    assert "purity" not in by.colnames
    found["mag"] = 19.0
    by = completeness_by(found, true, "mag", bins=[18, 20, 24], radius=4, threshold=0)
    assert by["found"].tolist() == [len(found), 0]
    assert np.isnan(by["purity"][1])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"column": "flux"}, "column: true has no 'flux'"),
        ({"column": "class"}, "column: 'class' holds no numbers"),
        ({"column": "width"}, "column: all true boxes have the value 10; give the edges"),
        ({"column": "lost"}, "column: no true box has a value"),
        *[
            ({"bins": bins}, "bins: expected a number, 1 or more, or rising edges")
            for bins in ([3, 2], 0, -1, 2.5, True, "few", [1], [[1, 2]], [1, np.nan], None)
        ],
        ({"threshold": np.nan}, "threshold: expected a number, got nan"),
    ],
)
def test_wrong_bins_are_refused(changes, said):
    found, true = field_of(4)
    true["mag"] = np.linspace(18, 24, len(true))
    true["lost"] = np.nan
    with pytest.raises(ValueError, match=f"^{said}"):
        completeness_by(found, true, **{"column": "mag", **changes})


def test_one_value_goes_into_the_bins_that_are_given():
    found, true = field_of(4)
    assert completeness_by(found, true, "width", bins=[5, 15])["true"].tolist() == [len(true)]
