"""The gallery shows each object of a table in its place, and touches nobody's pyplot."""

import sys

import numpy as np
import pytest
from astropy.table import Table

from astrotl import simulate
from astrotl.pictures import rgb
from astrotl.plots import gallery
from astrotl.sources import ArraySource


@pytest.fixture(scope="module")
def images():
    batch, _ = simulate.stamps(12, size=24, seed=1, bands=("i", "r", "g"))
    return ArraySource(batch.data, ids=[f"id{row}" for row in range(12)], channels=batch.channels)


def titles(figure):
    return [
        [ax.get_title() for ax in row] for row in np.array(figure.axes).reshape(figure.axes[0].get_gridspec().nrows, -1)
    ]


def test_each_query_has_its_row_and_comes_first(images):
    table = Table(
        {"query": ["id0", "id0", "id5", "id5"], "id": ["id1", "id2", "id6", "id7"], "distance": [0.1, 0.2, 0.3, 0.4]}
    )
    figure = gallery(table, images)
    assert titles(figure) == [["query id0", "id1", "id2"], ["query id5", "id6", "id7"]]
    numbers = [[text.get_text() for text in ax.texts] for ax in figure.axes]
    assert numbers == [[], ["0.1"], ["0.2"], [], ["0.3"], ["0.4"]]


def test_the_pictures_are_those_of_the_objects(images):
    figure = gallery(Table({"id": ["id7", "id3"]}), images)
    drawn = [np.asarray(ax.images[0].get_array()) for ax in figure.axes]
    np.testing.assert_allclose(drawn, rgb(images[[7, 3]].read()), atol=1e-6)


def test_long_tables_are_broken_into_rows_and_cut(images):
    table = Table({"id": [f"id{row}" for row in range(12)]})
    assert [len([title for title in row if title]) for row in titles(gallery(table, images, columns=5))] == [5, 5, 2]
    assert len(titles(gallery(table, images, columns=5, most=5))) == 1


def test_a_query_that_is_no_object_of_the_source_has_an_empty_tile(images):
    table = Table({"query": ["new"], "id": ["id1"], "distance": [0.5]})
    figure = gallery(table, images)
    assert titles(figure) == [["query new", "id1"]]
    assert np.ptp(np.asarray(figure.axes[0].images[0].get_array())) == 0


def test_nothing_to_draw_is_said(images):
    with pytest.raises(ValueError, match="table: has no rows"):
        gallery(Table({"id": np.array([], dtype=str)}), images)
    with pytest.raises(ValueError, match="images: hold none"):
        gallery(Table({"id": ["stranger"]}), images)


def test_pyplot_is_left_alone(images):
    gallery(Table({"id": ["id1"]}), images)
    assert "matplotlib.pyplot" not in sys.modules or not sys.modules["matplotlib.pyplot"].get_fignums()
