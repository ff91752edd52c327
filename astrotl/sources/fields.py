"""Fields: images of any size, one by one, of which windows are read."""

from __future__ import annotations

import os
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
from astropy.coordinates import SkyCoord
from astropy.wcs import WCS

from astrotl.errors import AstrotlWarning, ImageError
from astrotl.sources._field_files import FileImage, images_of, images_of_bands
from astrotl.sources._fits import has_known_frame
from astrotl.sources._inputs import band_files, find_files
from astrotl.sources._mosaics import Chip, on_sky, unit_vectors
from astrotl.sources._pixels import OpenPlanes
from astrotl.sources._planes import Plane
from astrotl.sources.base import pick_channels
from astrotl.sources.files import ids_of

__all__ = ["ArrayField", "Field", "open_fields"]

Path = str | os.PathLike[str]


class Field(ABC):
    """An image of a piece of the sky, of any size, of which windows are read.

    A field is picklable, and nothing of its pixels is read before `read`.
    """

    #: The id, by which a table of boxes names it.
    id: str
    #: The name of each channel, in the order of the data.
    channels: tuple[str, ...]
    #: Height and width in pixels.
    shape: tuple[int, int]
    #: Where its pixels lie on the sky; None if nothing says so.
    wcs: WCS | None = None
    #: The range that the values are known to fill, such as ``(0, 255)`` of a JPEG; None for physical units.
    value_range: tuple[float, float] | None = None

    @abstractmethod
    def read(self, left: int, bottom: int, width: int, height: int) -> np.ndarray:
        """Read a window as float32, ``(channel, y, x)``, NaN where it reaches over the edge or there is no data."""

    def pixels_of(self, positions: SkyCoord) -> tuple[np.ndarray, np.ndarray]:
        """Find the pixels of positions on the sky, x and y; NaN for those that are far from the image.

        >>> import numpy as np
        >>> from astropy.coordinates import SkyCoord
        >>> from astropy.wcs import WCS
        >>> from astrotl.sources import ArrayField
        >>> cards = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 150, "CRVAL2": 2, "CRPIX1": 5, "CRPIX2": 5}
        >>> field = ArrayField(np.zeros((9, 9)), wcs=WCS({**cards, "CDELT1": -0.001, "CDELT2": 0.001}))
        >>> x, y = field.pixels_of(SkyCoord([150, 150, 151], [2, 2.001, 2], unit="deg"))
        >>> y.round(3)
        array([ 4.,  5., nan])
        >>> field.sky_of([4, 4], [4, 5]).dec.deg.round(6)
        array([2.   , 2.001])
        """
        chip = self._chip()
        icrs = positions.icrs
        lon, lat = np.atleast_1d(icrs.ra.deg), np.atleast_1d(icrs.dec.deg)
        near = chip.near(unit_vectors(lon, lat))
        pixels = np.full((2, len(lon)), np.nan)
        pixels[:, near] = chip.from_icrs(lon[near], lat[near])
        return pixels[0], pixels[1]

    def sky_of(self, x: npt.ArrayLike, y: npt.ArrayLike) -> SkyCoord:
        """Find the ICRS positions of pixels, of which the centre of the first is 0, 0."""
        chip = self._chip()
        lon, lat = chip.to_sky(np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64))
        return SkyCoord(lon, lat, unit="deg", frame=chip.frame).icrs

    def _chip(self) -> Chip:
        if self.wcs is None:
            raise ValueError(f"field: {self.id} has no sky coordinates (WCS)")
        return on_sky(Plane(self.id, 0, (), False, None, self.shape), self.wcs)

    def __repr__(self) -> str:
        height, width = self.shape
        return f"<{type(self).__name__} {self.id}: {width} x {height} px, channels {', '.join(self.channels)}>"


class ArrayField(Field):
    """A field whose pixels are in memory.

    Parameters
    ----------
    data : array_like
        The pixels, ``(channel, y, x)`` or ``(y, x)``.
    name : str, optional
        Its id.
    channels : sequence of str, optional
        The name of each channel; by default numbers.
    wcs : `~astropy.wcs.WCS`, optional
        Where the pixels lie on the sky.
    value_range : tuple of float, optional
        The range that the values are known to fill.

    Examples
    --------
    >>> import numpy as np
    >>> from astrotl.sources import ArrayField
    >>> field = ArrayField(np.arange(12.0).reshape(3, 4), "m31")
    >>> field
    <ArrayField m31: 4 x 3 px, channels 0>
    >>> field.read(left=2, bottom=1, width=3, height=2)
    array([[[ 6.,  7., nan],
            [10., 11., nan]]], dtype=float32)
    """

    def __init__(
        self,
        data: npt.ArrayLike,
        name: str = "field",
        *,
        channels: tuple[str, ...] | None = None,
        wcs: WCS | None = None,
        value_range: tuple[float, float] | None = None,
    ) -> None:
        # What is beyond float32 becomes infinite, which every step takes for "no data".
        with np.errstate(over="ignore"):
            self._data = np.asarray(data, dtype=np.float32)
        if self._data.ndim == 2:
            self._data = self._data[None]
        if self._data.ndim != 3:
            raise ValueError(f"data: expected (channel, y, x), got the shape {self._data.shape}")
        self.id = name
        self.channels = tuple(channels or map(str, range(len(self._data))))
        if len(self.channels) != len(self._data):
            raise ValueError(f"channels: expected {len(self._data)} names, got {self.channels}")
        if wcs is not None and (wcs.naxis != 2 or not wcs.has_celestial):
            raise ValueError("wcs: expected two axes, both on the sky; of a cube take wcs.celestial")
        if wcs is not None and not has_known_frame(wcs):
            raise ValueError(f"wcs: astropy knows no frame of the sky with {' and '.join(wcs.wcs.ctype)}")
        self.shape = self._data.shape[1:]
        self.wcs = wcs
        self.value_range = value_range

    def read(self, left: int, bottom: int, width: int, height: int) -> np.ndarray:
        window = np.full((len(self._data), height, width), np.nan, dtype=np.float32)
        y0, y1 = max(bottom, 0), min(bottom + height, self.shape[0])
        x0, x1 = max(left, 0), min(left + width, self.shape[1])
        if y0 < y1 and x0 < x1:
            window[:, y0 - bottom : y1 - bottom, x0 - left : x1 - left] = self._data[:, y0:y1, x0:x1]
        return window


