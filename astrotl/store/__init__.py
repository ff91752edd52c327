"""Features kept: in one HDF5 file, or in a folder of them."""

from __future__ import annotations

import os

import h5py

from astrotl.store._layout import FORMAT
from astrotl.store.hdf5 import FeatureStore
from astrotl.store.manifest import Shard, manifest_path
from astrotl.store.sharded import ShardedStore

__all__ = ["FeatureStore", "Shard", "ShardedStore", "is_store", "open_store"]


def open_store(path: str | os.PathLike[str]) -> FeatureStore:
    """Open a store: one file, or a folder of shards.

    Parameters
    ----------
    path : path
        The file or the folder.
    """
    return ShardedStore(path) if os.path.isdir(path) else FeatureStore(path)


def is_store(path: str | os.PathLike[str]) -> bool:
    """Say whether a file, or a folder, is a feature store, of whatever version."""
    if os.path.isdir(path):
        return os.path.exists(manifest_path(path))
    if not h5py.is_hdf5(path):
        return False
    with h5py.File(path, "r") as file:
        return bool(file.attrs.get("format") == FORMAT)
