"""Mosaics as chips on the sky: where each one lies, and the pixels of a part of it."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS
from astropy.wcs.utils import proj_plane_pixel_scales, wcs_to_celestial_frame
from scipy import ndimage

from astrotl.errors import ImageError
from astrotl.sources import _fits
from astrotl.sources._stamps import split_name

#: Grids that agree this well, in pixels, are cut without interpolation.
_SAME_GRID = 0.01


@dataclass(frozen=True, eq=False)
class Chip:
    """One plane of one image extension."""

    path: str
    hdu: int
    leading: tuple[int, ...]
    shape: tuple[int, int]
    wcs: WCS
    icrs: bool
    scale: float
    centre: np.ndarray
    reach: float

    def near(self, lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
        """Say quickly which positions may lie on the chip."""
        return np.asarray(_unit_vectors(lon, lat) @ self.centre >= self.reach)

    def to_pixel(self, lon: np.ndarray, lat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Find the pixels of ICRS positions; NaN for those on the far side of the sky."""
        if not self.icrs:
            native = SkyCoord(lon, lat, unit="deg").transform_to(wcs_to_celestial_frame(self.wcs))
            lon, lat = native.spherical.lon.deg, native.spherical.lat.deg
        return _native_to_pixel(self.wcs, lon, lat)


@dataclass(frozen=True, eq=False)
class Grid:
    """The pixels of a cutout: a square of a chip, which may reach over its edge."""

    chip: Chip
    left: int
    bottom: int
    size: int

    @classmethod
    def around(cls, chip: Chip, x: float, y: float, size: int) -> Grid:
        """Lay the grid so that the position is within half a pixel of its centre."""
        return cls(chip, round(x - (size - 1) / 2), round(y - (size - 1) / 2), size)

    def on(self, other: Chip) -> tuple[np.ndarray, np.ndarray]:
        """Find the pixels of another chip under nine nodes of the grid, three by three."""
        nodes = np.array([0.0, (self.size - 1) / 2, self.size - 1])
        y, x = np.meshgrid(self.bottom + nodes, self.left + nodes, indexing="ij")
        lon, lat = self.chip.wcs.all_pix2world(x.ravel(), y.ravel(), 0)
        if self.chip.icrs and other.icrs:
            at_x, at_y = _native_to_pixel(other.wcs, lon, lat)
        else:
            sky = SkyCoord(lon, lat, unit="deg", frame=wcs_to_celestial_frame(self.chip.wcs)).icrs
            at_x, at_y = other.to_pixel(sky.ra.deg, sky.dec.deg)
        return at_x.reshape(3, 3), at_y.reshape(3, 3)


