"""Numbers estimated from the look-alikes of which they are known, with intervals that hold what they promise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from astrotl.index import Index
from astrotl.store import FeatureStore
from astrotl.tasks._views import views_of

KINDS = ("learned", "mean", "median", "distance", "density")

#: More directions than these hold mostly noise, and would only make the fit slower.
_DIRECTIONS = 64
_SAMPLE, _CALIBRATED = 4000, 2000
_PENALTIES = np.logspace(-5, 3, 33)
_BLOCK = 256
#: References that lie farther apart from the others than all but this fraction are no measure of what is inside.
_INSIDE = 0.99

Space = Callable[[np.ndarray], np.ndarray]


class Answers(NamedTuple):
    """What was estimated for some objects, one number an object in each field."""

    value: np.ndarray
    p16: np.ndarray
    p84: np.ndarray
    used: np.ndarray


def space_of(index: Index) -> Space:
    """Give the space in which the index looks for neighbours."""
    return _unit if index.metric == "angular" else _as_they_are


def _as_they_are(features: np.ndarray) -> np.ndarray:
    return np.asarray(features, dtype=np.float32)


def _unit(features: np.ndarray) -> np.ndarray:
    norms = np.linalg.norm(features, axis=1, keepdims=True)
    return np.asarray(features / np.where(norms == 0, 1, norms), dtype=np.float32)


def main_directions(store: FeatureStore, rows: np.ndarray) -> Space:
    """Turn each view to its main directions, and let all views have the same spread. No value of any object is used."""
    some = rows if len(rows) <= _SAMPLE else np.sort(np.random.default_rng(0).choice(rows, _SAMPLE, replace=False))
    sample = store.features(some).astype(np.float64)
    mean = sample.mean(axis=0)
    parts = []
    for view in views_of(store):
        centred = sample[:, view] - mean[view]
        scale = centred.std(axis=0)
        # A feature that is the same for all objects differs by rounding at most.
        varies = scale > 1e-6 * np.abs(mean[view])
        scale = np.where(varies, scale, 1)
        _, spread, axes = np.linalg.svd(np.where(varies, centred / scale, 0), full_matrices=False)
        total = np.sqrt((spread[:_DIRECTIONS] ** 2).sum() / len(some)) or 1
        parts.append((view, axes[:_DIRECTIONS].T * (varies / scale)[:, None] / total))
    return lambda features: np.concatenate([(features[:, view] - mean[view]) @ turn for view, turn in parts], axis=1)


@dataclass(frozen=True, eq=False)
class Pool:
    """References: where they are, their values, and what each counts."""

    places: np.ndarray
    values: np.ndarray
    weights: np.ndarray


def nearest(places: np.ndarray, queries: np.ndarray, k: int, own: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Find which k places are nearest to each query, and how far; ``own`` are the queries' own places, left out."""
    k = min(k, len(places) - (own is not None))
    squares = (places**2).sum(axis=1)
    rows = np.empty((len(queries), k), dtype=np.intp)
    distances = np.empty((len(queries), k))
    for start in range(0, len(queries), _BLOCK):
        block = slice(start, start + _BLOCK)
        apart = squares - 2 * (queries[block] @ places.T)
        if own is not None:
            apart[np.arange(len(apart)), own[block]] = np.inf
        found = np.argpartition(apart, k - 1, axis=1)[:, :k]
        exact = np.linalg.norm(places[found] - queries[block, None], axis=2)
        order = np.lexsort((found, exact), axis=1)
        rows[block] = np.take_along_axis(found, order, axis=1)
        distances[block] = np.take_along_axis(exact, order, axis=1)
    return rows, distances


class Surroundings:
    """How far the k-th reference is, and whether that is as near as references are to each other."""

    def __init__(self, places: np.ndarray, k: int) -> None:
        self.places, self.k = places, k
        self.own = nearest(places, places, k, np.arange(len(places)))[1][:, -1]
        self.reach = float(np.quantile(self.own, _INSIDE))

    def distance(self, places: np.ndarray) -> np.ndarray:
        """Measure the distance of other objects."""
        return nearest(self.places, places, self.k, None)[1][:, -1]


@dataclass(frozen=True, eq=False)
class Model:
    """What is learned from references: where alike is near, how to sum up look-alikes, and how wrong that is."""

    kind: str
    k: int
    pool: Pool
    #: The linear fit of the value, its own scale, and how much of the distance is left to all other directions.
    fit: tuple[np.ndarray, float, float] | None = None
    blend: float = 1.0
    typical: float = 0.0
    errors: tuple[float, float] = (0.0, 0.0)

    def places(self, points: np.ndarray) -> np.ndarray:
        """Bring points of the space to where nearness means the same value."""
        return points if self.fit is None else _learned_places(points, self._fitted(points), *self.fit[1:])

    def joined(self, points: np.ndarray, values: np.ndarray, weights: np.ndarray) -> Model:
        """Let more references be look-alikes, without learning from them."""
        more = (self.places(points), values, weights)
        mine = (self.pool.places, self.pool.values, self.pool.weights)
        return replace(self, pool=Pool(*(np.concatenate(pair) for pair in zip(mine, more, strict=True))))

    def answer(self, points: np.ndarray, own: np.ndarray | None = None) -> Answers:
        """Estimate the value at some points."""
        rows, distances = nearest(self.pool.places, self.places(points), self.k, own)
        value, spread = _sum_up(self.kind, self.pool.values[rows], distances, self.pool.weights[rows])
        if self.fit is not None:
            value = (1 - self.blend) * self._fitted(points) + self.blend * value
        width = _width(spread, self.typical)
        low, high = self.errors
        return Answers(value, value + low * width, value + high * width, np.full(len(rows), rows.shape[1]))

    def _fitted(self, points: np.ndarray) -> np.ndarray:
        assert self.fit is not None
        return np.asarray(points @ self.fit[0][1:] + self.fit[0][0])


