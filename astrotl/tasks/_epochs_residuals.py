"""How far the epochs of an object lie from its stack, against how far epochs of that object usually do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from astrotl.store import FeatureStore

_SAMPLE, _BLOCK = 8000, 8192
#: Views with more features than this are a network's, which have one scale; fewer are numbers of many kinds.
_ONE_KIND = 100
_DIMS = 32
#: Quantiles of the absolute deviations that tell a scale, each with that of a Gaussian of unit width.
_HALF, _MOST, _ALMOST_ALL = (0.5, 0.67449), (0.8, 1.28155), (0.9, 1.64485)
#: How many epochs of its own an object needs to count as much as the whole sample does for it.
_PRIOR_SCALE, _PRIOR_OFFSET = 10.0, 2.0
#: What lies farther out than so many medians tells no more of the directions of the scatter than what lies there.
_PULL = 1.3
_NEGLIGIBLE, _LEAST = 1e-4, np.log(0.3)


@dataclass(frozen=True, eq=False)
class Series:
    """The rows of one object: its epochs in the store, and its stack, -1 if it has none with features."""

    name: str
    rows: np.ndarray
    stack: int


def distances(store: FeatureStore, objects: Sequence[Series], views: Sequence[slice]) -> np.ndarray:
    """Measure how far each epoch lies from its object's stack in each view, ``(epoch, view)``, in bounded memory.

    The epochs are those of the objects, one object after the other. Damaged ones are among those that tell how epochs
    usually scatter, so every scatter is a robust one. Leaving out what a first round flags makes it worse: where the
    scatter has long tails, each round flags more of them.
    """
    order = np.random.default_rng(0).permutation(len(objects))
    sizes = np.cumsum([len(objects[number].rows) for number in order])
    chosen = np.sort(order[: max(1, int(np.searchsorted(sizes, _SAMPLE)))])
    sample = list(_residuals(store, [objects[number] for number in chosen]))
    fitted = [_View.fit([residuals[:, view] for residuals in sample]) for view in views]
    every = (residuals for some in _chunks(objects) for residuals in _residuals(store, some))
    parts = [
        np.stack([view.distances(residuals[:, at]) for view, at in zip(fitted, views, strict=True)], axis=1)
        for residuals in every
    ]
    return np.concatenate(parts)


def usual(values: np.ndarray, objects: Sequence[Series]) -> tuple[np.ndarray, np.ndarray]:
    """Give for each epoch the median and the scatter of its object's values, shrunk to those of all objects."""
    counts = np.array([len(one.rows) for one in objects])
    own = np.split(values, np.cumsum(counts)[:-1])
    medians = np.array([np.median(part) for part in own])
    widths = np.array([1.4826 * np.median(np.abs(part - np.median(part))) for part in own])
    # The scatter of a few epochs says nothing, unless there are no others.
    telling = counts >= min(5, counts.max())
    middle, width = np.median(medians[telling]), max(np.median(widths[telling]), 1e-12)
    medians = _shrunk(medians, middle, counts)
    widths = np.exp(_shrunk(np.log(np.maximum(widths, 0.1 * width)), np.log(width), counts))
    return np.repeat(medians, counts), np.repeat(widths, counts)


@dataclass(frozen=True, eq=False)
class _View:
    """What epochs usually scatter like in one view: in its features, then along its main directions."""

    offset: np.ndarray
    scale: np.ndarray
    axes: np.ndarray
    spread: np.ndarray

    @classmethod
    def fit(cls, residuals: Sequence[np.ndarray]) -> _View:
        offset = np.median([np.median(part, axis=0) for part in residuals], axis=0)
        centred = [_centred(part, offset) for part in residuals]
        if len(offset) > _ONE_KIND:
            scale = np.array([np.median([np.median(np.linalg.norm(part, axis=1)) for part in centred])])
        else:
            scale = np.median([_scale(part, _ALMOST_ALL) for part in centred], axis=0)
            # What is constant but for rounding, or stays the same and now and then makes a step, has no scale.
            steps = np.abs(np.concatenate([part - np.median(part, axis=0) for part in residuals]))
            scale[np.median(steps, axis=0) <= _NEGLIGIBLE * scale.max()] = 0
        standard = [_standard(part, scale) for part in centred]
        axes = _directions(np.concatenate(standard))
        return cls(offset, scale, axes, np.median([_scale(part @ axes, _MOST) for part in standard], axis=0))

    def distances(self, residuals: np.ndarray) -> np.ndarray:
        along = _standard(_centred(residuals, self.offset), self.scale) @ self.axes
        return np.sqrt((_divide(along, _own_scale(along, self.spread, _MOST)) ** 2).mean(axis=1))


