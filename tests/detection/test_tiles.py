"""Tiles cover a field, overlap enough, and share it out so that every pixel is in one tile's own part."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from astrotl.detection.tiles import read_tiles, tiles_of
from astrotl.sources import ArrayField

layouts = st.tuples(st.integers(1, 300), st.integers(1, 300), st.integers(30, 200)).flatmap(
    lambda sizes: st.tuples(st.just(sizes[:2]), st.just(sizes[2]), st.integers(0, sizes[2] // 2))
)


def along(tiles, axis):
    """The starts along an axis, and what is its own of each."""
    name = ("left", "bottom")[axis]
    return sorted({(getattr(tile, name), tile.own[axis], tile.own[axis + 2]) for tile in tiles})


@given(layouts)
def test_they_lie_within_the_field_and_overlap_by_no_less_than_asked(layout):
    shape, size, overlap = layout
    tiles = tiles_of(shape, size, overlap)
    assert {tile.size for tile in tiles} == {size}
    for axis, length in enumerate(reversed(shape)):
        starts = np.array([start for start, _, _ in along(tiles, axis)])
        assert starts[0] == 0
        assert starts[-1] == max(length - size, 0)
        assert (starts[:-1] + size - starts[1:] >= overlap).all()
        # No more of them than it takes.
        assert len(starts) == 1 or (len(starts) - 2) * (size - overlap) + size < length


@given(layouts)
def test_every_place_belongs_to_one_tile_which_sees_it(layout):
    shape, size, overlap = layout
    tiles = tiles_of(shape, size, overlap)
    for axis, length in enumerate(reversed(shape)):
        parts = along(tiles, axis)
        assert parts[0][1] == -np.inf
        assert parts[-1][2] == np.inf
        for (start, _, end), (following, begin, _) in itertools.pairwise(parts):
            assert end == begin
            # The border is in the middle of what both see.
            assert end - following + 0.5 == pytest.approx(start + size - 0.5 - end)
        assert len(tiles) % len(parts) == 0
        assert length > parts[-1][0]


def test_some_are_read_at_once_and_what_reaches_over_the_edge_is_no_data():
    field = ArrayField(np.arange(42.0).reshape(3, 14), "m31", channels=("r",), value_range=(0, 255))
    tiles = tiles_of(field.shape, size=6, overlap=2)
    read = list(read_tiles(field, tiles, 2))
    assert [batch.ids.tolist() for _, batch in read] == [["m31:0:0", "m31:4:0"], ["m31:8:0"]]
    assert [tile for some, _ in read for tile in some] == tiles
    last = read[-1][1]
    assert (last.channels, last.value_range, last.data.shape) == (("r",), (0, 255), (1, 1, 6, 6))
    np.testing.assert_array_equal(last.data[0, 0, :3], field.read(8, 0, 6, 3)[0])
    assert np.isnan(last.data[0, 0, 3:]).all()
