"""What a few labels say of all objects: a ridge logistic regression that starts from the unlabelled score."""

from __future__ import annotations

import numpy as np
from scipy import optimize, sparse
from scipy.sparse.csgraph import connected_components
from scipy.spatial import KDTree
from scipy.special import expit

#: How much a standard deviation of the unlabelled score counts beside what the labels say.
PRIOR = 0.2
_FOLDS, _TWIN = 60, 0.01


def learn(numbers: np.ndarray, offset: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Fit the weights of the numbers, and last the constant, each held to zero by a ridge of one."""
    design = np.column_stack([numbers, np.ones(len(numbers))]).astype(np.float64)
    sign = np.where(wanted, 1.0, -1.0)

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        margin = sign * (offset + design @ weights)
        slope = -sign * expit(-margin)
        return float(np.logaddexp(0, -margin).sum() + weights @ weights / 2), design.T @ slope + weights

    return np.asarray(optimize.minimize(loss, np.zeros(design.shape[1]), jac=True, method="L-BFGS-B").x)


def steer(numbers: np.ndarray, sigmas: np.ndarray, labelled: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Say what speaks for each object, as the logarithm of the odds, after some were labelled as wanted or not."""
    offset = PRIOR * sigmas
    weights = learn(numbers[labelled], offset[labelled], wanted)
    return np.asarray(offset + numbers @ weights[:-1] + weights[-1])


def steer_left_out(numbers: np.ndarray, sigmas: np.ndarray, labelled: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Say the same of the labelled objects alone, each by the labels of others that are not its doubles.

    One is left out at a time where there are few, and else a part of them.
    """
    values, offset = numbers[labelled], PRIOR * sigmas[labelled]
    groups = _twins(values)
    folds = np.random.default_rng(0).permutation(groups.max() + 1) % _FOLDS if groups.max() >= 5 * _FOLDS else None
    fold = groups if folds is None else folds[groups]
    answer = np.empty(len(labelled))
    for number in np.unique(fold):
        out = fold == number
        weights = learn(values[~out], offset[~out], wanted[~out])
        answer[out] = offset[out] + values[out] @ weights[:-1] + weights[-1]
    return answer


def _twins(values: np.ndarray) -> np.ndarray:
    """Number the objects so that those that are one object, seen twice, share a number."""
    usual = float(np.median(np.linalg.norm(values - values.mean(axis=0), axis=1)))
    pairs = KDTree(values).query_pairs(_TWIN * usual, output_type="ndarray")
    links = sparse.coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(len(values), len(values)))
    return np.asarray(connected_components(links, directed=False)[1])
