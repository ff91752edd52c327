"""The default index: Annoy's forest of random trees over few numbers an object, and exact distances at the end."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar, Self

import annoy
import numpy as np

from astrotl.errors import IndexMismatchError
from astrotl.index._files import default_path, read_note, read_projection, save
from astrotl.index._scan import nearest
from astrotl.index._vectors import BLOCK, Projection, Vectors, squared_lengths
from astrotl.index.base import Index, validate_metric
from astrotl.store import FeatureStore

__all__ = ["AnnoyIndex"]

#: How much is looked through is settled at the building, so that this part of the nearest of a sample is found.
_RECALL, _NEAREST, _SAMPLE = 0.99, 20, 128
#: Up to so many objects, all against all is exact in about the time that the forest would take.
_EXACT = 50_000
#: Fewer queries than this are not worth a second thread.
_PORTION = 32


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
        if os.path.getsize(self.path) != note["bytes"]:
            raise IndexMismatchError(f"{self.path}: is damaged (its size is not the one noted); {remedy}")
        self.metric = validate_metric(note["metric"])
        self.trees: int = note["trees"]
        self._nodes: int = note["nodes"]
        self._projection = read_projection(self.path, note, remedy)
        self._forest = annoy.AnnoyIndex(note["reduce"] or note["dim"], note["forest"])
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
        projection = Projection.fit(vectors, reduce, seed) if store.shape[1] > reduce else None
        forest = _plant(vectors, projection, trees, seed, jobs, progress)
        note = {
            "metric": metric,
            "dim": store.shape[1],
            "n": len(rows),
            "forest": "euclidean",
            "reduce": None if projection is None else reduce,
            "trees": trees,
            "seed": seed,
            "nodes": _nodes_needed(forest, vectors, trees, seed),
            "store": store.uuid,
        }
        save(forest, projection, path, note)
        return cls(store, path)

    def _query(self, vectors: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        rows = np.empty((len(vectors), k), dtype=np.intp)
        distances = np.empty((len(vectors), k), dtype=np.float32)
        queries = self._vectors.seen(vectors)
        points = queries if self._projection is None else self._projection.reduced(queries)

        def answer(part: range) -> None:
            for number in part:
                places = self._candidates(points[number].tolist(), k)
                apart = self._vectors[places]
                apart -= queries[number]
                squares = squared_lengths(apart)
                order = np.lexsort((places, squares))[:k]
                rows[number], distances[number] = self._rows[places[order]], np.sqrt(squares[order])

        parts = [range(start, min(start + _PORTION, len(rows))) for start in range(0, len(rows), _PORTION)]
        if len(parts) == 1:
            answer(parts[0])
        else:
            # Annoy and NumPy let other threads run while they work.
            with ThreadPoolExecutor(os.cpu_count()) as threads:
                list(threads.map(answer, parts))
        return rows, distances

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

    def _candidates(self, point: list[float], k: int) -> np.ndarray:
        """Look into more and more nodes until k neighbours are found; few trees may at first give fewer."""
        nodes = int(self._nodes * max(1.0, (k / _NEAREST) ** 0.5))
        while len(places := _propose(self._forest.get_nns_by_vector, point, k, nodes)) < k:
            if nodes > 4 * (len(self) + k) * self.trees:
                raise IndexMismatchError(
                    f"{self.path}: is damaged (it finds {len(places)} of {k} neighbours); build it again"
                )
            nodes *= 4
        return np.array(places)


def _plant(
    vectors: Vectors,
    projection: Projection | None,
    trees: int,
    seed: int,
    jobs: int,
    progress: Callable[..., Any] | None,
) -> annoy.AnnoyIndex:
    forest: annoy.AnnoyIndex | None = None
    bar = progress(total=len(vectors), unit="obj") if progress else None
    for start in range(0, len(vectors), BLOCK):
        block = vectors[start : start + BLOCK]
        points = block if projection is None else projection.reduced(block)
        if forest is None:
            forest = annoy.AnnoyIndex(points.shape[1], "euclidean")
            forest.set_seed(seed)
        for number, point in enumerate(points, start=start):
            # Annoy takes the numbers one by one, and those of a list several times as fast.
            forest.add_item(number, point.tolist())
        if bar is not None:
            bar.update(len(block))
    if bar is not None:
        bar.close()
    assert forest is not None
    forest.build(trees, n_jobs=jobs)
    return forest


def _propose(ask: Callable[..., list[int]], what: Any, k: int, nodes: int) -> list[int]:
    """Ask a forest for more than k, for the nearest by few numbers are not quite the nearest by all."""
    return ask(what, max(3 * k, nodes // 100), nodes)


def _nodes_needed(forest: annoy.AnnoyIndex, vectors: Vectors, trees: int, seed: int) -> int:
    """Find how many nodes must be looked into; what data of some kind and number need cannot be known beforehand."""
    k = min(_NEAREST, len(vectors))
    sample = vectors.sample(_SAMPLE, seed)
    true, _ = nearest(vectors, vectors[sample], k)
    nodes = 50 * trees
    while nodes < len(vectors) * trees:
        found = [_propose(forest.get_nns_by_item, place, k, nodes) for place in sample.tolist()]
        if np.mean([np.isin(a, b).mean() for a, b in zip(true, found, strict=True)]) >= _RECALL:
            break
        nodes += nodes // 2
    return nodes
