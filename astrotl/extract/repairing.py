"""What is damaged set aside, and made again."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any

from astrotl.errors import StoreMismatchError
from astrotl.extract._work import Work
from astrotl.extract.features import do_missing
from astrotl.extract.recipes import extractor_of
from astrotl.preprocess import step_from_signature
from astrotl.sources import ImageSource
from astrotl.store import FeatureStore, ShardedStore, open_store
from astrotl.store.hdf5 import compare

__all__ = ["repair_features"]


def repair_features(
    path: str | os.PathLike[str],
    source: ImageSource,
    *,
    workers: int | None = None,
    executor: Executor | None = None,
    window: int = 16,
    progress: Callable[..., Any] | None = None,
) -> dict[str, str]:
    """Make again what of a store is lost or damaged, with the steps and the extractor that it was made with.

    Parameters
    ----------
    path : path
        The store. Shards that are damaged, or of another store, are kept beside it with the ending ``.damaged``.
    source : `~astrotl.sources.ImageSource`
        The images that it was made from.
    workers, executor, window, progress : optional
        As for `~astrotl.extract_features`.

    Returns
    -------
    dict
        What was made again, the names of files or ``"rows"``, and what was wrong with each.
    """
    store = open_store(path)
    steps = tuple(step_from_signature(signature) for signature in store.provenance["steps"])
    work = Work(steps, extractor_of(store), store.block)
    source = _checked(source, store, work)
    with store.lock():
        made = store.problems()
        for name in made:
            file = os.path.join(store.path, name)
            if os.path.exists(file):
                os.replace(file, f"{file}.damaged")
        damaged = store.damaged()
        store.forget(damaged)
        if len(damaged):
            made["rows"] = f"the features of {len(damaged):,} rows were not those that were written"
        do_missing(store, source, work, workers=workers, executor=executor, window=window, progress=progress)
    return made


def _checked(source: ImageSource, store: FeatureStore, work: Work) -> ImageSource:
    """Refuse other images than a store was made from, before anything is touched."""
    if not isinstance(store, ShardedStore):
        source = source.loaded()
        work.open(store.path, source)
        return source
    compare(store.path, store.provenance, work.provenance(source))
    if len(source) != len(store):
        raise StoreMismatchError(
            f"{store.path}: was made for {len(store):,} objects, not {len(source):,}; give the images it was made from"
        )
    return source
