"""What is damaged set aside, and made again."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any

from astrotl.extract._work import Work
from astrotl.extract.features import do_missing
from astrotl.extract.recipes import extractor_of
from astrotl.preprocess import step_from_signature
from astrotl.sources import ImageSource
from astrotl.store import FeatureStore, ShardedStore, open_store

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
        The names of the files that were made again, and what was wrong with each.
    """
    store: FeatureStore = open_store(path)
    problems: dict[str, str] = {}
    if isinstance(store, ShardedStore):
        problems = store.problems()
        for name in problems:
            file = os.path.join(store.path, name)
            if os.path.exists(file):
                os.replace(file, f"{file}.damaged")
    else:
        source = source.loaded()
    steps = tuple(step_from_signature(signature) for signature in store.provenance["steps"])
    work = Work(steps, extractor_of(store), store.block)
    do_missing(store, source, work, workers=workers, executor=executor, window=window, progress=progress)
    return problems
