"""What goes into a HATS catalogue, piece by piece: the rows of a store, or those of a table."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.table import Column, MaskedColumn, Table

from astrotl import tables
from astrotl.store import FeatureStore, ShardedStore

#: Features are read in pieces of so many bytes.
_PIECE_BYTES = 64 * 2**20


class Rows(ABC):
    """Rows with positions, which are gone through twice: to count them by their positions, and to write them."""

    total: int
    meta: Any

    @abstractmethod
    def positions(self) -> Iterator[np.ndarray]:
        """Give right ascension and declination in degrees, ``(n, 2)``, of all that can be written."""

    @abstractmethod
    def pieces(self) -> Iterator[tuple[np.ndarray, Any]]:
        """Give their places on the sky, by which a catalogue is sorted, and their columns as a table of Arrow."""

    def lock(self) -> AbstractContextManager[None]:
        """Keep the rows from changing in between."""
        return nullcontext()


class StoreRows(Rows):
    """The features of a store, read file by file."""

    def __init__(self, store: FeatureStore) -> None:
        self._store = store
        self.total = len(store)
        self.meta = {"store": store.uuid, "provenance": store.provenance}

    def lock(self) -> AbstractContextManager[None]:
        return self._store.lock()

    def positions(self) -> Iterator[np.ndarray]:
        for _, rows, positions in _files(self._store):
            yield positions[rows]

    def pieces(self) -> Iterator[tuple[np.ndarray, Any]]:
        import pyarrow

        size = max(1, _PIECE_BYTES // (4 * self._store.shape[1]))
        for file, rows, positions in _files(self._store):
            ids = file.ids
            for start in range(0, len(file), size):
                some = rows[np.searchsorted(rows, start) : np.searchsorted(rows, start + size)]
                if not len(some):
                    continue
                features = file.features(slice(start, start + size))[some - start]
                index = index_of(positions[some])
                columns = {
                    "_healpix_29": pyarrow.array(index),
                    "id": pyarrow.array(ids[some].tolist()),
                    "ra": pyarrow.array(np.ascontiguousarray(positions[some, 0])),
                    "dec": pyarrow.array(np.ascontiguousarray(positions[some, 1])),
                    "features": _lists(features),
                }
                yield index, pyarrow.table(columns)


class TableRows(Rows):
    """A table, with its own positions or with those that a store knows of its ids."""

    def __init__(self, table: Table, store: FeatureStore | None) -> None:
        # A table of quantities becomes one of columns with units.
        self._table = Table(table, copy=False)
        self._places = _places_by_id(self._table, store) if store is not None else _places_in(self._table)
        self.total = len(table)
        self.meta = table.meta.get("astrotl")

    def positions(self) -> Iterator[np.ndarray]:
        yield self._places

    def pieces(self) -> Iterator[tuple[np.ndarray, Any]]:
        import pyarrow

        index = index_of(self._places)
        columns = {"_healpix_29": pyarrow.array(index)}
        ra, dec = (pyarrow.array(np.ascontiguousarray(angle)) for angle in self._places.T)
        if not {"ra", "dec"} <= set(self._table.colnames):
            columns |= {"ra": ra, "dec": dec}
        for name in self._table.colnames:
            if name in ("ra", "dec"):
                columns[name] = ra if name == "ra" else dec
            elif name != "_healpix_29" and not isinstance(self._table[name], SkyCoord):
                columns[name] = _arrow(self._table[name], name)
        yield index, pyarrow.table(columns)


def index_of(places: np.ndarray) -> np.ndarray:
    """Give the number of the finest pixel of each position."""
    from hats.pixel_math import compute_spatial_index

    return np.asarray(compute_spatial_index(places[:, 0], places[:, 1]), dtype=np.int64)


def _files(store: FeatureStore) -> Iterator[tuple[FeatureStore, np.ndarray, np.ndarray]]:
    """Open each file of a store that has been begun: the file, those of its rows that can be written, all positions."""
    for file in _opened(store):
        positions = file.positions
        if positions is None:
            raise ValueError(
                f"what: {file.path} knows no positions of its objects; write a table of it that has ra and dec"
            )
        done = file.done()
        yield file, done[np.isfinite(positions[done]).all(axis=1)], positions


def _opened(store: FeatureStore) -> Iterator[FeatureStore]:
    if not isinstance(store, ShardedStore):
        yield store
        return
    for number in range(len(store.shards)):
        if os.path.exists(store.path_of(number)):
            # A shard that the store has opened is known to belong to it, but keeps what is read of it.
            store.shard(number)
            yield FeatureStore(store.path_of(number))


def _places_in(table: Table) -> np.ndarray:
    found = tables.find_positions(table, "what")
    if found is None:
        raise ValueError(
            "what: the table has no columns ra and dec; name by store= the store that knows the positions of its ids"
        )
    return np.stack([found.icrs.ra.deg, found.icrs.dec.deg], axis=1)


def _places_by_id(table: Table, store: FeatureStore) -> np.ndarray:
    """Look up positions by id, one file of the store at a time."""
    if tables.find_id_column(table.colnames, "what") is None:
        raise ValueError("what: the table has no column of ids, by which the store could be asked for positions")
    names, back = np.unique(tables.find_ids(table, "what"), return_inverse=True)
    places = np.full((len(names), 2), np.nan)
    for file in _opened(store):
        if file.positions is None:
            raise ValueError(f"store: {file.path} knows no positions of its objects")
        at = np.minimum(np.searchsorted(names, file.ids), len(names) - 1)
        here = names[at] == file.ids
        places[at[here]] = file.positions[here]
    lost = np.flatnonzero(~np.isfinite(places).all(axis=1))
    if len(lost):
        raise ValueError(
            f"store: {store.path} knows no position of {len(lost):,} ids, the first of them {names[lost[0]]}"
        )
    return places[back]


def _arrow(column: Any, name: str) -> Any:
    """Turn a column into one of Arrow, with gaps where it is masked."""
    import pyarrow

    if not isinstance(column, Column) or column.ndim > 2:
        raise ValueError(f"what: the column {name} holds neither numbers, texts, nor lists of them; leave it out")
    # Of FITS tables the numbers have their bytes the other way round.
    native = column.dtype.newbyteorder("=")
    if native.kind not in "biuf":
        return pyarrow.array(column.tolist())
    mask = column.mask if isinstance(column, MaskedColumn) else None
    values = np.asarray(column.data.data if mask is not None else column.data).astype(native, copy=False)
    if column.ndim == 1:
        return pyarrow.array(np.ascontiguousarray(values), mask=mask)
    if mask is None or not mask.any():
        return _lists(values)
    return pyarrow.array(column.tolist(), type=pyarrow.list_(pyarrow.from_numpy_dtype(native)))


def _lists(values: np.ndarray) -> Any:
    """Turn rows of numbers into lists of Arrow."""
    import pyarrow

    offsets = np.arange(len(values) + 1, dtype=np.int32) * values.shape[1]
    return pyarrow.ListArray.from_arrays(pyarrow.array(offsets, pyarrow.int32()), pyarrow.array(values.ravel()))
