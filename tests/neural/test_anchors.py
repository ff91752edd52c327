"""What a detector begins with suits the boxes that it is to find, whatever these are."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from astrotl.neural.anchors import fit_anchors

STRIDES = (4, 8, 16, 32)
sides = st.floats(1, 2000)
boxes = st.lists(st.tuples(sides, sides), min_size=1, max_size=40).map(lambda rows: np.array(rows).T)


@given(boxes, st.sampled_from([STRIDES, (7, 14, 28), (8, 16, 32, 64), (16,)]))
def test_any_boxes_give_anchors_that_can_be_used(sizes, strides):
    anchors = fit_anchors(*sizes, strides)
    first = strides.index(anchors.strides[0])
    assert anchors.strides == strides[first : first + len(anchors.strides)]
    assert len(anchors.sizes) == len(anchors.strides) <= 3
    assert len({len(pair) for pair in anchors.sizes}) == 1
    ladder = np.ravel(anchors.sizes)
    assert (np.diff(ladder) > 0).all()
    small, large = np.quantile(np.sqrt(sizes.prod(axis=0)), [0.05, 0.95])
    # They reach from the small boxes to the large ones.
    assert ladder[0] <= small + 0.1
    assert ladder[-1] >= large - 0.1
    assert all(np.isfinite(ratio) and ratio > 0 for ratio in anchors.ratios)
    assert sorted(set(anchors.ratios)) == list(anchors.ratios)


@given(boxes, st.floats(1.5, 4))
def test_tall_boxes_are_the_mirror_of_wide_ones(sizes, factor):
    wide, tall = fit_anchors(factor * sizes[0], sizes[0], STRIDES), fit_anchors(sizes[0], factor * sizes[0], STRIDES)
    assert (wide.strides, wide.sizes) == (tall.strides, tall.sizes)
    assert tall.ratios == pytest.approx([1 / ratio for ratio in reversed(wide.ratios)], rel=0.02)


def test_small_things_are_sought_on_the_finest_map_and_large_ones_on_a_coarse_one():
    assert fit_anchors(np.full(9, 6.0), np.full(9, 6.0), STRIDES).strides == (4,)
    assert fit_anchors(np.full(9, 200.0), np.full(9, 200.0), STRIDES).strides == (32,)
    assert len(fit_anchors(np.geomspace(10, 300), np.geomspace(10, 300), STRIDES).strides) == 3


def test_shapes_are_those_of_the_boxes():
    rng = np.random.default_rng(1)
    width, height = rng.uniform(24, 28, (2, 200))
    assert fit_anchors(width, height, STRIDES).ratios == pytest.approx([1], abs=0.1)
    ends = fit_anchors(np.where(rng.random(200) < 0.5, 3, 1) * width, width, STRIDES).ratios
    assert (ends[0], ends[-1]) == pytest.approx((1 / 3, 1), abs=0.05)
    # The trail of a satellite, too.
    assert fit_anchors(np.full(9, 3000.0), np.full(9, 2.0), STRIDES).ratios == pytest.approx([2 / 3000], rel=0.01)
