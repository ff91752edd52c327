"""The gallery shows each object of a table in its place, in a panel of any figure."""

import itertools

import numpy as np
import pytest
from astropy.table import MaskedColumn, Table
from matplotlib.figure import Figure

from astrotl import simulate
from astrotl.pictures import rgb
from astrotl.plots import gallery
from astrotl.sources import ArraySource


@pytest.fixture(scope="module")
def images():
    batch, _ = simulate.stamps(12, size=24, seed=1, bands=("i", "r", "g"))
    return ArraySource(batch.data, ids=[f"id{row}" for row in range(12)], channels=batch.channels)


@pytest.fixture
def titles(tiles_of):
    return lambda ax: [[tile.title for tile in row] for row in tiles_of(ax)]


def test_each_query_has_its_row_and_comes_first(images, titles, tiles_of):
    table = Table(
        {"query": ["id0", "id0", "id5", "id5"], "id": ["id1", "id2", "id6", "id7"], "distance": [0.1, 0.2, 0.3, 0.4]}
    )
    ax = gallery(table, images)
    assert titles(ax) == [["query id0", "id1", "id2"], ["query id5", "id6", "id7"]]
    texts = [[tile.texts for tile in row] for row in tiles_of(ax)]
    assert texts == [[[], ["0.100"], ["0.200"]], [[], ["0.300"], ["0.400"]]]


def test_the_pictures_are_those_of_the_objects(images, tiles_of):
    (row,) = tiles_of(gallery(Table({"id": ["id7", "id3"]}), images))
    np.testing.assert_allclose([tile.picture for tile in row], rgb(images[[7, 3]].read()), atol=1e-6)


def test_long_tables_are_broken_into_rows_and_cut(images, titles):
    table = Table({"id": [f"id{row}" for row in range(12)]})
    assert [len(row) for row in titles(gallery(table, images, columns=5))] == [5, 5, 2]
    assert len(titles(gallery(table, images, columns=5, most=5))) == 1


def test_a_query_that_is_no_object_of_the_source_has_an_empty_tile(images, tiles_of):
    (row,) = tiles_of(gallery(Table({"query": ["new"], "id": ["id1"], "distance": [0.5]}), images))
    assert [(tile.title, tile.picture is None) for tile in row] == [("query new", True), ("id1", False)]


def test_an_object_without_a_score_has_no_number(images, tiles_of):
    table = Table({"id": ["id1", "id2"], "score": MaskedColumn([0.5, 0.7], mask=[True, False])})
    (row,) = tiles_of(gallery(table, images))
    assert [tile.texts for tile in row] == [[], ["0.700"]]


def test_the_numbers_of_a_row_are_equally_exact(images, tiles_of):
    table = Table({"id": [f"id{row}" for row in range(5)], "distance": [0.0464, 0.96, 1.0, 12.3456, 431.0]})
    (row,) = tiles_of(gallery(table, images))
    assert [tile.texts for tile in row] == [["0.0464"], ["0.960"], ["1.00"], ["12.3"], ["431"]]


def test_long_ids_keep_both_ends_and_do_not_meet():
    names = [f"SDSS J{row:06}.12+{row:06}.3 in the field of the south" for row in range(8)]
    images = ArraySource(np.random.default_rng(0).normal(size=(8, 1, 9, 9)), ids=names)
    ax = gallery(Table({"id": names}), images)
    ax.figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in ax.texts]
    assert not any(first.overlaps(second) for first, second in itertools.pairwise(boxes))
    assert all(text.get_text().startswith("SDSS J0") and text.get_text().endswith("south") for text in ax.texts)


def test_it_is_as_wide_as_a_page_and_no_wider(images):
    table = Table({"id": [f"id{row}" for row in range(12)]})
    widths = [gallery(table, images, columns=columns).figure.get_figwidth() for columns in (3, 8, 12)]
    assert widths[0] < 3.4
    assert widths[1:] == pytest.approx([7.0, 7.0], abs=0.3)


def test_it_goes_into_a_figure_of_ones_own(images):
    figure = Figure(figsize=(7, 3))
    left, right = figure.subplots(1, 2)
    assert gallery(Table({"id": ["id1"]}), images, ax=right) is right
    assert (len(left.images), len(right.images)) == (0, 1)


def test_nothing_to_draw_is_said(images):
    with pytest.raises(ValueError, match="table: has no rows"):
        gallery(Table({"id": np.array([], dtype=str)}), images)
    with pytest.raises(ValueError, match="images: hold none"):
        gallery(Table({"id": ["stranger"]}), images)
    with pytest.raises(ValueError, match="columns: must be 1 or more, got 0"):
        gallery(Table({"id": ["id1"]}), images, columns=0)
