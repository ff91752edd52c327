"""What every index of neighbours promises."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from functools import cached_property
from typing import Any, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt

from astrotl._showing import shown
from astrotl.index._scan import nearest, nearest_others
from astrotl.index._vectors import BLOCK, Vectors, seen
from astrotl.store import FeatureStore

__all__ = ["METRICS", "Index"]

#: ``angular`` is the length of the chord between two unit vectors, ``sqrt(2 - 2 cos)``.
METRICS = ("angular", "euclidean")


class Index(ABC):
    """Finds the nearest neighbours of feature vectors among the done rows of a store."""

    store: FeatureStore
    metric: Literal["angular", "euclidean"]
    kind: ClassVar[str]

    @classmethod
    @abstractmethod
    def build(
        cls,
        store: FeatureStore,
        path: str | os.PathLike[str] | None = None,
        *,
        metric: str = "angular",
        **settings: Any,
    ) -> Self:
        """Make the index of a store."""

    @abstractmethod
    def _query(self, vectors: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Find ``k`` rows, nearest first, and their distances, for finite float32 vectors, which may be overwritten."""

    def __len__(self) -> int:
        return len(self.rows)

    def _repr_html_(self) -> str:
        return shown("index", self)

    @property
    def rows(self) -> np.ndarray:
        """The rows of the store that are in the index."""
        return self._rows

    _rows: np.ndarray

    @cached_property
    def _vectors(self) -> Vectors:
        return Vectors(self.store, self._rows, self.metric)

    def query(self, vectors: npt.ArrayLike, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Find the nearest neighbours of some vectors.

        Parameters
        ----------
        vectors : array_like
            ``(n, dim)`` finite numbers.
        k : int
            How many neighbours; no more than there are are returned.

        Returns
        -------
        rows, distances : `~numpy.ndarray`
            ``(n, k)`` rows of the store, nearest first, and their distances.
        """
        values = np.atleast_2d(np.array(vectors, dtype=np.float32))
        if values.shape[1] != self.store.shape[1]:
            raise ValueError(f"vectors: expected {self.store.shape[1]} features, got {values.shape[1]}")
        if not np.isfinite(values).all():
            raise ValueError("vectors: must be finite")
        if k < 1:
            raise ValueError(f"k: must be 1 or more, got {k}")
        return self._query(values, min(k, len(self)))

    def neighbours(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Find the nearest others of every object in the index, all against all.

        Parameters
        ----------
        k : int
            How many neighbours; no more than there are others are returned.

        Returns
        -------
        rows, distances : `~numpy.ndarray`
            ``(n, k)`` rows of the store, nearest first, and their distances, for the objects in the order of `rows`. No
            object is its own neighbour; others with equal features are.
        """
        if k < 1:
            raise ValueError(f"k: must be 1 or more, got {k}")
        k = min(k, len(self) - 1)
        if k < 1:
            return np.empty((len(self), 0), dtype=np.intp), np.empty((len(self), 0), dtype=np.float32)
        return self._neighbours(k)

    def _neighbours(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        places, distances = nearest_others(self._vectors, k)
        return self._rows[places], distances

    def _neighbours_by_query(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Ask for the neighbours of each object as of any other vector."""
        rows = np.empty((len(self), k), dtype=np.intp)
        distances = np.empty((len(self), k), dtype=np.float32)
        for start in range(0, len(self), BLOCK):
            part = slice(start, min(start + BLOCK, len(self)))
            found, apart = self._query(self._vectors[part], k + 1)
            rows[part], distances[part] = without(self._rows[part], found, apart)
        return rows, distances

    def recall(self, k: int = 10, sample: int = 200, *, seed: int = 0) -> float:
        """Measure on a random sample which fraction of the true k nearest neighbours the index finds."""
        vectors = self.store.features(self._drawn(sample, seed))
        found, _ = self.query(vectors, k)
        true = self._true(vectors, min(k, len(self)))
        return float(np.mean([len(np.intersect1d(a, b)) for a, b in zip(found, true, strict=True)]) / true.shape[1])

    def _drawn(self, most: int, seed: int) -> np.ndarray:
        """Draw some of the rows."""
        return self._rows[self._vectors.sample(most, seed)]

    def _true(self, vectors: np.ndarray, k: int) -> np.ndarray:
        """Find the rows of the true k nearest."""
        return self._rows[nearest(self._vectors, seen(vectors, self.metric), k)[0]]


def without(own: np.ndarray, rows: np.ndarray, distances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Leave out one neighbour of each object: itself, or the farthest if it is not among its own."""
    others = rows != own[:, None]
    # Of many equals an object may itself not be among those found.
    others[others.all(axis=1), -1] = False
    shape = (len(rows), rows.shape[1] - 1)
    return rows[others].reshape(shape), distances[others].reshape(shape)


def validate_metric(metric: str) -> Literal["angular", "euclidean"]:
    """Refuse an unknown metric."""
    if metric not in METRICS:
        raise ValueError(f"metric: must be one of {', '.join(METRICS)}, got {metric!r}")
    return "angular" if metric == "angular" else "euclidean"
