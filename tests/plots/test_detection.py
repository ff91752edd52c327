"""The figures of what a detector found, by what is drawn in them."""

import numpy as np
import pytest
from astropy.table import vstack

from astrotl import simulate
from astrotl.detection import best_threshold, completeness_curve
from astrotl.detection.table import make_boxes
from astrotl.plots import boxed, completeness_purity
from astrotl.sources import ArrayField

KINDS = ("right", "missed", "false")


@pytest.fixture(scope="module")
def fields():
    pixels = np.random.default_rng(0).normal(size=(3, 40, 60))
    return [ArrayField(pixels, name, channels=("i", "r", "g")) for name in ("a", "b", "c")]


@pytest.fixture(scope="module")
def true():
    return make_boxes(["a", "a", "b"], [10, 30, 20], [10, 20, 30], 8, 6, "clump")


@pytest.fixture(scope="module")
def found():
    return make_boxes(["a", "a", "b", "c"], [11, 50, 20, 5], [10, 30, 30, 5], 8, 6, "clump", score=[0.9, 0.8, 0.3, 0.7])


def drawn(figure):
    """List the boxes of each image: what became of them, and where their middle is."""
    return [
        [(box.get_gid(), box.get_x() + box.get_width() / 2, box.get_y() + box.get_height() / 2) for box in ax.patches]
        for ax in figure.axes
    ]


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_right_missed_and_false_boxes_are_where_they_belong(fields, found, true):
    figure = boxed(fields, found, true)
    assert drawn(figure)[:3] == [
        [("right", 11, 10), ("missed", 30, 20), ("false", 50, 30)],
        [("missed", 20, 30)],
        [("false", 5, 5)],
    ]
    assert legend(figure) == ["right (1)", "missed (2)", "false (2)"]
    assert [ax.get_title() for ax in figure.axes[:3]] == ["a", "b", "c"]


def test_the_threshold_and_the_way_of_matching_count(fields, found, true):
    assert legend(boxed(fields, found, true, threshold=0.2)) == ["right (2)", "missed (1)", "false (2)"]
    assert legend(boxed(fields, found, true, overlap=0.9)) == ["right (0)", "missed (3)", "false (3)"]
    assert legend(boxed(fields, found, true, radius=2)) == ["right (1)", "missed (2)", "false (2)"]


def test_kinds_differ_in_colour_and_in_line(fields, found, true):
    boxes = {box.get_gid(): box for ax in boxed(fields, found, true).axes for box in ax.patches}
    assert len({box.get_edgecolor() for box in boxes.values()}) == 3
    assert len({str(box.get_linestyle()) for box in boxes.values()}) == 3


def test_without_the_truth_there_is_no_right_and_wrong(fields, found):
    figure = boxed(fields, found)
    assert legend(figure) == ["found (3)"]
    assert {kind for boxes in drawn(figure) for kind, *_ in boxes} == {"found"}


def test_only_the_first_images_are_drawn_and_counted(fields, found, true):
    figure = boxed(iter(fields), found, true, most=1)
    assert len(figure.axes) == 1
    assert legend(figure) == ["right (1)", "missed (1)", "false (1)"]


def test_several_classes_have_their_names(fields, found, true):
    assert not any(ax.texts for ax in boxed(fields, found, true).axes)
    other = true.copy()
    other["class"] = ["clump", "odd", "odd"]
    figure = boxed(fields, found, other)
    assert [text.get_text() for text in figure.axes[0].texts] == ["clump", "odd", "clump"]


def test_a_box_of_the_wrong_class_is_false_where_there_are_several(fields, found, true):
    other = true.copy()
    other["class"] = ["odd", "clump", "odd"]
    assert legend(boxed(fields, found, other)) == ["right (0)", "missed (3)", "false (3)"]
    assert legend(boxed(fields, found, other, classes=False)) == ["right (1)", "missed (2)", "false (2)"]
    marks = [
        completeness_purity(found, other, threshold=0.2, classes=classes).axes[0].lines[1].get_ydata()[0]
        for classes in (None, False)
    ]
    assert marks == pytest.approx([0, 2 / 3])


def test_an_image_is_drawn_as_it_is_and_a_box_over_its_edge_makes_no_room(fields):
    over = make_boxes("a", 59, 20, 20, 20, "clump", score=0.9)
    ax = boxed(fields[:1], over).axes[0]
    assert (ax.get_xlim(), ax.get_ylim()) == ((-0.5, 59.5), (-0.5, 39.5))
    assert np.asarray(ax.images[0].get_array()).shape == (40, 60, 3)


