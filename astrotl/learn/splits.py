"""Parts the labelled objects into those to learn from and those to test with, the same way for everybody."""

from __future__ import annotations

import numpy as np

from astrotl.learn.targets import Target

__all__ = ["fraction_of", "part"]

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
    wanted = np.maximum(1, np.round(share * np.bincount(strata))).astype(int)
    chosen = _drawn(target, wanted, seed)
    if chosen.all() or len(np.unique(strata[~chosen])) < len(wanted):
        raise ValueError(
            f"groups: they tie the {len(target)} labelled objects so tightly that some class of {target.column!r} "
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
    """
    if not 0 < fraction <= 1:
        raise ValueError(f"fraction: must be above 0 and at most 1, got {fraction}")
    if fraction == 1:
        return among
    some = target.select(among)
    wanted = np.maximum(1, np.round(fraction * np.bincount(_strata(some)))).astype(int)
    return among[_drawn(some, wanted, seed)]


def _strata(target: Target) -> np.ndarray:
    """Give each object the number of its class, or that of the fifth of the range in which its number stands."""
    if target.classes:
        return np.unique(target.values, return_inverse=True)[1]
    bins = max(1, min(_BINS, len(target) // 4))
    ranks = np.argsort(np.argsort(target.values, kind="stable"), kind="stable")
    return ranks * bins // len(target)


def _drawn(some: Target, wanted: np.ndarray, seed: int) -> np.ndarray:
    """Draw objects, or whole groups of them, until each stratum has what it wants."""
    strata = _strata(some)
    rng = np.random.default_rng(seed)
    if some.groups is not None:
        return _drawn_groups(strata, np.unique(some.groups, return_inverse=True)[1], wanted, rng)
    order = rng.permutation(len(some))
    order = order[np.argsort(strata[order], kind="stable")]
    starts = np.concatenate([[0], np.cumsum(np.bincount(strata))[:-1]])
    chosen = np.zeros(len(some), dtype=bool)
    chosen[order] = np.arange(len(some)) - starts[strata[order]] < wanted[strata[order]]
    return chosen


def _drawn_groups(strata: np.ndarray, groups: np.ndarray, wanted: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw whole groups: the first of a stratum in any case, others where they do not overfill one."""
    members = np.argsort(groups, kind="stable")
    starts = np.searchsorted(groups[members], np.arange(groups.max() + 2))
    chosen = np.zeros(len(strata), dtype=bool)
    left = wanted.copy()
    for group in rng.permutation(groups.max() + 1):
        own = members[starts[group] : starts[group + 1]]
        counts = np.bincount(strata[own], minlength=len(wanted))
        room = np.where(left == wanted, np.maximum(left, counts), left)
        if (left[counts > 0] > 0).all() and (counts <= room).all():
            chosen[own] = True
            left -= counts
    return chosen
