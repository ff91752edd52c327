"""The exact nearest neighbours, by one matrix product of few columns that leaves only few pairs to be measured.

Coordinates along directions at right angles, with the length of the rest as one more of them, never exaggerate a
distance. So all that lies nearer in them than the k-th neighbour known so far is measured; nothing else can be nearer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from astrotl._threads import threads
from astrotl.index._vectors import BLOCK, Projection, Vectors, squared_lengths

#: Gives some of the queries, as the metric sees them.
Queries = Callable[[slice], np.ndarray]

#: So many products are held at once by each thread; 8 MB of them stay near the processor.
_PRODUCTS = 2_000_000
_TILE, _FEWEST, _MOST = 65_536, 16, 2048
#: Measuring takes pairs in portions that stay in a core's cache.
_PAIRS = 128
#: So much of the differences lies in the directions that bounds are taken from: with less of it, too many pairs are
#: left to be measured; with more, the products take longer.
_SHARE = 0.93
#: Where bounds leave more than this part of all pairs, as they do with a few extreme outliers, all columns are faster.
_TOO_MANY = 0.04


class _Best(NamedTuple):
    """The nearest known so far: squared distances, increasing, and places, -1 where there is none yet."""

    squares: np.ndarray
    places: np.ndarray

    def merge(self, queries: np.ndarray, places: np.ndarray, squares: np.ndarray) -> None:
        """Take newly measured pairs in; of equally near ones those in earlier rows stay."""
        count, k = self.squares.shape
        query = np.concatenate([np.repeat(np.arange(count), k), queries])
        place = np.concatenate([self.places.ravel(), places])
        square = np.concatenate([self.squares.ravel(), squares])
        order = np.lexsort((place, square, query))
        keep = order[_number_in_group(query[order]) < k]
        self.squares[:], self.places[:] = square[keep].reshape(count, k), place[keep].reshape(count, k)


def nearest(vectors: Vectors, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Find the places of the ``k`` nearest vectors to some queries, and their distances; the vectors are read once."""
    return _scan(vectors, queries.__getitem__, len(queries), k, Projection.centre(vectors), themselves=False)


