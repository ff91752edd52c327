"""Finds out what was given, files, folders, patterns, and opens the source that reads it."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

from astropy import units as u

from astrotl import tables
from astrotl.sources._epoch_files import open_epochs
from astrotl.sources._inputs import band_files, find_files
from astrotl.sources.arrays import STACK_ENDINGS, StackSource
from astrotl.sources.base import ImageSource, path_list, pick_channels
from astrotl.sources.files import FileSource, ids_of
from astrotl.sources.hats import HatsSource
from astrotl.sources.sky import SkySource

__all__ = ["open_source", "parse_inputs"]

Path = str | os.PathLike[str]


def open_source(
    inputs: Path | Sequence[Path] | Mapping[str, Path | Sequence[Path]],
    *,
    catalog: Path | None = None,
    bands: Sequence[str] | None = None,
    size: int | str | None = None,
    id_column: str | None = None,
    stack: str | None = None,
    healpix: int | None = None,
) -> ImageSource:
    """Open images, whatever they are kept in.

    Parameters
    ----------
    inputs : path, sequence of path, or mapping of str to path
        Files, folders or patterns such as ``"stamps/*.fits"``; or one pattern a band, such as
        ``{"g": "stamps/*/g.fits", "r": "stamps/*/r.fits"}``, where the part of the path that varies is the object's id.
        One .npy, .npz or HDF5 file is taken as a stack of images.
    catalog : path, optional
        A table of positions, or the folder of a HATS catalogue. With it the inputs are mosaics, out of which the
        positions are cut.
    bands : sequence of str, optional
        The bands to read, in this order.
    size : int or str, optional
        The width and height of the images, in pixels or, for mosaics, as an angle such as ``"30 arcsec"``.
    id_column : str, optional
        The column of the catalogue that holds the ids; found by its name if not given.
    stack : str, optional
        The inputs show objects on many dates, and this is how their stacks are made: see
        `~astrotl.sources.EpochSource`. The pattern says which part of a path is what,
        ``"epochs/{object}/{epoch}.fits"``; of two stars the first one is the object. Without a pattern, folders are
        objects and files are dates. A table of the images has the columns object, epoch and file.
    healpix : int, optional
        Order the catalogue's objects by the HEALPix pixels of this order, so that no file of a sharded store holds
        objects of two: see `~astrotl.sources.SkySource.by_healpix`.

    Examples
    --------
    >>> from astrotl import open_source
    >>> open_source({"g": "frame-g-*.fits.bz2", "r": "frame-r-*.fits.bz2"},
    ...             catalog="galaxies.csv", size="30 arcsec")  # doctest: +SKIP
    <SkySource: 500 objects, channels g, r>
    """
    origin = {
        "inputs": recorded(inputs),
        "catalog": None if catalog is None else os.path.abspath(catalog),
        "bands": None if bands is None else list(bands),
        "size": size,
        "id_column": id_column,
    }
    if healpix is not None:
        origin["healpix"] = healpix
    if stack is not None:
        origin["stack"] = stack
        if catalog is not None:
            raise ValueError("stack: goes with stamps of each date; cut them out of the mosaics first")
    names = None if bands is None else tuple(bands)
    found: Any
    if isinstance(inputs, Mapping):
        pick_channels(names, tuple(inputs), "the inputs")
        found = {band: find_files(given) for band, given in inputs.items() if names is None or band in names}
    else:
        found = find_files(inputs)
    if catalog is not None:
        source: ImageSource = _open_sky(found, os.fspath(catalog), names, size, id_column, healpix)
    elif healpix is not None:
        raise ValueError("healpix: goes with a catalogue of positions")
    elif stack is not None:
        source = open_epochs(inputs, found, bands=names, size=_pixels(size), stack=stack)
    elif isinstance(found, dict):
        files, ids = band_files(inputs, found)  # type: ignore[arg-type]
        source = FileSource(files, ids=ids, bands=names, size=_pixels(size))
    elif any(path.lower().endswith(STACK_ENDINGS) for path in found):
        if len(found) > 1:
            raise ValueError(f"inputs: a stack of images comes alone, but {len(found)} files were given")
        if size is not None:
            raise ValueError("size: the images of a stack have one already; use the step crop-centre or resize")
        source = StackSource(found[0], channels=names)
    else:
        source = FileSource(found, ids=ids_of(found), bands=names, size=_pixels(size))
    source.origin = origin
    return source


def parse_inputs(texts: Sequence[str]) -> list[str] | dict[str, str]:
    """Read inputs as they are typed: paths, or ``BAND=PATTERN`` for each band.

    >>> parse_inputs(["g=stamps/*/g.fits", "r=stamps/*/r.fits"])
    {'g': 'stamps/*/g.fits', 'r': 'stamps/*/r.fits'}
    """
    named = [re.fullmatch(r"([\w.+-]+)=(.+)", text) if not os.path.exists(text) else None for text in texts]
    if not any(named):
        return list(texts)
    if not all(named):
        odd = next(text for text, match in zip(texts, named, strict=True) if not match)
        raise ValueError(f"inputs: {odd} names no band, while others are given as BAND=PATTERN; name it too")
    pairs = [(match[1], match[2]) for match in named if match]
    bands = [band for band, _ in pairs]
    if len(set(bands)) < len(bands):
        raise ValueError(
            f"inputs: a band is named twice in {', '.join(bands)}; put its pattern in quotes: g='frame-g-*.fits'"
        )
    return dict(pairs)


def _open_sky(
    found: Any,
    catalog: str,
    bands: tuple[str, ...] | None,
    size: int | str | None,
    id_column: str | None,
    healpix: int | None,
) -> ImageSource:
    pixels = 64 if size is None else size
    if os.path.isdir(catalog):
        if healpix is not None:
            raise ValueError(f"healpix: {catalog} is a HATS catalogue, which has pixels of its own")
        return HatsSource(found, catalog, size=pixels, bands=bands, id_column=id_column)
    table = tables.read_table(catalog)
    positions = tables.find_positions(table, catalog)
    if positions is None:
        raise ValueError(
            f"{catalog}: has no columns ra and dec (or RAJ2000, DEJ2000 and the like); "
            f"it has {', '.join(table.colnames)}"
        )
    ids = tables.find_ids(table, catalog, id_column)
    source = SkySource(found, positions, size=pixels, ids=ids, bands=bands)
    return source if healpix is None else source.by_healpix(healpix)


def _pixels(size: int | str | None) -> int | None:
    if size is None:
        return None
    try:
        quantity = u.Quantity(size)
        if quantity.unit not in (u.dimensionless_unscaled, u.pix) or quantity.value < 2 or quantity.value % 1:
            raise ValueError
    except (TypeError, ValueError) as error:
        raise ValueError(f"size: stamps take a number of pixels, 2 or more, got {size!r}") from error
    return int(quantity.value)


def recorded(inputs: Any) -> Any:
    """Write down the inputs so that they can be opened again from any folder."""
    if isinstance(inputs, Mapping):
        return {band: _absolute(given) for band, given in inputs.items()}
    paths = _absolute(inputs)
    if isinstance(paths, list) and len(paths) > 2:
        # A shell has spelt out a pattern: the pattern is shorter.
        pattern = os.path.join(os.path.dirname(paths[0]), "*" + os.path.splitext(paths[0])[1])
        if sorted(glob.glob(pattern)) == paths:
            return pattern
    return paths


def _absolute(given: Path | Sequence[Path]) -> str | list[str]:
    paths = [os.path.abspath(os.path.expanduser(path)) for path in path_list(given)]
    return paths[0] if isinstance(given, (str, os.PathLike)) else paths
