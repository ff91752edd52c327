"""Every distance, by matrix products in blocks: the truth that every index is held against."""

from __future__ import annotations

import numpy as np

from astrotl.store import FeatureStore

_BLOCK = 8192


def nearest_rows(
    store: FeatureStore, rows: np.ndarray, queries: np.ndarray, k: int, metric: str
) -> tuple[np.ndarray, np.ndarray]:
    """Find the ``k`` nearest of some rows of a store, reading them once, and their distances."""
    prepare = _unit if metric == "angular" else np.asarray
    queries = prepare(queries)
    best = np.full((len(queries), 0), np.inf)
    found = np.zeros((len(queries), 0), dtype=np.intp)
    for start in range(0, len(rows), _BLOCK):
        numbers = rows[start : start + _BLOCK]
        squares = _squared_distances(queries, prepare(store.features(numbers)))
        best = np.concatenate([best, squares], axis=1)
        found = np.concatenate([found, np.broadcast_to(numbers, squares.shape)], axis=1)
        if best.shape[1] > k:
            keep = np.argpartition(best, k - 1, axis=1)[:, :k]
            best, found = np.take_along_axis(best, keep, axis=1), np.take_along_axis(found, keep, axis=1)
    order = np.lexsort((found, best), axis=1)
    best, found = np.take_along_axis(best, order, axis=1), np.take_along_axis(found, order, axis=1)
    return found, np.sqrt(best).astype(np.float32)


def _unit(vectors: np.ndarray) -> np.ndarray:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(norms == 0, 1, norms))


def _squared_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Take ``|a|^2 + |b|^2 - 2ab`` in double precision, for it cancels where a and b are close."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    squares = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1) - 2 * (a @ b.T)
    return np.maximum(squares, 0, out=squares)
