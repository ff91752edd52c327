"""A folder of stores that are read as one."""

from __future__ import annotations

import itertools
import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property, lru_cache
from shlex import quote
from typing import Any

import numpy as np
import numpy.typing as npt
from astropy.table import Table, vstack

from astrotl._locks import locked
from astrotl.errors import AstrotlWarning, StoreError
from astrotl.store.hdf5 import FeatureStore, NoFaultError, numbered
from astrotl.store.manifest import Manifest, Shard, manifest_path

__all__ = ["ShardedStore"]

#: So many shards are mapped at a time, for a process may have no more than some 1,000 files open.
_MAPPED = 256


class ShardedStore(FeatureStore):
    """Features of more objects than one file should hold, in a folder of stores: its shards.

    It is read like a `FeatureStore`, its rows counted through from shard to shard. Each shard is a `FeatureStore` of
    its own, written by one process and checked alone. No more is held than is asked for: ``ids`` and ``positions`` give
    those of all objects, `~FeatureStore.objects` those of some rows.

    Parameters
    ----------
    path : path
        A folder that exists; `~astrotl.extract_features` with ``shard=`` makes one.

    Examples
    --------
    >>> from astrotl import extract_features, open_store, simulate
    >>> from astrotl.sources import ArraySource
    >>> batch, truth = simulate.stamps(20, seed=1)
    >>> store = extract_features(ArraySource(batch.data), "profiles", "survey", block=4, shard=8)
    >>> [(shard.name, shard.rows) for shard in store.shards]
    [('shard-00000.h5', 8), ('shard-00001.h5', 8), ('shard-00002.h5', 4)]
    >>> open_store("survey").features([3, 19]).shape
    (2, 28)
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        self._manifest = Manifest.read(self.path)
        self._starts = self._manifest.starts()
        self._known: dict[int, FeatureStore] = {}
        self.uuid = self._manifest.uuid
        self.block = self._manifest.block
        self.shape = (int(self._starts[-1]), self._manifest.dim)
        self.provenance = self._manifest.provenance

    @classmethod
    def open_or_create(  # type: ignore[override]
        cls,
        path: str | os.PathLike[str],
        dim: int,
        block: int,
        shards: Sequence[Shard],
        provenance: Mapping[str, Any],
    ) -> ShardedStore:
        """Open the folder, or plan it if there is none; no shard is made by this.

        Parameters
        ----------
        path : path
            The folder.
        dim : int
            The length of the feature vectors.
        block : int
            How many rows are written at once.
        shards : sequence of `~astrotl.store.Shard`
            The files.
        provenance : mapping
            What the features are made from, as for a `FeatureStore`.
        """
        Manifest.open_or_create(os.fspath(path), int(dim), int(block), shards, provenance)
        return cls(path)

    @property
    def shards(self) -> tuple[Shard, ...]:
        """Name, number of objects and HEALPix pixel of each shard."""
        return self._manifest.shards

    def path_of(self, number: int) -> str:
        """Name the file of a shard."""
        return os.path.join(self.path, self.shards[number].name)

    def uuid_of(self, number: int) -> str:
        """Give the uuid that a shard must have."""
        return self._manifest.uuid_of(number)

    @property
    def _remedy(self) -> str:
        return f"make it again with: astrotl repair {quote(self.path)}"

    @contextmanager
    def _with_remedy(self) -> Iterator[None]:
        """Have what a shard says of itself end with what helps a shard."""
        try:
            yield
        except NoFaultError:
            raise
        except StoreError as error:
            raise StoreError(f"{str(error).rpartition('; ')[0]}; {self._remedy}") from error

    def rows_of_shard(self, number: int) -> slice:
        """Say which rows a shard holds."""
        return slice(int(self._starts[number]), int(self._starts[number + 1]))

    def shard(self, number: int) -> FeatureStore:
        """Open one shard, and refuse one that is damaged or does not belong here."""
        if number not in self._known:
            path = self.path_of(number)
            if not os.path.exists(path):
                raise StoreError(f"{path}: is missing; {self._remedy}")
            with self._with_remedy():
                shard = FeatureStore(path)
            if shard.uuid != self.uuid_of(number) or shard.shape != (self.shards[number].rows, self.shape[1]):
                raise StoreError(f"{path}: belongs to another store, or to another place in this one; {self._remedy}")
            self._known[number] = shard
        return self._known[number]

    def problems(self) -> dict[str, str]:
        """Look at every shard, and say which are missing, damaged or of another store, and why.

        One that may not be read, or is of a newer format, is an error, for nothing is wrong with it.
        """
        found = {}
        for number, shard in enumerate(self.shards):
            try:
                self._known.pop(number, None)
                with self._with_remedy():
                    self.shard(number).check_objects()
            except NoFaultError:
                raise
            except StoreError as error:
                found[shard.name] = str(error)
        return found

    @cached_property
    def ids(self) -> np.ndarray:
        """The id of each object, read from all shards."""
        return self._read_objects(np.arange(len(self)))[0]

    @cached_property
    def positions(self) -> np.ndarray | None:
        """Right ascension and declination of each object in degrees, read from all shards."""
        return self._read_objects(np.arange(len(self)))[1]

    def failed(self) -> Table:
        """List the objects that could not be read: ``row``, ``id`` and ``reason``."""
        tables = []
        for number in self.begun():
            self.shard(number)
            table = FeatureStore(self.path_of(number)).failed()
            table["row"] += self._starts[number]
            tables.append(table)
        if not tables:
            return Table({"row": [], "id": [], "reason": []}, dtype=[np.intp, "U1", "U1"])
        return vstack(tables, metadata_conflicts="silent")

    def write(self, rows: npt.ArrayLike, features: npt.ArrayLike, failed: Mapping[int, str] | None = None) -> None:
        """Refuse: every shard has a writer of its own, and is written by `shard`."""
        raise StoreError(f"{self.path}: is written shard by shard; write to store.shard(number)")

    def count_done(self) -> int:
        """Count the rows that have features."""
        return sum(self.shard(number).count_done() for number in self.begun())

    def delete(self) -> None:
        """Remove the shards and their list from the disk; what else lies in the folder stays."""
        with self.lock():
            for number in self.begun():
                os.unlink(self.path_of(number))
            os.unlink(manifest_path(self.path))

    def damaged(self) -> np.ndarray:
        """Read all features, and list the rows that are done and whose features are not those that were written."""
        found = [self.shard(number).damaged() + self._starts[number] for number in self.begun()]
        return np.concatenate([np.empty(0, dtype=np.intp), *found])

    def forget(self, rows: npt.ArrayLike) -> None:
        """Count the blocks that hold these rows as missing, so that they are done again."""
        for number, _, local in self._by_shard(numbered(rows, len(self))):
            self.shard(number).forget(local)

    @contextmanager
    def lock(self, *, wait: bool = False) -> Iterator[None]:
        """Be the only one who has the shards written as long as this context lasts."""
        with locked(manifest_path(self.path), wait=wait):
            yield

    def features(self, rows: slice | npt.ArrayLike | None = None) -> np.ndarray:
        """Read the features of some rows, or of all; those not done are NaN."""
        numbers = numbered(rows, len(self))
        values = np.full((len(numbers), self.shape[1]), np.nan, dtype=np.float32)
        for number, where, local in self._by_shard(numbers):
            if os.path.exists(self.path_of(number)):
                values[where] = self.shard(number).features(_as_slice(local))
        return values

    def mapped(self) -> Callable[[npt.ArrayLike], np.ndarray]:
        """Map the features into memory, each shard when it is first asked for; see `FeatureStore.mapped`."""

        @lru_cache(maxsize=_MAPPED)
        def reader(number: int) -> Callable[[npt.ArrayLike], np.ndarray]:
            return self.shard(number).mapped()

        def read(rows: npt.ArrayLike) -> np.ndarray:
            numbers = np.asarray(rows, dtype=np.intp)
            values = np.empty((len(numbers), self.shape[1]), dtype=np.float32)
            for number, where, local in self._by_shard(numbers):
                values[where] = reader(number)(local)
            return values

        return read

    def _flags(self) -> np.ndarray:
        flags = np.zeros(len(self), dtype=np.uint8)
        there = self.begun()
        for number in there:
            flags[self.rows_of_shard(number)] = self.shard(number)._flags()
        if len(there) < len(self.shards):
            lost = sorted(set(range(len(self.shards))) - set(there))
            warnings.warn(
                f"{self.path}: {len(lost)} of {len(self.shards)} shards are missing, the first of them "
                f"{self.shards[lost[0]].name}; {self._remedy}",
                AstrotlWarning,
                stacklevel=3,
            )
        return flags

    def begun(self) -> list[int]:
        """List the numbers of the shards that have been begun."""
        # One look at the folder: a shared disk may remember for a while that a single file was not there.
        names = set(os.listdir(self.path))
        return [number for number, shard in enumerate(self.shards) if shard.name in names]

    def _by_shard(self, rows: np.ndarray) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """Give of each shard that holds some of these rows its number, the places of these, and their own rows."""
        of = np.searchsorted(self._starts, rows, side="right") - 1
        order = np.argsort(of, kind="stable")
        numbers = of[order]
        # A search asks for a few rows of every shard, again and again, and plain slices take the least time for that.
        cuts = [0, *(np.flatnonzero(numbers[1:] != numbers[:-1]) + 1).tolist(), len(rows)]
        for start, stop in itertools.pairwise(cuts):
            if start < stop:
                where, number = order[start:stop], int(numbers[start])
                yield number, where, rows[where] - self._starts[number]

    def _find(self, name: str) -> int | None:
        for number in self.begun():
            row = FeatureStore(self.path_of(number))._find(name)
            if row is not None:
                return row + int(self._starts[number])
        return None

    def _some_ids(self) -> list[str]:
        return FeatureStore(self.path_of(self.begun()[0]))._some_ids() if self.begun() else []

    def _read_objects(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Read ids and positions; no shard keeps what is read of it."""
        ids = np.empty(len(rows), dtype="U1")
        positions: np.ndarray | None = None
        for number, where, local in self._by_shard(rows):
            self.shard(number)
            with self._with_remedy():
                names, places = FeatureStore(self.path_of(number))._read_objects(local)
            ids = ids.astype(np.promote_types(ids.dtype, names.dtype), copy=False)
            ids[where] = names
            if places is not None:
                positions = np.full((len(rows), 2), np.nan) if positions is None else positions
                positions[where] = places
        return ids, positions


def _as_slice(rows: np.ndarray) -> slice | np.ndarray:
    """Give rows that follow each other as a slice, which is read far faster."""
    run = len(rows) > 0 and len(rows) == rows[-1] - rows[0] + 1 and (np.diff(rows) == 1).all()
    return slice(int(rows[0]), int(rows[-1]) + 1) if run else rows
