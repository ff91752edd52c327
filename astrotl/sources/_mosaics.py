"""Mosaics as chips on the sky: where each one lies, and the pixels of a part of it."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from astropy.coordinates import ICRS, BaseCoordinateFrame, SkyCoord
from astropy.io import fits
from astropy.wcs import WCS
from astropy.wcs.utils import proj_plane_pixel_scales, wcs_to_celestial_frame
from scipy import ndimage

from astrotl.errors import ImageError
from astrotl.sources import _fits
from astrotl.sources._stamps import split_name
from astrotl.sources.base import path_list

#: Grids that agree this well, in pixels, are cut without interpolation.
_SAME_GRID = 0.01


@dataclass(frozen=True, eq=False)
class Chip:
    """One plane of one image extension."""

    path: str
    hdu: int
    leading: tuple[int, ...]
    mapped: bool
    shape: tuple[int, int]
    wcs: WCS
    frame: BaseCoordinateFrame
    scale: float
    centre: np.ndarray
    reach: float

    def near(self, lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
        """Say quickly which positions may lie on the chip."""
        return np.asarray(_unit_vectors(lon, lat) @ self.centre >= self.reach)

    def to_pixel(self, lon: np.ndarray, lat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Find the pixels of ICRS positions; NaN for those on the far side of the sky."""
        return _native_to_pixel(self.wcs, *_transform(lon, lat, ICRS(), self.frame))


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
        # A position between two pixels goes the same way in every process, whatever the last digits of the WCS there.
        left, bottom = (int(np.floor(at - (size - 1) / 2 + 0.5 + 1e-6)) for at in (x, y))
        return cls(chip, left, bottom, size)

    def on(self, other: Chip) -> tuple[np.ndarray, np.ndarray]:
        """Find the pixels of another chip under nine nodes of the grid, three by three."""
        nodes = np.array([0.0, (self.size - 1) / 2, self.size - 1])
        y, x = np.meshgrid(self.bottom + nodes, self.left + nodes, indexing="ij")
        lon, lat = _pixel_to_native(self.chip.wcs, x.ravel(), y.ravel())
        at_x, at_y = _native_to_pixel(other.wcs, *_transform(lon, lat, self.chip.frame, other.frame))
        return at_x.reshape(3, 3), at_y.reshape(3, 3)


class OpenChips(contextlib.ExitStack):
    """Keeps each file open while a block is cut out of it."""

    def __init__(self) -> None:
        super().__init__()
        self._files: dict[tuple[str, bool], fits.HDUList] = {}
        self._broken: dict[str, ImageError] = {}

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
        if chip.path in self._broken:
            raise self._broken[chip.path]
        where: tuple[int | slice, ...] = (*chip.leading, slice(y0, y1), slice(x0, x1))
        try:
            if _is_packed(chip.path):
                with _fits.reading(chip.path):
                    changed = os.stat(chip.path).st_mtime_ns
                return _unpack(chip.path, chip.hdu, changed)[where]
            if (chip.path, chip.mapped) not in self._files:
                opened = self.enter_context(_fits.open_fits(chip.path, memmap=chip.mapped))
                self._files[chip.path, chip.mapped] = opened
        except ImageError as error:
            # Unpacking takes seconds: not once more for every position.
            self._broken[chip.path] = error
            raise
        return _fits.part(self._files[chip.path, chip.mapped], chip.hdu, where, chip.path, mapped=chip.mapped)


def read_chips(mosaics: Mapping[str, Any] | Any, bands: tuple[str, ...] | None) -> dict[str, list[Chip]]:
    """Read the headers of all mosaics and list the chips of each band."""
    chips: dict[str, list[Chip]] = {}
    if isinstance(mosaics, Mapping):
        for band, paths in mosaics.items():
            for path in path_list(paths):
                chips.setdefault(band, []).extend(chip for _, chip in _chips_of(path, (band,)))
    else:
        for path in path_list(mosaics):
            for name, chip in _chips_of(path, bands):
                chips.setdefault(name, []).append(chip)
    if not chips:
        raise ValueError("mosaics: there are none")
    return chips


