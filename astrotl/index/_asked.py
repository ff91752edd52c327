"""All shards of an index asked, here or elsewhere, and what they answer brought together."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from functools import cached_property
from typing import Any

import numpy as np

from astrotl._executors import finished
from astrotl._threads import cores, lasting_pool, threads
from astrotl.index._shards import Found, Piece, answer, distances_of, fill, propose, search
from astrotl.index._vectors import Vectors
from astrotl.store import ShardedStore

#: So many queries are handed to a thread at once.
_QUERIES = 32
#: The answers of so many shards are held before only the best of them are.
_SHARDS = 16
#: So many candidates a shard, and so many numbers of the queries, are held or sent at once.
_CANDIDATES, _NUMBERS = 500_000, 500_000
#: So many shards are handed out at once.
_WINDOW = 64


class Shards:
    """The shards of an index, asked by the threads of this process, or side by side by an executor."""

    def __init__(self, store: ShardedStore, pieces: Sequence[Piece], executor: Executor | None) -> None:
        self.store = store
        self.pieces = pieces
        self.executor = executor

    def at_once(self, count: int) -> int:
        """Say how many queries may be asked at once if each has so many candidates."""
        return max(1, min(_CANDIDATES // count, _NUMBERS // self.store.shape[1]))

    def nearest(self, queries: np.ndarray, k: int) -> Found:
        """Find the rows of the true nearest and their distances, by reading all shards."""
        return best(self._each(search, queries, k), k)

    def propose(self, points: np.ndarray, count: int, nodes: int) -> Found:
        """Find candidates for each query, those that seem nearest first, and how far they seem to be."""
        each = _share(count, len(self.pieces))
        rows, apart = self._proposed(points, each, nodes, count)
        # A shard all of whose candidates are among the best may hold more of these.
        crowded = np.flatnonzero(self._most_of_one_shard(rows) >= each) if each < count else ()
        if len(crowded):
            rows, apart = _widened(rows, count, -1), _widened(apart, count, np.inf)
            rows[crowded], apart[crowded] = self._proposed(points[crowded], count, nodes, count)
        return rows, apart

    def _proposed(self, points: np.ndarray, each: int, nodes: int, count: int) -> Found:
        """Ask every shard for so many candidates, and take the best of all."""
        if self.executor is not None:
            return best(self._each(propose, points, each, nodes), count)
        listed = points.tolist()

        def filled(pieces: Sequence[Piece]) -> Found:
            rows = np.full((len(points), each * len(pieces)), -1, dtype=np.intp)
            apart = np.full(rows.shape, np.inf, dtype=np.float32)
            for number, piece in enumerate(pieces):
                columns = slice(number * each, (number + 1) * each)
                fill(piece, listed, nodes, rows[:, columns], apart[:, columns])
            return rows, apart

        def asked(pieces: Sequence[Piece]) -> Found:
            starts = range(0, len(pieces), _SHARDS)
            return best((filled(pieces[start : start + _SHARDS]) for start in starts), count)

        # Annoy lets other threads work while it searches; this one takes its share of the shards.
        side_by_side = min(cores(), len(self.pieces))
        others = [lasting_pool().submit(asked, self.pieces[part::side_by_side]) for part in range(1, side_by_side)]
        return best([asked(self.pieces[::side_by_side]), *(other.result() for other in others)], count)

    def _most_of_one_shard(self, rows: np.ndarray) -> np.ndarray:
        """Count of each query the candidates in the shard that has most of them."""
        firsts = np.array([piece.first for piece in self.pieces])
        of = np.searchsorted(firsts, rows, side="right")
        counts = np.zeros((len(rows), len(firsts) + 1), dtype=np.intp)
        # What is no row is counted at the place of no shard.
        np.add.at(counts, (np.arange(len(rows))[:, None], of), 1)
        return counts[:, 1:].max(axis=1)

    def answer(self, queries: np.ndarray, points: np.ndarray, count: int, nodes: int) -> Found:
        """Find so many rows for each query and their true distances, nearest first."""
        if self.executor is None:
            rows, _ = self.propose(points, count, nodes)
            distances = self._measured(queries, rows)
        else:
            # What is measured there is not sent for; and is measured by many.
            rows, _, distances = best(self._each(answer, points, queries, count, nodes), count)
        return best([(rows, distances)], count)

    def _each(self, function: Callable[..., Found], *given: Any) -> Iterator[Found]:
        if self.executor is None:
            return (function(piece, *given) for piece in self.pieces)
        tasks = ((os.path.basename(piece.path), (piece, *given)) for piece in self.pieces)
        described = f"while searching {{}} of {self.store.path}".format
        return (found for _, found in finished(self.executor, function, tasks, _WINDOW, described))

    def _measured(self, queries: np.ndarray, rows: np.ndarray) -> np.ndarray:
        if len(queries) < _QUERIES:
            return distances_of(self._vectors, queries, rows)
        parts = [slice(start, start + _QUERIES) for start in range(0, len(queries), _QUERIES)]
        with threads(None) as pool:
            measured = pool.map(lambda part: distances_of(self._vectors, queries[part], rows[part]), parts)
            return np.concatenate(list(measured))

    @cached_property
    def _vectors(self) -> Vectors:
        return Vectors(self.store, None, self.pieces[0].metric)


def _share(count: int, shards: int) -> int:
    """Say how many candidates to ask of each shard, so that the best of all are rarely more in one of them."""
    fair = count / shards
    return min(count, math.ceil(fair + 4 * math.sqrt(fair) + 4))


def _widened(array: np.ndarray, width: int, fill: float) -> np.ndarray:
    return np.pad(array, ((0, 0), (0, width - array.shape[1])), constant_values=fill)


def best(found: Iterable[Found], count: int) -> Found:
    """Bring the answers of many shards together: the nearest first, of equally near ones the one in an earlier row.

    The first arrays say the rows, the second how far these are; what more there is stays with its row.
    """
    held: list[Found] = []
    for one in found:
        held.append(one)
        if len(held) > _SHARDS:
            held = [_best(held, count)]
    return _best(held, count)


def _best(found: list[Found], count: int) -> Found:
    arrays = [np.concatenate(parts, axis=1) for parts in zip(*found, strict=True)]
    order = np.lexsort((arrays[0], arrays[1]), axis=1)[:, :count]
    return tuple(np.take_along_axis(array, order, axis=1) for array in arrays)
