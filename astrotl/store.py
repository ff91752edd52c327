"""The feature store: one HDF5 file that survives a kill, knows its origin, and is read for ever."""

from __future__ import annotations

import json
import os
import uuid as uuid_module
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
from astropy.table import Table

from astrotl._locks import locked
from astrotl._params import difference, nearest
from astrotl.errors import StoreError, StoreMismatchError

__all__ = ["FeatureStore", "is_store"]

FORMAT = "astrotl-features"
FORMAT_VERSION = 1
#: The parts of the provenance that decide the features; the rest is written down and never compared.
COMPARED = ("source", "steps", "extractor")

_MISSING, _DONE, _FAILED = 0, 1, 2
_REASON_BYTES = 240


class FeatureStore:
    """Features of many objects in one HDF5 file.

    Every row is missing, done or failed. Blocks are written so that the file is whole after a kill at any moment, and
    the file is closed between calls, so that a store can be used by many processes.

    Parameters
    ----------
    path : path
        A store that exists; `open_or_create` makes one.

    Examples
    --------
    >>> from astrotl import FeatureStore
    >>> store = FeatureStore.open_or_create("features.h5", ids=["a", "b"], dim=3, provenance={})
    >>> store.write([0], [[1, 2, 3]])
    >>> store.missing().tolist()
    [1]
    >>> store.features([0])
    array([[1., 2., 3.]], dtype=float32)
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        with self._open() as file:
            self.uuid: str = file.attrs["uuid"]
            self.block: int = int(file.attrs["block"])
            self.shape: tuple[int, int] = file["features"].shape
            self.provenance: dict[str, Any] = json.loads(file["provenance"][()])
            self.ids: np.ndarray = file["ids"].asstr()[:].astype(np.str_)
            self.positions: np.ndarray | None = file["positions"][:] if "positions" in file else None

    @classmethod
    def open_or_create(
        cls,
        path: str | os.PathLike[str],
        ids: npt.ArrayLike,
        dim: int,
        provenance: Mapping[str, Any],
        *,
        block: int = 256,
        positions: npt.ArrayLike | None = None,
    ) -> FeatureStore:
        """Open the store, or create it if there is none.

        Parameters
        ----------
        path : path
            The file.
        ids : array_like of str
            The ids of the objects.
        dim : int
            The length of the feature vectors.
        provenance : mapping
            What the features are made from, as JSON. The keys ``source``, ``steps`` and ``extractor`` must be those of
            the store, if it exists.
        block : int, optional
            How many rows are written at once.
        positions : array_like, optional
            Right ascension and declination of each object in degrees, ``(n, 2)``.
        """
        names = np.asarray(ids, dtype=np.str_)
        if not os.path.exists(path):
            _create(os.fspath(path), names, int(dim), dict(provenance), int(block), positions)
        store = cls(path)
        store._compare(names, int(dim), provenance)
        return store

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        return f"<FeatureStore {self.path}: {self.shape[0]} objects, {self.shape[1]} features>"

    def missing(self) -> np.ndarray:
        """List the rows that are not done; those that failed are among them, to be tried again."""
        return np.flatnonzero(self._flags() != _DONE)

    def done(self) -> np.ndarray:
        """List the rows that have features."""
        return np.flatnonzero(self._flags() == _DONE)

    def failed(self) -> Table:
        """List the objects that could not be read: ``row``, ``id`` and ``reason``."""
        with self._open() as file:
            flags = file["done"][:]
            reasons = {int(row) - 1: text.decode(errors="replace") for row, text in file["failures"][:] if row}
        rows = np.flatnonzero(flags == _FAILED)
        why = [reasons.get(int(row), "not kept: too many failed") for row in rows]
        return Table({"row": rows, "id": self.ids[rows], "reason": np.array(why, dtype=np.str_)})

    def write(self, rows: npt.ArrayLike, features: npt.ArrayLike, failed: Mapping[int, str] | None = None) -> None:
        """Write features of some rows, and the reasons for the rows that have none.

        Parameters
        ----------
        rows : array_like of int
            The rows, increasing.
        features : array_like
            One finite vector for each of them.
        failed : mapping of int to str, optional
            Other rows, each with the reason why it has no features.
        """
        numbers = np.asarray(rows, dtype=np.intp)
        values = np.asarray(features, dtype=np.float32)
        if values.shape != (len(numbers), self.shape[1]):
            raise ValueError(f"features: expected the shape {(len(numbers), self.shape[1])}, got {values.shape}")
        if not np.isfinite(values).all():
            raise ValueError("features: must be finite; write rows that have none as failed")
        failed = dict(failed or {})
        lost = np.array(sorted(failed), dtype=np.intp)
        # The flags come last: a kill in between leaves rows that are done again, never rows that lie.
        with self._open("r+") as file:
            _put(file["features"], numbers, values)
            _put(file["features"], lost, np.full((len(lost), self.shape[1]), np.nan, dtype=np.float32))
            if failed:
                _keep_reasons(file["failures"], failed)
            file.flush()
            _put(file["done"], numbers, np.uint8(_DONE))
            _put(file["done"], lost, np.uint8(_FAILED))

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Be the only writer as long as this context lasts; another process that asks is refused.

        Reading needs no lock. Where the system has no such locks, as on Windows, nothing is excluded.
        """
        with locked(self.path):
            yield

    def features(self, rows: slice | npt.ArrayLike | None = None) -> np.ndarray:
        """Read the features of some rows, or of all; those not done are NaN."""
        # The flags are read first: what a writer in another process finishes in between counts as not done.
        with self._open() as file:
            if rows is None or isinstance(rows, slice):
                chosen = rows or slice(None)
                flags, values = file["done"][chosen], file["features"][chosen]
            else:
                numbers = np.asarray(rows)
                numbers = np.flatnonzero(numbers) if numbers.dtype.kind == "b" else numbers.astype(np.intp)
                wanted, back = np.unique(numbers, return_inverse=True)
                flags, values = file["done"][:][numbers], file["features"][wanted][back]
        values[flags != _DONE] = np.nan
        return np.asarray(values)

    def mapped(self) -> Callable[[npt.ArrayLike], np.ndarray]:
        """Map the features into memory and give a function that reads rows from there, far faster than from the file.

        It looks at no flags, so ask it for rows that were done when it was made; what is written later it may not see.
        The features stay on the disk until they are asked for; only a store that another program has packed is read
        whole, once.
        """
        with self._open() as file:
            features = file["features"]
            starts = _starts_of_chunks(features)
            if starts is None:
                values = features[:]
                return lambda rows: values[np.asarray(rows, dtype=np.intp)]
            block, dim = features.chunks
        numbers = np.memmap(self.path, dtype="<f4", mode="r", shape=os.path.getsize(self.path) // 4)
        # Chunks lie anywhere in the file, so every place in it is taken for the beginning of a row.
        vectors = np.lib.stride_tricks.sliding_window_view(np.asarray(numbers), dim)

        def read(rows: npt.ArrayLike) -> np.ndarray:
            chunk, row = np.divmod(np.asarray(rows, dtype=np.intp), block)
            return np.asarray(vectors[starts[chunk] + row * dim])

        return read

    def row_of(self, name: str) -> int:
        """Find the row of an id."""
        rows = np.flatnonzero(self.ids == name)
        if not len(rows):
            raise ValueError(f"query: {name!r} is not an id of {self.path}{nearest(name, self.ids[:100_000].tolist())}")
        return int(rows[0])

    def to_table(self) -> Table:
        """Give ids, positions if known, and features as one astropy Table."""
        table = Table({"id": self.ids})
        if self.positions is not None:
            table["ra"], table["dec"] = self.positions.T
            table["ra"].unit = table["dec"].unit = "deg"
        table["features"] = self.features()
        table.meta["astrotl"] = {"store": self.uuid, "provenance": self.provenance}
        return table

    def _flags(self) -> np.ndarray:
        with self._open() as file:
            return np.asarray(file["done"][:])

    def _compare(self, ids: np.ndarray, dim: int, provenance: Mapping[str, Any]) -> None:
        remedy = "give another file with -o, or overwrite this one with --overwrite"
        for key in COMPARED:
            here, there = self.provenance.get(key), json.loads(json.dumps(provenance.get(key)))
            if here != there:
                path, old, new = difference(key, here, there)
                raise StoreMismatchError(f"{self.path}: was made with {path} = {old}, not {new}; {remedy}")
        if len(ids) != len(self.ids) or (ids != self.ids).any():
            raise StoreMismatchError(
                f"{self.path}: was made for other objects (its {len(self.ids)} ids differ from these {len(ids)}); "
                f"{remedy}"
            )
        if dim != self.shape[1]:
            raise StoreMismatchError(f"{self.path}: holds {self.shape[1]} features an object, not {dim}; {remedy}")

    @contextmanager
    def _open(self, mode: str = "r") -> Iterator[h5py.File]:
        try:
            # A lock of HDF5 would let somebody who only looks stop the writer; writers exclude each other by `lock`.
            file = h5py.File(self.path, mode, locking=False)
        except FileNotFoundError as error:
            raise StoreError(f"{self.path}: there is no such store; make it with astrotl extract") from error
        except OSError as error:
            raise StoreError(f"{self.path}: {_why(self.path, error)}") from error
        with file:
            if file.attrs.get("format") != FORMAT:
                raise StoreError(
                    f"{self.path}: is an HDF5 file, but not a feature store; make one with astrotl extract"
                )
            version = int(file.attrs["format_version"])
            if version > FORMAT_VERSION:
                raise StoreError(
                    f"{self.path}: has the format version {version}, newer than this astrotl reads "
                    f"({FORMAT_VERSION}); upgrade astrotl"
                )
            yield file


def is_store(path: str | os.PathLike[str]) -> bool:
    """Say whether a file is a feature store, of whatever version."""
    if not h5py.is_hdf5(path):
        return False
    with h5py.File(path, "r") as file:
        return bool(file.attrs.get("format") == FORMAT)


def _create(
    path: str, ids: np.ndarray, dim: int, provenance: dict[str, Any], block: int, positions: npt.ArrayLike | None
) -> None:
    n = len(ids)
    if n == 0:
        raise ValueError("ids: there are none, so there is nothing to store")
    part = f"{path}.part"
    failures = np.dtype([("row", "<i8"), ("reason", f"S{_REASON_BYTES}")])
    try:
        # Without SWMR and in the oldest layout: a killed writer then leaves no mark in the file that bars the next one.
        with h5py.File(part, "w", libver="earliest") as file:
            file.attrs.update(format=FORMAT, format_version=FORMAT_VERSION, uuid=str(uuid_module.uuid4()), block=block)
            file["provenance"] = json.dumps(provenance)
            encoded = np.char.encode(ids, "utf-8")
            file["ids"] = encoded.astype(h5py.string_dtype("utf-8", max(encoded.dtype.itemsize, 1)))
            if positions is not None:
                file["positions"] = np.asarray(positions, dtype=np.float64)
            file["done"] = np.zeros(n, dtype="u1")
            file["failures"] = np.zeros(min(n, 4096 + n // 100), dtype=failures)
            # All space is set aside now, so that writing a block later touches none of the file's own bookkeeping.
            plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            plan.set_chunk((min(block, n), dim))
            plan.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
            h5py.h5d.create(file.id, b"features", h5py.h5t.IEEE_F32LE, h5py.h5s.create_simple((n, dim)), plan)
        os.replace(part, path)
    except OSError as error:
        raise StoreError(f"{path}: cannot be written ({error.strerror or error})") from error
    finally:
        if os.path.exists(part):
            os.unlink(part)


def _starts_of_chunks(features: h5py.Dataset) -> np.ndarray | None:
    """Say at which number of the file, four bytes each, every chunk begins; None if they do not lie there plainly."""
    if features.dtype != "<f4" or features.chunks is None or features.chunks[1] != features.shape[1]:
        return None
    found: list[h5py.h5d.StoreInfo] = []
    features.id.chunk_iter(found.append)
    places = sorted((info.chunk_offset[0], info.byte_offset) for info in found)
    starts = np.array([start for _, start in places], dtype=np.intp)
    packed = features.id.get_create_plist().get_nfilters() > 0
    if packed or len(starts) != -(-len(features) // features.chunks[0]) or (starts % 4).any():
        return None
    return starts // 4


def _put(dataset: h5py.Dataset, rows: np.ndarray, values: Any) -> None:
    """Write rows, as one slice where they follow each other, which HDF5 does far faster."""
    if not len(rows):
        return
    if len(rows) == rows[-1] - rows[0] + 1:
        dataset[int(rows[0]) : int(rows[-1]) + 1] = values
    else:
        dataset[rows] = values


def _keep_reasons(dataset: h5py.Dataset, failed: Mapping[int, str]) -> None:
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


def _why(path: str, error: OSError) -> str:
    if isinstance(error, PermissionError):
        return "may not be opened (permission denied)"
    with open(path, "rb") as file:
        if file.read(8) != b"\x89HDF\r\n\x1a\n":
            return "is not a feature store (nor any HDF5 file); make one with astrotl extract"
    return f"is damaged and cannot be opened; remove it and extract again ({str(error).splitlines()[0]})"
