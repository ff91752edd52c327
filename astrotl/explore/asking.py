"""What to ask next: the object from whose answer most is gained, counting what it leads to."""

from __future__ import annotations

import numpy as np
from scipy.cluster.vq import kmeans2
from scipy.special import expit

from astrotl.explore.ranking import Judged

__all__ = ["FIRST", "best_to_ask", "first_to_ask"]

#: The first questions are one from the middle of each of so many groups, the largest group first.
FIRST, _SAMPLE = 5, 4000
#: Of so many of the best ranked objects it is asked what they would lead to: the best so many after the answer, ...
_CANDIDATES, _AHEAD = 30, 5
#: ... which are sought among so many.
_POOL = 1000


def first_to_ask(numbers: np.ndarray) -> np.ndarray:
    """Choose objects that are unlike each other and like many others, before anything is judged."""
    rng = np.random.default_rng(0)
    some = np.sort(rng.choice(len(numbers), min(_SAMPLE, len(numbers)), replace=False))
    values = numbers[some].astype(np.float64)
    groups = min(FIRST, len(np.unique(values, axis=0)))
    middles, group = kmeans2(values, groups, minit="++", seed=rng, iter=20)
    sizes = np.bincount(group, minlength=len(middles))
    apart = ((values[:, None] - middles) ** 2).sum(axis=-1)
    return some[[int(apart[:, one].argmin()) for one in np.argsort(-sizes, kind="stable") if sizes[one]]]


def best_to_ask(judged: Judged, count: int = 1) -> np.ndarray:
    """Choose the objects from whose answers most is gained.

    What is gained by an object is its own chance of being of interest, and the sum of the chances of the five that
    would be the best after its answer, for yes and for no as probable as they are.
    """
    # What stands far down will neither be asked next nor be among the best after one more answer.
    pool = judged.open[np.argsort(-judged.odds[judged.open], kind="stable")][:_POOL]
    numbers, odds, unsure = judged.numbers[pool].astype(np.float64), judged.odds[pool], judged.unsure[pool]
    chance = expit(odds / np.sqrt(1 + np.pi * unsure / 8))
    gains = np.array(
        [
            chance[one] + _after(numbers, odds, unsure, judged.spread, one, chance[one])
            for one in range(min(max(_CANDIDATES, count), len(pool)))
        ]
    )
    return pool[np.argsort(-gains, kind="stable")[:count]]


def _after(
    numbers: np.ndarray, odds: np.ndarray, unsure: np.ndarray, spread: np.ndarray, asked: int, chance: float
) -> float:
    """Sum the best chances after one answer, by one step of Newton's from the fit before it."""
    shared = numbers @ (spread @ numbers[asked])
    sure = expit(odds[asked])
    firm = 1 + sure * (1 - sure) * unsure[asked]
    left = np.maximum(unsure - shared**2 * sure * (1 - sure) / firm, 0)
    total = 0.0
    for answer, probable in ((1.0, chance), (0.0, 1 - chance)):
        then = expit((odds + shared * (answer - sure) / firm) / np.sqrt(1 + np.pi * left / 8))
        then[asked] = 0
        best = np.partition(then, -_AHEAD)[-_AHEAD:] if len(then) > _AHEAD else then
        total += probable * float(best.sum())
    return total
