"""The default index: Annoy's forest of random trees over few numbers an object, and exact distances at the end."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any, ClassVar, Self

import annoy
import numpy as np

from astrotl._threads import threads
from astrotl.errors import IndexMismatchError
from astrotl.index._files import check_sizes, default_path, read_arrays, read_note, save
from astrotl.index._scan import likely_squares, nearest, nearest_probably
from astrotl.index._vectors import BLOCK, Projection, Vectors, squared_lengths
from astrotl.index.base import Index, validate_metric
from astrotl.store import FeatureStore

__all__ = ["AnnoyIndex"]

#: Building settles how much is looked through, so that this part of the nearest of a sample is found.
_RECALL, _NEAREST, _SAMPLE = 0.994, 10, 128
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
        note = read_note(self.path)
        self._rows = store.done()
        remedy = f"build it again with astrotl index {store.path}"
        if note["store"] != store.uuid:
            raise IndexMismatchError(f"{self.path}: belongs to another store than {store.path}; {remedy}")
        if note["n"] != len(self._rows) or note["dim"] != store.shape[1]:
            raise IndexMismatchError(
                f"{self.path}: holds {note['n']} objects, but {store.path} now has {len(self._rows)}; {remedy}"
            )
        check_sizes(self.path, note, remedy)
        self.metric = validate_metric(note["metric"])
        self.trees: int = note["trees"]
        self._nodes: int = note["nodes"]
        self._candidates: int = note["candidates"]
        self._projection = None
        if note["points"] is not None:
            arrays = read_arrays(self.path, "middle", "directions")
            self._projection = Projection(arrays["middle"], arrays.get("directions"))
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
        small = store.shape[1] <= reduce
        with threads(None) as pool:
            projection = Projection.centre(vectors) if small else Projection.fit(vectors, reduce, seed)
            points = _points(vectors, projection, pool, progress)
        forest = annoy.AnnoyIndex(points.shape[1] - 1, "euclidean")
        forest.set_seed(seed)
        for number, point in enumerate(points[:, :-1]):
            # Annoy takes the numbers one by one, and those of a list several times as fast.
            forest.add_item(number, point.tolist())
        forest.build(trees, n_jobs=jobs)
        candidates, nodes = _effort(vectors, projection, points, forest, trees, seed)
        note = {
            "metric": metric,
            "dim": store.shape[1],
            "n": len(rows),
            "forest": "euclidean",
            "points": points.shape[1] - 1,
            "trees": trees,
            "seed": seed,
            "candidates": candidates,
            "nodes": nodes,
            "store": store.uuid,
        }
        arrays = {name: array for name, array in projection._asdict().items() if array is not None}
        if len(points) <= _AT_ONCE * nodes:
            arrays["points"] = points
        save(forest, path, note, arrays)
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
        return math.ceil(self._candidates * max(1, k / _NEAREST))

    def _neighbours(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        if len(self) <= _EXACT:
            return super()._neighbours(k)
        rows = np.empty((len(self), k), dtype=np.intp)
        distances = np.empty((len(self), k), dtype=np.float32)
        for start in range(0, len(self), BLOCK):
            part = slice(start, min(start + BLOCK, len(self)))
            found, apart = self._query(self._vectors[part], k + 1)
            others = found != self._rows[part, None]
            # Of many equals an object may itself not be among those found.
            others[others.all(axis=1), -1] = False
            rows[part], distances[part] = found[others].reshape(-1, k), apart[others].reshape(-1, k)
        return rows, distances

    def _search(self, point: list[float], k: int) -> np.ndarray:
        """Look into more and more nodes until k neighbours are found; few trees may at first give fewer."""
        wanted, nodes = self._wanted(k), math.ceil(self._nodes * max(1, k / _NEAREST) ** 0.5)
        while len(places := self._forest.get_nns_by_vector(point, wanted, nodes)) < k:
            if nodes > 4 * (len(self) + k) * self.trees:
                raise IndexMismatchError(
                    f"{self.path}: is damaged (it finds {len(places)} of {k} neighbours); build it again"
                )
            nodes *= 4
        return np.array(places)


def _points(
    vectors: Vectors, projection: Projection, pool: ThreadPoolExecutor, progress: Callable[..., Any] | None
) -> np.ndarray:
    """Read all vectors, block by block, and give the few numbers that stand for each."""
    width = vectors.store.shape[1] if projection.directions is None else len(projection.directions)
    points = np.empty((len(vectors), width + 1), dtype=np.float32)

    def fill(start: int) -> int:
        block = points[start : start + BLOCK]
        block[:] = projection.points(vectors[start : start + BLOCK])
        return len(block)

    bar = progress(total=len(vectors), unit="obj") if progress else None
    for count in pool.map(fill, range(0, len(vectors), BLOCK)):
        if bar is not None:
            bar.update(count)
    if bar is not None:
        bar.close()
    return points


def _effort(
    vectors: Vectors, projection: Projection, points: np.ndarray, forest: annoy.AnnoyIndex, trees: int, seed: int
) -> tuple[int, int]:
    """Find how many candidates and nodes are needed, which for data of some kind and number nobody knows beforehand."""
    sample = vectors.sample(_SAMPLE, seed)
    queries = vectors[sample]
    # Each object finds itself, which is no merit.
    true = nearest(vectors, queries, min(_NEAREST + 1, len(vectors)))[0][:, 1:]
    if not true.size:
        return 2 * _NEAREST, trees
    ranks = []
    for query, places in zip(projection.reduced(queries), true, strict=True):
        squares = likely_squares(points, query[None])[0]
        ranks.append(np.searchsorted(np.sort(squares), squares[places], side="right"))
    # Half of what may be missed is missed here, the other half in the trees.
    candidates = max(2 * _NEAREST, math.ceil(np.quantile(ranks, (1 + _RECALL) / 2)))
    nodes = 50 * trees
    while nodes < len(vectors):
        found = [forest.get_nns_by_item(place, candidates, nodes) for place in sample.tolist()]
        if np.mean([np.isin(a, b).mean() for a, b in zip(true, found, strict=True)]) >= _RECALL:
            break
        nodes += nodes // 3
    return candidates, nodes
