"""Cutouts at the positions of a catalogue, out of mosaics with sky coordinates."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import Table

from astrotl.errors import ImageError
from astrotl.images import ImageBatch
from astrotl.sources._cutting import Grids
from astrotl.sources._held import Held
from astrotl.sources._mosaics import Chip, read_chips, unit_vectors
from astrotl.sources._partitions import healpix_pixels
from astrotl.sources._pixels import OpenPlanes
from astrotl.sources.base import ImageSource, Part, pick_channels, unique_ids

__all__ = ["SkySource"]

Paths = Sequence[str | os.PathLike[str]]


class SkySource(ImageSource):
    """Cutouts out of mosaics, at positions on the sky.

    The first band gives the pixel grid. A band on another grid is brought to it by linear interpolation. Where several
    mosaics hold a position, the one that covers the cutout best is taken. What lies outside an image is NaN, and a
    position that lies outside every image of a band counts as unreadable.

    Parameters
    ----------
    mosaics : mapping of str to sequence of path, or sequence of path
        The FITS files of each band; without bands, files whose planes are the bands. Every image extension with sky
        coordinates serves.
    positions : `~astropy.coordinates.SkyCoord`
        Where to cut.
    size : int, str or `~astropy.units.Quantity`, optional
        Width and height, in pixels or as an angle such as ``"30 arcsec"``.
    ids : array_like of str, optional
        The ids; the row numbers by default.
    bands : sequence of str, optional
        The bands to read, in this order.
    """

    def __init__(
        self,
        mosaics: Mapping[str, Paths] | Paths,
        positions: SkyCoord,
        *,
        size: int | str | u.Quantity = 64,
        ids: npt.ArrayLike | None = None,
        bands: Sequence[str] | None = None,
    ) -> None:
        chips, pixels = chips_to_cut(mosaics, size, bands)
        icrs = positions.icrs
        lon, lat = np.atleast_1d(icrs.ra.deg), np.atleast_1d(icrs.dec.deg)
        self._hold(chips, pixels, lon, lat, np.arange(len(lon)) if ids is None else ids)

    def _hold(
        self, chips: dict[str, list[Chip]], size: int, lon: np.ndarray, lat: np.ndarray, ids: npt.ArrayLike
    ) -> None:
        self.channels = tuple(chips)
        self._chips, self._size = chips, size
        self._lon, self._lat = lon, lat
        self._healpix: tuple[int, np.ndarray] | None = None
        self.ids = unique_ids(ids)
        if len(self.ids) != len(lon):
            raise ValueError(f"ids: expected {len(lon)} of them, got {len(self.ids)}")

    def by_healpix(self, order: int) -> SkySource:
        """Order the objects by HEALPix pixels, each of which becomes one of the `parts`; it needs the extra ``hats``.

        Parameters
        ----------
        order : int
            The order of the pixels, from 0 to 13: there are ``12 * 4**order`` of them on the sky.
        """
        if not 0 <= order <= 13:
            raise ValueError(f"healpix: must be an order from 0 to 13, got {order}")
        pixels = healpix_pixels(self._lon, self._lat, order)
        rows = np.argsort(pixels, kind="stable")
        ordered = self._take(rows)
        ordered._healpix = order, pixels[rows]
        return ordered

    def parts(self) -> Sequence[Part]:
        if self._healpix is None:
            return super().parts()
        order, pixels = self._healpix
        starts = np.flatnonzero(np.diff(pixels, prepend=-1)).tolist()
        ends = [*starts[1:], len(self)]
        return [Part(slice(a, b), (order, int(pixels[a]))) for a, b in zip(starts, ends, strict=True)]

    def _take(self, rows: slice | np.ndarray) -> SkySource:
        part = object.__new__(SkySource)
        taken = {"ids": self.ids[rows], "_lon": self._lon[rows], "_lat": self._lat[rows], "_healpix": None}
        part.__dict__.update(self.__dict__, **taken)
        vectors = unit_vectors(part._lon, part._lat)
        part._chips = {
            band: [chip for chip in chips if chip.near(vectors).any()] for band, chips in self._chips.items()
        }
        return part

    def order(self) -> np.ndarray:
        held = Held.by(self._chips[self.channels[0]], self._lon, self._lat)
        first = held.row[held.rank == 0]
        # What no mosaic holds is looked for in no file, and comes last.
        return np.concatenate([first, np.setdiff1d(np.arange(len(self)), first)])

    def read(self) -> ImageBatch:
        data = np.empty((len(self), len(self.channels), self._size, self._size), dtype=np.float32)
        failed: dict[int, str] = {}
        # Of each row the number of the first band's chip, and the corner on it, that its grid is laid by.
        laid = np.empty((3, len(self)), dtype=np.intp)
        # What is beyond float32 becomes infinite, which every step takes for "no data".
        with OpenPlanes() as opened, np.errstate(over="ignore", invalid="ignore"):
            for channel in range(len(self.channels)):
                failed |= self._read_band(channel, data, laid, failed, opened)
        data[list(failed)] = np.nan
        reasons = {str(self.ids[row]): why for row, why in failed.items()}
        return ImageBatch(data, self.ids, self.channels, failed=reasons)

    def _read_band(
        self, channel: int, data: np.ndarray, laid: np.ndarray, failed: dict[int, str], opened: OpenPlanes
    ) -> dict[int, str]:
        """Cut each row from the first chip that has data everywhere, or else from the one that has most."""
        band = self.channels[channel]
        held = Held.by(self._chips[band], self._lon, self._lat)
        valid = np.full(len(self), -1)
        unreadable: dict[int, str] = {}
        sought = np.ones(len(self), dtype=bool)
        sought[list(failed)] = False
        wanted = sought.copy()
        for rank in range(held.ranks):
            for number, rows, grids in self._grids(channel, held.of_rank(rank, sought), laid):
                places = grids.on(self._chips[band][number])
                for at, row in enumerate(rows.tolist()):
                    try:
                        cutout = places.cutout(at, opened)
                    except ImageError as error:
                        unreadable[row] = str(error)
                        continue
                    count = np.count_nonzero(np.isfinite(cutout))
                    if count > valid[row]:
                        data[row, channel], valid[row] = cutout, count
                        if channel == 0:
                            laid[:, row] = number, grids.left[at], grids.bottom[at]
            sought &= valid < self._size**2
        outside = f"lies outside every image of band {band}"
        return {
            row: f"has no data in band {band}" if valid[row] == 0 else unreadable.get(row, outside)
            for row in np.flatnonzero(wanted & (valid <= 0)).tolist()
        }

    def _grids(self, channel: int, held: Held, laid: np.ndarray) -> Iterator[tuple[int, np.ndarray, Grids]]:
        """Give the grids by the chip that is to be cut: the first band lays them, the others follow."""
        first = self._chips[self.channels[0]]
        for number, mine in held.by_chip():
            if channel == 0:
                yield number, mine.row, Grids.around(first[number], mine.x, mine.y, self._size)
                continue
            by, left, bottom = laid[:, mine.row]
            for chip in np.unique(by).tolist():
                these = by == chip
                yield number, mine.row[these], Grids(first[chip], left[these], bottom[these], self._size)

    def table(self) -> Table:
        table = super().table()
        table["ra"] = self._lon * u.deg
        table["dec"] = self._lat * u.deg
        return table

    def signature(self) -> dict[str, Any]:
        files = sorted({os.path.basename(chip.path) for chips in self._chips.values() for chip in chips})
        return {
            "kind": "sky",
            "channels": list(self.channels),
            "size": self._size,
            "files": files,
            "positions_sha256": hashlib.sha256(np.stack([self._lon, self._lat]).tobytes()).hexdigest(),
        }


def chips_to_cut(
    mosaics: Mapping[str, Paths] | Paths, size: int | str | u.Quantity, bands: Sequence[str] | None
) -> tuple[dict[str, list[Chip]], int]:
    """Read where the mosaics of each wanted band lie, and how many pixels of them a cutout is wide."""
    names = None if bands is None else tuple(bands)
    chips = read_chips(mosaics, names)
    channels = pick_channels(names, tuple(chips), "the inputs")
    return {band: chips[band] for band in channels}, _size_in_pixels(size, chips[channels[0]])


def cut_out(chips: dict[str, list[Chip]], size: int, lon: np.ndarray, lat: np.ndarray, ids: npt.ArrayLike) -> SkySource:
    """Make the source of positions in degrees, out of mosaics whose headers are known."""
    source = object.__new__(SkySource)
    source._hold(chips, size, lon, lat, ids)
    # A part of the positions, even if it is all of them, knows no mosaic that holds none.
    return source._take(slice(None))


def _size_in_pixels(size: int | str | u.Quantity, chips: list[Chip]) -> int:
    scales = np.array([chip.scale for chip in chips])
    if np.ptp(scales) > 0.01 * scales.min():
        raise ValueError(
            "mosaics: those of the first band differ in pixel scale "
            f"({scales.min():.4g} to {scales.max():.4g} arcsec); extract them separately, or name another band first"
        )
    try:
        quantity = u.Quantity(size)
        if quantity.unit in (u.dimensionless_unscaled, u.pix):
            if quantity.value % 1:
                raise ValueError
            pixels = int(quantity.value)
        else:
            pixels = round(quantity.to_value(u.arcsec) / float(scales[0]))
    except (TypeError, ValueError, u.UnitsError) as error:
        raise ValueError(f"size: expected pixels or an angle such as '30 arcsec', got {size!r}") from error
    if pixels < 2:
        raise ValueError(f"size: {size} is {pixels} px; at least 2 are needed")
    return pixels
