"""Feature vectors as a metric sees them, and the few directions that most of their differences lie in."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

from astrotl.store import FeatureStore

#: So many vectors are read and worked on at once.
BLOCK = 4096
#: So many vectors are enough to know the main directions of any number.
_SAMPLE = 4096


class Vectors:
    """The vectors of a store's rows, numbered by their places among them; of length one if the angle counts."""

    def __init__(self, store: FeatureStore, rows: np.ndarray, metric: str) -> None:
        self.store = store
        self.rows = rows
        self.metric = metric

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, places: slice | np.ndarray) -> np.ndarray:
        return self.seen(self._read(self.rows[places]))

    @cached_property
    def _read(self) -> Callable[[npt.ArrayLike], np.ndarray]:
        return self.store.mapped()

    def seen(self, vectors: np.ndarray) -> np.ndarray:
        """Show any vectors as the metric sees them; they may be overwritten."""
        if self.metric == "angular":
            lengths = np.sqrt(squared_lengths(vectors))
            vectors /= np.where(lengths == 0, 1, lengths)[:, None]
        return vectors

    def sample(self, most: int, seed: int) -> np.ndarray:
        """Draw the places of at most so many, in order."""
        if len(self) <= most:
            return np.arange(len(self))
        return np.sort(np.random.default_rng(seed).choice(len(self), most, replace=False))


class Projection(NamedTuple):
    """A middle and directions at right angles to each other, the main ones first; without any, all of them are kept."""

    middle: np.ndarray
    directions: np.ndarray | None

    @classmethod
    def centre(cls, vectors: Vectors) -> Self:
        """Keep all directions, and only move the middle of a sample to the origin, where rounding harms least."""
        return cls(vectors[vectors.sample(_SAMPLE, 0)].mean(axis=0), None)

    @classmethod
    def fit(cls, vectors: Vectors, count: int, seed: int) -> Self:
        """Find the main directions of a sample by a random search.

        The method is that of Halko, Martinsson & Tropp 2011, SIAM Review 53, 217.
        """
        sample = vectors[vectors.sample(_SAMPLE, seed)]
        middle = sample.mean(axis=0)
        sample -= middle
        start = np.random.default_rng(seed).standard_normal((sample.shape[1], count + 16), dtype=np.float32)
        span = np.linalg.qr(sample.T @ (sample @ start))[0]
        span = np.linalg.qr(sample.T @ (sample @ span))[0]
        along = sample @ span
        main = np.linalg.eigh(along.T @ along)[1][:, ::-1]
        return cls(middle, np.ascontiguousarray((span @ main[:, :count]).T))

    @classmethod
    def holding(cls, vectors: Vectors, share: float) -> Self:
        """Take as many directions as hold this share of the differences; all if that would be more than a quarter."""
        fitted = cls.fit(vectors, vectors.store.shape[1] // 4, 0)
        sample = vectors[vectors.sample(_SAMPLE, 0)]
        held = np.cumsum((fitted.reduced(sample) ** 2).sum(axis=0)) / max(((sample - fitted.middle) ** 2).sum(), 1e-30)
        enough = int(np.searchsorted(held, share)) + 1
        if fitted.directions is None or enough > len(fitted.directions):
            return cls(fitted.middle, None)
        return cls(fitted.middle, fitted.directions[:enough])

    def reduced(self, vectors: np.ndarray) -> np.ndarray:
        """Give the coordinates of vectors along the directions."""
        moved = vectors - self.middle
        return moved if self.directions is None else moved @ self.directions.T

    def points(self, vectors: np.ndarray) -> np.ndarray:
        """Give the same, and as one more number the squared length of each vector from the middle."""
        moved = vectors - self.middle
        along = moved if self.directions is None else moved @ self.directions.T
        return np.concatenate([along, squared_lengths(moved)[:, None]], axis=1)

    def bounded(self, vectors: np.ndarray) -> np.ndarray:
        """Give the same, and as one more coordinate how much of each vector lies across all directions.

        Two vectors are then never nearer to each other than their coordinates are.
        """
        moved = vectors - self.middle
        if self.directions is None:
            return moved
        along = moved @ self.directions.T
        across = np.sqrt(np.maximum(squared_lengths(moved) - squared_lengths(along), 0))
        return np.concatenate([along, across[:, None]], axis=1)


def squared_lengths(vectors: np.ndarray) -> np.ndarray:
    """Give the squared length of each vector."""
    return np.asarray(np.einsum("ij,ij->i", vectors, vectors))
