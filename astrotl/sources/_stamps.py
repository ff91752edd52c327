"""Reads one stamp, FITS or everyday picture, as planes with names."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
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
    return Stamp(np.concatenate(parts, dtype=np.float32), names_of_planes(names, sum(map(len, parts)), bands))


def names_of_planes(extensions: Sequence[str], count: int, bands: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """Name so many planes by the extensions, where each is one plane and has a name that says which band it is."""
    chosen = bands is not None and {name.lower() for name in extensions} == {band.lower() for band in bands}
    each = all(extensions) and len(set(extensions)) == len(extensions) == count
    return tuple(extensions) if each and (count > 1 or chosen) else None


def picture_header(path: str) -> tuple[tuple[int, int], tuple[str, ...], tuple[float, float]]:
    """Read a picture's height and width, the names of its planes and the range of its values, but no pixels."""
    with _open_picture(path) as picture:
        return (picture.height, picture.width), *_planes_of_mode(picture.mode)


def _read_picture(path: str) -> Stamp:
    with _open_picture(path) as picture:
        names, value_range = _planes_of_mode(picture.mode)
        deep, grey = picture.mode.startswith("I"), len(names) == 1
        # A palette may hold a transparency that only RGBA can take.
        flat = picture.convert("RGBA") if picture.mode == "P" else picture
        data = np.asarray(flat if deep else flat.convert("L" if grey else "RGB"), dtype=np.float32)
    return Stamp(data[None] if grey else np.moveaxis(data, -1, 0), names, value_range)


@contextlib.contextmanager
def _open_picture(path: str) -> Iterator[Any]:
    # Pillow: the reader that matplotlib already brings.
    from PIL import Image

    try:
        with Image.open(path) as picture:
            yield picture
    except FileNotFoundError as error:
        raise ImageError(f"{path}: there is no such file") from error
    except Exception as error:
        raise ImageError(f"{path}: cannot be read as a picture ({first_line(error)}); save it again") from error


def _planes_of_mode(mode: str) -> tuple[tuple[str, ...], tuple[float, float]]:
    """Name the planes of a picture, and the range of its values."""
    if mode.startswith("I"):
        return ("grey",), (0.0, 65535.0)
    return ("grey",) if mode in ("1", "L", "LA") else ("red", "green", "blue"), (0.0, 255.0)
