"""The figure of estimated against true values, by what is drawn in it."""

import numpy as np
import pytest
from astropy.table import MaskedColumn, Table

from astrotl.plots import properties


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


def points_of(ax):
    """Give the full and the open circles."""
    return [np.asarray(circles.get_offsets()) for circles in ax.collections[-2:]]


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
    ends = np.array(above.collections[1].get_segments())[:, :, 1]
    assert np.allclose(ends, np.column_stack([table["mass_p16"], table["mass_p84"]]))


def test_the_caption_counts_right():
    table = table_of()
    table["mass"] = table["mass_true"] + np.where(np.arange(40) < 10, 0.7, 0.0)
    caption, outside = (text.get_text() for text in properties(table).axes[0].texts)
    assert "40 objects" in caption
    assert "75.0 % within 0.5, 100.0 % within 1" in caption
    assert outside == "3 outside the reference sample"


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
    assert len(properties(table_of(2000)).axes[0].collections) == 3
    assert len(properties(table_of(100)).axes[0].collections) == 4
