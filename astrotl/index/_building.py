"""The indexes of all shards of a folder grown, and the effort settled that they take together."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import nullcontext, suppress
from dataclasses import replace
from typing import Any

import numpy as np

from astrotl._executors import finished
from astrotl._threads import cores, threads
from astrotl.errors import IndexMismatchError
from astrotl.index._asked import Shards, best
from astrotl.index._files import checked_note, read_projection
from astrotl.index._forest import NEAREST, SAMPLE, Plan
from astrotl.index._listing import Listing, listing_path
from astrotl.index._shards import LEAST, Found, fits, grow, name_of
from astrotl.index._vectors import SAMPLE as FOR_DIRECTIONS
from astrotl.index._vectors import Projection, seen
from astrotl.index.base import without
from astrotl.store import FeatureStore, ShardedStore

#: Where nothing is said, so many forests at most are grown side by side; each is held in memory until it is written.
_FORESTS = 4
#: Fewer numbers have smaller leaves, and of a shard only a few of these are looked into. So much of the differences
#: has to lie in the directions that are kept.
_HELD = 0.99
#: This part of the nearest of a sample is found.
_RECALL = 0.990
#: What a sample may fall short of it by chance.
_SLACK = 0.01
#: Among more candidates than this the true nearest are not looked for.
_MOST = 64 * NEAREST


def build_missing(
    store: ShardedStore,
    wanted: Listing,
    workers: int | None,
    executor: Executor | None,
    window: int,
    progress: Callable[..., Any] | None,
) -> None:
    """Grow the indexes that are missing or are not what is wanted, and write the list of all."""
    for held in (_HELD, 1.0):
        projection = _projection(store, wanted, held)
        named = replace(wanted, projection=name_of(projection))
        pieces = named.pieces(store)
        plan = Plan(projection, wanted.trees, wanted.seed)
        kept = [fits(piece, plan) for piece in pieces]
        if all(kept) and _is_listed(store, named):
            return
        # The list is never there without what fits it.
        with suppress(FileNotFoundError):
            os.unlink(listing_path(store))
        listing = _grown(store, named, plan, kept, workers, executor, window, progress)
        # A few objects far from all others may make up most of the differences, and hide those of the rest.
        if listing.recall >= _RECALL - _SLACK or _is_whole(projection, wanted, store):
            break
    listing.write(store)


def _grown(
    store: ShardedStore,
    named: Listing,
    plan: Plan,
    kept: list[bool],
    workers: int | None,
    executor: Executor | None,
    window: int,
    progress: Callable[..., Any] | None,
) -> Listing:
    """Grow what is not kept, find the true neighbours of a sample meanwhile, and settle the effort by these."""
    pieces = named.pieces(store)
    sample = drawn(store, named.counts, 6 * SAMPLE, named.seed)
    queries = seen(store.features(sample), named.metric)
    done = sum(piece.objects for piece, there in zip(pieces, kept, strict=True) if there)
    bar = progress(total=sum(named.counts), initial=done, unit="obj") if progress else None
    k = min(NEAREST + 1, sum(named.counts))

    def grown() -> Iterator[Found]:
        here = workers or min(cores(), _FORESTS)
        with nullcontext(executor) if executor else threads(here) as pool:
            tasks = ((number, (piece, plan, queries, k)) for number, piece in enumerate(pieces))
            described = f"while indexing shard {{}} of {store.path}".format
            for number, found in finished(pool, grow, tasks, window if executor else here, described):
                if bar is not None and not kept[number]:
                    bar.update(pieces[number].objects)
                yield found

    try:
        true = best(grown(), k)
    finally:
        if bar is not None:
            bar.close()
    shards = Shards(store, [piece.as_written() for piece in pieces], executor)
    return _settled(named, shards, plan.projection, queries, sample, without(sample, *true)[0])


def drawn(store: ShardedStore, counts: tuple[int, ...], most: int, seed: int) -> np.ndarray:
    """Draw some of the rows that are done, shard by shard, so that no list of all is made."""
    starts = np.concatenate([[0], np.cumsum(counts)])
    total = int(starts[-1])
    places = np.arange(total)
    if total > most:
        places = np.sort(np.random.default_rng(seed).choice(total, most, replace=False))
    of = np.searchsorted(starts, places, side="right") - 1
    rows = [
        store.shard(number).done()[places[of == number] - starts[number]] + store.rows_of_shard(number).start
        for number in np.unique(of).tolist()
    ]
    return np.concatenate(rows)


def _is_whole(projection: Projection, wanted: Listing, store: ShardedStore) -> bool:
    """Say whether as many directions are kept as may be."""
    return projection.directions is None or len(projection.directions) >= min(wanted.reduce, store.shape[1])


def _projection(store: ShardedStore, wanted: Listing, held: float) -> Projection:
    """Take the numbers that most of the shards are indexed by already, or find new ones for all."""
    dim = store.shape[1]
    known: dict[str, str] = {}
    votes: Counter[str] = Counter()
    for piece in wanted.pieces(store):
        with suppress(IndexMismatchError):
            note = checked_note(piece.path, FeatureStore(piece.store), piece.objects, piece.remedy)
            asked = {"metric": wanted.metric, "reduce": wanted.reduce, "seed": wanted.seed}
            if asked.items() <= note.items():
                known.setdefault(note["projection"], piece.path)
                votes[note["projection"]] += 1
    for name, _ in votes.most_common():
        with suppress(IndexMismatchError):
            projection = read_projection(known[name])
            if name_of(projection) == name and (held < 1 or _is_whole(projection, wanted, store)):
                return projection
    sample = seen(store.features(drawn(store, wanted.counts, FOR_DIRECTIONS, wanted.seed)), wanted.metric)
    with threads(1):
        found = Projection.along(sample.copy(), min(wanted.reduce, dim), wanted.seed)
        assert found.directions is not None
        kept = len(found.directions) if held == 1 else found.enough(sample, held)
        return Projection(found.middle, found.directions[:kept])


def _is_listed(store: ShardedStore, wanted: Listing) -> bool:
    try:
        listed = Listing.read(store)
    except IndexMismatchError:
        return False
    return replace(wanted, candidates=listed.candidates, nodes=listed.nodes, recall=listed.recall) == listed


def _settled(
    listing: Listing, shards: Shards, projection: Projection, queries: np.ndarray, sample: np.ndarray, true: np.ndarray
) -> Listing:
    """Look into more and more nodes until what is found in all shards is enough of the true nearest of a sample."""
    if not true.size:
        return replace(listing, candidates=2 * NEAREST, nodes=LEAST, recall=1.0)
    most = min(_MOST, sum(listing.counts))
    points = projection.reduced(queries)
    # What the effort is settled by is not what it is judged by, unless there are few.
    some = np.arange(len(sample)) % 3 == 0 if len(sample) > 4 * SAMPLE else np.ones(len(sample), dtype=bool)
    judging, settling = some, ~some if not some.all() else some

    def tried(nodes: int) -> tuple[int, float]:
        return _enough(shards.propose(points[settling], most, nodes)[0], true[settling])

    too_few, nodes = 0, LEAST
    candidates, found = tried(nodes)
    while found < _RECALL and nodes < max(listing.counts):
        too_few, nodes = nodes, 2 * nodes
        candidates, found = tried(nodes)
    while nodes - too_few > nodes // 32 and too_few:
        between = (too_few + nodes) // 2
        fewer, found = tried(between)
        if found < _RECALL:
            too_few = between
        else:
            candidates, nodes = fewer, between
    listing = replace(listing, candidates=candidates, nodes=nodes)
    k = true.shape[1] + 1
    answers = shards.answer(queries[judging], points[judging], *listing.effort(k))
    rows, _ = without(sample[judging], *(array[:, :k] for array in answers))
    return replace(listing, recall=_recall(rows, true[judging]))


def _enough(rows: np.ndarray, true: np.ndarray) -> tuple[int, float]:
    """Say how many candidates have to be taken, and which part of the true nearest is then among them."""
    ranks = np.full(true.shape, np.inf)
    query, rank, which = np.nonzero(rows[:, :, None] == true[:, None, :])
    ranks[query, which] = rank + 1
    found = ranks[np.isfinite(ranks)]
    # Little of what may be missed is missed here, for nodes cost more than candidates.
    least = math.ceil(np.quantile(found, (4 + _RECALL) / 5)) if found.size else 0
    candidates = max(2 * NEAREST, least)
    return candidates, float(np.mean(ranks <= candidates))


def _recall(rows: np.ndarray, true: np.ndarray) -> float:
    return float(np.mean([np.isin(a, b).mean() for a, b in zip(true, rows, strict=True)]))
