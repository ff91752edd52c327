"""Feature vectors as a metric sees them, and the few directions that most of their differences lie in."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, NamedTuple, Self

import numpy as np

from astrotl.store import FeatureStore

#: So many vectors are read and worked on at once.
BLOCK = 4096
#: So many vectors are enough to know the main directions of any number.
SAMPLE = 4096


class Vectors:
    """The vectors of a store's rows, numbered by their places among them; of length one if the angle counts.

    Without rows they are numbered as in the store, and asked for by arrays of numbers alone.
    """

    def __init__(self, store: FeatureStore, rows: np.ndarray | None, metric: str) -> None:
        self.store = store
        self.rows = rows
        self.metric = metric

    def __len__(self) -> int:
        return len(self.store if self.rows is None else self.rows)

    def __getitem__(self, places: slice | np.ndarray) -> np.ndarray:
        return self.seen(self._read(places if self.rows is None else self.rows[places]))

    @cached_property
    def _read(self) -> Callable[[Any], np.ndarray]:
        return self.store.mapped()

    def seen(self, vectors: np.ndarray) -> np.ndarray:
        """Show any vectors as this metric sees them; they may be overwritten."""
        return seen(vectors, self.metric)

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
        return cls(vectors[vectors.sample(SAMPLE, 0)].mean(axis=0), None)

    @classmethod
    def fit(cls, vectors: Vectors, count: int, seed: int) -> Self:
        """Find the main directions of a sample of the vectors."""
        return cls.along(vectors[vectors.sample(SAMPLE, seed)], count, seed)

    @classmethod
    def along(cls, sample: np.ndarray, count: int, seed: int) -> Self:
        """Find the main directions of these vectors, which are overwritten, by a random search.

        The method is that of Halko, Martinsson & Tropp 2011, SIAM Review 53, 217.
        """
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
        enough = fitted.enough(vectors[vectors.sample(SAMPLE, 0)], share)
        if fitted.directions is None or enough > len(fitted.directions):
            return cls(fitted.middle, None)
        return cls(fitted.middle, fitted.directions[:enough])

    def enough(self, sample: np.ndarray, share: float) -> int:
        """Say how many of the directions hold this share of the differences; more than there are if they do not."""
        held = np.cumsum((self.reduced(sample) ** 2).sum(axis=0)) / max(((sample - self.middle) ** 2).sum(), 1e-30)
        return int(np.searchsorted(held, share)) + 1

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


def seen(vectors: np.ndarray, metric: str) -> np.ndarray:
    """Show any vectors as a metric sees them; they may be overwritten."""
    if metric == "angular":
        lengths = np.sqrt(squared_lengths(vectors))
        vectors /= np.where(lengths == 0, 1, lengths)[:, None]
    return vectors


def squared_lengths(vectors: np.ndarray) -> np.ndarray:
    """Give the squared length of each vector."""
    return np.asarray(np.einsum("ij,ij->i", vectors, vectors))