def nearest_others(vectors: Vectors, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Find the places of the ``k`` nearest others of each vector, and their distances."""
    projection = Projection.holding(vectors, _SHARE)
    return _scan(vectors, vectors.__getitem__, len(vectors), k, projection, themselves=True)


def nearest_probably(
    vectors: Vectors, points: np.ndarray, queries: np.ndarray, projection: Projection, k: int, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Find the same among the ``count`` that probably are nearest, by the points that stand for all vectors."""
    squares, places = _nothing_yet(len(queries), k)

    def search(part: slice) -> None:
        products = likely_squares(points, projection.reduced(queries[part]))
        query, place = _pairs_within(products, _limits(products, count))
        _Best(squares[part], places[part]).merge(query, place, measured(vectors, queries[part], query, place))

    parts = _parts(len(queries), len(points))
    if len(parts) == 1:
        # Opening a pool takes longer than a few queries.
        search(parts[0])
    else:
        with threads(None) as pool:
            list(pool.map(search, parts))
    return places, np.sqrt(squares)


def likely_squares(points: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """Estimate the squared distances of some queries to all points, each less a number of its query.

    A point is a vector's coordinates and its whole squared length. What lies across the directions is as good as at
    right angles in any two vectors, so that the estimate is nearer to the truth than the distance in the coordinates.
    """
    return np.asarray(np.concatenate([-2 * queries, np.ones((len(queries), 1), np.float32)], axis=1) @ points.T)


def _nothing_yet(count: int, k: int) -> tuple[np.ndarray, np.ndarray]:
    return np.full((count, k), np.inf, dtype=np.float32), np.full((count, k), -1, dtype=np.intp)


def _scan(
    vectors: Vectors, queries: Queries, count: int, k: int, projection: Projection, *, themselves: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Search tile by tile, so that memory holds a part of the vectors at a time.

    With ``themselves``, query number i is vector number i, which is then not its own neighbour.
    """
    squares, places = _nothing_yet(count, k)
    # Few columns are kept for many vectors, all columns for few.
    size = _TILE if projection.directions is not None else 2 * BLOCK
    with threads(None) as pool:
        for first in range(0, len(vectors), size):
            tile = _Tile(vectors, np.arange(first, min(first + size, len(vectors))), projection, pool.map)

            def search(part: slice, tile: _Tile = tile, first: int = first) -> None:
                own = np.arange(part.start, part.stop) - first if themselves else None
                tile.search(queries(part), _Best(squares[part], places[part]), own)

            list(pool.map(search, _parts(count, len(tile.places))))
    return places, np.sqrt(squares)


def _parts(queries: int, columns: int) -> list[slice]:
    step = min(max(_PRODUCTS // columns, _FEWEST), _MOST)
    return [slice(start, min(start + step, queries)) for start in range(0, queries, step)]


class _Tile:
    """Some of the vectors, ready to be multiplied by queries."""

    def __init__(
        self, vectors: Vectors, places: np.ndarray, projection: Projection, each: Callable[..., Iterator[np.ndarray]]
    ) -> None:
        self.vectors = vectors
        self.places = places
        self.projection = projection
        blocks = [places[start : start + BLOCK] for start in range(0, len(places), BLOCK)]
        columns = np.concatenate(list(each(lambda block: projection.bounded(vectors[block]), blocks)))
        # What rounding in single precision may add to a bound, as a part of the squared lengths that went into it.
        self.rounding = 1e-5 + columns.shape[1] * 2.0**-22
        lengths = squared_lengths(columns) * (1 - self.rounding)
        self.columns = np.concatenate([columns, lengths[:, None].astype(np.float32)], axis=1).T

    def search(self, queries: np.ndarray, best: _Best, own: np.ndarray | None) -> None:
        """Improve what is known of some queries; ``own`` is where each would find itself."""
        coordinates = self.projection.bounded(queries)
        lengths = squared_lengths(coordinates) * (1 - self.rounding)
        bounds = np.concatenate([-2 * coordinates, np.ones((len(queries), 1), np.float32)], axis=1) @ self.columns
        if own is not None:
            here = np.flatnonzero((own >= 0) & (own < len(self.places)))
            bounds[here, own[here]] = np.inf
        k, before = best.squares.shape[1], (best.squares.copy(), best.places.copy())
        known = best.squares[:, -1] * (1 + 1e-5) - lengths
        query, number = _pairs_within(bounds, np.minimum(known, _limits(bounds, 2 * k)))
        # Very many equal vectors are not all needed to know how near the k-th is.
        some = _number_in_group(query) < 4 * k
        query, number = query[some], number[some]
        best.merge(query, self.places[number], measured(self.vectors, queries, query, self.places[number]))
        bounds[query, number] = np.inf
        # Nothing is nearer than at no distance.
        known = np.where(best.squares[:, -1] > 0, best.squares[:, -1] * (1 + 1e-5) - lengths, -np.inf)
        query, number = _pairs_within(bounds, known)
        if self.projection.directions is None or len(query) <= _TOO_MANY * bounds.size:
            best.merge(query, self.places[number], measured(self.vectors, queries, query, self.places[number]))
            return
        best.squares[:], best.places[:] = before
        all_columns = Projection(self.projection.middle, None)
        for start in range(0, len(self.places), 2 * BLOCK):
            part = _Tile(self.vectors, self.places[start : start + 2 * BLOCK], all_columns, map)
            part.search(queries, best, None if own is None else own - start)


def measured(vectors: Vectors, queries: np.ndarray, query: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Take the differences first and then their squared lengths, which loses nothing where two vectors are close."""
    squares = np.empty(len(query), dtype=np.float32)
    for start in range(0, len(query), _PAIRS):
        part = slice(start, start + _PAIRS)
        apart = vectors[places[part]]
        apart -= queries[query[part]]
        squares[part] = squared_lengths(apart)
    return squares


def _pairs_within(bounds: np.ndarray, limits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    # What is infinite is never within; and NumPy is several times faster in one dimension.
    finite = np.minimum(limits, np.finfo(np.float32).max).astype(np.float32)
    return np.divmod(np.flatnonzero(bounds <= finite[:, None]), bounds.shape[1])


def _limits(products: np.ndarray, count: int) -> np.ndarray:
    """Give each query a number that at least so many of its products, but not many more, do not exceed."""
    width = min(products.shape[1] // (4 * count), 64)
    if width < 2:
        return np.full(len(products), np.inf, dtype=np.float32)
    groups = products.shape[1] // width
    lowest = products[:, : width * groups].reshape(len(products), width, groups).min(axis=1)
    lowest.partition(count - 1, axis=1)
    return lowest[:, count - 1]


def _number_in_group(sorted_groups: np.ndarray) -> np.ndarray:
    """Number the members of each group from 0."""
    return np.arange(len(sorted_groups)) - np.searchsorted(sorted_groups, sorted_groups)
