"""The figure of what was found: the first in order, right and wrong marked, and how good the list is at every depth."""

import numpy as np
import pytest
from astropy.table import Table

from astrotl import simulate
from astrotl.plots import ranking_curves, retrieved
from astrotl.sources import ArraySource


@pytest.fixture(scope="module")
def images():
    batch, _ = simulate.stamps(12, size=24, seed=2)
    return ArraySource(batch.data, ids=batch.ids, channels=batch.channels)


@pytest.fixture
def table(images):
    label = ["agn", "agn", "no", "agn", "", "no", "", "no", "no", "no", "no", "agn"]
    table = Table({"id": images.ids, "rank": np.arange(1, 13), "score": np.linspace(0.9, 0.1, 12), "label": label})
    table.meta["astrotl"] = {"parameters": {"positive": ["agn"], "negative": [], "column": "bpt"}}
    return table


@pytest.fixture
def tiles(tiles_of):
    return lambda figure: [tile for row in tiles_of(figure.axes[0]) for tile in row]


def test_the_first_are_shown_in_order(table, images, tiles):
    drawn = tiles(retrieved(table[::-1], images, columns=4, most=6))
    assert [tile.title for tile in drawn] == images.ids[:6].tolist()
    assert [tile.texts[0] for tile in drawn] == ["#1", "#2", "#3", "#4", "#5", "#6"]
    assert drawn[0].texts[1] == "0.900"


def test_right_wrong_and_unknown_look_different(table, images, tiles):
    figure = retrieved(table, images)
    frames = [tile.frame for tile in tiles(figure)]
    assert [frame is not None for frame in frames[:5]] == [True, True, True, True, False]
    assert frames[0] == frames[3] != frames[2]
    legend = figure.axes[0].get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["right", "wrong"]
    assert [handle.get_edgecolor() for handle in legend.legend_handles] == [frames[0], frames[2]]


def test_the_curves_are_those_of_the_labelled(table):
    ax = ranking_curves(table[::-1])
    lines = {line.get_label(): line for line in ax.lines}
    purity = dict(zip(lines["purity"].get_xdata(), lines["purity"].get_ydata(), strict=True))
    assert purity[2] == 1
    assert purity[4] == 0.75
    assert purity[10] == pytest.approx(0.4)
    complete = lines["completeness"]
    assert dict(zip(complete.get_xdata(), complete.get_ydata(), strict=True))[4] == 0.75
    assert complete.get_ydata()[-1] == 1
    edge = ax.collections[0].get_paths()[0].vertices
    at_ten = edge[np.isclose(edge[:, 0], 10), 1]
    assert at_ten.min() < 0.3 < 0.5 < at_ten.max()


def test_picking_blindly_is_drawn_beside_them(table):
    ax = ranking_curves(table)
    base, growing = (line for line in ax.lines if line.get_linestyle() == ":" and len(line.get_xdata()))
    np.testing.assert_allclose(base.get_ydata(), 0.4)
    np.testing.assert_allclose(growing.get_ydata(), growing.get_xdata() / 10)


@pytest.mark.parametrize("without", ["labels", "meta", "masked"])
def test_without_labels_there_are_no_curves(table, images, without, tiles):
    if without == "labels":
        table.remove_column("label")
    elif without == "meta":
        table.meta.clear()
    else:
        table = Table(table, masked=True)
        table["label"].mask = True
    figure = retrieved(table, images)
    assert len(figure.axes) == 1
    assert not any(tile.frame for tile in tiles(figure))
    with pytest.raises(ValueError, match="table: needs labels of some objects that are looked for"):
        ranking_curves(table)


def test_only_named_negatives_count(table, images, tiles):
    table.meta["astrotl"]["parameters"]["negative"] = ["other"]
    figure = retrieved(table, images)
    assert len(figure.axes) == 1
    assert [tile.frame is not None for tile in tiles(figure)[:3]] == [True, True, False]


def test_an_object_without_an_image_keeps_its_place(table, images, tiles):
    drawn = tiles(retrieved(table, images[3:]))
    assert [tile.title for tile in drawn[:4]] == images.ids[:4].tolist()
    assert [tile.picture is None for tile in drawn[:4]] == [True, True, True, False]
    with pytest.raises(ValueError, match=r"^images: hold none"):
        retrieved(table[:3], images[3:])
    with pytest.raises(ValueError, match=r"^table: has no rows"):
        retrieved(table[:0], images)