def _chips_of(path: str, bands: tuple[str, ...] | None) -> list[tuple[str, Chip]]:
    """List the chips of one file, each with its band; ``image`` where nothing names the band."""
    with _fits.open_fits(path) as hdus:
        found = []
        for number, hdu in _fits.image_hdus(hdus, path, bands):
            wcs = _fits.celestial_wcs(hdu.header, hdus)
            if wcs is not None:
                planes = np.ndindex(_fits.shape(hdu)[:-2])
                chips = [_chip(path, number, hdu, plane, wcs) for plane in planes]
                found.append((hdu.name, chips))
    if not found:
        raise ImageError(
            f"{path}: has no sky coordinates (WCS), so no position can be found in it; give stamps without --catalog"
        )
    if names := _band_of_extension(found, bands, path):
        return [(names[extension.lower()], chips[0]) for extension, chips in found]
    return [named for _, chips in found for named in zip(_names_of_planes(len(chips), bands, path), chips, strict=True)]


def _band_of_extension(found: list[tuple[str, list[Chip]]], bands: tuple[str, ...] | None, path: str) -> dict[str, str]:
    """Name the band of each extension; nothing where the extensions are the chips of a camera or hold cubes."""
    names = {extension.lower(): extension for extension, _ in found}
    if any(len(chips) > 1 for _, chips in found) or len(names) < len(found):
        return {}
    wanted = {band.lower(): band for band in bands or ()}
    if wanted.keys() == names.keys():
        return wanted
    # Chips of a camera lie side by side, the bands of one image on top of each other.
    first = found[0][1][0]
    within = np.cos(np.radians(first.scale / 3600))
    if len(found) == 1 or any(chip.shape != first.shape or chip.centre @ first.centre < within for _, (chip,) in found):
        return {}
    if wanted:
        have = ", ".join(names.values())
        raise ImageError(
            f"{path}: its extensions {have} cover the same sky; name those that are bands, got {', '.join(bands or ())}"
        )
    return names


def _names_of_planes(count: int, bands: tuple[str, ...] | None, path: str) -> tuple[str, ...]:
    if count == 1:
        return bands if bands is not None and len(bands) == 1 else ("image",)
    names = tuple(map(str, range(count))) if bands is None else bands
    if len(names) != count:
        raise ImageError(f"{path}: has {count} planes, so as many bands must be named; got {', '.join(names)}")
    return names


def _chip(path: str, number: int, hdu: Any, leading: tuple[int, ...], wcs: WCS) -> Chip:
    height, width = _fits.shape(hdu)[-2:]
    frame = wcs_to_celestial_frame(wcs)
    x = np.array([-0.5, width - 0.5, width - 0.5, -0.5, (width - 1) / 2])
    y = np.array([-0.5, -0.5, height - 0.5, height - 0.5, (height - 1) / 2])
    lon, lat = _pixel_to_native(wcs, x, y)
    vectors = _unit_vectors(*_transform(lon, lat, frame, ICRS()))
    centre = vectors[-1]
    scale = float(np.mean(proj_plane_pixel_scales(wcs))) * 3600
    # The corners are the farthest points of any image but one of the whole sky, which may be near everything.
    narrow = np.isfinite(vectors).all() and scale * np.hypot(width, height) < 60 * 3600
    reach = float((vectors[:-1] @ centre).min()) - 1e-6 if narrow else -1.0
    centre = centre if np.isfinite(centre).all() else np.zeros(3)
    mapped = _fits.is_mappable(hdu)
    return Chip(path, number, leading, mapped, (height, width), wcs, frame, scale, centre, reach)


def _transform(
    lon: np.ndarray, lat: np.ndarray, here: BaseCoordinateFrame, there: BaseCoordinateFrame
) -> tuple[np.ndarray, np.ndarray]:
    if here.is_equivalent_frame(there):
        return lon, lat
    sky = SkyCoord(lon, lat, unit="deg", frame=here).transform_to(there).spherical
    return sky.lon.deg, sky.lat.deg


def _native_to_pixel(wcs: WCS, lon: np.ndarray, lat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if not len(lon):
        return np.empty(0), np.empty(0)
    x, y = wcs.all_world2pix(*_in_order(wcs, lon, lat), 0, quiet=True)
    return x, y


def _pixel_to_native(wcs: WCS, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return _in_order(wcs, *wcs.all_pix2world(x, y, 0))


def _in_order(wcs: WCS, first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Swap longitude and latitude for images whose first axis is the latitude."""
    return (first, second) if wcs.wcs.lng == 0 else (second, first)


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
