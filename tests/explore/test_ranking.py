"""What judgements make of the ranking, what is asked next, and what is expected of the next hundred."""

import numpy as np
import pytest

from astrotl import ExactIndex, FeatureStore
from astrotl.explore.asking import best_to_ask, first_to_ask
from astrotl.explore.ranking import Judged, design


def clumps(path, counts, dim=6, seed=0):
    """Make groups of objects that lie apart; each object's group is given too."""
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(len(counts)), counts)
    vectors = rng.normal(8 * np.eye(dim)[group] + 3, 1.0)
    store = FeatureStore.open_or_create(path, [f"o{n}" for n in range(len(group))], dim, {})
    store.write(range(len(group)), vectors)
    return ExactIndex.build(store, metric="euclidean"), group


@pytest.fixture
def made(tmp_path):
    index, group = clumps(tmp_path / "clumps.h5", (300, 60, 40))
    return *design(index, None), group


def test_look_alikes_of_what_is_wanted_rise_and_others_sink(made):
    numbers, offset, group = made
    judged = Judged(numbers, offset, np.array([300, 301, 360, 361, 0]), np.array([1, 1, 0, 0, 0]) > 0)
    rank = np.argsort(np.argsort(-judged.order()))
    assert np.median(rank[group == 1]) < 40
    assert rank[group == 1].mean() < rank[group == 0].mean()
    assert rank[group == 1].mean() < rank[group == 2].mean()
    assert rank[[300, 301]].max() == 1
    assert sorted(rank[[360, 361, 0]]) == [397, 398, 399]


def test_judgements_of_one_kind_are_enough_to_begin(made):
    numbers, offset, group = made
    judged = Judged(numbers, offset, np.array([300]), np.array([True]))
    assert judged.odds[group == 1].mean() > judged.odds[group != 1].mean()
    assert judged.expected() is None


def test_the_score_of_results_counts_until_there_are_judgements(tmp_path):
    index, _ = clumps(tmp_path / "one.h5", (200,))
    score = np.random.default_rng(1).random(200)
    numbers, offset = design(index, score)
    judged = Judged(numbers, offset, np.empty(0, dtype=int), np.empty(0, dtype=bool))
    assert np.corrcoef(judged.odds, score)[0, 1] > 0.9
    # Judgements that say the opposite turn it around.
    order = np.argsort(score)
    places = np.concatenate([order[:15], order[-15:]])
    turned = Judged(numbers, offset, places, np.arange(30) < 15)
    assert np.corrcoef(turned.odds, score)[0, 1] < 0


def test_left_out_odds_are_those_of_a_fit_without_the_object(made):
    numbers, offset, _ = made
    places, wanted = np.arange(280, 320), np.arange(280, 320) >= 300
    left = Judged(numbers, offset, places, wanted).left_out()
    for one in (0, 19, 20, 39):
        others = np.delete(np.arange(40), one)
        honest = Judged(numbers, offset, places[others], wanted[others]).odds[places[one]]
        assert left[one] == pytest.approx(honest, abs=0.1 * np.ptp(left))


def test_as_many_are_real_as_is_expected(tmp_path):
    """Over many ways to judge, what is expected is right on average, and the range holds the truth as it says."""
    index, group = clumps(tmp_path / "mixed.h5", (1500, 400), dim=4)
    numbers, offset = design(index, None)
    rng = np.random.default_rng(0)
    # A third of the rare group and a few of the others are of interest: no ranking can be sure.
    wanted = rng.random(1900) < np.where(group == 1, 0.35, 0.03)
    expected, real, held = [], [], []
    for seed in range(40):
        places = np.random.default_rng(seed).choice(1900, 60, replace=False)
        judged = Judged(numbers, offset, places, wanted[places])
        told = judged.expected()
        if told is None:
            continue
        following = judged.open[np.argsort(-judged.odds[judged.open], kind="stable")][:100]
        expected.append(told.count)
        real.append(wanted[following].sum())
        held.append(told.low <= real[-1] <= told.high)
    assert len(real) > 20
    assert np.mean(expected) == pytest.approx(np.mean(real), rel=0.25)
    assert np.mean(held) > 0.75


def test_nothing_is_expected_of_too_few_judgements(made):
    numbers, offset, _ = made
    assert Judged(numbers, offset, np.arange(10), np.arange(10) < 2).expected() is None
    assert Judged(numbers, offset, np.arange(10), np.arange(10) < 3).expected().of == 100


def test_the_first_questions_are_one_of_each_kind(made):
    numbers, _, group = made
    asked = first_to_ask(numbers)
    assert group[asked[0]] == 0
    assert set(group[asked]) == {0, 1, 2}
    assert len(set(asked.tolist())) == len(asked) <= 5


def test_what_is_asked_finds_the_rare_ones(made):
    numbers, offset, group = made
    seen = first_to_ask(numbers).tolist()
    for _ in range(15):
        seen.append(int(best_to_ask(Judged(numbers, offset, np.array(seen), group[seen] == 2))[0]))
    assert len(set(seen)) == len(seen)
    assert (group[seen[5:]] == 2).mean() > 0.8


def test_everything_may_be_judged(made):
    numbers, offset, group = made
    judged = Judged(numbers, offset, np.arange(400), group == 1)
    assert len(best_to_ask(judged)) == 0
    assert judged.expected() is None


def test_objects_all_alike_do_no_harm(tmp_path):
    store = FeatureStore.open_or_create(tmp_path / "same.h5", ["a", "b", "c", "d"], 3, {})
    store.write(range(4), np.ones((4, 3)))
    numbers, offset = design(ExactIndex.build(store), None)
    assert len(first_to_ask(numbers)) >= 1
    assert np.isfinite(Judged(numbers, offset, np.array([0]), np.array([True])).chances()).all()
