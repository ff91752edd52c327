"""How a store lies in its HDF5 file: what is set aside when it is made, and how rows are put into it."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import h5py
import numpy as np
import numpy.typing as npt

from astrotl._locks import locked
from astrotl.errors import StoreError, first_line
from astrotl.store._sealing import SEAL_BYTES, is_sealed, objects_checksum, seal

FORMAT = "astrotl-features"
FORMAT_VERSION = 2

_REASON_BYTES = 240


def create(
    path: str,
    ids: np.ndarray,
    dim: int,
    provenance: dict[str, Any],
    block: int,
    positions: npt.ArrayLike | None,
    uuid: str | None,
) -> None:
    """Set aside the whole file under another name, and give it its own when it is there."""
    if not len(ids):
        raise ValueError("ids: there are none, so there is nothing to store")
    try:
        with locked(os.path.dirname(os.path.abspath(path)), wait=True):
            # Somebody else may just have begun it.
            if not os.path.exists(path):
                _write(path, ids, dim, provenance, block, positions, uuid or str(uuid4()))
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else error
        raise StoreError(f"{path}: cannot be written ({why}); name another place with -o") from error


def _write(
    path: str,
    ids: np.ndarray,
    dim: int,
    provenance: dict[str, Any],
    block: int,
    positions: npt.ArrayLike | None,
    uuid: str,
) -> None:
    part = f"{path}.part"
    try:
        # Without SWMR and in the oldest layout: a killed writer then leaves no mark in the file that bars the next one.
        # Numbers that begin at a multiple of their own size can be mapped into memory.
        how = {"libver": "earliest", "alignment_threshold": 1, "alignment_interval": 8}
        with h5py.File(part, "w", userblock_size=SEAL_BYTES, **how) as file:
            file.attrs.update(format=FORMAT, format_version=FORMAT_VERSION, uuid=uuid, block=block)
            file["provenance"] = json.dumps(provenance)
            _lay_out(file, ids, dim, positions)
        seal(part)
        os.replace(part, path)
    finally:
        if os.path.exists(part):
            os.unlink(part)


def _lay_out(file: h5py.File, ids: np.ndarray, dim: int, positions: npt.ArrayLike | None) -> None:
    n = len(ids)
    encoded = np.char.encode(ids, "utf-8")
    file["ids"] = encoded.astype(h5py.string_dtype("utf-8", max(encoded.dtype.itemsize, 1)))
    if positions is not None:
        file["positions"] = np.asarray(positions, dtype=np.float64)
    file.attrs["objects_crc32"] = objects_checksum(file)
    file["done"] = np.zeros(n, dtype="u1")
    file["crc32"] = np.zeros(n, dtype="<u4")
    failures = np.dtype([("row", "<i8"), ("reason", f"S{_REASON_BYTES}")])
    file["failures"] = np.zeros(min(n, 4096 + n // 100), dtype=failures)
    # All space is set aside now, so that writing a block later touches none of the file's own bookkeeping.
    plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plan.set_layout(h5py.h5d.CONTIGUOUS)
    plan.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    h5py.h5d.create(file.id, b"features", h5py.h5t.IEEE_F32LE, h5py.h5s.create_simple((n, dim)), plan)


def starts_of_rows(features: h5py.Dataset) -> tuple[np.ndarray, int] | None:
    """Say at which number of the file, four bytes each, every run of so many rows begins.

    None if they do not lie there plainly. In the first format the runs are chunks, which may lie anywhere.
    """
    if features.dtype != "<f4":
        return None
    if features.chunks is None:
        starts, run = np.array([features.id.get_offset() or 1]), max(len(features), 1)
    else:
        found: list[h5py.h5d.StoreInfo] = []
        features.id.chunk_iter(found.append)
        places = sorted((info.chunk_offset[0], info.byte_offset) for info in found)
        starts, run = np.array([start for _, start in places], dtype=np.intp), features.chunks[0]
        packed = features.id.get_create_plist().get_nfilters() > 0
        if packed or features.chunks[1] != features.shape[1] or len(starts) != -(-len(features) // run):
            return None
    return None if (starts % 4).any() else (starts // 4, run)


def put(dataset: h5py.Dataset, rows: np.ndarray, values: Any) -> None:
    """Write rows, as one slice where they follow each other, which HDF5 does far faster."""
    if not len(rows):
        return
    if len(rows) == rows[-1] - rows[0] + 1:
        dataset[int(rows[0]) : int(rows[-1]) + 1] = values
    else:
        dataset[rows] = values


def keep_reasons(dataset: h5py.Dataset, failed: Mapping[int, str]) -> None:
    """Write down why rows failed, as long as there is room."""
    kept = dataset[:]
    slots = {int(row): slot for slot, row in enumerate(kept["row"]) if row}
    free = iter(np.flatnonzero(kept["row"] == 0).tolist())
    for row, reason in failed.items():
        slot = slots.get(row + 1)
        if slot is None and (slot := next(free, None)) is None:
            return
        text = reason.encode()
        if len(text) > _REASON_BYTES:
            text = text[:100] + b"..." + text[-(_REASON_BYTES - 103) :]
        dataset[slot] = (row + 1, text)


def why_unusable(path: str, error: Exception) -> str:
    """Say why a file cannot be read or written as a store."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
        return f"cannot be written ({os.strerror(error.errno)}); what was done is kept"
    if not h5py.is_hdf5(path):
        return "is not a feature store (nor any HDF5 file); make one with astrotl extract"
    # What no seal shows to be a store is not overwritten.
    remedy = "extract it again with --overwrite" if is_sealed(path) else "remove it and extract again"
    return f"is damaged and cannot be used ({first_line(error)}); {remedy}"
