"""Parts the labelled objects into those to learn from and those to test with, the same way for everybody."""

from __future__ import annotations

import numpy as np

from astrotl.learn.targets import Target

__all__ = ["check_test", "fraction_of", "part"]

_BINS = 5


def part(target: Target, share: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Part the objects in two, the second with this share of every class and at least one member of each.

    Numbers are parted evenly along their range. Objects of one group stay together.

    Parameters
    ----------
    target : `~astrotl.learn.Target`
        The objects.
    share : float
        The share of the second part, between 0 and 1.
    seed : int, optional
        The same seed parts the same objects in the same way.

    Returns
    -------
    first, second : `~numpy.ndarray`
        The positions of the objects in the target, rising.

    Examples
    --------
    >>> import numpy as np
    >>> from astrotl.learn import Target, part
    >>> target = Target("kind", np.arange(8), np.array([0, 0, 0, 0, 1, 1, 1, 1]), ("agn", "star"))
    >>> learn, test = part(target, 0.25, seed=1)
    >>> target.values[test].tolist()
    [0, 1]
    """
    if not 0 < share < 1:
        raise ValueError(f"share: must lie between 0 and 1, got {share}")
    strata = _strata(target)
    counts = np.bincount(strata)
    # The first part, too, needs one of each.
    wanted = np.clip(np.round(share * counts), 1, counts - 1).astype(int)
    chosen = _drawn(target, strata, wanted, counts - 1, seed)
    if target.groups is None and counts.min() < 2:
        raise ValueError(f"target: each class of {target.column!r} needs two members, one for each part")
    if min(len(np.unique(strata[side])) for side in (chosen, ~chosen)) < len(counts):
        what = "class" if target.classes else "range of values"
        raise ValueError(
            f"groups: they tie the {len(target):,} labelled objects so tightly that some {what} of {target.column!r} "
            "would stand on one side only"
        )
    return np.flatnonzero(~chosen), np.flatnonzero(chosen)


def fraction_of(target: Target, among: np.ndarray, fraction: float, seed: int = 0) -> np.ndarray:
    """Keep a fraction of some objects, at least one of each class.

    Without groups the smaller of two fractions lies within the larger one.

    Parameters
    ----------
    target : `~astrotl.learn.Target`
        All objects.
    among : `~numpy.ndarray`
        The positions to choose from.
    fraction : float
        How many of them, above 0 and up to 1.
    seed : int, optional
        The seed of the draw.

    Examples
    --------
    >>> import numpy as np
    >>> from astrotl.learn import Target, fraction_of, part
    >>> target = Target("mass", np.arange(40), np.linspace(9, 12, 40))
    >>> learn, test = part(target, 0.25)
    >>> len(fraction_of(target, learn, 1.0)), len(fraction_of(target, learn, 0.2))
    (30, 5)
    """
    if not 0 < fraction <= 1:
        raise ValueError(f"fraction: must be above 0 and at most 1, got {fraction}")
    if fraction == 1:
        return among
    some = target.select(among)
    strata = _strata(some)
    counts = np.bincount(strata)
    wanted = np.maximum(1, np.round(fraction * counts)).astype(int)
    return among[_drawn(some, strata, wanted, counts, seed)]


def check_test(test: float) -> None:
    """Refuse a share for the test that leaves one side empty."""
    if not 0 < test < 1:
        raise ValueError(f"test: must lie between 0 and 1, got {test}")


def _strata(target: Target) -> np.ndarray:
    """Give each object the number of its class, or that of the fifth of the range in which its number stands."""
    if target.classes:
        return np.unique(target.values, return_inverse=True)[1]
    bins = max(1, min(_BINS, len(target) // 4))
    ranks = np.argsort(np.argsort(target.values, kind="stable"), kind="stable")
    return ranks * bins // len(target)


def _drawn(target: Target, strata: np.ndarray, wanted: np.ndarray, most: np.ndarray, seed: int) -> np.ndarray:
    """Draw objects, or whole groups of them, until each stratum has what it wants."""
    rng = np.random.default_rng(seed)
    if target.groups is not None:
        return _drawn_groups(strata, np.unique(target.groups, return_inverse=True)[1], wanted, most, rng)
    order = rng.permutation(len(target))
    order = order[np.argsort(strata[order], kind="stable")]
    starts = np.concatenate([[0], np.cumsum(np.bincount(strata))[:-1]])
    chosen = np.zeros(len(target), dtype=bool)
    chosen[order] = np.arange(len(target)) - starts[strata[order]] < wanted[strata[order]]
    return chosen


def _drawn_groups(
    strata: np.ndarray, groups: np.ndarray, wanted: np.ndarray, most: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Draw whole groups that overfill no stratum; one that would stay empty gets its smallest group all the same."""
    counts = np.zeros((groups.max() + 1, len(wanted)), dtype=int)
    np.add.at(counts, (groups, strata), 1)
    order = rng.permutation(len(counts))
    taken = np.zeros(len(counts), dtype=bool)
    filled = np.zeros(len(wanted), dtype=int)
    for group in order:
        if (filled + counts[group] <= wanted).all():
            taken[group] = True
            filled += counts[group]
    for stratum in range(len(wanted)):
        able = order[~taken[order] & (counts[order, stratum] > 0) & (filled + counts[order] <= most).all(axis=1)]
        if not filled[stratum] and len(able):
            group = able[np.argmin(counts[able].sum(axis=1))]
            taken[group] = True
            filled += counts[group]
    chosen: np.ndarray = taken[groups]
    return chosen