class OpenChips(contextlib.ExitStack):
    """Keeps each file open while a block is cut out of it."""

    def __init__(self) -> None:
        super().__init__()
        self._files: dict[str, fits.HDUList] = {}

    def cutout(self, chip: Chip, grid: Grid) -> np.ndarray:
        """Give the chip's pixels on the grid, NaN where it has none."""
        if chip is grid.chip:
            return self._box(chip, grid.left, grid.bottom, grid.size, grid.size)
        x, y = grid.on(chip)
        if not (np.isfinite(x).all() and np.isfinite(y).all()):
            return np.full((grid.size, grid.size), np.nan, dtype=np.float32)
        steps = np.array([0, (grid.size - 1) / 2, grid.size - 1])
        left, bottom = x[0, 0], y[0, 0]
        off = max(np.abs(x - round(left) - steps).max(), np.abs(y - round(bottom) - steps[:, None]).max())
        if off < _SAME_GRID:
            return self._box(chip, round(left), round(bottom), grid.size, grid.size)
        return self._resample(chip, _through_nodes(x, grid.size), _through_nodes(y, grid.size))

    def _resample(self, chip: Chip, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        left, bottom = int(np.floor(x.min())), int(np.floor(y.min()))
        width, height = int(np.ceil(x.max())) - left + 1, int(np.ceil(y.max())) - bottom + 1
        pixels = self._box(chip, left, bottom, width, height)
        return ndimage.map_coordinates(pixels, [y - bottom, x - left], order=1, cval=np.nan)

    def _box(self, chip: Chip, left: int, bottom: int, width: int, height: int) -> np.ndarray:
        box = np.full((height, width), np.nan, dtype=np.float32)
        y0, y1 = max(bottom, 0), min(bottom + height, chip.shape[0])
        x0, x1 = max(left, 0), min(left + width, chip.shape[1])
        if y0 < y1 and x0 < x1:
            box[y0 - bottom : y1 - bottom, x0 - left : x1 - left] = self._read(chip, y0, y1, x0, x1)
        return box

    def _read(self, chip: Chip, y0: int, y1: int, x0: int, x1: int) -> np.ndarray:
        if _is_packed(chip.path):
            return _unpack(chip.path, chip.hdu, os.stat(chip.path).st_mtime_ns)[*chip.leading, y0:y1, x0:x1]
        if chip.path not in self._files:
            self._files[chip.path] = self.enter_context(_fits.open_fits(chip.path, memmap=True))
        return _fits.part(self._files[chip.path][chip.hdu], (*chip.leading, slice(y0, y1), slice(x0, x1)), chip.path)


def read_chips(mosaics: Mapping[str, Sequence[Any]] | Sequence[Any], bands: tuple[str, ...] | None) -> dict[str, list[Chip]]:
    """Read the headers of all mosaics and list the chips of each band."""
    chips: dict[str, list[Chip]] = {}
    if isinstance(mosaics, Mapping):
        for band, paths in mosaics.items():
            for path in map(os.fspath, paths):
                for name, chip in _chips_of(path, None):
                    if name != "image":
                        raise ImageError(f"{path}: is a cube of several planes, but was given as the single band {band}")
                    chips.setdefault(band, []).append(chip)
    else:
        for path in map(os.fspath, mosaics):
            for name, chip in _chips_of(path, bands):
                chips.setdefault(name, []).append(chip)
    if not chips:
        raise ValueError("mosaics: there are none")
    return chips


def _chips_of(path: str, bands: tuple[str, ...] | None) -> list[tuple[str, Chip]]:
    found = []
    with _fits.open_fits(path) as hdus:
        images = _fits.image_hdus(hdus, path)
        extensions = {hdu.name.lower() for _, hdu in images}
        by_extension = bands is not None and all(band.lower() in extensions for band in bands)
        for number, hdu in images:
            shape = tuple(_fits.shape(hdu))
            wcs = _fits.celestial_wcs(hdu.header)
            if wcs is None:
                continue
            planes = [index for index in np.ndindex(shape[:-2])]
            if by_extension:
                names = [next((band for band in bands or () if band.lower() == hdu.name.lower()), "")]
            elif len(planes) == 1:
                names = [bands[0] if bands is not None and len(bands) == 1 else "image"]
            else:
                names = list(bands) if bands is not None else [str(index) for index in range(len(planes))]
            if len(names) != len(planes):
                raise ImageError(f"{path}: has {len(planes)} planes, so --bands must name all of them; got {', '.join(names)}")
            found += [(name, _chip(path, number, index, shape, wcs)) for name, index in zip(names, planes, strict=True) if name]
    if not found:
        raise ImageError(f"{path}: has no sky coordinates (WCS), so no position can be found in it; give stamps without --catalog")
    return found


def _chip(path: str, hdu: int, leading: tuple[int, ...], shape: tuple[int, ...], wcs: WCS) -> Chip:
    height, width = shape[-2:]
    frame = wcs_to_celestial_frame(wcs)
    x, y = np.array([[-0.5, width - 0.5, width - 0.5, -0.5, (width - 1) / 2], [-0.5, -0.5, height - 0.5, height - 0.5, (height - 1) / 2]])
    lon, lat = wcs.all_pix2world(x, y, 0)
    if frame.name != "icrs":
        sky = SkyCoord(lon, lat, unit="deg", frame=frame).icrs
        lon, lat = sky.ra.deg, sky.dec.deg
    vectors = _unit_vectors(lon, lat)
    centre = vectors[-1]
    # An all-sky projection has corners that are nowhere: such a chip may be near everything.
    reach = float((vectors[:-1] @ centre).min()) - 1e-6 if np.isfinite(vectors).all() else -1.0
    scale = float(np.mean(proj_plane_pixel_scales(wcs))) * 3600
    centre = centre if np.isfinite(centre).all() else np.zeros(3)
    return Chip(path, hdu, leading, (height, width), wcs, frame.name == "icrs", scale, centre, reach)


def _native_to_pixel(wcs: WCS, lon: np.ndarray, lat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if not len(lon):
        return np.empty(0), np.empty(0)
    x, y = wcs.all_world2pix(lon, lat, 0, quiet=True)
    return x, y


def _through_nodes(values: np.ndarray, size: int) -> np.ndarray:
    """Lay the parabola through three nodes a side over a whole grid; sky projections bend far less than that."""
    t = np.linspace(-1, 1, size)
    weights = np.stack([t * (t - 1) / 2, 1 - t**2, t * (t + 1) / 2], axis=1)
    return weights @ values @ weights.T


def _unit_vectors(lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    lon, lat = np.radians(lon), np.radians(lat)
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=-1)


def _is_packed(path: str) -> bool:
    return split_name(path)[1].endswith(_fits.PACKED_ENDINGS)


@functools.lru_cache(maxsize=8)
def _unpack(path: str, hdu: int, _changed: int) -> np.ndarray:
    """Keep an unpacked image, of which no part can be read alone, for the next block."""
    with _fits.open_fits(path) as hdus:
        return np.asarray(hdus[hdu].data, dtype=np.float32)
