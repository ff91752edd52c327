"""A fair split: every class on both sides, the same for everybody, and what belongs together stays together."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from astrotl.learn import Target, fraction_of, part


def of_classes(values, groups=None):
    values = np.asarray(values)
    names = tuple(f"c{number}" for number in range(values.max() + 1))
    return Target("kind", np.arange(len(values)), values, names, groups)


def of_numbers(values, groups=None):
    return Target("mass", np.arange(len(values)), np.asarray(values, dtype=float), (), groups)


members = st.lists(st.integers(2, 30), min_size=2, max_size=6)
shares = st.floats(0.01, 0.99)
seeds = st.integers(0, 2**32 - 1)


@given(members, shares, seeds)
def test_every_class_is_on_both_sides_with_its_share(counts, share, seed):
    target = of_classes(np.repeat(np.arange(len(counts)), counts))
    learn, test = part(target, share, seed)
    assert sorted([*learn, *test]) == list(range(len(target)))
    tested = np.bincount(target.values[test], minlength=len(counts))
    assert (tested >= 1).all()
    assert (tested < counts).all()
    np.testing.assert_allclose(tested, share * np.array(counts), atol=1)


@given(st.integers(4, 200), shares, seeds)
def test_numbers_are_parted_evenly_along_their_range(count, share, seed):
    target = of_numbers(np.random.default_rng(seed).normal(size=count))
    learn, test = part(target, share, seed)
    assert sorted([*learn, *test]) == list(range(count))
    fifths = np.array_split(np.argsort(target.values), 5) if count >= 20 else [np.arange(count)]
    for fifth in fifths:
        assert abs(np.isin(fifth, test).sum() - share * len(fifth)) <= (2 if count >= 20 else 5)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 5)), min_size=2, max_size=40), shares, seeds, st.booleans())
def test_groups_are_never_parted(given_groups, share, seed, alike):
    """Each group has one class, or its members take turns."""
    groups = np.repeat(np.arange(len(given_groups)), [size for _, size in given_groups])
    values = np.repeat([kind for kind, _ in given_groups], [size for _, size in given_groups])
    if not alike:
        values = (values + np.arange(len(values))) % 3
    target = of_classes(np.unique(values, return_inverse=True)[1], groups)
    try:
        learn, test = part(target, share, seed)
    except ValueError as error:
        assert "groups: they tie the" in str(error)  # noqa: PT017
        return
    assert not set(groups[learn]) & set(groups[test])
    assert set(target.values[learn]) == set(target.values[test]) == set(target.values)
    kept = fraction_of(target, learn, 0.5, seed)
    assert set(kept) <= set(learn)
    assert set(target.values[kept]) == set(target.values)
    assert not set(groups[kept]) & set(groups[np.setdiff1d(learn, kept)])


def test_a_group_as_large_as_a_class_does_not_swallow_the_test():
    values = np.repeat([0, 1], [100, 100])
    groups = np.concatenate([np.zeros(60), np.arange(1, 41), np.arange(41, 141)]).astype(int)
    for seed in range(20):
        test = part(of_classes(values, groups), 0.25, seed)[1]
        assert np.bincount(values[test]).tolist() == [25, 25]


def test_groups_that_hold_a_class_whole_are_refused():
    with pytest.raises(
        ValueError, match="groups: they tie the 8 labelled objects so tightly that some class of 'kind'"
    ):
        part(of_classes([0, 0, 0, 0, 1, 1, 1, 1], np.array([0, 1, 2, 3, 4, 4, 4, 4])), 0.25)
    with pytest.raises(ValueError, match="some range of values of 'mass' would stand on one side only"):
        part(of_numbers(np.arange(8), np.zeros(8, dtype=int)), 0.25)


@given(members, seeds, st.floats(0.01, 1), st.floats(0.01, 1))
def test_the_smaller_fraction_lies_within_the_larger(counts, seed, one, other):
    target = of_classes(np.repeat(np.arange(len(counts)), counts))
    learn, _ = part(target, 0.3, seed)
    small, large = (fraction_of(target, learn, fraction, seed) for fraction in sorted([one, other]))
    assert set(small) <= set(large) <= set(learn)
    assert set(target.values[small]) == set(range(len(counts)))
    assert (np.diff(small) > 0).all()


def test_a_seed_is_a_split_and_another_seed_another():
    target = of_classes(np.arange(60) % 3)
    one, again, other = part(target, 0.25, 1), part(target, 0.25, 1), part(target, 0.25, 2)
    np.testing.assert_array_equal(one[1], again[1])
    assert set(one[1]) != set(other[1])


@pytest.mark.parametrize("share", [0, 1, -0.1, 1.5])
def test_a_share_that_leaves_a_side_empty_is_refused(share):
    with pytest.raises(ValueError, match="share: must lie between 0 and 1, got"):
        part(of_classes([0, 0, 1, 1]), share)


@pytest.mark.parametrize("fraction", [0, -1, 1.1])
def test_a_fraction_is_above_nothing_and_at_most_all(fraction):
    with pytest.raises(ValueError, match="fraction: must be above 0 and at most 1, got"):
        fraction_of(of_classes([0, 0, 1, 1]), np.arange(4), fraction)
