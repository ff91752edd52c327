"""The figure of what was found: the first in order, right and wrong marked, and how good the list is at every depth."""

import numpy as np
import pytest
from astropy.table import Table

from astrotl import simulate
from astrotl.plots import retrieved
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


def tiles(figure):
    return [ax for ax in figure.axes if ax.images]


def curve(figure, name):
    return next(ax for ax in figure.axes if ax.get_ylabel() == name)


def test_the_first_are_shown_in_order(table, images):
    figure = retrieved(table[::-1], images, columns=4, most=6)
    assert [ax.get_title() for ax in tiles(figure)] == images.ids[:6].tolist()
    assert [ax.texts[0].get_text() for ax in tiles(figure)] == ["1", "2", "3", "4", "5", "6"]
    assert tiles(figure)[0].texts[1].get_text() == "0.9"


def test_right_wrong_and_unknown_look_different(table, images):
    frames = [ax.spines["top"] for ax in tiles(retrieved(table, images))]
    assert [frame.get_visible() for frame in frames[:5]] == [True, True, True, True, False]
    assert frames[0].get_edgecolor() == frames[3].get_edgecolor() != frames[2].get_edgecolor()


def test_the_curves_are_those_of_the_labelled(table, images):
    figure = retrieved(table, images)
    line, base = curve(figure, "purity").lines
    purity = dict(zip(line.get_xdata(), line.get_ydata(), strict=True))
    assert purity[2] == 1
    assert purity[4] == 0.75
    assert base.get_ydata()[0] == purity[10] == pytest.approx(0.4)
    line = curve(figure, "completeness").lines[0]
    assert dict(zip(line.get_xdata(), line.get_ydata(), strict=True))[4] == 0.75
    assert line.get_ydata()[-1] == 1
    (band,) = curve(figure, "purity").collections
    edge = band.get_paths()[0].vertices
    at_ten = edge[np.isclose(edge[:, 0], 10), 1]
    assert at_ten.min() < 0.3 < 0.5 < at_ten.max()


@pytest.mark.parametrize("without", ["labels", "meta", "masked"])
def test_without_labels_there_are_no_curves(table, images, without):
    if without == "labels":
        table.remove_column("label")
    elif without == "meta":
        table.meta.clear()
    else:
        table = Table(table, masked=True)
        table["label"].mask = True
    figure = retrieved(table, images)
    assert len(figure.axes) == len(tiles(figure)) + 4
    assert not any(ax.spines["top"].get_visible() for ax in tiles(figure))


def test_only_named_negatives_count(table, images):
    table.meta["astrotl"]["parameters"]["negative"] = ["other"]
    figure = retrieved(table, images)
    assert not any(ax.get_ylabel() for ax in figure.axes)
    assert [ax.spines["top"].get_visible() for ax in tiles(figure)[:3]] == [True, True, False]


def test_an_object_without_an_image_keeps_its_place(table, images):
    figure = retrieved(table, images[3:])
    assert [ax.get_title() for ax in tiles(figure)[:4]] == images.ids[:4].tolist()
    with pytest.raises(ValueError, match=r"^images: hold none"):
        retrieved(table[:3], images[3:])
    with pytest.raises(ValueError, match=r"^table: has no rows"):
        retrieved(table[:0], images)
