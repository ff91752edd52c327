"""Mosaics as chips on the sky: where each one lies, and the pixels of a part of it."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from astropy.coordinates import ICRS, BaseCoordinateFrame, SkyCoord
from astropy.wcs import WCS
from astropy.wcs.utils import proj_plane_pixel_scales, wcs_to_celestial_frame

from astrotl.errors import ImageError
from astrotl.sources import _fits
from astrotl.sources._planes import Plane, fits_plane
from astrotl.sources.base import path_list

#: Two threads in one WCS disturb each other, silently (astropy issues 16245 and 19174).
_WCS = threading.Lock()


@dataclass(frozen=True, eq=False)
class Chip(Plane):
    """A plane whose place on the sky is known."""

    wcs: WCS
    frame: BaseCoordinateFrame
    scale: float
    centre: np.ndarray
    reach: float

    def near(self, vectors: np.ndarray) -> np.ndarray:
        """Say quickly which positions may lie on the chip."""
        return np.asarray(vectors @ self.centre >= self.reach)

    def from_sky(self, lon: np.ndarray, lat: np.ndarray, frame: BaseCoordinateFrame) -> tuple[np.ndarray, np.ndarray]:
        """Find the pixels of positions; NaN for those on the far side of the sky."""
        lon, lat = _transform(lon, lat, frame, self.frame)
        if not len(lon):
            return np.empty(0), np.empty(0)
        with _WCS:
            x, y = self.wcs.all_world2pix(*_in_order(self.wcs, lon, lat), 0, quiet=True)
        return x, y

    def from_icrs(self, lon: np.ndarray, lat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Find the pixels of ICRS positions."""
        return self.from_sky(lon, lat, ICRS())

    def to_sky(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Find the positions of pixels, in the chip's own frame."""
        return _pixel_to_native(self.wcs, x, y)


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
                chips = [on_sky(fits_plane(path, number, hdu, plane), wcs) for plane in planes]
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


def on_sky(plane: Plane, wcs: WCS) -> Chip:
    """Find out where a plane lies."""
    height, width = plane.shape
    frame = wcs_to_celestial_frame(wcs)
    x = np.array([-0.5, width - 0.5, width - 0.5, -0.5, (width - 1) / 2])
    y = np.array([-0.5, -0.5, height - 0.5, height - 0.5, (height - 1) / 2])
    lon, lat = _pixel_to_native(wcs, x, y)
    vectors = unit_vectors(*_transform(lon, lat, frame, ICRS()))
    centre = vectors[-1]
    scale = float(np.mean(proj_plane_pixel_scales(wcs))) * 3600
    # The corners are the farthest points of any image but one of the whole sky, which may be near everything.
    narrow = np.isfinite(vectors).all() and scale * np.hypot(width, height) < 60 * 3600
    reach = float((vectors[:-1] @ centre).min()) - 1e-6 if narrow else -1.0
    centre = centre if np.isfinite(centre).all() else np.zeros(3)
    return Chip(**asdict(plane), wcs=wcs, frame=frame, scale=scale, centre=centre, reach=reach)


def _transform(
    lon: np.ndarray, lat: np.ndarray, here: BaseCoordinateFrame, there: BaseCoordinateFrame
) -> tuple[np.ndarray, np.ndarray]:
    if here.is_equivalent_frame(there):
        return lon, lat
    sky = SkyCoord(lon, lat, unit="deg", frame=here).transform_to(there).spherical
    return sky.lon.deg, sky.lat.deg


def _pixel_to_native(wcs: WCS, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    with _WCS:
        return _in_order(wcs, *wcs.all_pix2world(x, y, 0))


def _in_order(wcs: WCS, first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Swap longitude and latitude for images whose first axis is the latitude."""
    return (first, second) if wcs.wcs.lng == 0 else (second, first)


def unit_vectors(lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    lon, lat = np.radians(lon), np.radians(lat)
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=-1)
