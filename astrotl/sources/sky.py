"""Cutouts at the positions of a catalogue, out of mosaics with sky coordinates."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import Table

from astrotl.errors import ImageError
from astrotl.images import ImageBatch
from astrotl.sources._mosaics import Chip, Grid, OpenChips, read_chips
from astrotl.sources.base import ImageSource, pick_channels, unique_ids

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
        chips = read_chips(mosaics, None if bands is None else tuple(bands))
        self.channels = pick_channels(None if bands is None else tuple(bands), tuple(chips), "the inputs")
        self._chips = {band: chips[band] for band in self.channels}
        icrs = positions.icrs
        self._lon, self._lat = np.atleast_1d(icrs.ra.deg), np.atleast_1d(icrs.dec.deg)
        self.ids = unique_ids(np.arange(len(self._lon)) if ids is None else ids)
        if len(self.ids) != len(self._lon):
            raise ValueError(f"ids: expected {len(self._lon)} of them, got {len(self.ids)}")
        self._size = _size_in_pixels(size, self._chips[self.channels[0]])

    def _take(self, rows: slice | np.ndarray) -> SkySource:
        part = object.__new__(SkySource)
        part.__dict__.update(self.__dict__, ids=self.ids[rows], _lon=self._lon[rows], _lat=self._lat[rows])
        part._chips = {
            band: [chip for chip in chips if chip.near(part._lon, part._lat).any()]
            for band, chips in self._chips.items()
        }
        return part

    def read(self) -> ImageBatch:
        data = np.full((len(self), len(self.channels), self._size, self._size), np.nan, dtype=np.float32)
        failed: dict[int, str] = {}
        grids: dict[int, Grid] = {}
        with OpenChips() as opened:
            for channel, band in enumerate(self.channels):
                candidates = self._candidates(band)
                for row in range(len(self)):
                    if row in failed:
                        continue
                    try:
                        data[row, channel], grids[row] = self._best(candidates[row], grids.get(row), band, opened)
                    except ImageError as error:
                        failed[row] = str(error)
        data[list(failed)] = np.nan
        reasons = {str(self.ids[row]): why for row, why in failed.items()}
        return ImageBatch(data, self.ids, self.channels, failed=reasons)

    def _candidates(self, band: str) -> list[list[tuple[Chip, float, float]]]:
        """List for each position the chips that hold it and where; the one that reaches farthest around comes first."""
        held: list[list[tuple[float, Chip, float, float]]] = [[] for _ in range(len(self))]
        for chip in self._chips[band]:
            near = np.flatnonzero(chip.near(self._lon, self._lat))
            x, y = chip.to_pixel(self._lon[near], self._lat[near])
            height, width = chip.shape
            margin = np.minimum(np.minimum(x, width - 1 - x), np.minimum(y, height - 1 - y))
            for row, at_x, at_y, edge in zip(near.tolist(), x.tolist(), y.tolist(), margin.tolist(), strict=True):
                if edge >= -0.5:
                    held[row].append((-edge, chip, at_x, at_y))
        return [[entry[1:] for entry in sorted(entries, key=lambda entry: entry[0])] for entries in held]

    def _best(
        self, candidates: list[tuple[Chip, float, float]], grid: Grid | None, band: str, opened: OpenChips
    ) -> tuple[np.ndarray, Grid]:
        """Cut from the first chip that has data everywhere, or else from the one that has most."""
        if not candidates:
            raise ImageError(f"lies outside every image of band {band}")
        best: tuple[int, np.ndarray, Grid] | None = None
        unreadable: ImageError | None = None
        for chip, x, y in candidates:
            onto = grid or Grid.around(chip, x, y, self._size)
            try:
                cutout = opened.cutout(chip, onto)
            except ImageError as error:
                unreadable = error
                continue
            valid = int(np.isfinite(cutout).sum())
            if best is None or valid > best[0]:
                best = valid, cutout, onto
            if valid == cutout.size:
                break
        if best is None:
            raise unreadable or ImageError(f"cannot be cut out of band {band}")
        if best[0] == 0:
            raise ImageError(f"has no data in band {band}")
        return best[1], best[2]

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