def test_a_large_image_is_drawn_with_fewer_pixels_in_its_place():
    data = np.zeros((2000, 1600), dtype=np.float32)
    data[1500:1530, 400:430] = 100
    data[:300] = np.nan
    ax = boxed([ArrayField(data, "large")], make_boxes("large", 414.5, 1514.5, 60, 60, "star", score=1)).axes[0]
    picture = np.asarray(ax.images[0].get_array())[..., 0]
    assert max(picture.shape) <= 768
    left, right, bottom, top = ax.images[0].get_extent()
    rows, columns = np.nonzero(picture > 0.9 * picture.max())
    y = bottom + (rows.mean() + 0.5) * (top - bottom) / picture.shape[0]
    x = left + (columns.mean() + 0.5) * (right - left) / picture.shape[1]
    assert (x, y) == pytest.approx((414.5, 1514.5), abs=3)
    assert (ax.get_xlim()[1], ax.get_ylim()[1]) == (1599.5, 1999.5)


def test_what_cannot_be_drawn_is_said(fields, found, true):
    with pytest.raises(ValueError, match=r"^fields: hold no image"):
        boxed([], found)
    with pytest.raises(ValueError, match=r"^columns: expected one"):
        boxed(fields, found, columns=0)
    with pytest.raises(ValueError, match=r"^found: has no column 'score'"):
        boxed(fields, true)
    with pytest.raises(ValueError, match=r"^true: has no box"):
        completeness_purity(found, true[:0])
    for threshold in (None, 0.5):
        with pytest.raises(ValueError, match=r"^found: has no box"):
            completeness_purity(found[:0], true, threshold=threshold)


@pytest.fixture(scope="module")
def searched():
    """Make up detections: most of the clumps, the bright ones with high scores, and as many false boxes."""
    _, true = simulate.clumpy(30, seed=4)
    rng = np.random.default_rng(1)
    right = true[rng.uniform(size=len(true)) < 0.8]
    right["score"] = rng.beta(4, 1.5, len(right))
    places = rng.uniform(3, 90, (2, len(true)))
    false = make_boxes(true["image"], *places, 6, 6, "clump", score=rng.beta(1.5, 4, len(true)))
    false["mag"] = true["mag"]
    return vstack([right, false]), true


def test_the_curves_are_those_of_the_measures(searched):
    found, true = searched
    score, plane = completeness_purity(found, true, radius=3).axes
    curve = completeness_curve(found, true, radius=3)
    lines = {line.get_label(): line for line in score.lines}
    for name in ("completeness", "purity"):
        np.testing.assert_allclose(lines[name].get_xdata(), curve["threshold"])
        np.testing.assert_allclose(lines[name].get_ydata(), curve[name])
    band = score.collections[0].get_paths()[0].vertices
    assert band[:, 1].min() == pytest.approx(curve["completeness_low"].min())
    assert band[:, 1].max() == pytest.approx(curve["completeness_high"].max())
    np.testing.assert_allclose(plane.lines[0].get_xdata(), curve["completeness"])
    np.testing.assert_allclose(plane.lines[0].get_ydata(), curve["purity"])
    assert (plane.get_xlabel(), plane.get_ylabel()) == ("completeness", "purity")


def test_the_legend_covers_no_curve(searched):
    figure = completeness_purity(*searched, radius=3, by="mag")
    assert legend(figure) == ["completeness", "purity"]
    figure.draw_without_rendering()
    (below,) = (each.get_window_extent() for each in figure.legends)
    assert not any(below.overlaps(ax.get_tightbbox()) for ax in figure.axes)
    assert not any(ax.get_legend() for ax in figure.axes)


def test_a_score_is_marked_the_best_one_if_none_is_given(searched):
    found, true = searched
    best = best_threshold(found, true, radius=3)
    score, plane = completeness_purity(found, true, radius=3).axes
    assert score.get_title(loc="left").startswith(f"at the score {best:.2f}: ")
    score, plane = completeness_purity(found, true, radius=3, threshold=0.5).axes
    (row,) = completeness_curve(found, true, radius=3, thresholds=[0.5])
    assert score.get_title(loc="left") == f"at the score 0.50: {row['found']} boxes"
    assert (plane.lines[-1].get_xdata()[0], plane.lines[-1].get_ydata()[0]) == (row["completeness"], row["purity"])


def test_brightness_has_a_panel_of_its_own(searched):
    found, true = searched
    by = completeness_purity(found, true, radius=3, by="mag").axes[2]
    assert by.get_xlabel() == "mag [mag]"
    assert {line.get_label() for line in by.lines} == {"completeness", "purity"}
    found = found.copy()
    found.remove_column("mag")
    by = completeness_purity(found, true, radius=3, by="mag").axes[2]
    assert {line.get_label() for line in by.lines} == {"completeness"}
    with pytest.raises(ValueError, match=r"^column: true has no 'size'"):
        completeness_purity(found, true, by="size")
