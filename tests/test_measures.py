"""Measures are what their names say, and their intervals hold the truth as often as they promise."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

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


CLASSES = ["elliptical", "merger", "spiral"]
answers = st.lists(st.tuples(st.sampled_from(CLASSES), st.sampled_from(CLASSES)), min_size=1, max_size=30)


@given(answers)
def test_classes_are_measured_as_scikit_learn_does(objects):
    true, said = (np.array(column) for column in zip(*objects, strict=True))
    assert measures.accuracy(true, said) == pytest.approx(metrics.accuracy_score(true, said))
    np.testing.assert_array_equal(
        measures.confusion(true, said, CLASSES), metrics.confusion_matrix(true, said, labels=CLASSES)
    )
    theirs = metrics.precision_recall_fscore_support(true, said, labels=CLASSES, zero_division=np.nan)
    for ours, expected in zip((measures.precision, measures.recall, measures.f1), theirs, strict=False):
        np.testing.assert_allclose([ours(true, said, name) for name in CLASSES], expected)
    expected = metrics.f1_score(true, said, labels=np.unique(true), average="macro", zero_division=0)
    assert measures.macro_f1(true, said) == pytest.approx(expected)


@given(st.lists(st.tuples(st.integers(0, 2), st.lists(st.floats(0.01, 1), min_size=3, max_size=3)), min_size=1))
def test_probabilities_are_measured_as_scikit_learn_does(objects):
    truth = np.array([index for index, _ in objects])
    given = np.array([values for _, values in objects])
    given /= given.sum(axis=1, keepdims=True)
    expected = np.mean([metrics.mean_squared_error(np.eye(3)[i], p) * 3 for i, p in zip(truth, given, strict=True)])
    assert measures.brier(given, truth) == pytest.approx(expected)


@given(st.lists(st.tuples(st.floats(-5, 5), st.floats(-5, 5)), min_size=2, max_size=20))
def test_what_is_explained_is_what_scikit_learn_says(pairs):
    true, estimated = (np.array(column) for column in zip(*pairs, strict=True))
    if np.ptp(true) < 1e-3:
        true = np.ones(len(true))
        assert np.isnan(measures.explained(true, estimated))
    else:
        assert measures.explained(true, estimated) == pytest.approx(metrics.r2_score(true, estimated))


def test_calibration_is_measured_by_hand():
    # The bin at 0.95 promises 0.95 and holds 1/2; the one at 0.15 promises 0.15 and holds 0; 1.0 is in the last bin.
    assert measures.calibration_error([0.95, 0.95, 0.15, 0.15], [1, 0, 0, 0]) == pytest.approx((0.45 + 0.15) / 2)
    assert measures.calibration_error([1.0, 0.92], [True, True]) == pytest.approx(0.04)
    assert measures.calibration_error([0.9, 0.1], [1, 0], bins=1) == pytest.approx(0)


def test_a_class_that_is_not_there_has_no_measure():
    for measure in (measures.precision, measures.recall, measures.f1):
        assert np.isnan(measure(["a", "a"], ["a", "a"], "b"))
    assert np.isnan(measures.accuracy([], []))
    assert np.isnan(measures.macro_f1([], []))
    assert np.isnan(measures.explained([], []))
    assert np.isnan(measures.calibration_error([], []))
    assert np.isnan(measures.brier(np.zeros((0, 2)), []))
    assert measures.confusion([], [], CLASSES).tolist() == [[0] * 3] * 3


def test_a_class_never_heard_of_is_refused():
    with pytest.raises(ValueError, match=r"classes: have no 'comet', only 'elliptical', 'merger', 'spiral'"):
        measures.confusion(["spiral"], ["comet"], CLASSES)
