"""The images of one file, and the bands of one image in several files, without their pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from astropy.wcs import WCS

from astrotl.errors import ImageError
from astrotl.sources import _fits
from astrotl.sources._mosaics import Chip, on_sky
from astrotl.sources._planes import PicturePlane, Plane, fits_plane
from astrotl.sources._stamps import PICTURE_ENDINGS, names_of_planes, picture_header, split_name
from astrotl.sources.files import choose_planes

#: Bands that agree this well, in pixels, are on one grid.
_SAME_GRID = 0.1


@dataclass(frozen=True, eq=False)
class FileImage:
    """The planes of one image; the names are None where the file does not name them.

    The extension is that of a camera's chip, and empty where the file holds no other image.
    """

    planes: tuple[Plane, ...]
    names: tuple[str, ...] | None
    extension: str = ""
    value_range: tuple[float, float] | None = None

    @property
    def wcs(self) -> WCS | None:
        """Where the first plane with sky coordinates lies."""
        return next((plane.wcs for plane in self.planes if isinstance(plane, Chip)), None)


def images_of(path: str, bands: tuple[str, ...] | None) -> list[FileImage]:
    """Find the images of one file, each with the wanted bands in their order."""
    images = []
    for image in _images_of(path, bands):
        channels = choose_planes(image.names, len(image.planes), bands, path)
        planes = dict(zip((name.lower() for name in image.names or channels), image.planes, strict=True))
        chosen = tuple(planes[channel.lower()] for channel in channels)
        _check_grids(chosen, channels)
        images.append(replace(image, planes=chosen, names=channels))
    return images


def images_of_bands(paths: Sequence[str], bands: tuple[str, ...]) -> list[FileImage]:
    """Bring together the images that come in one file a band."""
    found: list[list[FileImage]] = []
    for path, band in zip(paths, bands, strict=True):
        if not path:
            raise ImageError(f"there is no file for band {band}")
        images = _images_of(path, (band,))
        count = max(len(image.planes) for image in images)
        if count > 1:
            raise ImageError(f"{path}: has {count} planes, but was given as the single band {band}")
        if found and [image.extension for image in images] != [image.extension for image in found[0]]:
            raise ImageError(f"{path}: holds other images than {paths[0]}; give files of one camera")
        found.append(images)
    return [_together(images, bands) for images in zip(*found, strict=True)]


def _together(images: Sequence[FileImage], bands: tuple[str, ...]) -> FileImage:
    planes = tuple(image.planes[0] for image in images)
    _check_grids(planes, bands)
    for image, plane in zip(images, planes, strict=True):
        if image.value_range != images[0].value_range:
            raise ImageError(f"{plane.path}: its values fill another range than those of {planes[0].path}")
    return replace(images[0], planes=planes, names=bands)


def _images_of(path: str, bands: tuple[str, ...] | None) -> list[FileImage]:
    """Read the headers of one file: extensions that lie side by side are images, others the bands of one."""
    if split_name(path)[1] in PICTURE_ENDINGS:
        shape, colours, value_range = picture_header(path)
        colour_planes = (PicturePlane(path, 0, (number,), False, None, shape) for number in range(len(colours)))
        return [FileImage(tuple(colour_planes), colours, value_range=value_range)]
    with _fits.open_fits(path) as hdus:
        images = _fits.image_hdus(hdus, path, bands)
        parts = [_planes_of(path, number, hdu, _fits.celestial_wcs(hdu.header, hdus)) for number, hdu in images]
        names = [hdu.name for _, hdu in images]
    if _side_by_side(parts):
        if not all(names) or len(set(names)) < len(names):
            names = [str(number) for number, _ in images]
        return [FileImage(part, None, name) for part, name in zip(parts, names, strict=True)]
    planes = tuple(plane for part in parts for plane in part)
    return [FileImage(planes, names_of_planes(names, len(planes), bands))]


def _planes_of(path: str, number: int, hdu: Any, wcs: WCS | None) -> tuple[Plane, ...]:
    shape = _fits.shape(hdu)
    _fits.count_planes(shape, path)
    planes = (fits_plane(path, number, hdu, leading) for leading in np.ndindex(shape[:-2]))
    return tuple(planes if wcs is None else (on_sky(plane, wcs) for plane in planes))


def _side_by_side(parts: list[tuple[Plane, ...]]) -> bool:
    """Say whether extensions are the chips of a camera: none is centred on the first one."""
    first, *others = [part[0] for part in parts]
    return bool(others) and all(_is_beside(first, other) for other in others)


def _is_beside(first: Plane, other: Plane) -> bool:
    if not (isinstance(first, Chip) and isinstance(other, Chip)):
        return False
    (height, width), (rows, columns) = first.shape, other.shape
    x, y = _under(first, other, np.array([(columns - 1) / 2]), np.array([(rows - 1) / 2]))
    # What lies on the far side of the sky has no pixel there.
    return not bool((x > -0.5) & (x < width - 0.5) & (y > -0.5) & (y < height - 0.5))


def _check_grids(planes: Sequence[Plane], bands: Sequence[str]) -> None:
    """Refuse bands whose pixels do not lie on one another."""
    first = planes[0]
    for plane, band in zip(planes, bands, strict=True):
        if plane.shape != first.shape:
            sizes = f"{first.shape[1]} x {first.shape[0]} and {plane.shape[1]} x {plane.shape[0]} px"
            raise ImageError(
                f"{plane.path}: bands {bands[0]} and {band} differ in size ({sizes}); bring them to one grid first, or "
                "name the bands that are on one"
            )
        if isinstance(first, Chip) and isinstance(plane, Chip) and plane.wcs is not first.wcs:
            off = _apart(first, plane)
            if off > _SAME_GRID:
                raise ImageError(
                    f"{plane.path}: bands {bands[0]} and {band} lie {off:.3g} px apart; bring them to one grid first, "
                    "or name the bands that are on one"
                )


def _apart(first: Chip, other: Chip) -> float:
    """Measure how far apart the pixels of two grids lie at most, at nine places that are on the sky at all."""
    height, width = first.shape
    x, y = (at.ravel() for at in np.meshgrid(np.linspace(0, width - 1, 3), np.linspace(0, height - 1, 3)))
    there_x, there_y = _under(first, other, x, y)
    return float(np.max(np.nan_to_num(np.hypot(there_x - x, there_y - y))))


def _under(first: Chip, other: Chip, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find the pixels of one chip under those of another."""
    return first.from_sky(*other.to_sky(x, y), other.frame)
