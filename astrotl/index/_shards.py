"""One shard's part of an index: grown, searched exactly, and asked, where the work is done."""

from __future__ import annotations

import hashlib
import math
import os
from functools import lru_cache
from typing import NamedTuple

import annoy
import numpy as np

from astrotl.errors import IndexMismatchError
from astrotl.index._files import checked_note
from astrotl.index._forest import Plan
from astrotl.index._scan import measured, nearest
from astrotl.index._vectors import Projection, Vectors
from astrotl.store import FeatureStore

try:
    import resource
except ModuleNotFoundError:
    resource = None  # type: ignore[assignment]

#: So many nodes are looked into at least, for in a few objects nothing need be missed.
LEAST = 100
#: What a shard found of each query: rows of the whole store, -1 where there are no more, and how far they are; an index
#: may say first how far they seem to be.
Found = tuple[np.ndarray, ...]


class Piece(NamedTuple):
    """The index of one shard: where it lies and what it must be, which is all that a worker is told."""

    path: str
    store: str
    #: The row of the whole store that the shard begins with.
    first: int
    objects: int
    metric: str
    reduce: int
    #: What its numbers stand for, as `name_of` says it.
    projection: str
    #: How much of the effort that the largest shard takes is enough here.
    share: float
    remedy: str
    #: When the file was written, by which a new one is known.
    written: int = 0

    def as_written(self) -> Piece:
        """Tell it from all that lay there before."""
        return self._replace(written=os.stat(self.path).st_mtime_ns)


def name_of(projection: Projection) -> str:
    """Name a projection by what it consists of."""
    digest = hashlib.sha256()
    for array in projection:
        digest.update(b"" if array is None else np.ascontiguousarray(array, dtype="<f4").tobytes())
    return digest.hexdigest()


def fits(piece: Piece, plan: Plan) -> bool:
    """Say whether a shard has the index that is planned."""
    try:
        note = checked_note(piece.path, FeatureStore(piece.store), piece.objects, piece.remedy)
    except IndexMismatchError:
        return False
    known = {"metric": piece.metric, "trees": plan.trees, "seed": plan.seed, "projection": piece.projection}
    return known.items() <= note.items()


def grow(piece: Piece, plan: Plan, queries: np.ndarray, k: int) -> Found:
    """Make sure that a shard has its index, and find the true nearest to some queries in it."""
    store = FeatureStore(piece.store)
    # Whoever was given the shard before may still be at it, not knowing that its caller is gone.
    with store.lock(wait=True):
        if not fits(piece, plan):
            vectors = Vectors(store, store.done(), piece.metric)
            plan.grow(vectors, piece.path, reduce=piece.reduce, projection=piece.projection)
    return search(piece, queries, k)


def search(piece: Piece, queries: np.ndarray, k: int) -> Found:
    """Find the true nearest to some queries in a shard, and their distances."""
    store = FeatureStore(piece.store)
    rows = store.done()
    places, distances = nearest(Vectors(store, rows, piece.metric), queries, min(k, len(rows)))
    return rows[places] + piece.first, distances


def propose(piece: Piece, points: np.ndarray, count: int, nodes: int) -> Found:
    """Find so many candidates of a shard for each query, and how far they are in the few numbers."""
    rows = np.full((len(points), count), -1, dtype=np.intp)
    apart = np.full(rows.shape, np.inf, dtype=np.float32)
    fill(piece, points.tolist(), nodes, rows, apart)
    return rows, apart


def fill(piece: Piece, points: list[list[float]], nodes: int, rows: np.ndarray, apart: np.ndarray) -> None:
    """Put the candidates of a shard into the columns of others', which is all that takes time besides the search."""
    part, enough, count = _opened(piece), max(math.ceil(nodes * piece.share), LEAST), rows.shape[1]
    for query, point in enumerate(points):
        found, distances = part.forest.get_nns_by_vector(point, count, enough, include_distances=True)
        rows[query, : len(found)] = part.rows_of(found)
        apart[query, : len(found)] = distances


def answer(piece: Piece, points: np.ndarray, queries: np.ndarray, count: int, nodes: int) -> Found:
    """Find the same in one shard, and the true distances as well."""
    rows, apart = propose(piece, points, count, nodes)
    return rows, apart, distances_of(_opened(piece).vectors, queries, rows, piece.first)


def distances_of(vectors: Vectors, queries: np.ndarray, rows: np.ndarray, first: int = 0) -> np.ndarray:
    """Measure how far some rows are from their queries, one of these each line; what is no row is infinitely far."""
    distances = np.full(rows.shape, np.inf, dtype=np.float32)
    query, column = np.nonzero(rows >= 0)
    distances[query, column] = np.sqrt(measured(vectors, queries, query, rows[query, column] - first))
    return distances


class _Part:
    """A shard's forest, mapped into memory."""

    def __init__(self, piece: Piece) -> None:
        store = FeatureStore(piece.store)
        note = checked_note(piece.path, store, piece.objects, piece.remedy)
        if note.get("projection") != piece.projection:
            raise IndexMismatchError(f"{piece.path}: has been built otherwise since; {piece.remedy}")
        self.vectors = Vectors(store, None, piece.metric)
        self.forest = annoy.AnnoyIndex(note["points"], note["forest"])
        self.forest.load(piece.path)
        self._first = piece.first
        # No list is held where it would say nothing.
        self._rows = store.done() if piece.objects < len(store) else None
        if self._rows is not None and len(self._rows) != piece.objects:
            raise IndexMismatchError(f"{piece.store}: has changed since the index was opened; {piece.remedy}")

    def rows_of(self, items: list[int]) -> np.ndarray:
        """Say which rows of the whole store these are."""
        places = np.array(items, dtype=np.intp)
        return (places if self._rows is None else self._rows[places]) + self._first


def _most_open() -> int:
    """Say how many shards may be open at a time; each takes up to two of the files that a process may have open."""
    if resource is None:
        return 256
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return 65_536 if allowed == resource.RLIM_INFINITY else max(allowed // 4, 16)


@lru_cache(maxsize=_most_open())
def _opened(piece: Piece) -> _Part:
    return _Part(piece)
