"""A folder of stores filled: each shard by one writer, where the work is done."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from dataclasses import replace
from typing import Any

from astrotl._executors import finished
from astrotl._threads import threads
from astrotl.errors import StoreError
from astrotl.extract._work import Work
from astrotl.sources import ImageSource
from astrotl.store import Shard, ShardedStore


def open_shards(path: str | os.PathLike[str], source: ImageSource, work: Work, most: int) -> ShardedStore:
    """Open a sharded store, or plan it: no shard holds more than so many objects, or those of two parts."""
    shards: list[Shard] = []
    for part in source.parts():
        for start in range(part.rows.start, part.rows.stop, most):
            name = f"shard-{len(shards):05}.h5"
            shards.append(Shard(name, min(most, part.rows.stop - start), part.healpix))
    return ShardedStore.open_or_create(path, work.extractor.dim, work.block, shards, work.provenance(source))


def fill_shards(
    store: ShardedStore,
    source: ImageSource,
    work: Work,
    workers: int | None,
    executor: Executor | None,
    window: int,
    advance: Callable[[int], Any],
) -> None:
    """Do what the shards miss: here one after the other, block by block; elsewhere shard by shard."""
    # A rerun does the very same batches, whatever block it was given.
    work = replace(work, block=store.block)

    def tasks() -> Iterator[tuple[str, tuple[Any, ...]]]:
        # Those that exist first: in them it shows that the images are of other objects, before a new one is made.
        begun = store.begun()
        for number in [*begun, *sorted({*range(len(store.shards))}.difference(begun))]:
            shard = store.shards[number]
            known = {"uuid": store.uuid_of(number), "sharded": store.uuid}
            # Other processes may stand in other folders.
            path = os.path.abspath(store.path_of(number))
            yield shard.name, (path, source[store.rows_of_shard(number)], work, known)

    if executor is None:
        with threads(workers) as pool:
            for _, (path, part, _, known) in tasks():
                _fill(path, part, work, known, pool, window, advance)
        return
    described = f"while making {{}} of {store.path}".format
    for _, count in finished(executor, extract_shard, tasks(), window, described):
        advance(count)


def extract_shard(path: str, source: ImageSource, work: Work, known: dict[str, str]) -> int:
    """Do what one shard misses, by this worker alone, and say how many rows that were."""
    folder = os.path.dirname(path)
    if not os.path.isdir(folder):
        raise StoreError(
            f"{folder}: is not there on the worker {socket.gethostname()}; name a folder that all machines see"
        )
    counts: list[int] = []
    with threads(1) as pool:
        _fill(path, source, work, known, pool, 2, counts.append)
    return sum(counts)


def _fill(
    path: str,
    source: ImageSource,
    work: Work,
    known: dict[str, str],
    executor: Executor,
    window: int,
    advance: Callable[[int], Any],
) -> None:
    source = source.loaded()
    store = work.open(path, source, **known)
    # Whoever was given the shard before may still be at it, not knowing that its caller is gone.
    with store.lock(wait=True):
        work.fill(store, source, executor, window, advance)
