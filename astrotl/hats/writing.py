"""Tables and stores written as HATS catalogues, which LSDB crossmatches with every survey that is published as one."""

from __future__ import annotations

import json
import os
import shutil
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from astropy.table import Table

from astrotl._optional import missing_dependency, versions
from astrotl._params import plain
from astrotl.errors import AstrotlWarning
from astrotl.hats._rows import Rows, StoreRows, TableRows, index_of
from astrotl.store import FeatureStore

__all__ = ["write_hats"]

#: The order of the pixels, 3 arcmin wide, in which objects are counted; no partition is a smaller one.
_FINE = 10
#: The order of the pixels, 14 arcmin wide, of which a catalogue says whether it holds objects there.
_COVERAGE = 8
#: The order of the pixels by which a catalogue is sorted.
_FINEST = 29
#: So much is sorted and packed at once.
_GROUP_BYTES = 32 * 2**20


def write_hats(
    what: Table | FeatureStore,
    path: str | os.PathLike[str],
    *,
    store: FeatureStore | None = None,
    rows_per_partition: int = 100_000,
    progress: Callable[..., Any] | None = None,
    overwrite: bool = False,
) -> int:
    """Write a table or a store as a HATS catalogue.

    It needs the extra ``hats``. The folder can be opened by ``lsdb.open_catalog`` and by whatever else reads HATS. It
    appears whole or not at all. A store is never in memory as a whole: each of its shards is read in pieces, these are
    sorted into the partitions on the disk, which must have room for twice the catalogue, and then each partition is
    written.

    What the table or the store says of its origin is kept, as JSON, under ``astrotl`` in the metadata of every Parquet
    file.

    Parameters
    ----------
    what : `~astropy.table.Table` or `~astrotl.FeatureStore`
        A table with positions, such as the answer of a task; or a store that knows its positions, of which the columns
        ``id``, ``ra``, ``dec`` and ``features`` are written.
    path : path
        The folder, whose name becomes that of the catalogue.
    store : `~astrotl.FeatureStore`, optional
        Where the positions come from, by id, of a table that has none.
    rows_per_partition : int, optional
        How many objects a partition holds at most, but where more lie in a pixel of 3 arcmin.
    progress : callable, optional
        Something like ``tqdm``, for what is sorted and then for what is written: called with ``total``, ``initial`` and
        ``unit``, it returns an object with ``update`` and ``close``.
    overwrite : bool, optional
        Whether a HATS catalogue that is there already is replaced.

    Returns
    -------
    int
        The number of rows that were written; those of a store that are not done are left out.

    Examples
    --------
    >>> from astrotl import extract_features, open_source, simulate
    >>> from astrotl.hats import write_hats
    >>> truth = simulate.survey("sky", objects=40)
    >>> source = open_source({"r": "sky/*-r.fits"}, catalog="sky/catalogue.ecsv", size=32)
    >>> store = extract_features(source, "pixels", "features.h5")
    >>> write_hats(store, "galaxies")
    40
    """
    if rows_per_partition < 1:
        raise ValueError(f"rows_per_partition: must be 1 or more, got {rows_per_partition}")
    try:
        import hats.catalog  # noqa: F401
    except ModuleNotFoundError as error:
        raise missing_dependency(error, "a HATS catalogue") from error
    path = os.path.abspath(os.path.expanduser(path))
    _check_place(path, overwrite)
    rows = _rows_of(what, store)
    with rows.lock():
        fine = _counted(rows.positions())
        orders, pixels, counts = _partitions(fine, rows_per_partition)
        coverage = fine.reshape(-1, 4 ** (_FINE - _COVERAGE)).sum(axis=1)
        del fine
        count = int(counts.sum())
        if not count:
            raise ValueError(f"what: none of its {rows.total:,} objects can be written")
        if count < rows.total:
            left_out = f"{rows.total - count:,} of {rows.total:,} objects have no features or no position"
            warnings.warn(f"{left_out}, and are left out", AstrotlWarning, stacklevel=2)
        part = os.path.join(os.path.dirname(path), f".{os.path.basename(path)}.part")
        shutil.rmtree(part, ignore_errors=True)
        try:
            _write_partitions(rows, part, orders, pixels, count, progress)
            _write_lists(part, os.path.basename(path), orders, pixels, counts, coverage)
            if os.path.exists(path):
                shutil.rmtree(path)
            os.replace(part, path)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    return count


def _rows_of(what: Table | FeatureStore, store: FeatureStore | None) -> Rows:
    if isinstance(what, FeatureStore):
        if store is not None:
            raise ValueError("store: goes with a table; this store knows its own positions, or none")
        return StoreRows(what)
    if not isinstance(what, Table):
        raise TypeError(f"what: expected a Table or a FeatureStore, got {type(what).__name__}")
    return TableRows(what, store)


def _check_place(path: str, overwrite: bool) -> None:
    if not os.path.isdir(os.path.dirname(path)):
        raise FileNotFoundError(f"{path}: there is no folder {os.path.dirname(path)}")
    if not os.access(os.path.dirname(path), os.W_OK):
        raise ValueError(f"path: {os.path.dirname(path)} may not be written to; give another folder")
    if not os.path.lexists(path):
        return
    if not overwrite:
        raise ValueError(f"path: {path} exists; give another one, or overwrite this one with --overwrite")
    if not os.path.exists(os.path.join(path, "hats.properties")):
        raise ValueError(f"path: {path} exists and is no HATS catalogue, so it is not overwritten")


