"""The one place that opens FITS files: which extensions are images, their pixels, their sky coordinates."""

from __future__ import annotations

import contextlib
import math
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from astropy.coordinates import ICRS
from astropy.io import fits
from astropy.wcs import WCS
from astropy.wcs.utils import wcs_to_celestial_frame

from astrotl.errors import AstrotlWarning, ImageError, first_line
from astrotl.sources._quiet import quiet_astropy

FITS_ENDINGS = (".fits", ".fit", ".fts")
PACKED_ENDINGS = (".gz", ".bz2", ".z")

#: Extensions that accompany an image and are not a band of it.
_COMPANIONS = {
    "area", "bkg", "bpm", "catalog", "con", "ctx", "d2imarr", "dq", "err", "error", "exp", "flag", "flags", "invvar",
    "ivar", "mask", "msk", "nexp", "rms", "samp", "seg", "segm", "sigma", "sky", "time", "unc", "uncert", "var",
    "var_flat", "var_poisson", "var_rnoise", "variance", "wcsdvarr", "weight", "wgt", "wht", "wt",
}  # fmt: skip

#: Longitudes that astropy takes for right ascension.
_ECLIPTIC = ("ELON", "HLON")

#: What astropy and Python say of a file that ends too early.
_TRUNCATED = ("too small", "mmap length", "ended before", "truncated", "end-of-stream", "reshape", "past")


@contextlib.contextmanager
def open_fits(path: str, *, memmap: bool = False) -> Iterator[fits.HDUList]:
    """Open a file; whatever goes wrong with it, now or while reading, becomes one line that names it."""
    with reading(path), quiet_astropy(), fits.open(path, memmap=memmap) as hdus:
        yield hdus


@contextlib.contextmanager
def reading(path: str) -> Iterator[None]:
    """Turn whatever goes wrong with a file into one line that names it."""
    try:
        yield
    except ImageError:
        raise
    except FileNotFoundError as error:
        raise ImageError(f"{path}: there is no such file") from error
    except PermissionError as error:
        raise ImageError(f"{path}: may not be read (permission denied)") from error
    except Exception as error:
        raise ImageError(f"{path}: {_why(error)}") from error


def image_hdus(hdus: fits.HDUList, path: str, bands: tuple[str, ...] | None = None) -> list[tuple[int, Any]]:
    """List the extensions that hold images: those named as bands, or else all but weights, masks and the like."""
    images = [(number, hdu) for number, hdu in enumerate(hdus) if hdu.is_image and sum(n > 1 for n in shape(hdu)) >= 2]
    if not images:
        raise ImageError(f"{path}: holds no image, only {_contents(hdus)}; give the image file itself")
    names = [hdu.name.lower() for _, hdu in images]
    wanted = {band.lower() for band in bands or ()}
    if wanted and all(names.count(band) == 1 for band in wanted):
        return [image for image, name in zip(images, names, strict=True) if name in wanted]
    science = [image for image, name in zip(images, names, strict=True) if name not in _COMPANIONS]
    return science or images


def shape(hdu: Any) -> tuple[int, ...]:
    """Give the shape of an image extension, which the header alone tells."""
    return tuple(hdu.shape)


def pixels(hdu: Any, path: str) -> np.ndarray:
    """Read an image as ``(plane, y, x)``, without the axes of length one that radio images carry."""
    data = hdu.data
    if data is None or data.dtype.kind not in "fiub":
        raise ImageError(f"{path}: extension {hdu.name or 'PRIMARY'} does not hold real numbers")
    return data.reshape(count_planes(data.shape, path), *data.shape[-2:])


def count_planes(shape: tuple[int, ...], path: str) -> int:
    """Count the planes of an image or cube; more axes than that is more than one image."""
    long = [n for n in shape[:-2] if n > 1]
    if len(long) > 1:
        raise ImageError(
            f"{path}: has {len(long) + 2} axes longer than one, {(*long, *shape[-2:])}; cut out one cube or plane first"
        )
    return math.prod(long)


def is_mappable(hdu: Any) -> bool:
    """Say whether the pixels lie in the file as they are; astropy maps none that must be scaled or unpacked."""
    return not isinstance(hdu, fits.CompImageHDU) and not any(key in hdu.header for key in ("BSCALE", "BZERO", "BLANK"))


def whole(path: str, number: int, *, memmap: bool) -> np.ndarray:
    """Read an image as float32, or map it: the pixels then come in the file's own numbers, as they are asked for."""
    with open_fits(path, memmap=memmap) as hdus:
        return np.asarray(hdus[number].data, dtype=None if memmap else np.float32)


def section(hdus: fits.HDUList, number: int, where: tuple[int | slice, ...], path: str) -> np.ndarray:
    """Read a part of an image that must be scaled or unpacked."""
    with reading(path):
        return np.asarray(hdus[number].section[where], dtype=np.float32)


def tile(hdu: Any) -> tuple[int, int]:
    """Give the height and width of what is unpacked together: a tile, or else a line of pixels."""
    return tuple(hdu.tile_shape[-2:]) if isinstance(hdu, fits.CompImageHDU) else (1, shape(hdu)[-1])


def celestial_wcs(header: fits.Header, hdus: fits.HDUList) -> WCS | None:
    """Read the sky coordinates of the last two axes of an image; None if it has none."""
    # Distortions kept as tables are in other extensions of the file.
    wcs = WCS(header, fobj=hdus)
    if not wcs.has_celestial or max(wcs.wcs.lng, wcs.wcs.lat) > 1:
        return None
    wcs = wcs.celestial
    if wcs.wcs.lngtyp in _ECLIPTIC:
        warnings.warn(
            "images: sky coordinates along the ecliptic are not known here; images that have them count as without any",
            AstrotlWarning,
            stacklevel=2,
        )
    return wcs if has_known_frame(wcs) else None


def has_known_frame(wcs: WCS) -> bool:
    """Say whether coordinates are those of the sky; not of the Sun or a planet, nor such that astropy mistakes them."""
    if wcs.wcs.lngtyp in _ECLIPTIC:
        return False
    try:
        return bool(wcs_to_celestial_frame(wcs).is_transformable_to(ICRS()))
    except (ValueError, TypeError, NotImplementedError):
        return False


def _contents(hdus: fits.HDUList) -> str:
    kinds = [type(hdu).__name__.replace("HDU", "") for hdu in hdus]
    return ", ".join(f"{hdu.name or kind} ({kind})" for hdu, kind in zip(hdus, kinds, strict=True)) or "nothing"


def _why(error: Exception) -> str:
    text = first_line(error)
    if "No SIMPLE card" in text or "Empty or corrupt FITS" in text or "END card" in text:
        return "is not a FITS file, or is damaged or cut short; download it again"
    if any(sign in text for sign in _TRUNCATED):
        return f"is truncated; download it again ({text})"
    return f"cannot be read as FITS ({type(error).__name__}: {text})"
