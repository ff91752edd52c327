"""The verb: one store, or a folder of them, filled with the features of images."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager, nullcontext
from typing import Any

from astrotl._threads import threads
from astrotl.errors import AstrotlWarning, ImageError, StoreError
from astrotl.extract._shards import fill_shards, open_shards
from astrotl.extract._work import Work
from astrotl.extract.recipes import make_extractor
from astrotl.extractors import Extractor
from astrotl.preprocess import Step
from astrotl.sources import ImageSource
from astrotl.store import FeatureStore, ShardedStore, delete_store

__all__ = ["extract_features"]


def extract_features(
    source: ImageSource,
    extractor: Extractor | str,
    path: str | os.PathLike[str],
    *,
    steps: Sequence[Step] | None = None,
    block: int = 64,
    shard: int | None = None,
    workers: int | None = None,
    executor: Executor | None = None,
    window: int = 16,
    progress: Callable[..., Any] | None = None,
    overwrite: bool = False,
) -> FeatureStore:
    """Turn images into features and keep them in a store.

    Called again after a kill, it does what is missing. An image that cannot be read costs its own row alone, which
    `~astrotl.FeatureStore.failed` lists with the reason; it is tried again by the next call.

    Parameters
    ----------
    source : `~astrotl.sources.ImageSource`
        The images.
    extractor : `~astrotl.extractors.Extractor` or str
        What makes the features, or its name.
    path : path
        The store. If it exists it must have been made with the same source, steps and extractor.
    steps : sequence of step, optional
        What to do with the images first; by default what suits the extractor. The size and the number of channels that
        the extractor expects are seen to in any case.
    block : int, optional
        How many images are read, and written, at once.
    shard : int, optional
        At most so many objects go into one file, and the store becomes a folder of such files, which are written side
        by side where the work is done: see `~astrotl.store.ShardedStore`. A multiple of ``block`` gives the very same
        batches as one file.
    workers : int, optional
        The number of threads that read, prepare and extract side by side; by default one more than the process has
        cores.
    executor : `~concurrent.futures.Executor`, optional
        Where the work is done instead: that of a Dask client, or a pool of processes that are spawned, not forked. With
        ``shard`` it writes the files too, so that all its machines must see the same folder.
    window : int, optional
        How many blocks, or shards, are handed out at once.
    progress : callable, optional
        Something like ``tqdm``: called with ``total``, ``initial`` and ``unit``, it returns an object with ``update``
        and ``close``.
    overwrite : bool, optional
        Whether to start anew if the store exists.

    Returns
    -------
    `~astrotl.FeatureStore`
        The store, with every row done or failed.

    Examples
    --------
    >>> from astrotl import extract_features, simulate
    >>> from astrotl.sources import ArraySource
    >>> batch, truth = simulate.stamps(20, seed=1)
    >>> store = extract_features(ArraySource(batch.data), "profiles", "galaxies.h5")
    >>> len(store.done())
    20
    """
    for name, value in (("block", block), ("shard", shard), ("window", window)):
        if value is not None and value < 1:
            raise ValueError(f"{name}: must be 1 or more, got {value}")
    if isinstance(extractor, str):
        extractor = make_extractor(extractor)
    plan = (*(extractor.default_steps() if steps is None else steps), *extractor.input.steps())
    work = Work(plan, extractor, block)
    _check_place(os.fspath(path), shard, overwrite)
    if overwrite and os.path.exists(path):
        # Whatever is wrong with the extractor shows before an old store is gone.
        extractor.runs_on()
        delete_store(path)
    if shard is not None:
        store: FeatureStore = open_shards(path, source, work, shard)
    else:
        source = source.loaded()
        store = work.open(path, source)
    with store.lock():
        do_missing(store, source, work, workers=workers, executor=executor, window=window, progress=progress)
    _report(store)
    return store


def _check_place(path: str, shard: int | None, overwrite: bool) -> None:
    if shard is None and (os.path.isdir(path) or path.endswith(os.sep)):
        raise ValueError(f"path: {path} is a folder; name a file, or say by shard how much a file holds")
    if shard is not None and os.path.isfile(path) and not overwrite:
        raise ValueError(f"path: {path} is a file; name a folder for the shards, or overwrite it with --overwrite")


def do_missing(
    store: FeatureStore,
    source: ImageSource,
    work: Work,
    *,
    workers: int | None,
    executor: Executor | None,
    window: int,
    progress: Callable[..., Any] | None,
) -> None:
    """Do what a store misses, wherever the work is to be done; whoever calls this holds the store's lock."""
    # Counting looks at every shard, so that a damaged one shows before hours of work.
    with _advancing(len(store), store.count_done(), progress) as advance:
        if isinstance(store, ShardedStore):
            fill_shards(store, source, work, workers, executor, window, advance)
        else:
            with nullcontext(executor) if executor else threads(workers) as pool:
                work.fill(store, source, pool, window, advance)


@contextmanager
def _advancing(total: int, done: int, progress: Callable[..., Any] | None) -> Iterator[Callable[[int], Any]]:
    """Open a bar that stands where the store does, and give what moves it."""
    if progress is None:
        yield bool
        return
    bar = progress(total=total, initial=done, unit="img")
    try:
        yield bar.update
    finally:
        bar.close()


def _report(store: FeatureStore) -> None:
    failed = store.failed()
    lost = len(store) - store.count_done() - len(failed)
    if lost:
        raise StoreError(
            f"{store.path}: {lost:,} rows were done elsewhere and are not here; "
            "have all workers see this folder under the same path"
        )
    if not len(failed):
        return
    first = f"{failed['id'][0]}: {failed['reason'][0]}"
    if len(failed) == len(store):
        raise ImageError(f"none of the {len(store):,} images could be read; the first, {first}")
    warnings.warn(
        f"{len(failed):,} of {len(store):,} objects have no features (store.failed() lists them); the first, {first}",
        AstrotlWarning,
        stacklevel=3,
    )
