"""The index of a folder of shards: an index of each, and answers brought together from all."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from concurrent.futures import Executor
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np

from astrotl.errors import AstrotlWarning, IndexMismatchError
from astrotl.index._asked import Shards
from astrotl.index._building import build_missing, drawn
from astrotl.index._files import checked_note, read_projection
from astrotl.index._listing import Listing, listing_path
from astrotl.index._shards import Piece
from astrotl.index._vectors import seen
from astrotl.index.base import Index, validate_metric
from astrotl.store import FeatureStore, ShardedStore

__all__ = ["ShardedIndex"]

#: Up to so many objects, all against all is exact.
_EXACT = 50_000


class ShardedIndex(Index):
    """Finds neighbours in a folder of shards, each of which has an index of its own beside it.

    All shards are asked, and the nearest of what they find are taken. How much is looked through is settled for all of
    them together, so that each looks for its own among the nearest of all, and for no more.

    Parameters
    ----------
    store : `~astrotl.store.ShardedStore`
        The folder that the index was built from.
    executor : `~concurrent.futures.Executor`, optional
        Where the shards are asked, as that of a Dask client; its workers keep open what they have opened.

    Examples
    --------
    >>> from astrotl import extract_features, simulate
    >>> from astrotl.index import ShardedIndex
    >>> from astrotl.sources import ArraySource
    >>> batch, truth = simulate.stamps(20, seed=1)
    >>> store = extract_features(ArraySource(batch.data), "profiles", "survey", shard=8)
    >>> index = ShardedIndex.build(store)
    >>> rows, distances = index.query(store.features([3, 19]), k=5)
    >>> rows.shape, rows[:, 0].tolist()
    ((2, 5), [3, 19])
    """

    kind: ClassVar[str] = "sharded"

    def __init__(self, store: FeatureStore, *, executor: Executor | None = None) -> None:
        folder = _folder(store)
        self.store = folder
        self.path = listing_path(folder)
        self._folder = folder
        self._listing = Listing.read(folder)
        self.metric = self._listing.metric
        pieces = _pieces(folder, self._listing)
        self._shards = Shards(folder, pieces, executor)
        self._projection = read_projection(pieces[0].path)

    @classmethod
    def build(
        cls,
        store: FeatureStore,
        path: str | os.PathLike[str] | None = None,
        *,
        metric: str = "angular",
        reduce: int = 64,
        trees: int = 12,
        seed: int = 1,
        workers: int | None = None,
        executor: Executor | None = None,
        window: int = 16,
        progress: Callable[..., Any] | None = None,
        **settings: Any,
    ) -> Self:
        """Build the indexes of all shards, and settle what effort they take together.

        A shard that has the index that is asked for keeps it, so that after a kill the same call does the rest, and so
        that it mends what is missing or damaged.

        Parameters
        ----------
        store : `~astrotl.store.ShardedStore`
            The features; rows that are missing or failed are left out.
        path : path, optional
            Not to be given: each index lies beside its shard.
        metric : str, optional
            ``"angular"`` or ``"euclidean"``.
        reduce : int, optional
            Vectors with more features than this are reduced to so many numbers at most before the trees,
            the same in all shards.
        trees : int, optional
            More trees are larger files, in which less has to be looked through.
        seed : int, optional
            Of the random splits of the trees.
        workers : int, optional
            How many shards are indexed side by side; by default one a core, but no more than four, for they take
            memory.
        executor : `~concurrent.futures.Executor`, optional
            Where they are indexed instead, as that of a Dask client. Its workers write the files, so that all its
            machines must see the same folder.
        window : int, optional
            How many shards are handed out at once.
        progress : callable, optional
            Something like ``tqdm``.
        """
        if path is not None:
            raise ValueError("path: the indexes of a folder of shards lie beside their shards")
        if settings:
            raise ValueError(
                f"{next(iter(settings))}: an index of shards has no such setting; it has reduce, trees, seed"
            )
        for name, value in (("reduce", reduce), ("trees", trees), ("workers", workers), ("window", window)):
            if value is not None and value < 1:
                raise ValueError(f"{name}: must be 1 or more, got {value}")
        folder = _folder(store)
        wanted = Listing(folder.uuid, validate_metric(metric), reduce, trees, seed, "", _counts(folder))
        if not any(wanted.counts):
            raise ValueError(f"store: {folder.path} has no features yet")
        if not os.access(folder.path, os.W_OK):
            raise OSError(f"{folder.path}: no index can be written there, for the folder may not be written to")
        with folder.lock():
            build_missing(folder, wanted, workers, executor, window, progress)
        return cls(folder, executor=executor)

    def __len__(self) -> int:
        return sum(self._listing.counts)

    @property
    def found(self) -> float:
        """The part of the true ten nearest of a sample that was found when the index was built."""
        return self._listing.recall

    @cached_property
    def _rows(self) -> np.ndarray:  # type: ignore[override]
        rows = self.store.done()
        if len(rows) != len(self):
            raise IndexMismatchError(
                f"{self.store.path}: has changed since the index was opened; {self._listing.remedy(self._folder)}"
            )
        return rows

    def _query(self, vectors: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        queries = seen(vectors, self.metric)
        points = self._projection.reduced(queries)
        count, nodes = self._listing.effort(k)
        step = self._shards.at_once(count)
        parts = [slice(start, start + step) for start in range(0, max(len(queries), 1), step)]
        found = [self._answer(queries[part], points[part], k, count, nodes) for part in parts]
        rows, distances = (np.concatenate(arrays) for arrays in zip(*found, strict=True))
        return rows, distances

    def _answer(
        self, queries: np.ndarray, points: np.ndarray, k: int, count: int, nodes: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Look into more and more nodes until there are k neighbours; few trees may at first give fewer."""
        while True:
            rows, distances = self._shards.answer(queries, points, count, nodes)
            if (rows[:, :k] >= 0).all():
                return rows[:, :k], distances[:, :k]
            if nodes > 4 * (len(self) + k) * self._listing.trees:
                raise IndexMismatchError(
                    f"{self.path}: is damaged (there are fewer than {k} neighbours); "
                    f"{self._listing.remedy(self._folder)}"
                )
            nodes *= 4

    def _neighbours(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        return super()._neighbours(k) if len(self) <= _EXACT else self._neighbours_by_query(k)

    def _drawn(self, most: int, seed: int) -> np.ndarray:
        return drawn(self._folder, self._listing.counts, most, seed)

    def _true(self, vectors: np.ndarray, k: int) -> np.ndarray:
        return self._shards.nearest(seen(vectors, self.metric), k)[0]


def _folder(store: FeatureStore) -> ShardedStore:
    if not isinstance(store, ShardedStore):
        raise ValueError(f"store: {store.path} is no folder of shards; AnnoyIndex indexes one file")
    return store


def _counts(store: ShardedStore) -> tuple[int, ...]:
    """Count what is done in each shard; what has not been begun has nothing."""
    there = [os.path.exists(store.path_of(number)) for number in range(len(store.shards))]
    if not all(there):
        first = store.shards[there.index(False)].name
        warnings.warn(
            f"{store.path}: {there.count(False)} of {len(there)} shards are missing and left out, the first, {first}",
            AstrotlWarning,
            stacklevel=3,
        )
    return tuple(store.shard(number).count_done() if is_there else 0 for number, is_there in enumerate(there))


def _pieces(store: ShardedStore, listing: Listing) -> list[Piece]:
    """Look at the index of every shard, and refuse what is missing, damaged or no longer fits."""
    for number, before in enumerate(listing.counts):
        path = store.path_of(number)
        now = store.shard(number).count_done() if before or os.path.exists(path) else 0
        if before != now:
            raise IndexMismatchError(
                f"{path}: has {now} objects with features, but {before} are in its index; {listing.remedy(store)}"
            )
    pieces = listing.pieces(store)
    for piece in pieces:
        note = checked_note(piece.path, FeatureStore(piece.store), piece.objects, piece.remedy)
        if note.get("projection") != listing.projection:
            raise IndexMismatchError(f"{piece.path}: was not built as a part of {store.path}; {piece.remedy}")
    return [piece.as_written() for piece in pieces]
