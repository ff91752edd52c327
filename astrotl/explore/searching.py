"""Query by example: objects of the store, an image that was dropped on the page, a position on the sky."""

from __future__ import annotations

import gzip
import os
import tempfile
import warnings
from collections.abc import Sequence

import numpy as np

from astrotl.errors import AstrotlError, ImageError, first_line
from astrotl.index import Index
from astrotl.tasks import Similar

#: So many look-alikes of each example are sought; what is farther from all of them has no distance.
_MOST = 500
#: Neither a file nor what is packed in it may be larger, nor may an image have more pixels.
MOST_BYTES, _MOST_UNPACKED, _MOST_PIXELS = 64 << 20, 256 << 20, 64 << 20
_PICTURES, _FITS = (".jpg", ".jpeg", ".png"), (".fits", ".fit", ".fts", ".fits.fz", ".fz")
_PACKED = (".fits.gz", ".fit.gz", ".fts.gz")


def like_rows(index: Index, rows: Sequence[int]) -> np.ndarray:
    """Give the distance of each row of the store from the nearest of some examples, NaN beyond their look-alikes."""
    if not 1 <= len(rows) <= 100:
        raise ValueError(f"rows: must be 1 to 100 examples, got {len(rows)}")
    distances = _distances(index, [str(name) for name in index.store.ids[list(rows)]])
    distances[list(rows)] = 0
    return distances


def like_file(index: Index, content: bytes, name: str) -> np.ndarray:
    """Give the distances from an image, with all bands that the store has."""
    if len(content) > MOST_BYTES:
        raise ValueError(f"file: must be at most {MOST_BYTES >> 20} MB, got {len(content) >> 20}")
    lower = os.path.basename(name).lower()
    ending = next((one for one in (*_PACKED, *_FITS, *_PICTURES) if lower.endswith(one)), None)
    if ending is None:
        raise ValueError(f"file: must end in {', '.join((*_PICTURES, *_FITS, *_PACKED))}, got {name!r}")
    if ending in _PACKED:
        content, ending = _unpacked(content), ending.removesuffix(".gz")
    with tempfile.TemporaryDirectory() as folder:
        # The name that came with it never reaches the disk.
        path = os.path.join(folder, f"dropped{ending}")
        with open(path, "wb") as file:
            file.write(content)
        try:
            _check_pixels(path, ending in _PICTURES)
            return _distances(index, [path])
        except (AstrotlError, ValueError) as error:
            said = str(error)
            if said.startswith("bands:"):
                bands = index.store.provenance.get("source", {}).get("channels", ())
                said = f"must have all bands of the store: {', '.join(map(str, bands))}"
            # Whoever dropped it knows it by its name.
            said = said.removeprefix("file: ").replace(path, os.path.basename(name))
            raise ImageError(f"file: {said}") from error


def near_position(positions: np.ndarray | None, ra: float, dec: float, radius: float) -> np.ndarray:
    """Give how many arc seconds each object lies from a position in degrees, NaN beyond the radius."""
    if positions is None:
        raise ValueError("position: those of these objects are not known")
    if not (np.isfinite([ra, dec, radius]).all() and abs(dec) <= 90 and radius > 0):
        raise ValueError("position: must be right ascension and declination in degrees, and a radius above 0")
    lon, lat = np.radians(np.asarray(positions, dtype=np.float64) - [ra, 0]).T
    there = np.radians(dec)
    half = np.sin((lat - there) / 2) ** 2 + np.cos(lat) * np.cos(there) * np.sin(lon / 2) ** 2
    apart = 3600 * np.degrees(2 * np.arcsin(np.sqrt(np.clip(half, 0, 1))))
    apart[~(apart <= radius)] = np.nan
    return np.asarray(apart)


def _distances(index: Index, queries: list[str]) -> np.ndarray:
    table = Similar(queries, k=_MOST, include_query=True).run(index)
    row_of = {name: row for row, name in enumerate(index.store.ids.tolist())}
    rows = [row_of[name] for name in table["id"].tolist()]
    distances = np.full(len(index.store), np.inf)
    np.minimum.at(distances, rows, np.asarray(table["distance"], dtype=np.float64))
    return np.where(np.isfinite(distances), distances, np.nan)


def _unpacked(content: bytes) -> bytes:
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.seek(0)
        try:
            with gzip.GzipFile(fileobj=file) as packed:
                plain = packed.read(_MOST_UNPACKED + 1)
        except (OSError, EOFError) as error:
            raise ImageError(f"file: cannot be unpacked ({first_line(error)})") from error
    if len(plain) > _MOST_UNPACKED:
        raise ValueError(f"file: must be at most {_MOST_UNPACKED >> 20} MB when unpacked")
    return plain


def _check_pixels(path: str, is_picture: bool) -> None:
    """Look at the sizes that a file claims before anything is made of it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            sizes = [_picture_size(path)] if is_picture else _fits_sizes(path)
    except Exception as error:
        raise ImageError(f"cannot be read as an image ({first_line(error)})") from error
    if max(sizes, default=0) > _MOST_PIXELS:
        raise ValueError(f"file: must have at most {_MOST_PIXELS >> 20} million pixels")


def _picture_size(path: str) -> int:
    from PIL import Image

    with Image.open(path) as image:
        return image.width * image.height


def _fits_sizes(path: str) -> list[int]:
    from astropy.io import fits

    with fits.open(path, lazy_load_hdus=False, disable_image_compression=True) as units:
        axes = [[unit.header.get(f"{z}NAXIS{n}", 1) for n in range(1, 4)] for unit in units for z in ("", "Z")]
    return [int(np.prod([max(length, 1) for length in lengths], dtype=object)) for lengths in axes]
