"""Nearest neighbours in a store: Annoy by default, exact search as the truth it is held against."""

from __future__ import annotations

import os
from concurrent.futures import Executor

from astrotl.index._files import default_path
from astrotl.index._listing import listing_path
from astrotl.index.annoy import AnnoyIndex
from astrotl.index.base import METRICS, Index
from astrotl.index.exact import ExactIndex
from astrotl.index.sharded import ShardedIndex
from astrotl.store import FeatureStore, ShardedStore

__all__ = ["METRICS", "AnnoyIndex", "ExactIndex", "Index", "ShardedIndex", "open_index"]


def open_index(
    store: FeatureStore, path: str | os.PathLike[str] | None = None, *, executor: Executor | None = None
) -> Index:
    """Open the index of a store: the named one, or the one that lies beside it, or else an exact one.

    Parameters
    ----------
    store : `~astrotl.FeatureStore`
        The store; that of a folder of shards is searched by the indexes of all of them.
    path : path, optional
        The index's file; by default the store's name with the ending ``.ann``. A folder of shards has it in the folder.
    executor : `~concurrent.futures.Executor`, optional
        Where the shards of a folder are asked; one file is searched by this process.
    """
    if isinstance(store, ShardedStore):
        if path is not None:
            raise ValueError("path: a folder of shards has its index in the folder; name none")
        listed = os.path.exists(listing_path(store))
        return ShardedIndex(store, executor=executor) if listed else ExactIndex.build(store)
    if path is None and not os.path.exists(default_path(store)):
        return ExactIndex.build(store)
    return AnnoyIndex(store, default_path(store) if path is None else path)
