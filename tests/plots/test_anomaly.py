"""The figure of the strangest objects: what is shown, in which order, and where the labelled ones stand."""

import numpy as np
import pytest
from astropy.table import Table

from astrotl import simulate
from astrotl.plots import anomalies
from astrotl.sources import ArraySource


@pytest.fixture
def images():
    batch, _ = simulate.stamps(12, size=24, seed=2)
    return ArraySource(batch.data, ids=batch.ids, channels=batch.channels)


@pytest.fixture
def table(images):
    return Table({"rank": np.arange(1, 13), "id": images.ids[::-1], "score": np.linspace(0.99, 0.1, 12)})


def tiles(figure):
    return [ax for ax in figure.axes if ax.images]


def scores(figure):
    return next(ax for ax in figure.axes if ax.get_xlabel() == "score")


def test_the_strangest_are_shown_in_order_with_their_scores(table, images):
    figure = anomalies(table[::-1], images, columns=3, most=6)
    assert [ax.get_title() for ax in tiles(figure)] == table["id"][:6].tolist()
    assert [ax.texts[0].get_text() for ax in tiles(figure)] == [f"{score:.3f}" for score in table["score"][:6]]


def test_all_scores_are_counted(table, images):
    ax = scores(anomalies(table, images, most=4))
    assert sum(bar.get_height() for bar in ax.patches) == 12
    assert ax.get_legend() is None
    assert ax.lines[0].get_xdata()[0] == pytest.approx(table["score"][3])


@pytest.mark.parametrize("masked", [True, False])
def test_each_label_has_a_colour_and_its_ticks(table, images, masked):
    table["label"] = ["artefact", "", "boring", *[""] * 8, "boring"]
    if masked:
        table = Table(table, masked=True)
        table["label"].mask = table["label"] == ""
    figure = anomalies(table, images)
    lines = {line.get_label(): line for line in scores(figure).lines}
    np.testing.assert_allclose(lines["boring (2)"].get_xdata(), [table["score"][2], table["score"][11]])
    np.testing.assert_allclose(lines["artefact (1)"].get_xdata(), [table["score"][0]])
    frames = [ax.spines["top"] for ax in tiles(figure)]
    assert [frame.get_visible() for frame in frames[:3]] == [True, False, True]
    assert frames[2].get_edgecolor()[:3] != frames[0].get_edgecolor()[:3]


def test_an_object_without_an_image_keeps_its_place(table, images):
    figure = anomalies(table, images[:6], most=8)
    assert len(tiles(figure)) == 8


def test_what_cannot_be_drawn_is_said(table, images):
    with pytest.raises(ValueError, match="table: has no rows to draw"):
        anomalies(table[:0], images)
    with pytest.raises(ValueError, match="images: hold none of the strangest objects"):
        anomalies(table, images[:2], most=4)
