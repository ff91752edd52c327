"""The feature store: one HDF5 file that survives a kill, knows its origin, and is read for ever."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from shlex import quote
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
from astropy.table import Table

from astrotl._locks import Turns, locked
from astrotl._params import difference, nearest
from astrotl._showing import shown
from astrotl.errors import StoreError, StoreMismatchError
from astrotl.store._layout import FORMAT, FORMAT_VERSION, create, keep_reasons, put, starts_of_rows, why_unusable
from astrotl.store._sealing import check_seal, checksums, objects_checksum

__all__ = ["FeatureStore"]

#: The parts of the provenance that decide the features; the rest is written down and never compared.
COMPARED = ("source", "steps", "extractor")

MISSING, DONE, FAILED = 0, 1, 2
#: So many rows are read at once to be checked.
_AT_ONCE = 8192
_TURNS = Turns()
_REMEDY = "give another file with -o, or overwrite this one with --overwrite"


class NoFaultError(StoreError):
    """A store cannot be used, and its file is not at fault."""


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
        self.path, self.uuid = os.fspath(path), ""
        with self._open() as file:
            self.uuid = str(file.attrs["uuid"])
            self.block: int = int(file.attrs["block"])
            self.shape: tuple[int, int] = file["features"].shape
            self.provenance: dict[str, Any] = json.loads(file["provenance"][()])

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
        uuid: str | None = None,
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
        uuid : str, optional
            What a new store is known by; drawn if not given.
        """
        names = np.asarray(ids, dtype=np.str_)
        if not os.path.exists(path):
            create(os.fspath(path), names, int(dim), dict(provenance), int(block), positions, uuid)
        store = cls(path)
        store._compare(names, int(dim), provenance)
        return store

    @cached_property
    def ids(self) -> np.ndarray:
        """The id of each object."""
        return self._objects[0]

    @cached_property
    def positions(self) -> np.ndarray | None:
        """Right ascension and declination of each object in degrees, ``(n, 2)``; None where they are not known."""
        return self._objects[1]

    @cached_property
    def _objects(self) -> tuple[np.ndarray, np.ndarray | None]:
        self.check_objects()
        with self._open() as file:
            positions = file["positions"][:] if "positions" in file else None
            return np.asarray(file["ids"].asstr()[:].astype(np.str_)), positions

    def __len__(self) -> int:
        return self.shape[0]

    def __contains__(self, name: object) -> bool:
        return self._find(str(name)) is not None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.path}: {self.shape[0]} objects, {self.shape[1]} features>"

    def _repr_html_(self) -> str:
        return shown("store", self)

    def missing(self) -> np.ndarray:
        """List the rows that are not done; those that failed are among them, to be tried again."""
        return np.flatnonzero(self._flags() != DONE)

    def done(self) -> np.ndarray:
        """List the rows that have features."""
        return np.flatnonzero(self._flags() == DONE)

    def count_done(self) -> int:
        """Count the rows that have features."""
        return int(np.count_nonzero(self._flags() == DONE))

    def failed(self) -> Table:
        """List the objects that could not be read: ``row``, ``id`` and ``reason``."""
        with self._open() as file:
            flags = file["done"][:]
            reasons = {int(row) - 1: text.decode(errors="replace") for row, text in file["failures"][:] if row}
        rows = np.flatnonzero(flags == FAILED)
        why = [reasons.get(int(row), "not kept: too many failed") for row in rows]
        ids = self.ids[rows] if len(rows) else np.empty(0, dtype=np.str_)
        return Table({"row": rows, "id": ids, "reason": np.array(why, dtype=np.str_)})

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
        numbers = numbered(rows, len(self))
        values = np.asarray(features, dtype=np.float32)
        if values.shape != (len(numbers), self.shape[1]):
            raise ValueError(f"features: expected the shape {(len(numbers), self.shape[1])}, got {values.shape}")
        if not np.isfinite(values).all():
            raise ValueError("features: must be finite; write rows that have none as failed")
        failed = dict(failed or {})
        lost = numbered(np.array(sorted(failed), dtype=np.intp), len(self))
        # The flags come last: a kill in between leaves rows that are done again, never rows that lie.
        with self._open("r+") as file:
            put(file["features"], numbers, values)
            if "crc32" in file:
                put(file["crc32"], numbers, checksums(values))
            put(file["features"], lost, np.full((len(lost), self.shape[1]), np.nan, dtype=np.float32))
            if failed:
                keep_reasons(file["failures"], failed)
            file.flush()
            put(file["done"], numbers, np.uint8(DONE))
            put(file["done"], lost, np.uint8(FAILED))

    @contextmanager
    def lock(self, *, wait: bool = False) -> Iterator[None]:
        """Be the only writer as long as this context lasts; another process that asks is refused, or waits.

        Reading needs no lock. Where the system has no such locks, as on Windows, nothing is excluded.
        """
        with locked(self.path, wait=wait):
            yield

    def features(self, rows: slice | npt.ArrayLike | None = None) -> np.ndarray:
        """Read the features of some rows, or of all; those not done are NaN, and those that have changed an error."""
        numbers = numbered(rows, len(self))
        with self._open() as file:
            if rows is None or isinstance(rows, slice):
                flags, values, changed = _read(file, rows or slice(None))
            else:
                wanted, back = np.unique(numbers, return_inverse=True)
                flags, values, changed = (read[back] for read in _read(file, wanted))
        values[flags != DONE] = np.nan
        if changed.any():
            # A shard alone does not know where its images are.
            whole = os.path.dirname(self.path) or "." if "sharded" in self.provenance else self.path
            raise StoreError(
                f"{self.path}: is damaged: the features of {changed.sum()} rows are not those that were written, the "
                f"first of them row {numbers[changed].min()}; make them again with: astrotl repair {quote(whole)}"
            )
        return np.asarray(values)

    def check_objects(self) -> None:
        """Refuse a store whose ids or positions are not those that were written; in format 1 nobody knows."""
        with self._open() as file:
            if "objects_crc32" in file.attrs and file.attrs["objects_crc32"] != objects_checksum(file):
                raise StoreError(f"{self.path}: is damaged (its ids or positions); extract it again with --overwrite")

    def damaged(self) -> np.ndarray:
        """Read all features, and list the rows that are done and whose features are not those that were written."""
        with self._open() as file:
            starts = range(0, len(self), _AT_ONCE)
            return np.flatnonzero(np.concatenate([_read(file, slice(start, start + _AT_ONCE))[2] for start in starts]))

    def forget(self, rows: npt.ArrayLike) -> None:
        """Count the blocks that hold these rows as missing, so that they are done again, in the very same batches."""
        blocks = np.unique(numbered(rows, len(self)) // self.block)
        again = (blocks[:, None] * self.block + np.arange(self.block)).ravel()
        with self._open("r+") as file:
            put(file["done"], again[again < len(self)], np.uint8(MISSING))

    def mapped(self) -> Callable[[npt.ArrayLike], np.ndarray]:
        """Map the features into memory and give a function that reads rows from there, far faster than from the file.

        It looks at no flags, so ask it for rows that were done when it was made; what is written later it may not see.
        The features stay on the disk until they are asked for; only a store that another program has packed is read
        whole, once.
        """
        with self._open() as file:
            features = file["features"]
            found = starts_of_rows(features)
            if found is None:
                values = features[:]
                return lambda rows: values[np.asarray(rows, dtype=np.intp)]
            (starts, run), dim = found, self.shape[1]
        numbers = np.memmap(self.path, dtype="<f4", mode="r", shape=os.path.getsize(self.path) // 4)
        # Runs of rows lie anywhere in the file, so every place in it is taken for the beginning of a row.
        vectors = np.lib.stride_tricks.sliding_window_view(np.asarray(numbers), dim)

        def read(rows: npt.ArrayLike) -> np.ndarray:
            of, row = np.divmod(np.asarray(rows, dtype=np.intp), run)
            return np.asarray(vectors[starts[of] + row * dim])

        return read

    def problems(self) -> dict[str, str]:
        """Say which files of the store are missing, damaged or of another store, and why; of one file, none."""
        return {}

    def row_of(self, name: str) -> int:
        """Find the row of an id."""
        row = self._find(name)
        if row is None:
            raise ValueError(f"query: {name!r} is not an id of {self.path}{nearest(name, self._some_ids())}")
        return row

    def objects(self, rows: npt.ArrayLike | None = None) -> Table:
        """List objects: ``id``, and ``ra`` and ``dec`` in degrees where they are known; of some rows, or of all."""
        if rows is None:
            ids, positions = self.ids, self.positions
        else:
            ids, positions = self._read_objects(np.asarray(rows, dtype=np.intp))
        table = Table({"id": ids})
        if positions is not None:
            table["ra"], table["dec"] = positions.T
            table["ra"].unit = table["dec"].unit = "deg"
        return table

    def to_table(self) -> Table:
        """Give ids, positions if known, and features as one astropy Table."""
        table = self.objects()
        table["features"] = self.features()
        table.meta["astrotl"] = {"store": self.uuid, "provenance": self.provenance}
        return table

    def _find(self, name: str) -> int | None:
        rows = np.flatnonzero(self.ids == name)
        return int(rows[0]) if len(rows) else None

    def _some_ids(self) -> list[str]:
        return [str(name) for name in self.ids[:100_000].tolist()]

    def _read_objects(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        return self.ids[rows], None if self.positions is None else self.positions[rows]

    def _flags(self) -> np.ndarray:
        with self._open() as file:
            return np.asarray(file["done"][:])

    def _compare(self, ids: np.ndarray, dim: int, provenance: Mapping[str, Any]) -> None:
        compare(self.path, self.provenance, provenance)
        if len(ids) != len(self.ids) or (ids != self.ids).any():
            raise StoreMismatchError(
                f"{self.path}: was made for other objects (its {len(self.ids)} ids differ from these {len(ids)}); "
                f"{_REMEDY}"
            )
        if dim != self.shape[1]:
            raise StoreMismatchError(f"{self.path}: holds {self.shape[1]} features an object, not {dim}; {_REMEDY}")

    @contextmanager
    def _open(self, mode: str = "r") -> Iterator[h5py.File]:
        # HDF5 lets no process have a file open to read and to write at the same time.
        with _TURNS, self._opened(mode) as file:
            yield file

    @contextmanager
    def _opened(self, mode: str) -> Iterator[h5py.File]:
        try:
            check_seal(self.path)
            # A lock of HDF5 would let somebody who only looks stop the writer; writers exclude each other by `lock`.
            with h5py.File(self.path, mode, locking=False) as file:
                self._check_format(file)
                yield file
        except FileNotFoundError as error:
            raise StoreError(f"{self.path}: there is no such store; make it with astrotl extract") from error
        except (StoreError, MemoryError):
            raise
        except PermissionError as error:
            raise NoFaultError(f"{self.path}: may not be opened (permission denied); ask its owner") from error
        except Exception as error:
            # HDF5 has many ways of saying that what it finds makes no sense.
            raise StoreError(f"{self.path}: {why_unusable(self.path, error)}") from error

    def _check_format(self, file: h5py.File) -> None:
        if file.attrs.get("format") != FORMAT:
            raise StoreError(f"{self.path}: is an HDF5 file, but not a feature store; make one with astrotl extract")
        version = int(file.attrs["format_version"])
        if version > FORMAT_VERSION:
            raise NoFaultError(
                f"{self.path}: has the format version {version}, newer than this astrotl reads ({FORMAT_VERSION}); "
                "upgrade astrotl"
            )
        if self.uuid not in ("", file.attrs["uuid"]):
            raise NoFaultError(f"{self.path}: is another store than when it was opened; open it again")


def _read(file: h5py.File, rows: slice | np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Read flags and features, and say which are not those that were written; in format 1 nobody knows.

    The flags are read first: what a writer in another process finishes in between counts as not done.
    """
    flags, values = file["done"][rows], file["features"][rows]
    if "crc32" not in file:
        return flags, values, np.zeros(len(flags), dtype=bool)
    return flags, values, (flags == DONE) & (checksums(values) != file["crc32"][rows])


def numbered(rows: slice | npt.ArrayLike | None, count: int) -> np.ndarray:
    """Give row numbers, however rows were asked for, and refuse those that are not there."""
    if rows is None or isinstance(rows, slice):
        return np.arange(count)[rows or slice(None)]
    numbers = np.asarray(rows)
    numbers = np.flatnonzero(numbers) if numbers.dtype.kind == "b" else numbers.astype(np.intp)
    if len(numbers) and not 0 <= numbers.min() <= numbers.max() < count:
        raise IndexError(f"rows: must be from 0 to {count - 1}, got {numbers.min()} to {numbers.max()}")
    return numbers


def compare(path: str, kept: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """Refuse to go on with features that were made from something else."""
    for key in COMPARED:
        here, there = kept.get(key), json.loads(json.dumps(given.get(key)))
        if here != there:
            where, old, new = difference(key, here, there)
            raise StoreMismatchError(f"{path}: was made with {where} = {old}, not {new}; {_REMEDY}")
