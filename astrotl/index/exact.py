"""The exact index, which needs no file: for small stores, and where nothing may be missed."""

from __future__ import annotations

import os
from typing import Any, ClassVar, Self

import numpy as np

from astrotl.index._scan import nearest
from astrotl.index.base import Index, validate_metric
from astrotl.store import FeatureStore

__all__ = ["ExactIndex"]


class ExactIndex(Index):
    """Searches a store exactly, reading it once for each call.

    All pairs are compared by single precision products, and measured where these cannot tell them apart.

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
        places, distances = nearest(self._vectors, self._vectors.seen(vectors), k)
        return self._rows[places], distances
