"""A HATS catalogue on disk: which partitions it has, how many objects each holds, and where some of them are."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from astropy.table import Table

from astrotl import tables
from astrotl._optional import missing_dependency
from astrotl.errors import first_line

_WHO = "a HATS catalogue"
_PROPERTIES = ("hats.properties", "properties")
#: The footers of files on a shared disk come slowly one by one.
_READERS = 8


class Partition(NamedTuple):
    """Objects of one HEALPix pixel, in one Parquet file or a folder of them."""

    path: str
    #: Order and number of the pixel, in nested numbering.
    healpix: tuple[int, int]
    #: The unit vector of the pixel's centre.
    centre: tuple[float, float, float]
    first: int
    rows: int


@dataclass(frozen=True)
class Catalogue:
    """What is read of each partition: the columns of the positions and, if there is one, of the ids."""

    folder: str
    name: str
    ra: str
    dec: str
    ids: str | None

    def read(self, partition: Partition, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Read ids and positions in degrees of some rows of a partition; without a column of ids, their numbers."""
        found = _read_rows(partition, [name for name in (self.ra, self.dec, self.ids) if name is not None], rows)
        where = f"{partition.path}, {len(rows):,} of its rows"
        positions: Any = tables.find_positions(Table({"ra": found[self.ra], "dec": found[self.dec]}), where)
        if self.ids is None:
            ids = (partition.first + rows).astype(np.str_)
        else:
            ids = tables.find_ids(Table({self.ids: found[self.ids]}), where, self.ids)
        return ids, positions.ra.deg, positions.dec.deg


def open_catalogue(folder: str | os.PathLike[str], id_column: str | None) -> tuple[Catalogue, list[Partition]]:
    """Find out what a catalogue holds, from its lists and the footers of its files alone."""
    folder = os.path.abspath(os.path.expanduser(folder))
    if not os.path.isdir(folder):
        raise FileNotFoundError(f"{folder}: there is no such folder")
    try:
        from hats.catalog import CollectionProperties, PartitionInfo, TableProperties
    except ModuleNotFoundError as error:
        raise missing_dependency(error, _WHO) from error
    with _listed(folder):
        if os.path.exists(os.path.join(folder, "collection.properties")):
            # Beside the catalogue lie margins and indexes of it, which hold no other objects.
            folder = os.path.join(folder, CollectionProperties.read_from_dir(folder).hats_primary_table_url)
        if not any(os.path.exists(os.path.join(folder, name)) for name in _PROPERTIES):
            raise ValueError("it has no hats.properties")
        known = TableProperties.read_from_dir(folder)
        if known.catalog_type not in ("object", "source"):
            raise ValueError(f"it is of the type {known.catalog_type}, which lists no objects of its own")
        pixels = [(pixel.order, pixel.pixel) for pixel in PartitionInfo.read_from_dir(folder).get_healpix_pixels()]
    partitions = _partitions(folder, pixels, known.npix_suffix)
    columns = _columns(partitions[0].path)
    for name in (known.ra_column, known.dec_column):
        if name not in columns:
            raise ValueError(f"{folder}: has no column {name}, where its properties say that the positions are")
    ids = tables.find_id_column(columns, folder, id_column)
    return Catalogue(folder, known.catalog_name, known.ra_column, known.dec_column, ids), partitions


def _partitions(folder: str, pixels: Sequence[tuple[int, int]], ending: str) -> list[Partition]:
    """List the partitions that hold objects, in the order of the sky, which no version of HATS decides."""
    import cdshealpix
    from hats.io import pixel_catalog_file
    from hats.pixel_math import HealpixPixel

    pixels = sorted(((int(order), int(pixel)) for order, pixel in pixels), key=lambda at: at[1] << 2 * (29 - at[0]))
    paths = [str(pixel_catalog_file(folder, HealpixPixel(*at), npix_suffix=ending)) for at in pixels]
    with ThreadPoolExecutor(_READERS) as pool:
        counts = np.array([*pool.map(_count, paths)], dtype=np.int64)
    if not counts.sum():
        raise ValueError(f"{folder}: holds no objects")
    orders, numbers = np.array(pixels).T
    lon, lat = cdshealpix.healpix_to_lonlat(numbers.astype(np.uint64), orders.astype(np.uint8))
    lon, lat = lon.rad, lat.rad
    centres = np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=1).tolist()
    firsts = np.cumsum(counts) - counts
    every = zip(paths, pixels, map(tuple, centres), firsts.tolist(), counts.tolist(), strict=True)
    return [Partition(*one) for one in every if one[-1]]


