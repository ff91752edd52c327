"""Cutouts at the positions of a HATS catalogue, which is read partition by partition and only where it is needed."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from astropy import units as u
from astropy.table import Table

from astrotl.images import ImageBatch
from astrotl.sources._mosaics import Chip
from astrotl.sources._partitions import Partition, open_catalogue
from astrotl.sources.base import ImageSource, Part
from astrotl.sources.sky import Paths, SkySource, chips_to_cut, cut_out

__all__ = ["HatsSource"]

#: No position in a HEALPix pixel lies farther from its centre than this over the pixels of a side, in radians.
_REACH = 1.1


class HatsSource(ImageSource):
    """Cutouts out of mosaics, at the positions of a HATS catalogue on disk.

    It needs the extra ``hats``. To open it, the lists of the catalogue and the footers of its Parquet files are read,
    and no more; a part of it then reads the ids and positions of its own objects, wherever it is sent to. Images are
    cut as a `SkySource` cuts them.

    Objects are in the order of their partitions on the sky. Each partition is one of the `parts`, so that no file of a
    sharded store holds objects of two.

    Parameters
    ----------
    mosaics : mapping of str to sequence of path, or sequence of path
        The FITS files of each band; without bands, files whose planes are the bands.
    catalogue : path
        The folder of the catalogue, or of a collection, of which the margins are left out.
    size : int, str or `~astropy.units.Quantity`, optional
        Width and height, in pixels or as an angle such as ``"30 arcsec"``.
    bands : sequence of str, optional
        The bands to read, in this order.
    id_column : str, optional
        The column that holds the ids; found by its name if not given. Without one, objects are numbered.
    """

    def __init__(
        self,
        mosaics: Mapping[str, Paths] | Paths,
        catalogue: str | os.PathLike[str],
        *,
        size: int | str | u.Quantity = 64,
        bands: Sequence[str] | None = None,
        id_column: str | None = None,
    ) -> None:
        self._catalogue, self._partitions = open_catalogue(catalogue, id_column)
        self._firsts = np.array([partition.first for partition in self._partitions])
        self._chips, self._size = chips_to_cut(mosaics, size, bands)
        self.channels = tuple(self._chips)
        # The numbers of the objects in the catalogue; a range is a few bytes, whatever its length.
        self._rows: range | np.ndarray = range(self._partitions[-1].first + self._partitions[-1].rows)

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def ids(self) -> np.ndarray:  # type: ignore[override]
        """The id of each object, read from the catalogue."""
        return self.loaded().ids

    def _take(self, rows: slice | np.ndarray) -> HatsSource:
        part = object.__new__(HatsSource)
        part.__dict__.update(self.__getstate__())
        part._rows = _chosen(self._rows, rows)
        within = self._partitions_of(part._rows)
        part._partitions, part._firsts = [self._partitions[number] for number in within], self._firsts[within]
        part._chips = {band: _near(chips, part._partitions) for band, chips in self._chips.items()}
        return part

    def _partitions_of(self, rows: range | np.ndarray) -> np.ndarray:
        """Number the partitions that hold some of these rows."""
        if not len(rows):
            return np.empty(0, dtype=np.intp)
        if isinstance(rows, range):
            first, last = np.searchsorted(self._firsts, [rows[0], rows[-1]], side="right") - 1
            return np.arange(first, last + 1)
        return np.unique(np.searchsorted(self._firsts, rows, side="right") - 1)

    def parts(self) -> list[Part]:
        if isinstance(self._rows, range):
            numbers = np.arange(len(self._partitions))
            starts = np.maximum(self._firsts - self._rows.start, 0)
        else:
            of = np.searchsorted(self._firsts, self._rows, side="right") - 1
            starts = np.flatnonzero(np.diff(of, prepend=-1))
            numbers = of[starts]
        edges = itertools.pairwise([*starts.tolist(), len(self)])
        pixels = [self._partitions[number].healpix for number in numbers.tolist()]
        return [Part(slice(*edge), pixel) for edge, pixel in zip(edges, pixels, strict=True)]

    def loaded(self) -> SkySource:
        sky = self._sky
        sky.origin = self.origin
        return sky

    @cached_property
    def _sky(self) -> SkySource:
        lon, lat = np.empty((2, len(self)))
        ids = np.empty(len(self), dtype="U1")
        rows = self._rows if isinstance(self._rows, np.ndarray) else np.arange(self._rows.start, self._rows.stop)
        of = np.searchsorted(self._firsts, rows, side="right") - 1
        along = np.argsort(of, kind="stable")
        numbers, starts = np.unique(of[along], return_index=True)
        for number, where in zip(numbers.tolist(), np.split(along, starts[1:]), strict=False):
            partition = self._partitions[number]
            names, lon[where], lat[where] = self._catalogue.read(partition, rows[where] - partition.first)
            ids = ids.astype(np.promote_types(ids.dtype, names.dtype), copy=False)
            ids[where] = names
        return cut_out(self._chips, self._size, lon, lat, ids)

    def __getstate__(self) -> dict[str, Any]:
        # What was read here is read again where a part of it is needed.
        return {name: value for name, value in self.__dict__.items() if name != "_sky"}

    def read(self) -> ImageBatch:
        return self.loaded().read()

    def table(self) -> Table:
        return self.loaded().table()

    def order(self) -> np.ndarray | None:
        return self.loaded().order()

    def signature(self) -> dict[str, Any]:
        files = sorted({os.path.basename(chip.path) for chips in self._chips.values() for chip in chips})
        held = json.dumps([(partition.healpix, partition.rows) for partition in self._partitions])
        rows = self._rows
        chosen = str(rows).encode() if isinstance(rows, range) else rows.astype("<i8").tobytes()
        return {
            "kind": "hats",
            "channels": list(self.channels),
            "size": self._size,
            "files": files,
            "catalogue": self._catalogue.name,
            "rows_sha256": hashlib.sha256(held.encode() + chosen).hexdigest(),
        }


def _chosen(of: range | np.ndarray, rows: slice | np.ndarray) -> range | np.ndarray:
    """Take of these numbers those at some places, as a range if they follow each other."""
    if isinstance(of, np.ndarray):
        return np.asarray(of[rows])
    if isinstance(rows, slice):
        part = of[rows]
        return part if part.step == 1 else np.array(part, dtype=np.intp)
    outside = (rows < -len(of)) | (rows >= len(of))
    if outside.any():
        raise IndexError(f"rows: there are {len(of)} objects, so no row {rows[outside][0]}")
    return of.start + np.where(rows < 0, rows + len(of), rows)


def _near(chips: list[Chip], partitions: Sequence[Partition]) -> list[Chip]:
    """Keep the mosaics that may hold a position of these partitions."""
    centres = np.array([chip.centre for chip in chips]).reshape(-1, 3)
    reaches = np.arccos(np.clip([chip.reach for chip in chips], -1, 1))
    near = np.zeros(len(chips), dtype=bool)
    for partition in partitions:
        reach = np.minimum(reaches + _REACH / 2 ** partition.healpix[0], np.pi)
        near |= centres @ partition.centre >= np.cos(reach)
    return [chip for chip, there in zip(chips, near, strict=True) if there]
