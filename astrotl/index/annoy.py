"""The default index: Annoy's forest of random trees over few numbers an object, and exact distances at the end."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from functools import cached_property
from typing import Any, ClassVar, Self

import annoy
import numpy as np

from astrotl._threads import threads
from astrotl.errors import IndexMismatchError
from astrotl.index._files import checked_note, default_path, read_arrays, read_projection
from astrotl.index._forest import NEAREST, Plan
from astrotl.index._scan import nearest_probably
from astrotl.index._vectors import Projection, Vectors, squared_lengths
from astrotl.index.base import Index, validate_metric
from astrotl.store import FeatureStore, ShardedStore

__all__ = ["AnnoyIndex"]

#: From so many queries at once, a product with the points of up to so many objects per node is faster than the trees;
#: for fewer, with so many.
_BATCH, _AT_ONCE, _ALONE = 32, 24, 2
#: Up to so many objects, all against all is exact in about the time that a search by points takes.
_EXACT = 50_000


class AnnoyIndex(Index):
    """Finds neighbours fast and nearly always rightly; `~astrotl.index.Index.recall` says how nearly.

    Long feature vectors are reduced to their main directions first. Annoy's forest proposes candidates in that small
    space, and their distances are then taken from all features, so that every distance is a true one.

    Annoy's file says nothing of itself, so a JSON file beside it holds metric, dimension, count and the store's uuid,
    and both are checked when the index is opened.

    Parameters
    ----------
    store : `~astrotl.FeatureStore`
        The store that the index was built from.
    path : path
        The index; `build` makes one.

    Examples
    --------
    >>> from astrotl import AnnoyIndex, FeatureStore
    >>> store = FeatureStore.open_or_create("store.h5", ["a", "b", "c"], 2, {})
    >>> store.write([0, 1, 2], [[0, 1], [1, 1], [1, 0]])
    >>> index = AnnoyIndex.build(store, "store.ann")
    >>> index.query([[0, 2]], k=2)[0].tolist()
    [[0, 1]]
    """

    kind: ClassVar[str] = "annoy"

    def __init__(self, store: FeatureStore, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        self.store = store
        self._rows = store.done()
        note = checked_note(self.path, store, len(self._rows), f"build it again with astrotl index {store.path}")
        self.metric = validate_metric(note["metric"])
        self.trees: int = note["trees"]
        self._nodes: int = note["nodes"]
        self._candidates: int = note["candidates"]
        self._projection = None
        if note["points"] is not None:
            self._projection = read_projection(self.path)
        self._forest = annoy.AnnoyIndex(note["points"] or note["dim"], note["forest"])
        self._forest.load(self.path)

    @classmethod
    def build(
        cls,
        store: FeatureStore,
        path: str | os.PathLike[str] | None = None,
        *,
        metric: str = "angular",
        reduce: int = 64,
        trees: int = 20,
        seed: int = 1,
        jobs: int = 1,
        progress: Callable[..., Any] | None = None,
        **settings: Any,
    ) -> Self:
        """Build the index of a store and write it.

        Parameters
        ----------
        store : `~astrotl.FeatureStore`
            The features; rows that are missing or failed are left out.
        path : path, optional
            The index's file; by default the store's name with the ending ``.ann``.
        metric : str, optional
            ``"angular"`` or ``"euclidean"``.
        reduce : int, optional
            Vectors with more features than this are reduced to so many numbers before the trees.
        trees : int, optional
            More trees are a larger file, in which less has to be looked through.
        seed : int, optional
            The same seed and ``jobs=1`` give the same files, byte by byte.
        jobs : int, optional
            The number of threads; -1 takes all cores.
        progress : callable, optional
            Something like ``tqdm``.
        """
        if isinstance(store, ShardedStore):
            raise ValueError(f"store: {store.path} is a folder of shards, which ShardedIndex indexes")
        if settings:
            raise ValueError(
                f"{next(iter(settings))}: an Annoy index has no such setting; it has reduce, trees, seed, jobs"
            )
        for name, value in (("reduce", reduce), ("trees", trees)):
            if value < 1:
                raise ValueError(f"{name}: must be 1 or more, got {value}")
        path = default_path(store) if path is None else os.fspath(path)
        if not os.access(os.path.dirname(os.path.abspath(path)), os.W_OK):
            raise OSError(f"{path}: cannot be written, for the folder does not exist or may not be written to")
        rows = store.done()
        if not len(rows):
            raise ValueError(f"store: {store.path} has no features yet")
        vectors = Vectors(store, rows, validate_metric(metric))
        with threads(None):
            # Many threads would give other last digits.
            small = store.shape[1] <= reduce
            projection = Projection.centre(vectors) if small else Projection.fit(vectors, reduce, seed)
        Plan(projection, trees, seed).grow(vectors, path, jobs=jobs, at_once=_AT_ONCE, progress=progress)
        return cls(store, path)

    @cached_property
    def _points(self) -> np.ndarray | None:
        return None if self._projection is None else read_arrays(self.path, "points").get("points")

    def _query(self, vectors: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        queries = self._vectors.seen(vectors)
        objects = self._nodes * (_AT_ONCE if len(queries) >= _BATCH else _ALONE)
        if len(self) <= objects and self._projection is not None and self._points is not None:
            places, distances = nearest_probably(
                self._vectors, self._points, queries, self._projection, k, self._wanted(k)
            )
            return self._rows[places], distances
        points = queries if self._projection is None else self._projection.reduced(queries)
        rows = np.empty((len(vectors), k), dtype=np.intp)
        distances = np.empty((len(vectors), k), dtype=np.float32)

        def answer(part: range) -> None:
            for number in part:
                places = self._search(points[number].tolist(), k)
                apart = self._vectors[places]
                apart -= queries[number]
                squares = squared_lengths(apart)
                order = np.lexsort((places, squares))[:k]
                rows[number], distances[number] = self._rows[places[order]], np.sqrt(squares[order])

        if len(queries) < _BATCH:
            answer(range(len(queries)))
        else:
            parts = [range(start, min(start + _BATCH, len(queries))) for start in range(0, len(queries), _BATCH)]
            # Annoy and NumPy let other threads run while they work.
            with threads(None) as pool:
                list(pool.map(answer, parts))
        return rows, distances

    def _wanted(self, k: int) -> int:
        """Say how many candidates the k nearest are among; those by few numbers are not quite those by all."""
        return math.ceil(self._candidates * max(1, k / NEAREST))

    def _neighbours(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        return super()._neighbours(k) if len(self) <= _EXACT else self._neighbours_by_query(k)

    def _search(self, point: list[float], k: int) -> np.ndarray:
        """Look into more and more nodes until k neighbours are found; few trees may at first give fewer."""
        wanted, nodes = self._wanted(k), math.ceil(self._nodes * max(1, k / NEAREST) ** 0.5)
        while len(places := self._forest.get_nns_by_vector(point, wanted, nodes)) < k:
            if nodes > 4 * (len(self) + k) * self.trees:
                raise IndexMismatchError(
                    f"{self.path}: is damaged (it finds {len(places)} of {k} neighbours); build it again"
                )
            nodes *= 4
        return np.array(places)