def _standard(centred: np.ndarray, scale: np.ndarray) -> np.ndarray:
    if centred.shape[1] > _ONE_KIND:
        length = np.median(np.linalg.norm(centred, axis=1))
        return _divide(centred, _shrunk(length, scale[0], len(centred)))
    return _divide(centred, _own_scale(centred, scale, _ALMOST_ALL))


def _directions(standard: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(standard, axis=1, keepdims=True)
    pulled = standard * np.minimum(1, _divide(_PULL * np.median(lengths), lengths))
    values, axes = np.linalg.eigh(pulled.T @ pulled)
    keep = min(_DIMS, max(1, int((values > 1e-6 * values[-1]).sum())))
    return np.ascontiguousarray(axes[:, ::-1][:, :keep])


def _residuals(store: FeatureStore, objects: Sequence[Series]) -> Iterator[np.ndarray]:
    """Yield for each object its epochs' features less its stack's, or less their median where it has no stack."""
    rows = np.concatenate([np.append(one.rows, one.stack if one.stack >= 0 else one.rows[0]) for one in objects])
    features = store.features(rows).astype(np.float64)
    start = 0
    for one in objects:
        end = start + len(one.rows)
        own = features[start:end]
        yield own - (features[end] if one.stack >= 0 else np.median(own, axis=0))
        start = end + 1


def _chunks(objects: Sequence[Series]) -> Iterator[list[Series]]:
    """Split the objects into runs of about a block of rows."""
    some: list[Series] = []
    count = 0
    for one in objects:
        some.append(one)
        count += len(one.rows)
        if count >= _BLOCK:
            yield some
            some, count = [], 0
    if some:
        yield some


def _centred(residuals: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """Take off what all epochs of the object have in common: one image is noisier than its stack."""
    # Of one or two epochs none can be told to be the odd one.
    count = max(len(residuals) - 2, 0)
    weight = count / (count + _PRIOR_OFFSET)
    return residuals - (weight * np.median(residuals, axis=0) + (1 - weight) * offset)


def _own_scale(centred: np.ndarray, typical: np.ndarray, quantile: tuple[float, float]) -> np.ndarray:
    """Measure an object's own scatter in each column, shrunk to the typical one times the object's level."""
    scale = np.zeros_like(typical)
    known = typical > 0
    if not known.any():
        return scale
    expected = np.log(typical[known])
    own = np.maximum(np.log(np.maximum(_scale(centred[:, known], quantile), 1e-300)), expected - 7)
    expected += _shrunk(np.median(own - expected), 0.0, len(centred))
    # A number that comes in steps may stay the same for one object, until it makes a step.
    scale[known] = np.exp(_shrunk(np.maximum(own, expected + _LEAST), expected, len(centred)))
    return scale


def _scale(centred: np.ndarray, quantile: tuple[float, float]) -> np.ndarray:
    """Measure a scatter by half of the deviations, or by more of them where they have long tails."""
    away = np.abs(centred)
    return np.max([np.quantile(away, share, axis=0) / unit for share, unit in (_HALF, quantile)], axis=0)


def _shrunk(own: np.ndarray | float, of_all: np.ndarray | float, count: np.ndarray | int) -> np.ndarray:
    weight = np.asarray(count / (np.asarray(count) + _PRIOR_SCALE))
    return np.asarray(weight * own + (1 - weight) * of_all)


def _divide(top: np.ndarray, bottom: np.ndarray) -> np.ndarray:
    shape = np.broadcast_shapes(np.shape(top), np.shape(bottom))
    return np.divide(top, bottom, out=np.zeros(shape), where=np.broadcast_to(bottom, shape) > 0)
