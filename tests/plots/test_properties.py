"""The figure of estimated against true values, by what is drawn in it."""

import numpy as np
import pytest
from astropy.table import MaskedColumn, Table
from matplotlib.figure import Figure

from astrotl.plots import estimated, properties


def table_of(count=40, names=("mass",)):
    rng = np.random.default_rng(0)
    table = Table({"id": [f"g{n}" for n in range(count)]})
    for name in names:
        true = rng.uniform(9, 12, count)
        table[name] = true + rng.normal(0, 0.2, count)
        table[f"{name}_p16"], table[f"{name}_p84"] = table[name] - 0.2, table[name] + 0.2
        table[f"{name}_true"] = true
    table["reliable"] = np.arange(count) >= 3
    return table


def part_of(ax, name):
    return next((drawn for drawn in ax.collections if drawn.get_gid() == name), None)


def points_of(ax):
    """Give the full and the open circles."""
    return [np.asarray(part_of(ax, name).get_offsets()) for name in ("inside", "outside")]


def test_a_panel_and_its_residuals_for_each_column():
    figure = properties(table_of(names=("mass", "sfr")))
    assert len(figure.axes) == 4
    assert {ax.get_xlabel() for ax in figure.axes} == {"", "mass, true", "sfr, true"}


def test_every_object_is_where_it_belongs():
    table = table_of()
    above, below = properties(table).axes
    inside, outside = points_of(above)
    assert np.allclose(inside, np.column_stack([table["mass_true"], table["mass"]])[3:])
    assert np.allclose(outside, np.column_stack([table["mass_true"], table["mass"]])[:3])
    residuals = np.concatenate(points_of(below)[::-1])
    assert np.allclose(residuals[:, 1], table["mass"] - table["mass_true"])
    for ax, points in ((above, np.concatenate([inside, outside])), (below, residuals)):
        low, high = ax.get_ylim()
        assert ((points[:, 1] > low) & (points[:, 1] < high)).all()


def test_intervals_are_drawn_where_they_are():
    table = table_of()
    above = properties(table).axes[0]
    ends = np.array(part_of(above, "intervals").get_segments())[:, :, 1]
    assert np.allclose(ends, np.column_stack([table["mass_p16"], table["mass_p84"]]))


def test_the_caption_counts_right():
    table = table_of()
    table["mass"] = table["mass_true"] + np.where(np.arange(40) < 10, 0.7, 0.0)
    table.rename_columns(
        [name for name in table.colnames if name.startswith("mass")],
        [name.replace("mass", "log_mass") for name in table.colnames if name.startswith("mass")],
    )
    ax = properties(table).axes[0]
    caption = ax.get_title(loc="left")
    assert caption.startswith("40 objects, 75.0 % within 0.5, 100.0 % within 1\n")
    assert caption.endswith("68 % intervals hold 52.5 %")
    assert [text.get_text() for text in ax.texts] == ["3 outside the reference sample"]


@pytest.mark.parametrize("unknown", [np.nan, "masked"])
def test_objects_without_a_true_value_are_left_out(unknown):
    table = table_of()
    if unknown == "masked":
        table["mass_true"] = MaskedColumn(table["mass_true"], mask=np.arange(40) < 25)
    else:
        table["mass_true"][:25] = unknown
    inside, outside = points_of(properties(table).axes[0])
    assert (len(inside), len(outside)) == (15, 0)


def test_what_cannot_be_drawn_is_said():
    with pytest.raises(ValueError, match="table: has no column NAME with"):
        properties(Table({"id": ["a"], "score": [1.0]}))
    table = table_of()
    table["mass_true"] = np.nan
    with pytest.raises(ValueError, match="table: no true value of 'mass' is known"):
        properties(table)


def test_many_objects_have_no_bars():
    assert part_of(properties(table_of(2000)).axes[0], "intervals") is None
    assert part_of(properties(table_of(100)).axes[0], "intervals") is not None


def test_a_column_goes_into_axes_of_ones_own_anywhere_in_a_figure():
    table = table_of(names=("mass", "sfr"))
    figure = Figure()
    left, right = figure.subplots(1, 2)
    assert estimated(table, column="sfr", ax=right) is right
    below = figure.axes[-1]
    assert (right.get_ylabel(), below.get_xlabel(), left.get_ylabel()) == ("sfr, estimated", "sfr, true", "")
    place = Figure().add_axes((0.2, 0.2, 0.6, 0.6))
    estimated(table, column="mass", ax=place)
    under = place.figure.axes[-1].get_position()
    assert under.y0 == pytest.approx(0.2)
    assert under.y1 < place.get_position().y0


def test_intervals_and_reliability_may_be_absent():
    table = table_of()["mass", "mass_true"]
    above = estimated(table)
    assert part_of(above, "intervals") is None
    assert (len(points_of(above)[0]), len(points_of(above)[1])) == (40, 0)


def test_a_column_that_is_not_there_is_named():
    with pytest.raises(ValueError, match=r"^column: the table has no 'sfr'; it has id, mass"):
        estimated(table_of(), column="sfr")
