"""Reads one stamp, FITS or everyday picture, as planes with names."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from astrotl.errors import ImageError, first_line
from astrotl.sources import _fits
from astrotl.sources._plain import read_plain

PICTURE_ENDINGS = (".jpg", ".jpeg", ".png")


@dataclass(frozen=True, eq=False)
class Stamp:
    """The planes of one file; the names are None where the file does not name them."""

    planes: np.ndarray
    names: tuple[str, ...] | None
    value_range: tuple[float, float] | None = None


def split_name(path: str) -> tuple[str, str]:
    """Split a file's name into its stem and its ending, ``.fits.gz`` being one ending."""
    name = os.path.basename(path)
    stem, dot, ending = name.rpartition(".")
    if dot and f".{ending.lower()}" in (*_fits.PACKED_ENDINGS, ".fz"):
        inner, inner_dot, inner_ending = stem.rpartition(".")
        if inner_dot and f".{inner_ending.lower()}" in _fits.FITS_ENDINGS:
            return inner, f".{inner_ending}.{ending}".lower()
    return (stem, f".{ending}".lower()) if stem else (name, "")


def is_stamp(path: str) -> bool:
    """Say whether the name is that of a FITS file or a picture."""
    ending = split_name(path)[1]
    return ending in PICTURE_ENDINGS or ending == ".fz" or ending.startswith(_fits.FITS_ENDINGS)


def read_stamp(path: str, bands: tuple[str, ...] | None = None) -> Stamp:
    """Read the image planes of one file; where the bands name extensions, only those."""
    return _read_picture(path) if split_name(path)[1] in PICTURE_ENDINGS else _read_fits(path, bands)


def _read_fits(path: str, bands: tuple[str, ...] | None) -> Stamp:
    # What is beyond float32 becomes infinite, which every step takes for "no data".
    with _fits.reading(path), np.errstate(over="ignore", invalid="ignore"):
        plain = read_plain(path)
        if plain is not None:
            return stamp_of(plain, path, bands)
        with _fits.open_fits(path) as hdus:
            return stamp_of(hdus, path, bands)


def stamp_of(hdus: Sequence[Any], path: str, bands: tuple[str, ...] | None) -> Stamp:
    """Make a stamp of the images of a file, as astropy or `read_plain` give them."""
    images = _fits.image_hdus(hdus, path, bands)
    parts = [_fits.pixels(hdu, path) for _, hdu in images]
    names = [hdu.name for _, hdu in images]
    if len({part.shape[1:] for part in parts}) > 1:
        sizes = ", ".join(
            f"{name or number} {part.shape[2]} x {part.shape[1]}"
            for number, (name, part) in enumerate(zip(names, parts, strict=True))
        )
        raise ImageError(f"{path}: its extensions differ in size ({sizes}); name those that are bands with --bands")
    chosen = bands is not None and {name.lower() for name in names} == {band.lower() for band in bands}
    named = all(names) and len(set(names)) == len(names) == sum(map(len, parts)) and (len(names) > 1 or chosen)
    return Stamp(np.concatenate(parts, dtype=np.float32), tuple(names) if named else None)


def _read_picture(path: str) -> Stamp:
    # Pillow: the reader that matplotlib already brings.
    from PIL import Image

    try:
        with Image.open(path) as picture:
            deep = picture.mode.startswith("I")
            grey = deep or picture.mode in ("1", "L", "LA")
            # A palette may hold a transparency that only RGBA can take.
            flat = picture.convert("RGBA") if picture.mode == "P" else picture
            data = np.asarray(flat if deep else flat.convert("L" if grey else "RGB"), dtype=np.float32)
    except FileNotFoundError as error:
        raise ImageError(f"{path}: there is no such file") from error
    except Exception as error:
        raise ImageError(f"{path}: cannot be read as a picture ({first_line(error)}); save it again") from error
    planes = data[None] if grey else np.moveaxis(data, -1, 0)
    return Stamp(planes, ("grey",) if grey else ("red", "green", "blue"), (0.0, 65535.0 if deep else 255.0))
