"""Features kept: in one HDF5 file, or in a folder of them."""

from __future__ import annotations

import os

import h5py

from astrotl._locks import locked
from astrotl.errors import StoreError
from astrotl.store._layout import FORMAT
from astrotl.store._sealing import is_sealed
from astrotl.store.hdf5 import FeatureStore
from astrotl.store.manifest import Shard, manifest_path
from astrotl.store.sharded import ShardedStore

__all__ = ["FeatureStore", "Shard", "ShardedStore", "delete_store", "is_store", "open_store"]


def open_store(path: str | os.PathLike[str]) -> FeatureStore:
    """Open a store: one file, or a folder of shards.

    Parameters
    ----------
    path : path
        The file or the folder.
    """
    return ShardedStore(path) if os.path.isdir(path) else FeatureStore(path)


def delete_store(path: str | os.PathLike[str]) -> None:
    """Remove a store from the disk, even a damaged file, but nothing that is no store or is being written."""
    try:
        if os.path.isdir(path):
            ShardedStore(path).delete()
        elif is_store(path):
            with locked(path):
                os.unlink(path)
        else:
            raise StoreError(f"{os.fspath(path)}: is not a feature store, so it is not overwritten; name another file")
    except PermissionError as error:
        raise StoreError(f"{os.fspath(path)}: may not be removed (permission denied); name another place") from error


def is_store(path: str | os.PathLike[str]) -> bool:
    """Say whether a file, or a folder, is a feature store, of whatever version, whole or damaged."""
    if os.path.isdir(path):
        return os.path.exists(manifest_path(path))
    try:
        if is_sealed(path):
            return True
        with h5py.File(path, "r") as file:
            return bool(file.attrs.get("format") == FORMAT)
    except OSError:
        return False
