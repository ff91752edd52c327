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


def tiles(figure):
    """Give the tiles in pairs."""
    return list(zip(figure.axes[::2], figure.axes[1::2], strict=True))


def test_each_image_stands_beside_itself_with_its_map(batch):
    maps = np.random.default_rng(0).random((5, 24, 24))
    figure = explained(maps, batch, columns=2)
    assert [image.get_title(loc="left") for image, _ in tiles(figure)] == batch.ids.tolist()
    for place, (image, over) in enumerate(tiles(figure)):
        np.testing.assert_array_equal(np.asarray(image.images[0].get_array()), rgb(batch)[place])
        grey, drawn = over.images
        assert np.asarray(grey.get_array()).ndim == 2
        share = np.asarray(drawn.get_array())
        assert share.argmax() == np.minimum(maps[place], np.percentile(maps[place], 99.5)).argmax()
        assert share.min() == 0
        np.testing.assert_allclose(drawn.get_alpha(), 0.85 * share)


def test_of_several_heads_the_mean_is_drawn(batch):
    heads = np.zeros((5, 2, 24, 24))
    heads[:, 0, :12], heads[:, 1, :, :12] = 1, 1
    _, over = tiles(explained(heads, batch))[0]
    assert np.unique(np.asarray(over.images[1].get_array())).tolist() == [0, 0.5, 1]


def test_a_map_of_nothing_covers_nothing(batch):
    _, over = tiles(explained(np.zeros((5, 24, 24)), batch))[0]
    assert not np.any(over.images[1].get_alpha())


def test_no_more_than_asked_for_are_drawn(batch):
    assert len(tiles(explained(np.zeros((5, 24, 24)), batch, most=3))) == 3


def test_what_cannot_be_drawn_is_said(batch):
    with pytest.raises(ValueError, match=r"maps: expected one for each image, of the shape \(5, 24, 24\), got \(4, 24"):
        explained(np.zeros((4, 24, 24)), batch)
    with pytest.raises(ValueError, match="batch: has no images to draw"):
        explained(np.zeros((0, 24, 24)), batch.select(slice(0)))
