"""The eight ways in which an image can lie vote on what is in it."""

import numpy as np
import pytest

from astrotl.detection import Found
from astrotl.neural.voting import voted, ways


def box_at(x, y, score=0.8, width=6.0, height=4.0, label=0):
    return Found([x], [y], [width], [height], [score], [label])


def turned(side, x, y):
    """Where each way shows the pixel."""
    image = np.zeros((1, 1, side, side))
    image[0, 0, y, x] = 1
    return [np.argwhere(way[0, 0])[0][::-1].tolist() for way in ways(image)]


def test_boxes_come_back_to_where_they_were():
    places = turned(32, 20, 5)
    sizes = [(6.0, 4.0) if way % 2 == 0 else (4.0, 6.0) for way in range(8)]
    seen = [box_at(*place, width=w, height=h) for place, (w, h) in zip(places, sizes, strict=True)]
    found = voted(seen, 32)
    assert len(found) == 1
    assert (found.x[0], found.y[0], found.width[0], found.height[0]) == pytest.approx((20, 5, 6, 4))
    assert found.score[0] == pytest.approx(0.8)


def test_ways_that_do_not_see_it_vote_against_it():
    places = turned(32, 20, 5)
    seen = [box_at(*place, width=5, height=5) if way < 2 else Found.none() for way, place in enumerate(places)]
    assert voted(seen, 32).score.tolist() == pytest.approx([0.2])


def test_a_way_has_one_vote_and_classes_do_not_mix():
    twice = Found.joined([box_at(10, 10, 0.8), box_at(10.5, 10, 0.4), box_at(10, 10, 0.6, label=1)])
    found = voted([twice, *[Found.none()] * 7], 32)
    assert found.score.tolist() == pytest.approx([0.1, 0.075])
    assert found.label.tolist() == [0, 1]


def test_nothing_found_is_nothing():
    assert len(voted([Found.none()] * 8, 32)) == 0