class FileField(Field):
    """A field whose pixels stay in their file until they are asked for."""

    def __init__(self, name: str, image: FileImage) -> None:
        self.id = name
        self.channels = image.names or ()
        self.shape = image.planes[0].shape
        self.wcs = image.wcs
        self.value_range = image.value_range
        self._planes = image.planes

    def read(self, left: int, bottom: int, width: int, height: int) -> np.ndarray:
        # What is beyond float32 becomes infinite, which every step takes for "no data".
        with OpenPlanes() as opened, np.errstate(over="ignore", invalid="ignore"):
            return np.stack([opened.box(plane, left, bottom, width, height) for plane in self._planes])


def open_fields(
    inputs: Path | Sequence[Path] | Mapping[str, Path | Sequence[Path]], *, bands: Sequence[str] | None = None
) -> list[Field]:
    """Open images of any size.

    Only headers are read; of a FITS file that is not compressed as a whole, no more than a window of pixels comes into
    memory at a time. A file that cannot be opened is left out and counted.

    Parameters
    ----------
    inputs : path, sequence of path, or mapping of str to path
        FITS, JPEG or PNG files, folders or patterns, or one pattern a band, as `~astrotl.sources.open_source` takes
        them. The planes of a cube and the extensions of a file are the bands of one field, whose ids are the names of
        the files. The chips of a camera, extensions that lie side by side on the sky, are fields of their own, such as
        ``night1-N29``.
    bands : sequence of str, optional
        The bands to read, in this order.

    Returns
    -------
    list of `~astrotl.sources.Field`
        They may differ in size, but not in their channels.

    Examples
    --------
    >>> import numpy as np
    >>> from astropy.io import fits
    >>> from astrotl.sources import open_fields
    >>> for name, size in ("m31", 300), ("m33", 200):
    ...     fits.writeto(f"{name}.fits", np.ones((size, size), np.float32))
    >>> open_fields("m3*.fits")
    [<FileField m31: 300 x 300 px, channels image>, <FileField m33: 200 x 200 px, channels image>]
    """
    names = None if bands is None else tuple(bands)
    if isinstance(inputs, Mapping):
        channels = pick_channels(names, tuple(inputs), "the inputs")
        files, ids = band_files(inputs, {band: find_files(inputs[band]) for band in channels})
        rows = list(zip(*(files[band] for band in channels), strict=True))
        return _open_all(ids, [row[0] for row in rows], lambda at: images_of_bands(rows[at], channels))
    paths = find_files(inputs)
    return _open_all(ids_of(paths), paths, lambda at: images_of(paths[at], names))


def _open_all(ids: list[str], paths: list[str], images: Callable[[int], list[FileImage]]) -> list[Field]:
    """Open the images of each file, and leave out those that cannot be opened or differ from the first in kind."""
    if not ids:
        raise ValueError("inputs: there are none")
    fields: list[Field] = []
    errors: list[Exception] = []
    for number, name in enumerate(ids):
        try:
            found = [
                FileField(f"{name}-{image.extension}" if image.extension else name, image) for image in images(number)
            ]
            for field in found:
                _check_kind(field, (fields or found)[0], paths[number])
        except (ImageError, ValueError) as error:
            errors.append(error)
            continue
        fields += found
    if not fields:
        raise errors[0]
    if errors:
        warnings.warn(
            f"{len(errors):,} of {len(ids):,} images are left out: {'; '.join(map(str, errors[:3]))}"
            f"{'; ...' if len(errors) > 3 else ''}",
            AstrotlWarning,
            stacklevel=3,
        )
    return fields


def _check_kind(field: Field, first: Field, path: str) -> None:
    if field.channels != first.channels:
        raise ImageError(
            f"{path}: has the channels {', '.join(field.channels)}, but the first image {', '.join(first.channels)}"
        )
    if field.value_range != first.value_range:
        raise ImageError(f"{path}: its values fill another range than those of the first image")
