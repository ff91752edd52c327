"""A survey on disk: mosaics in several bands and the catalogue of what is in them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS
from scipy.spatial import cKDTree

from astrotl.simulate import camera
from astrotl.simulate.camera import BANDS, PIXEL_SCALE, add_noise, band_index
from astrotl.simulate.catalogue import KINDS, check_seed, identifiers, shares_of, stream, to_table
from astrotl.simulate.plane import paste, projection, touches, whole_pixels, window
from astrotl.simulate.profiles import CANVAS
from astrotl.simulate.sightings import Sighting, draw_sighting
from astrotl.simulate.stars import star

__all__ = ["survey"]

# Pixels: the objects' distance, how far chance moves them, what is left free around them, what two fields share. A
# cutout of 96 pixels around any object lies wholly in one of the fields at least.
_CELL = 80
_JITTER = 8.0
_MARGIN = 24
_OVERLAP = 104
_LARGEST_SHIFT = 3.5
_STARS_PER_OBJECT = 0.25
_STAR_DISTANCE = 24.0

# Branches of the random numbers; the objects have branches of their own, with keys of another length.
_LAYOUT, _STARS = (0, 0), (1, 0)
_NOISE, _SHIFT = 2, 3


@dataclass(frozen=True)
class _Layout:
    """Where everything is, in pixels of a plane that all fields share."""

    width: int
    height: int
    objects: np.ndarray
    stars: np.ndarray


@dataclass(frozen=True)
class _Field:
    """One pointing: the shape of its images and their projection in each band."""

    number: int
    shape: tuple[int, int]
    projections: tuple[WCS, ...]

    def pixels(self, positions: np.ndarray) -> np.ndarray:
        """Find positions in degrees on the images: ``(position, band, 2)``, pixels in y and x."""
        return np.stack([wcs.wcs_world2pix(positions, 0)[:, ::-1] for wcs in self.projections], axis=1)


def survey(
    folder: str | os.PathLike[str],
    *,
    objects: int = 400,
    fields: int = 2,
    bands: tuple[str, ...] = ("g", "r", "i"),
    seed: int = 1,
    kinds: Mapping[str, float] | None = None,
    centre: tuple[float, float] = (150.0, 2.0),
    overwrite: bool = False,
) -> Table:
    """Write a small survey: FITS mosaics and the catalogue of what is in them.

    The mosaics ``field0-g.fits`` and so on have a sky background, noise, stars and a tangential projection; the fields
    lie from east to west with a little overlap, and the bands of a field are shifted against each other by a few
    pixels and a fraction. ``catalogue.ecsv`` is the table that is returned. The same arguments write the same bytes.

    Parameters
    ----------
    folder : path-like
        Where to write; made if need be.
    objects : int
        How many objects are in the catalogue.
    fields : int
        How many fields they are spread over.
    bands : tuple of str
        Bands out of u, g, r, i, z, y.
    seed : int
        Where the random numbers start.
    kinds : mapping of str to float, optional
        The share of each kind; by default `~astrotl.simulate.KINDS`.
    centre : tuple of float
        Right ascension and declination of the middle, in degrees.
    overwrite : bool
        Replace the files of an earlier survey.

    Returns
    -------
    `~astropy.table.Table`
        For each object the ``id``, the position ``ra`` and ``dec``, the ``kind``, the ``shape`` of the galaxy, the
        ``damage`` to its image, ``redshift``, total magnitudes ``mag_g`` and so on, ``radius``, ``axis_ratio``,
        ``position_angle``, the number of ``arms``, ``nucleus_share``, ``einstein_radius``, ``log_mass`` and
        ``log_sfr``. What does not apply is NaN.

    Raises
    ------
    ValueError
        If an argument is not among those allowed; the message says which are.
    FileExistsError
        If a file is in the way.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from astrotl import simulate
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     truth = simulate.survey(folder, objects=12, fields=1, bands=("g", "r"))
    ...     files = sorted(path.name for path in Path(folder).iterdir())
    >>> files
    ['catalogue.ecsv', 'field0-g.fits', 'field0-r.fits']
    >>> truth["id"][0], len(truth)
    (np.str_('SIM0001'), 12)
    """
    if objects < 1:
        raise ValueError(f"objects: expected one or more, got {objects}")
    columns = int(np.ceil(np.sqrt(objects)))
    if not 1 <= fields <= columns:
        raise ValueError(f"fields: expected 1 to {columns} for {objects} objects, got {fields}")
    if not -85 <= centre[1] <= 85:
        raise ValueError(f"centre: expected a declination from -85 to 85 degrees, got {centre[1]}")
    check_seed(seed)
    band_index(bands)
    shares = shares_of(KINDS if kinds is None else kinds)
    folder = Path(folder)
    catalogue = folder / "catalogue.ecsv"
    images = [[folder / f"field{number}-{band}.fits" for band in bands] for number in range(fields)]
    if not overwrite:
        _refuse_existing([catalogue, *(path for paths in images for path in paths)])
    folder.mkdir(parents=True, exist_ok=True)

    layout = _lay_out(objects, columns, stream(seed, *_LAYOUT))
    plane = projection(centre, ((layout.width - 1) / 2, (layout.height - 1) / 2))
    positions = plane.wcs_pix2world(layout.objects, 0)
    stars = plane.wcs_pix2world(layout.stars, 0)
    listed = _assign_kinds(objects, shares, stream(seed, *_LAYOUT, 1))
    sightings = [draw_sighting(kind, stream(seed, number)) for number, kind in enumerate(listed)]
    for number in range(fields):
        field = _point(number, fields, layout, plane, bands, seed)
        mosaic = np.zeros((len(bands), *field.shape), dtype=np.float32)
        _add_stars(mosaic, bands, field.pixels(stars), stream(seed, *_STARS))
        pixels = field.pixels(positions)
        _add_objects(mosaic, bands, sightings, pixels)
        _read_out(mosaic, bands, number, seed)
        _spoil(mosaic, bands, sightings, pixels)
        _write(images[number], mosaic, bands, field.projections)

    rows = [
        {"id": name, "ra": ra, "dec": dec, **sighting.truth(bands)}
        for name, (ra, dec), sighting in zip(identifiers(objects), positions.tolist(), sightings, strict=True)
    ]
    meta = {"seed": seed, "pixel_scale": PIXEL_SCALE, "zero_point": camera.ZERO_POINT, "fields": fields}
    truth = to_table(rows, meta)
    truth.write(catalogue, format="ascii.ecsv", overwrite=True)
    return truth


def _refuse_existing(paths: Sequence[Path]) -> None:
    for path in paths:
        if path.exists():
            raise FileExistsError(f"folder: {path} exists; choose another folder or pass overwrite=True")


def _lay_out(objects: int, columns: int, rng: np.random.Generator) -> _Layout:
    """Place the objects on a jittered grid, and stars anywhere but on them."""
    lines = -(-objects // columns)
    width, height = columns * _CELL + 2 * _MARGIN, lines * _CELL + 2 * _MARGIN
    line, column = np.divmod(np.arange(objects), columns)
    cells = np.stack([column, line], axis=1)
    places = _MARGIN + (cells + 0.5) * _CELL + rng.uniform(-_JITTER, _JITTER, cells.shape)
    stars = rng.uniform((0, 0), (width, height), (int(np.ceil(objects * _STARS_PER_OBJECT)), 2))
    distances, _ = cKDTree(places).query(stars)
    return _Layout(width, height, places, stars[distances > _STAR_DISTANCE])


def _assign_kinds(objects: int, shares: Mapping[str, float], rng: np.random.Generator) -> list[str]:
    """Give every kind its share as nearly as whole objects allow, in random order."""
    exact = np.array(list(shares.values())) * objects
    counts = np.floor(exact).astype(int)
    most_short = np.argsort(counts - exact, kind="stable")[: objects - counts.sum()]
    counts[most_short] += 1
    return rng.permutation(np.repeat(list(shares), counts)).tolist()


def _point(number: int, fields: int, layout: _Layout, plane: WCS, bands: Sequence[str], seed: int) -> _Field:
    """Point the telescope at one field; every band has a tangent point of its own pixel."""
    width = -(-(layout.width + (fields - 1) * _OVERLAP) // fields)
    start = number * (width - _OVERLAP)
    middle = ((width - 1) / 2, (layout.height - 1) / 2)
    centre = plane.wcs_pix2world([[start + middle[0], middle[1]]], 0)[0]
    projections = []
    for band in band_index(bands):
        x, y = stream(seed, _SHIFT, number, band).uniform(-_LARGEST_SHIFT, _LARGEST_SHIFT, 2)
        projections.append(projection(tuple(centre), (middle[0] + x, middle[1] + y)))
    return _Field(number, (layout.height, width), tuple(projections))


def _add_objects(mosaic: np.ndarray, bands: Sequence[str], sightings: Sequence[Sighting], pixels: np.ndarray) -> None:
    for sighting, place in zip(sightings, pixels, strict=True):
        if not touches(place, mosaic.shape):
            continue
        corners, offsets = whole_pixels(place)
        image = sighting.galaxy.picture(bands, size=CANVAS, offsets=offsets)
        if sighting.damage:
            sighting.damage.add_light(image, bands, offsets)
        paste(mosaic, image, corners)


def _add_stars(mosaic: np.ndarray, bands: Sequence[str], pixels: np.ndarray, rng: np.random.Generator) -> None:
    magnitudes = 15.5 + 5 * np.sqrt(rng.uniform(size=len(pixels)))
    colours = rng.uniform(0.2, 1.4, len(pixels))
    for place, magnitude, colour in zip(pixels, magnitudes, colours, strict=True):
        if not touches(place, mosaic.shape):
            continue
        corners, offsets = whole_pixels(place)
        paste(mosaic, star(magnitude, colour, bands, size=CANVAS, offsets=offsets), corners)


def _read_out(mosaic: np.ndarray, bands: Sequence[str], number: int, seed: int) -> None:
    """Add the noise and the sky; each band has its own random numbers and is done alone, to save memory."""
    for row, band in enumerate(bands):
        rng = stream(seed, _NOISE, number, BANDS.index(band))
        mosaic[row] = add_noise(mosaic[row : row + 1], (band,), rng)[0]
        mosaic[row] += np.float32(camera.SKY[band])
        np.minimum(mosaic[row], np.float32(camera.SATURATION), out=mosaic[row])


def _spoil(mosaic: np.ndarray, bands: Sequence[str], sightings: Sequence[Sighting], pixels: np.ndarray) -> None:
    sky = np.array([camera.SKY[band] for band in bands], dtype=np.float32)[:, np.newaxis, np.newaxis]
    for sighting, place in zip(sightings, pixels, strict=True):
        if sighting.damage is None or not touches(place, mosaic.shape):
            continue
        corners, offsets = whole_pixels(place)
        image = np.zeros((len(bands), CANVAS, CANVAS), dtype=np.float32)
        for row, corner in enumerate(corners):
            there, here = window(corner, mosaic.shape)
            image[row][here] = mosaic[row][there] - sky[row]
        sighting.damage.spoil(image, bands, offsets)
        image += sky
        for row, corner in enumerate(corners):
            there, here = window(corner, mosaic.shape)
            mosaic[row][there] = image[row][here]


def _write(paths: Sequence[Path], mosaic: np.ndarray, bands: Sequence[str], projections: Sequence[WCS]) -> None:
    for path, image, band, wcs in zip(paths, mosaic, bands, projections, strict=True):
        header = wcs.to_header()
        header["FILTER"] = (band, "band")
        header["BUNIT"] = ("adu", "counts")
        header["MAGZERO"] = (camera.ZERO_POINT, "AB magnitude of one count")
        header["GAIN"] = (camera.GAIN, "electrons in a count")
        header["RDNOISE"] = (camera.READ_NOISE, "counts of noise without light")
        header["SATURATE"] = (camera.SATURATION, "counts that a pixel can hold")
        header["SEEING"] = (camera.SEEING[band] * PIXEL_SCALE, "arcsec, full width at half maximum")
        fits.PrimaryHDU(image, header).writeto(path, overwrite=True)
