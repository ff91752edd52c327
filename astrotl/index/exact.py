"""The exact index: every distance, by matrix products in blocks; the others are held against it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, ClassVar, Self

import numpy as np

from astrotl.index.base import Index, validate_metric
from astrotl.store import FeatureStore

__all__ = ["ExactIndex"]

_BLOCK = 8192


class ExactIndex(Index):
    """Searches a store exactly, reading it once for each call.

    Examples
    --------
    >>> from astrotl import ExactIndex, FeatureStore
    >>> store = FeatureStore.open_or_create("exact.h5", ["a", "b", "c"], 2, {})
    >>> store.write([0, 1, 2], [[0, 1], [0, 2], [3, 0]])
    >>> rows, distances = ExactIndex.build(store, metric="euclidean").query([[0, 1]], k=2)
    >>> rows.tolist(), distances.tolist()
    ([[0, 1]], [[0.0, 1.0]])
    """

    kind: ClassVar[str] = "exact"

    def __init__(self, store: FeatureStore, metric: str) -> None:
        self.store = store
        self.metric = validate_metric(metric)
        self._rows = store.done()

    @classmethod
    def build(
        cls,
        store: FeatureStore,
        path: str | os.PathLike[str] | None = None,
        *,
        metric: str = "angular",
        **settings: Any,
    ) -> Self:
        """Make the index; there is nothing to build and nothing to write."""
        if path is not None or settings:
            raise ValueError("path: an exact index is not kept in a file and has no settings")
        return cls(store, metric)

    def _query(self, vectors: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        queries = _unit(vectors) if self.metric == "angular" else vectors
        best = np.full((len(queries), 0), np.inf)
        rows = np.zeros((len(queries), 0), dtype=np.intp)
        for numbers, features in self._blocks():
            squares = _squared_distances(queries, _unit(features) if self.metric == "angular" else features)
            best = np.concatenate([best, squares], axis=1)
            rows = np.concatenate([rows, np.broadcast_to(numbers, squares.shape)], axis=1)
            if best.shape[1] > k:
                keep = np.argpartition(best, k - 1, axis=1)[:, :k]
                best, rows = np.take_along_axis(best, keep, axis=1), np.take_along_axis(rows, keep, axis=1)
        order = np.lexsort((rows, best), axis=1)
        best, rows = np.take_along_axis(best, order, axis=1), np.take_along_axis(rows, order, axis=1)
        return rows, np.sqrt(best).astype(np.float32)

    def _blocks(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for start in range(0, len(self._rows), _BLOCK):
            numbers = self._rows[start : start + _BLOCK]
            yield numbers, self.store.features(numbers)


def _unit(vectors: np.ndarray) -> np.ndarray:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(norms == 0, 1, norms)


def _squared_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Take ``|a|^2 + |b|^2 - 2ab`` in double precision, for it cancels where a and b are close."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    squares = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1) - 2 * (a @ b.T)
    return np.maximum(squares, 0, out=squares)