def _counted(positions: Iterable[np.ndarray]) -> np.ndarray:
    """Count the objects in each pixel of the fine order."""
    counts = np.zeros(12 * 4**_FINE, dtype=np.int64)
    for places in positions:
        np.add.at(counts, index_of(places) >> 2 * (_FINEST - _FINE), 1)
    return counts


def _partitions(counts: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Divide the sky so that no pixel holds more than so many: orders, pixels and numbers of objects."""
    fine = np.flatnonzero(counts)
    counts = counts[fine]
    found: list[tuple[np.ndarray, ...]] = []
    for order in range(_FINE + 1):
        pixels = fine >> 2 * (_FINE - order)
        _, first, of, length = np.unique(pixels, return_index=True, return_inverse=True, return_counts=True)
        held = np.bincount(of, counts, len(first)).astype(np.int64)
        fits = (held <= most) | (order == _FINE)
        found.append((fine[first[fits]], fine[(first + length - 1)[fits]], held[fits]))
        fine, counts = fine[~fits[of]], counts[~fits[of]]
    low, high, held = (np.concatenate(one) for one in zip(*found, strict=True))
    # The smallest pixel that holds both ends holds all: what lies in it is not paired with half the sky.
    above = (np.frexp((low ^ high).astype(np.float64))[1].astype(np.int64) + 1) // 2
    along = np.argsort(low)
    return (_FINE - above)[along], (low >> 2 * above)[along], held[along]


def _write_partitions(
    rows: Rows, folder: str, orders: np.ndarray, pixels: np.ndarray, count: int, progress: Callable[..., Any] | None
) -> None:
    pieces = os.path.join(folder, "pieces")
    os.makedirs(pieces)
    with _advancing(count, progress) as advance:
        _sort(rows, pixels << 2 * (_FINEST - orders), pieces, advance)
    with _advancing(count, progress) as advance:
        for number, (order, pixel) in enumerate(zip(orders.tolist(), pixels.tolist(), strict=True)):
            advance(_write_partition(os.path.join(pieces, str(number)), folder, order, pixel, rows.meta))
    os.rmdir(pieces)


def _sort(rows: Rows, starts: np.ndarray, folder: str, advance: Callable[[int], Any]) -> None:
    """Put every row into the file of its partition, in pieces: an Arrow stream each, one behind the other."""
    import pyarrow

    for index, table in rows.pieces():
        order = np.argsort(index, kind="stable")
        table = table.take(order)
        numbers, firsts = np.unique(np.searchsorted(starts, index[order], side="right") - 1, return_index=True)
        lasts = [*firsts[1:].tolist(), len(order)]
        for number, first, last in zip(numbers.tolist(), firsts.tolist(), lasts, strict=True):
            with (
                open(os.path.join(folder, str(number)), "ab") as file,
                pyarrow.ipc.new_stream(file, table.schema) as stream,
            ):
                stream.write_table(table.slice(first, last - first))
        advance(len(order))


def _write_partition(piece: str, folder: str, order: int, pixel: int, meta: Any) -> int:
    """Sort what belongs to a partition, write it, and remove the pieces."""
    import pyarrow
    from hats.io import pixel_catalog_file
    from hats.pixel_math import HealpixPixel
    from pyarrow import parquet

    with pyarrow.memory_map(piece) as file:
        tables = []
        while file.tell() < file.size():
            tables.append(pyarrow.ipc.open_stream(file).read_all())
        table = pyarrow.concat_tables(tables)
        if meta is not None:
            table = table.replace_schema_metadata({"astrotl": json.dumps(plain(meta))})
        along = np.argsort(table.column(0).to_numpy(), kind="stable")
        size = max(1, _GROUP_BYTES * len(table) // table.nbytes)
        path = os.fspath(pixel_catalog_file(folder, HealpixPixel(order, pixel)))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with parquet.ParquetWriter(path, table.schema, compression="zstd") as writer:
            for start in range(0, len(table), size):
                writer.write_table(table.take(along[start : start + size]))
    os.unlink(piece)
    return len(along)


def _write_lists(
    folder: str, name: str, orders: np.ndarray, pixels: np.ndarray, counts: np.ndarray, coverage: np.ndarray
) -> None:
    """Write what names and counts the partitions; by HATS itself, whose format is not astrotl's to follow."""
    from hats.catalog import PartitionInfo, TableProperties
    from hats.io import get_point_map_file_pointer, write_parquet_metadata
    from hats.io.file_io import write_fits_image
    from hats.pixel_math import HealpixPixel

    every = zip(orders.tolist(), pixels.tolist(), strict=True)
    info = PartitionInfo.from_healpix([HealpixPixel(order, pixel) for order, pixel in every])
    info.write_to_file(catalog_path=folder)
    write_parquet_metadata(folder)
    # By this map LSDB leaves out those partitions of another catalogue that lie beside all objects.
    write_fits_image(coverage, get_point_map_file_pointer(folder))
    builder = f"astrotl v{versions(['astrotl'])['astrotl']}"
    TableProperties(
        catalog_name=name,
        catalog_type="object",
        total_rows=int(counts.sum()),
        ra_column="ra",
        dec_column="dec",
        healpix_column="_healpix_29",
        healpix_order=_FINEST,
        hats_max_rows=int(counts.max()),
        **TableProperties.new_provenance_dict(folder, builder=builder),
    ).to_properties_file(folder)


@contextmanager
def _advancing(total: int, progress: Callable[..., Any] | None) -> Iterator[Callable[[int], Any]]:
    if progress is None:
        yield bool
        return
    bar = progress(total=total, initial=0, unit="row")
    try:
        yield bar.update
    finally:
        bar.close()


__doctest_requires__ = {"write_hats": ["hats"]}
