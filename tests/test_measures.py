"""Measures are what their names say, and their intervals hold the truth as often as they promise."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from astrotl import measures

SCORE = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.0])
POSITIVE = np.array([1, 1, 0, 1, 0, 0, 0, 0, 1, 0], dtype=bool)


def test_a_ranking_is_measured_by_hand():
    assert measures.purity(SCORE, POSITIVE, 4) == 0.75
    assert measures.completeness(SCORE, POSITIVE, 4) == 0.75
    assert measures.lift(SCORE, POSITIVE, 0.2) == 2.5
    # Of the 24 pairs of a positive and a negative, the wrong ones are 1 + 0 + 0 and 5 of the last positive.
    assert measures.area_under_curve(SCORE, POSITIVE) == pytest.approx(18 / 24)
    assert measures.average_precision(SCORE, POSITIVE) == pytest.approx((1 + 1 + 3 / 4 + 4 / 9) / 4)


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=30))
def test_the_area_is_the_share_of_pairs_in_the_right_order(objects):
    score, positive = (np.array(column) for column in zip(*objects, strict=True))
    positive = positive.astype(bool)
    pairs = [(a > b) + 0.5 * (a == b) for a in score[positive] for b in score[~positive]]
    area = measures.area_under_curve(score, positive)
    assert np.isnan(area) if not pairs else area == pytest.approx(np.mean(pairs))


def test_nothing_to_find_has_no_measure():
    for measure in (measures.area_under_curve, measures.average_precision, measures.lift):
        assert np.isnan(measure([1.0, 2.0], [False, False]))
    assert np.isnan(measures.completeness([1.0, 2.0], [False, False], 1))


def test_residuals_are_measured_by_hand():
    true, estimated = [1.0, 2.0, 3.0, 4.0], [1.3, 2.3, 3.3, 5.3]
    assert measures.bias(true, estimated) == pytest.approx(0.3)
    assert measures.scatter(true, estimated) == pytest.approx(np.sqrt((3 * 0.09 + 1.69) / 4))
    assert measures.within(true, estimated, 0.5) == 0.75
    assert measures.coverage(true, np.array(true) - 1, [2, 1, 4, 5]) == 0.75


def test_the_interval_holds_the_truth_as_often_as_it_says():
    held = 0
    for seed in range(100):
        sample = np.random.default_rng(seed).normal(size=60)
        measure = measures.bootstrap(lambda values: values.mean(), sample, samples=200)
        assert measure.low <= measure.value <= measure.high
        held += measure.low <= 0 <= measure.high
    assert 85 <= held <= 100


def test_the_same_seed_gives_the_same_interval():
    calls = [measures.bootstrap(measures.scatter, SCORE, SCORE**2) for _ in range(2)]
    assert calls[0] == calls[1]
    assert calls[0] != measures.bootstrap(measures.scatter, SCORE, SCORE**2, seed=1)


def test_a_measure_reads_well():
    assert str(measures.Measure(0.5, 0.25, 0.75)) == "0.500 (0.250 to 0.750)"
