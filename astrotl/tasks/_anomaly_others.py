"""The nearest others of every object: by matrix products in blocks, or by the index where there are many."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from astrotl.index import Index
from astrotl.store import FeatureStore

#: Gives the vectors of some objects, by their places.
Reader = Callable[[np.ndarray], np.ndarray]

#: With more objects than this, the index finds the same neighbours sooner.
LARGE = 4000
#: Two objects nearer than this part of the usual distance are the same one, seen twice.
_SAME = 0.01
_BLOCK, _SAMPLE, _MOST_ASKED, _KEPT = 4096, 500, 4096, 25_000


def read_rows(store: FeatureStore, rows: np.ndarray, view: slice = slice(None)) -> np.ndarray:
    """Read increasing rows as one slice where few lie between them, which HDF5 does far faster."""
    first, last = int(rows[0]), int(rows[-1])
    if last - first < 2 * len(rows) + _BLOCK and (np.diff(rows) > 0).all():
        return np.asarray(store.features(slice(first, last + 1))[rows - first][:, view])
    return np.asarray(store.features(rows)[:, view])


def reader_of(index: Index, view: slice = slice(None)) -> Reader:
    """Read the objects of an index, as its metric sees them, by their places among its rows."""
    store, rows = index.store, index.rows
    if index.metric == "angular":
        return lambda places: _unit(read_rows(store, rows[places], view))
    # Far from the origin, squared distances would be lost in the squared lengths.
    middle = read_rows(store, sample_of(rows, _SAMPLE), view).mean(axis=0, dtype=np.float64).astype(np.float32)
    return lambda places: read_rows(store, rows[places], view) - middle


def sample_of(places: np.ndarray, most: int) -> np.ndarray:
    """Take at most so many, always the same ones, in their order."""
    if len(places) <= most:
        return places
    return np.sort(np.random.default_rng(0).choice(places, most, replace=False))


def nearest_others(
    read: Reader, places: np.ndarray, among: np.ndarray, k: int, same: float | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Find the ``k`` nearest of some objects, other than each itself and its doubles, and their distances.

    Where there are fewer, the place is -1 and the distance infinite.
    """
    blocks = _blocks(among)
    # What is asked for in block after block is read once, if it is not too much.
    kept = [read(block) for block in blocks] if len(among) <= _KEPT else None
    if same is None:
        same = _double_distance(read, blocks, kept, places, k)
    found = np.full((len(places), k), -1, dtype=np.intp)
    distances = np.full((len(places), k), np.inf, dtype=np.float32)
    for start in range(0, len(places), _BLOCK):
        part = slice(start, start + _BLOCK)
        found[part], distances[part] = _nearest(read, places[part], blocks, kept, k, same)
    return found, distances


def nearest_by_index(index: Index, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Find the same for all objects by the index, which is fast for any number of them."""
    rows = index.rows
    near, apart = index.neighbours(k + 8)
    same = _SAME * float(np.median(apart[sample_of(np.arange(len(rows)), _SAMPLE), -1]))
    found = np.full((len(rows), k), -1, dtype=np.intp)
    distances = np.full((len(rows), k), np.inf, dtype=np.float32)
    places, asked = np.arange(len(rows)), k + 8
    while True:
        others = (near != rows[places, None]) & (apart >= same)
        # The others come first, and among them the nearest one.
        order = np.argsort(~others, axis=1, kind="stable")[:, :k]
        is_other = np.take_along_axis(others, order, axis=1)
        place = np.searchsorted(rows, np.take_along_axis(near, order, axis=1))
        width = order.shape[1]
        found[places, :width] = np.where(is_other, place, -1)
        distances[places, :width] = np.where(is_other, np.take_along_axis(apart, order, axis=1), np.inf)
        # An object with very many doubles hides the others from the index; ask it for more.
        places = places[others.sum(axis=1) < k]
        asked *= 8
        if not len(places) or asked > _MOST_ASKED:
            return found, distances
        near, apart = index.query(read_rows(index.store, rows[places]), asked)


def _nearest(
    read: Reader, places: np.ndarray, blocks: list[np.ndarray], kept: list[np.ndarray] | None, k: int, same: float
) -> tuple[np.ndarray, np.ndarray]:
    # In single precision the squared distance of two doubles would be lost in their squared lengths.
    vectors = read(places).astype(np.float64)
    lengths = (vectors**2).sum(axis=1)
    best = np.full((len(places), k), np.inf)
    found = np.full((len(places), k), -1, dtype=np.intp)
    for number, block in enumerate(blocks):
        others = (read(block) if kept is None else kept[number]).astype(np.float64)
        squares = vectors @ others.T
        squares *= -2
        squares += lengths[:, None]
        squares += (others**2).sum(axis=1)
        np.maximum(squares, 0, out=squares)
        squares[squares < same**2] = np.inf
        squares[places[:, None] == block] = np.inf
        some = np.argpartition(squares, k - 1, axis=1)[:, :k] if k < len(block) else np.arange(len(block))[None]
        some = np.broadcast_to(some, (len(places), some.shape[1]))
        best = np.concatenate([best, np.take_along_axis(squares, some, axis=1)], axis=1)
        found = np.concatenate([found, block[some]], axis=1)
        order = np.argsort(best, axis=1, kind="stable")[:, :k]
        best, found = np.take_along_axis(best, order, axis=1), np.take_along_axis(found, order, axis=1)
    return np.where(np.isfinite(best), found, -1), np.sqrt(best)


def _double_distance(
    read: Reader, blocks: list[np.ndarray], kept: list[np.ndarray] | None, places: np.ndarray, k: int
) -> float:
    """Say below which distance two objects are one; the usual distance is one that doubles do not make short."""
    count = sum(len(block) for block in blocks)
    _, distances = _nearest(read, sample_of(places, _SAMPLE), blocks, kept, min(k + 8, max(count - 1, 1)), 0.0)
    last = distances[:, -1]
    known = last[np.isfinite(last)]
    return _SAME * float(np.median(known)) if len(known) else 0.0


def _blocks(places: np.ndarray) -> list[np.ndarray]:
    return [places[start : start + _BLOCK] for start in range(0, len(places), _BLOCK)]


def _unit(vectors: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(lengths == 0, 1, lengths))
