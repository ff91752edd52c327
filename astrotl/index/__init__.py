"""Nearest neighbours in a store: Annoy by default, exact search as the truth it is held against."""

from __future__ import annotations

import os

from astrotl.index._files import default_path
from astrotl.index.annoy import AnnoyIndex
from astrotl.index.base import METRICS, Index
from astrotl.index.exact import ExactIndex
from astrotl.store import FeatureStore

__all__ = ["METRICS", "AnnoyIndex", "ExactIndex", "Index", "open_index"]


def open_index(store: FeatureStore, path: str | os.PathLike[str] | None = None) -> Index:
    """Open the index of a store: the named one, or the one that lies beside it, or else an exact one.

    Parameters
    ----------
    store : `~astrotl.FeatureStore`
        The store.
    path : path, optional
        The index's file; by default the store's name with the ending ``.ann``.
    """
    if path is None and not os.path.exists(default_path(store)):
        return ExactIndex.build(store)
    return AnnoyIndex(store, default_path(store) if path is None else path)
