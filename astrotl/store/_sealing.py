"""How damage is found out: checksums of what a store holds, and a seal on the file's own bookkeeping.

HDF5 trusts what it reads, and a flipped bit in its bookkeeping can end the whole process. So nothing is shown to it
before the bookkeeping, which never changes once a store is made, has been checked against the seal.
"""

from __future__ import annotations

import json
import os
from typing import Any
from zlib import crc32

import h5py
import numpy as np

#: The seal lies in front of all that is HDF5's, in what it calls the user block.
SEAL_BYTES = 512
_SEAL = "astrotl-seal"
#: Here HDF5 marks a file as long as it is open to be written, and a killed process leaves the mark; nobody reads it.
_MARKS = (SEAL_BYTES + 20, 4)


def seal(path: str) -> None:
    """Write down how long a file is, where its numbers lie, and the CRC-32 of all the rest."""
    with h5py.File(path, "r") as file:
        datasets = [file[name].id for name in file if file[name].shape]
        data = sorted((each.get_offset(), each.get_storage_size()) for each in datasets)
    data.insert(0, _MARKS)
    size = os.path.getsize(path)
    with open(path, "r+b") as raw:
        known = {_SEAL: 1, "bytes": size, "data": data, "crc32": _rest_checksum(raw, size, data)}
        raw.seek(0)
        raw.write(json.dumps(known).encode().ljust(SEAL_BYTES))


def is_sealed(path: str | os.PathLike[str]) -> bool:
    """Say whether a file begins with a seal, whatever has become of the rest."""
    with open(path, "rb") as raw:
        return raw.read(SEAL_BYTES).startswith(f'{{"{_SEAL}"'.encode())


def check_seal(path: str) -> None:
    """Refuse a file that is cut short, or whose bookkeeping is not what was sealed; the first format has no seal."""
    with open(path, "rb") as raw:
        start = raw.read(SEAL_BYTES)
        if start.startswith(b"\x89HDF") or not h5py.is_hdf5(path):
            return
        known: dict[str, Any] = json.loads(start) if start.startswith(b"{") else {}
        if known.get(_SEAL) != 1:
            return
        size = os.path.getsize(path)
        if size != known["bytes"]:
            raise ValueError(f"it has {size:,} bytes of {known['bytes']:,}")
        if _rest_checksum(raw, size, known["data"]) != known["crc32"]:
            raise ValueError("its bookkeeping has changed")


def _rest_checksum(raw: Any, size: int, data: list[tuple[int, int]]) -> int:
    """Give the CRC-32 of all that is neither the seal nor numbers."""
    checksum, place = 0, SEAL_BYTES
    for start, length in (*data, (size, 0)):
        raw.seek(place)
        checksum = crc32(raw.read(max(start - place, 0)), checksum)
        place = start + length
    return checksum


def checksums(features: np.ndarray) -> np.ndarray:
    """Give the CRC-32 of each row, as its numbers lie in the file."""
    rows = np.ascontiguousarray(features, dtype="<f4")
    return np.fromiter((crc32(row) for row in rows), dtype=np.uint32, count=len(rows))


def objects_checksum(file: h5py.File) -> int:
    """Give the CRC-32 of all ids, and after them of all positions."""
    known = crc32(file["ids"][:].tobytes())
    return crc32(file["positions"][:].tobytes(), known) if "positions" in file else known