def learn(kind: str, k: int, points: np.ndarray, values: np.ndarray, weights: np.ndarray) -> Model:
    """Learn from references; what is calibrated is calibrated on each as if its own value were not known."""
    if kind == "learned":
        coefficients, fitted = _ridge(points, values)
        scale = float(values.std()) or 1.0
        rest = float(min(np.mean((values - fitted) ** 2) / scale**2, 1.0))
        model = Model(
            kind, k, Pool(_learned_places(points, fitted, scale, rest), values, weights), (coefficients, scale, rest)
        )
    else:
        model, fitted = Model(kind, k, Pool(points, values, weights)), np.zeros(len(points))
    count = len(points)
    some = np.arange(count)
    if count > _CALIBRATED:
        some = np.sort(np.random.default_rng(1).choice(count, _CALIBRATED, replace=False))
    rows, distances = nearest(model.pool.places, model.pool.places[some], k, some)
    value, spread = _sum_up(kind, values[rows], distances, weights[rows])
    blend = 1.0
    if model.fit is not None:
        blend = _best_blend(values[some], fitted[some], value)
        value = (1 - blend) * fitted[some] + blend * value
    typical = float(spread.mean())
    return replace(
        model,
        blend=blend,
        typical=typical,
        errors=_percentiles((values[some] - value) / _width(spread, typical)),
    )


def _learned_places(points: np.ndarray, fitted: np.ndarray, scale: float, rest: float) -> np.ndarray:
    """Put what the fit says first; the less it explains, the more all other directions count."""
    return np.concatenate([fitted[:, None] / scale, np.sqrt(rest) * points], axis=1)


def _ridge(points: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fit a linear function with the penalty that leaves the least leave-one-out error, and give those predictions."""
    centre, mean = points.mean(axis=0), values.mean()
    left, size, right = np.linalg.svd(points - centre, full_matrices=False)
    along = left.T @ (values - mean)
    best = (np.inf, 0.0, values)
    for penalty in _PENALTIES * len(points) / 100:
        kept = size**2 / (size**2 + penalty)
        leverage = left**2 @ kept + 1 / len(points)
        left_out = (values - mean - left @ (kept * along)) / np.maximum(1 - leverage, 1e-9)
        error = float((left_out**2).mean())
        if error < best[0]:
            best = (error, penalty, values - left_out)
    slope = right.T @ (along * size / (size**2 + best[1]))
    return np.concatenate([[mean - centre @ slope], slope]), best[2]


def _best_blend(values: np.ndarray, fitted: np.ndarray, alike: np.ndarray) -> float:
    """Choose between the fit (0) and the look-alikes (1) what leaves the least error."""
    step = alike - fitted
    return float(np.clip((values - fitted) @ step / max(step @ step, 1e-300), 0, 1))


def _sum_up(kind: str, values: np.ndarray, distances: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give one value for each row of look-alikes, and how much theirs differ."""
    far = np.where(distances[:, -1:] == 0, 1, distances[:, -1:])
    if kind == "learned":
        weights = 1 - (distances / (1.1 * far)) ** 2
    elif kind == "distance":
        weights = 1 / np.maximum(distances, 1e-3 * far)
    weights = weights / weights.sum(axis=1, keepdims=True)
    mean = (weights * values).sum(axis=1)
    spread = np.sqrt((weights * (values - mean[:, None]) ** 2).sum(axis=1))
    return (np.median(values, axis=1) if kind == "median" else mean), spread


def _width(spread: np.ndarray, typical: float) -> np.ndarray:
    """Steady the spread of a few look-alikes by that of all."""
    return np.maximum((spread + typical) / 2, 1e-12)


def _percentiles(errors: np.ndarray) -> tuple[float, float]:
    """Take the 16th and 84th percentiles, with the step outwards that a new object needs."""
    share = min(0.84 * (len(errors) + 1) / len(errors), 1.0)
    low = float(np.quantile(errors, 1 - share, method="lower"))
    high = float(np.quantile(errors, share, method="higher"))
    return min(low, 0.0), max(high, 0.0)


def rarity(plane: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Weigh each point of the plane of the values by one over the density of the known ones there."""
    scale = known.std(axis=0)
    scale[scale == 0] = 1
    if len(known) > _CALIBRATED:
        known = known[np.sort(np.random.default_rng(2).choice(len(known), _CALIBRATED, replace=False))]
    # Scott's rule for the width of the kernels.
    width = scale * len(known) ** (-1 / (4 + known.shape[1]))
    density = np.empty(len(plane))
    for start in range(0, len(plane), _BLOCK):
        block = slice(start, start + _BLOCK)
        apart = (plane[block, None] / width - known / width) ** 2
        density[block] = np.exp(-apart.sum(axis=2) / 2).mean(axis=1)
    return 1 / np.maximum(density, 1 / (2 * len(known)))
