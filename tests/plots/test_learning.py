"""The figures of what was learned, by what is drawn in them."""

import numpy as np
import pytest
from astropy.table import MaskedColumn, Table
from sklearn import metrics

from astrotl.errors import AstrotlWarning
from astrotl.plots import classified, estimated

CLASSES = ["elliptical", "merger", "spiral"]


def predictions(count=300, classes=CLASSES, seed=0):
    """Predictions that are right most of the time; a third of the objects is for the test."""
    rng = np.random.default_rng(seed)
    true = rng.integers(len(classes), size=count)
    chances = rng.dirichlet(np.ones(len(classes)), count)
    chances[np.arange(count), true] += 0.7
    chances /= chances.sum(axis=1, keepdims=True)
    part = np.array(["learn", "test", ""])[np.arange(count) % 3]
    names = np.array(classes)
    table = Table({"id": [f"g{number}" for number in range(count)], "part": part})
    table["label"] = MaskedColumn(names[true], mask=part == "")
    table["predicted"] = names[chances.argmax(axis=1)]
    table["probability"] = chances.max(axis=1)
    for place, name in enumerate(classes):
        table[f"p_{name}"] = chances[:, place]
    return table


def panels(figure):
    """Give the panels as they are called: confusion, curves, calibration, F1."""
    return figure.axes


def test_the_confusions_of_the_test_part_are_counted():
    table = predictions()
    ax = panels(classified(table))[0]
    tested = table[table["part"] == "test"]
    expected = metrics.confusion_matrix(tested["label"], tested["predicted"], labels=CLASSES)
    drawn = {text.get_position(): int(text.get_text().split("\n")[1]) for text in ax.texts}
    assert drawn == {(column, row): expected[row, column] for row, column in np.ndindex(3, 3) if expected[row, column]}
    np.testing.assert_allclose(np.asarray(ax.images[0].get_array()).sum(axis=1), 1)
    assert [label.get_text() for label in ax.get_xticklabels()] == CLASSES


def test_each_class_has_its_curve_and_its_area():
    table = predictions()
    tested = table[table["part"] == "test"]
    ax = panels(classified(table))[1]
    drawn = {line.get_label().split("  ")[0]: line for line in ax.lines if "  " in line.get_label()}
    assert list(drawn) == CLASSES
    for name, line in drawn.items():
        is_it = np.asarray(tested["label"] == name)
        area = metrics.roc_auc_score(is_it, tested[f"p_{name}"])
        assert line.get_label() == f"{name}  {area:.3f}"
        assert np.trapezoid(line.get_ydata(), line.get_xdata()) == pytest.approx(area)


def test_the_calibration_holds_all_objects_and_their_binomial_ranges():
    table = predictions()
    tested = table[table["part"] == "test"]
    ax = panels(classified(table))[2]
    assert "100 objects" in ax.get_title(loc="left")
    points = ax.lines[1]
    in_last = np.asarray(tested["probability"]) >= 0.9
    right = np.asarray(tested["label"] == tested["predicted"])[in_last]
    assert points.get_ydata()[-1] == pytest.approx(right.mean())
    for (_, low), (_, high) in ax.collections[0].get_segments():
        assert 0 <= low < high <= 1


def test_each_class_has_its_f1_with_an_interval():
    table = predictions()
    tested = table[table["part"] == "test"]
    ax = panels(classified(table))[3]
    expected = metrics.f1_score(tested["label"], tested["predicted"], labels=CLASSES, average=None)
    points = [line.get_xdata()[0] for line in ax.lines if len(line.get_xdata()) == 1]
    np.testing.assert_allclose(points, [*expected, expected.mean()])
    assert [label.get_text() for label in ax.get_yticklabels()] == [*CLASSES, "mean of all"]


def test_without_parts_all_that_have_a_label_count():
    table = predictions()
    table.remove_column("part")
    assert "200 objects" in panels(classified(table))[2].get_title(loc="left")


def test_many_classes_find_room():
    figure = classified(predictions(2000, [f"class {number}" for number in range(20)]))
    assert len(panels(figure)[1].get_legend().get_texts()) == 20
    assert len({(line.get_color(), str(line.get_linestyle())) for line in panels(figure)[1].lines[1:]}) == 20


def test_whole_numbers_may_be_classes():
    table = predictions(classes=["0", "1"])
    hidden = table["label"].mask
    table["label"] = MaskedColumn(table["label"].filled("0").astype(float), mask=hidden)
    table["predicted"] = table["predicted"].astype(int)
    assert [label.get_text() for label in panels(classified(table))[0].get_xticklabels()] == ["0", "1"]


def test_classes_that_were_never_learned_are_left_out_and_counted():
    table = predictions()
    table["label"] = np.where(table["label"] == "merger", "comet", table["label"].filled(""))
    with pytest.warns(AstrotlWarning, match="objects are of classes that were not learned"):
        figure = classified(table)
    assert sum(int(text.get_text().split("\n")[1]) for text in panels(figure)[0].texts) < 100


def test_what_cannot_be_drawn_is_said():
    table = predictions()
    with pytest.raises(ValueError, match="table: has no columns p_CLASS"):
        classified(table["id", "label", "predicted"])
    with pytest.raises(ValueError, match="table: has no column 'label'; it has id, part"):
        classified(table["id", "part", "predicted", "probability", "p_merger", "p_spiral"])
    with pytest.raises(ValueError, match="part: the table has no 'test'; it has 'learn'"):
        classified(table[table["part"] == "learn"])
    table["label"] = "comet"
    with pytest.raises(ValueError, match="table: no label is one of the classes elliptical, merger, spiral"):
        classified(table)


def estimates(count=400):
    rng = np.random.default_rng(1)
    true = rng.uniform(9, 12, count)
    label = MaskedColumn(true, mask=np.arange(count) % 4 == 0, unit="dex")
    meta = {"astrotl": {"parameters": {"column": "log_mass"}}}
    return Table({"label": label, "predicted": true + rng.normal(0.1, 0.2, count)}, meta=meta)


def test_estimates_stand_against_the_truth():
    table = estimates()
    above, below = estimated(table).figure.axes
    known = table[~np.array(table["label"].mask)]
    true, value = np.array(known["label"]), np.array(known["predicted"])
    points = [next(drawn for drawn in ax.collections if drawn.get_gid() == "inside") for ax in (above, below)]
    np.testing.assert_allclose(np.asarray(points[0].get_offsets()), np.stack([true, value], axis=1))
    np.testing.assert_allclose(np.asarray(points[1].get_offsets())[:, 1], value - true)
    assert above.get_title(loc="left").startswith("300 objects, ")
    assert (above.get_ylabel(), below.get_xlabel()) == ("log_mass [dex], estimated", "log_mass [dex], true")


def test_residuals_are_summed_up_in_slices():
    below = estimated(estimates(4000)).figure.axes[1]
    assert np.abs(below.lines[-1].get_ydata() - 0.1).max() < 0.06
    few = estimated(estimates(20)).figure.axes[1]
    assert len(few.lines) == 1


def test_estimates_without_a_truth_cannot_be_drawn():
    table = estimates()
    table["label"].mask = True
    with pytest.raises(ValueError, match="table: no object that could be measured has a label"):
        estimated(table)