def _columns(path: str) -> list[str]:
    with _readable(path), _parquet().ParquetFile(_files_of(path)[0]) as file:
        return list(file.schema_arrow.names)


def _count(path: str) -> int:
    """Count the objects of a partition by the footers of its files."""
    with _readable(path):
        return sum(int(_parquet().read_metadata(name).num_rows) for name in _files_of(path))


def _files_of(path: str) -> list[str]:
    """List the files of a partition, which is one, or a folder of them."""
    if not os.path.isdir(path):
        return [path]
    return [os.path.join(path, name) for name in sorted(os.listdir(path)) if name[0] not in "._"]


def _read_rows(partition: Partition, columns: list[str], rows: np.ndarray) -> dict[str, np.ndarray]:
    """Read some columns of some rows, by those groups of rows alone that hold one of them."""
    import pyarrow

    start, stop = int(rows.min()), int(rows.max()) + 1
    groups, skipped, passed = [], 0, 0
    with _readable(partition.path):
        for name in _files_of(partition.path):
            with _parquet().ParquetFile(name) as file:
                for group in range(file.num_row_groups):
                    count = file.metadata.row_group(group).num_rows
                    if start < passed + count and passed < stop:
                        groups.append(file.read_row_group(group, columns=columns))
                    elif not groups:
                        skipped += count
                    passed += count
        if passed == partition.rows:
            table = pyarrow.concat_tables(groups).take(rows - skipped)
            return {name: _values(table.column(name)) for name in columns}
    now = f"holds {passed:,} objects, but held {partition.rows:,}"
    raise ValueError(f"{partition.path}: {now} when the catalogue was opened; open it again")


def _values(column: Any) -> np.ndarray:
    """Give a column of Arrow as an array; whole numbers with gaps as objects, for floats lose their last digits."""
    import pyarrow

    if pyarrow.types.is_floating(column.type) or (pyarrow.types.is_integer(column.type) and not column.null_count):
        return np.asarray(column.to_numpy())
    return np.array(column.to_pylist(), dtype=object)


def _parquet() -> Any:
    try:
        from pyarrow import parquet
    except ModuleNotFoundError as error:
        raise missing_dependency(error, _WHO) from error
    return parquet


@contextmanager
def _listed(folder: str) -> Iterator[None]:
    """Say of a folder whose lists cannot be read that it is no catalogue, and why."""
    try:
        with warnings.catch_warnings():
            # Without a list of the partitions they are looked for, which takes longer and is no fault.
            warnings.simplefilter("ignore", UserWarning)
            yield
    except Exception as error:
        raise ValueError(f"{folder}: is no HATS catalogue, or is damaged ({first_line(error)})") from error


@contextmanager
def _readable(path: str) -> Iterator[None]:
    """Name the partition whose file is missing or damaged."""
    try:
        yield
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{path}: a partition of the catalogue is missing; download it again") from error
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(f"{path}: cannot be read ({first_line(error)}); download it again") from error


def healpix_pixels(lon: np.ndarray, lat: np.ndarray, order: int) -> np.ndarray:
    """Give the number of the HEALPix pixel, in nested numbering, that each position lies in."""
    try:
        # hats: the package of the catalogues that use these pixels, whose numbers must be the same.
        from hats.pixel_math import compute_spatial_index
    except ModuleNotFoundError as error:
        raise missing_dependency(error, "healpix") from error
    finest = 29
    return np.asarray(compute_spatial_index(lon, lat), dtype=np.int64) >> (2 * (finest - order))
