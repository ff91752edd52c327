"""The figure of the strangest objects: what is shown, in which order, and where the labelled ones stand."""

import numpy as np
import pytest
from astropy.table import Table

from astrotl import simulate
from astrotl.plots import anomalies, score_distribution
from astrotl.sources import ArraySource


@pytest.fixture
def images():
    batch, _ = simulate.stamps(12, size=24, seed=2)
    return ArraySource(batch.data, ids=batch.ids, channels=batch.channels)


@pytest.fixture
def table(images):
    return Table({"rank": np.arange(1, 13), "id": images.ids[::-1], "score": np.linspace(0.99, 0.1, 12)})


@pytest.fixture
def tiles(tiles_of):
    return lambda figure: [tile for row in tiles_of(figure.axes[0]) for tile in row]


def test_the_strangest_are_shown_in_order_with_their_scores(table, images, tiles):
    drawn = tiles(anomalies(table[::-1], images, columns=3, most=6))
    assert [tile.title for tile in drawn] == table["id"][:6].tolist()
    assert [tile.texts for tile in drawn] == [[f"{score:.3f}"] for score in table["score"][:6]]


def test_all_scores_are_counted(table, images):
    ax = anomalies(table, images, most=4).axes[1]
    assert sum(bar.get_height() for bar in ax.patches) == 12
    assert ax.get_legend() is None
    assert ax.lines[0].get_xdata()[0] == pytest.approx(table["score"][3])
    assert ax.texts[0].get_text() == "the 4 from here on"


@pytest.mark.parametrize("masked", [True, False])
def test_each_label_has_a_colour_and_its_ticks(table, images, masked, tiles):
    table["label"] = ["artefact", "", "boring", *[""] * 8, "boring"]
    if masked:
        table = Table(table, masked=True)
        table["label"].mask = table["label"] == ""
    figure = anomalies(table, images)
    lines = {line.get_label(): line for line in figure.axes[1].lines}
    np.testing.assert_allclose(lines["boring (2)"].get_xdata(), [table["score"][2], table["score"][11]])
    np.testing.assert_allclose(lines["artefact (1)"].get_xdata(), [table["score"][0]])
    frames = [tile.frame for tile in tiles(figure)]
    assert [frame is not None for frame in frames[:3]] == [True, False, True]
    assert frames[2] != frames[0]


def test_an_object_without_an_image_keeps_its_place(table, images, tiles):
    drawn = tiles(anomalies(table, images[:6], most=8))
    assert [tile.picture is None for tile in drawn] == [True] * 6 + [False] * 2


def test_scores_need_not_lie_between_0_and_1():
    ax = score_distribution(Table({"score": [-3.0, 2.0, np.nan, 7.0]}))
    assert sum(bar.get_height() for bar in ax.patches) == 3
    low, high = ax.get_xlim()
    assert low < -3 < 7 < high


def test_what_cannot_be_drawn_is_said(table, images):
    with pytest.raises(ValueError, match="table: has no rows to draw"):
        anomalies(table[:0], images)
    with pytest.raises(ValueError, match="images: hold none of the strangest objects"):
        anomalies(table, images[:2], most=4)
    with pytest.raises(ValueError, match="table: has no column 'score'; it has id"):
        score_distribution(table["id",])
    with pytest.raises(ValueError, match="table: has no score to draw"):
        score_distribution(Table({"score": [np.nan]}))
