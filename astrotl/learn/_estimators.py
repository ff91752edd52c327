"""Parts of heads that scikit-learn has not in the form needed here; imported only when a head is made."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, TransformerMixin, clone

__all__ = ["Calibrated", "MainDirections", "shortened"]

_FOLDS = 3


def shortened(features: np.ndarray) -> np.ndarray:
    """Scale vectors of unit spread by their number of entries, so that one penalty suits many features and few."""
    return np.asarray(features / np.sqrt(features.shape[1]))


class MainDirections(TransformerMixin, BaseEstimator):
    """Turns features to their main directions, each with unit spread.

    Unlike a plain principal component analysis it keeps a fair number of directions where a few features are far larger
    than all others, and takes samples of any size.
    """

    def __init__(self, share: float = 0.95, least: int = 32) -> None:
        self.share = share
        self.least = least

    def fit(self, features: np.ndarray, values: object = None) -> MainDirections:
        """Find the directions that hold this share of the spread."""
        self.centre_ = features.mean(axis=0, dtype=np.float64)
        away = features - self.centre_
        if len(away) < away.shape[1]:
            spread, along = np.linalg.eigh(away @ away.T)
            directions = away.T @ along
            directions /= np.linalg.norm(directions, axis=0) + 1e-300
        else:
            spread, directions = np.linalg.eigh(away.T @ away)
        spread, directions = spread[::-1], directions[:, ::-1]
        # Beyond these there is nothing but rounding, which must not be blown up to unit spread.
        some = max(int(np.sum(spread > 1e-12 * max(spread[0], 1e-300))), 1)
        enough = int(np.searchsorted(spread.cumsum(), self.share * spread.sum())) + 1
        kept = min(max(enough, self.least), some)
        size = np.sqrt(np.maximum(spread[:kept], 1e-300) / max(len(away) - 1, 1))
        self.directions_ = (directions[:, :kept] / size).astype(np.float32)
        return self

    def transform(self, features: np.ndarray) -> np.ndarray:
        """Turn features to these directions."""
        return np.asarray((features - self.centre_).astype(np.float32) @ self.directions_)


class Calibrated(MetaEstimatorMixin, ClassifierMixin, BaseEstimator):
    """Makes probabilities out of the margins of a classifier that has none.

    One number, how steeply probability follows the margin, is fitted to objects that were kept away in turn. It needs
    no more than two objects of one class, and where there are none, leaves the margins as they are.
    """

    def __init__(self, estimator: BaseEstimator, seed: int = 0) -> None:
        self.estimator = estimator
        self.seed = seed

    def fit(self, features: np.ndarray, values: np.ndarray) -> Calibrated:
        """Fit the classifier, and the steepness."""
        self.classes_ = np.unique(values)
        fold_of = _folds(values, self.seed)
        margins, truth = [], []
        for fold in range(_FOLDS):
            kept_away = fold_of == fold
            if kept_away.any():
                made = clone(self.estimator).fit(features[~kept_away], values[~kept_away])
                margins.append(_margins(made, features[kept_away]))
                truth.append(np.searchsorted(self.classes_, values[kept_away]))
        self.steepness_ = _steepness(np.concatenate(margins), np.concatenate(truth)) if margins else 1.0
        self.estimator_ = clone(self.estimator).fit(features, values)
        return self

    def predict_proba(self, features: np.ndarray) -> np.ndarray:
        """Give a probability for each class."""
        return np.asarray(softmax(self.steepness_ * _margins(self.estimator_, features), axis=1))

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Give the most probable class."""
        return np.asarray(self.classes_[self.predict_proba(features).argmax(axis=1)])


def _folds(values: np.ndarray, seed: int) -> np.ndarray:
    """Deal the members of each class to the folds; a class's only member is never kept away."""
    fold_of = np.full(len(values), -1)
    rng = np.random.default_rng(seed)
    for name in np.unique(values):
        members = rng.permutation(np.flatnonzero(values == name))
        if len(members) > 1:
            fold_of[members] = np.arange(len(members)) % _FOLDS
    return fold_of


def _margins(made: BaseEstimator, features: np.ndarray) -> np.ndarray:
    margin = np.asarray(made.decision_function(features), dtype=np.float64)
    return np.stack([-margin / 2, margin / 2], axis=1) if margin.ndim == 1 else margin


def _steepness(margins: np.ndarray, truth: np.ndarray) -> float:
    def surprise(log_steepness: float) -> float:
        said = log_softmax(np.exp(log_steepness) * margins, axis=1)
        return -float(said[np.arange(len(truth)), truth].sum())

    return float(np.exp(minimize_scalar(surprise, bounds=(-4, 4), method="bounded").x))
