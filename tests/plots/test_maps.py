"""The map of a store, by what is drawn in it."""

import numpy as np
import pytest
from astropy.table import MaskedColumn, Table

from astrotl.plots import feature_map


def table_of(count=60, **columns):
    rng = np.random.default_rng(0)
    table = Table({"id": [f"g{number}" for number in range(count)], "x": rng.normal(size=count)})
    table["y"] = rng.normal(size=count)
    for name, values in columns.items():
        table[name] = values
    return table


def groups_of(ax):
    """Give the places that are drawn under each name of the legend."""
    return {drawn.get_label(): np.asarray(drawn.get_offsets()) for drawn in ax.collections}


def test_every_object_has_its_place():
    table = table_of()
    (places,) = groups_of(feature_map(table)).values()
    np.testing.assert_allclose(places, np.stack([table["x"], table["y"]], axis=1))


def test_words_have_colours_and_a_legend_that_counts_them():
    kinds = np.where(np.arange(60) < 40, "spiral", "merger")
    table = table_of(label=MaskedColumn(kinds, mask=np.arange(60) % 10 == 0))
    ax = feature_map(table)
    drawn = groups_of(ax)
    assert list(drawn) == ["not known (6)", "spiral (36)", "merger (18)"]
    chosen = (kinds == "merger") & (np.arange(60) % 10 > 0)
    np.testing.assert_allclose(drawn["merger (18)"], np.stack([table["x"], table["y"]], axis=1)[chosen])
    legend = ax.get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["spiral (36)", "merger (18)", "not known (6)"]
    assert legend.get_title().get_text() == "label"
    colours = {tuple(drawn.get_facecolor()[0]) for drawn in ax.collections}
    assert len(colours) == 3


def test_numbers_have_a_bar_and_a_wild_one_does_not_take_it_all():
    mass = np.linspace(9, 12, 60)
    mass[7], mass[8] = 400, np.nan
    ax, bar = feature_map(table_of(mass=mass), colour="mass").figure.axes
    assert bar.get_ylabel() == "mass (1 not known, in grey)"
    drawn = ax.collections[1]
    assert len(drawn.get_offsets()) == 59
    assert drawn.get_clim()[1] < 250


def test_few_whole_numbers_are_classes():
    figure = feature_map(table_of(label=np.arange(60) % 2))
    assert set(groups_of(figure)) == {"0 (30)", "1 (30)"}
    assert len(feature_map(table_of(label=np.arange(60))).figure.axes) == 2


def test_too_many_classes_share_one_grey():
    ax = feature_map(table_of(600, label=[f"class {number % 30}" for number in range(600)]))
    drawn = groups_of(ax)
    assert len(drawn) == 19
    assert "others (240)" in drawn
    looks = {(tuple(some.get_facecolor()[0]), some.get_paths()[0].vertices.shape) for some in ax.collections}
    assert len(looks) == 19


def test_axes_say_what_they_mean():
    table = table_of()
    table.meta["astrotl"] = {"map": "pca", "shares": [0.31, 0.12]}
    ax = feature_map(table)
    assert ax.get_xlabel() == "first main direction (31 % of all differences)"
    table.meta["astrotl"] = {"map": "umap", "column": "kind"}
    table["label"] = "spiral"
    ax = feature_map(table)
    assert len(ax.get_xticks()) == 0
    assert "mean nothing" in ax.get_xlabel()
    assert ax.get_legend().get_title().get_text() == "kind"


def test_what_cannot_be_drawn_is_said():
    with pytest.raises(ValueError, match="table: has no column 'x'; it has id"):
        feature_map(Table({"id": ["a"]}))
    with pytest.raises(ValueError, match="table: has no column 'mass'; it has id, x, y"):
        feature_map(table_of(), colour="mass")
    with pytest.raises(ValueError, match="table: has no rows to draw"):
        feature_map(table_of()[:0])
