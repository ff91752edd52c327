"""The figure of images beside their maps, by what is drawn in it."""

import numpy as np
import pytest

from astrotl import simulate
from astrotl.pictures import rgb
from astrotl.plots import explained


@pytest.fixture
def batch():
    made, _ = simulate.stamps(5, size=24, seed=2)
    return made


@pytest.fixture
def pairs(tiles_of):
    """Give the tiles in pairs."""

    def read(ax):
        tiles = [tile for row in tiles_of(ax) for tile in row]
        return list(zip(tiles[::2], tiles[1::2], strict=True))

    return read


def test_each_image_stands_beside_itself_with_its_map(batch, pairs):
    maps = np.random.default_rng(0).random((5, 24, 24)) ** 8
    drawn = pairs(explained(maps, batch, columns=2))
    assert [image.title for image, _ in drawn] == batch.ids.tolist()
    for place, (image, over) in enumerate(drawn):
        np.testing.assert_array_equal(image.picture, rgb(batch)[place])
        grey = rgb(batch)[place].mean(axis=-1)
        # Where the map says nothing there is the image in grey, and where it says most its brightest colour.
        quiet = maps[place] < 0.002 * maps[place].max()
        np.testing.assert_allclose(over.picture[quiet], grey[quiet][:, None].repeat(3, axis=1), atol=0.02)
        bright = maps[place] >= np.percentile(maps[place], 99.5)
        assert (np.ptp(over.picture[bright], axis=1) > 0.2).all()


def test_of_several_heads_the_mean_is_drawn(batch, pairs):
    heads = np.zeros((5, 2, 24, 24))
    heads[:, 0, :12], heads[:, 1, :, :12] = 1, 1
    both = pairs(explained(heads, batch))
    for (_, first), (_, second) in zip(both, pairs(explained(heads.mean(axis=1), batch)), strict=True):
        np.testing.assert_array_equal(first.picture, second.picture)


def test_a_map_of_nothing_covers_nothing(batch, pairs):
    _, over = pairs(explained(np.zeros((5, 24, 24)), batch))[0]
    np.testing.assert_allclose(np.ptp(over.picture, axis=-1), 0, atol=1e-6)


def test_no_more_than_asked_for_are_drawn(batch, pairs):
    assert len(pairs(explained(np.zeros((5, 24, 24)), batch, most=3))) == 3


def test_what_cannot_be_drawn_is_said(batch):
    with pytest.raises(ValueError, match=r"maps: expected one for each image, of the shape \(5, 24, 24\), got \(4, 24"):
        explained(np.zeros((4, 24, 24)), batch)
    with pytest.raises(ValueError, match="batch: has no images to draw"):
        explained(np.zeros((0, 24, 24)), batch.select(slice(0)))
