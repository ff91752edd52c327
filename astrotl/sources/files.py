"""Stamps in files: one file an object, or one an object and band."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from astropy.table import Table

from astrotl.errors import ImageError
from astrotl.images import ImageBatch
from astrotl.sources._stamps import Stamp, read_stamp, split_name
from astrotl.sources.base import ImageSource, path_list, pick_channels, unique_ids

__all__ = ["FileSource"]

Paths = Sequence[str | os.PathLike[str]]


class FileSource(ImageSource):
    """Stamps in FITS, JPEG or PNG files.

    Parameters
    ----------
    files : sequence of path, or mapping of str to sequence of path
        One file an object, holding all its bands as planes of a cube, as extensions, or as the colours of a picture;
        or, by the name of the band, one file an object and band. An empty path stands for a file that is missing.
    ids : array_like of str, optional
        The ids; by default the names of the files without their ending.
    bands : sequence of str, optional
        The bands to read, in this order. For files whose planes have no names it names them all.
    size : int or tuple of int, optional
        Width and height in pixels, or height and width if they differ, to which stamps are cropped or padded with NaN
        about their centre. By default that of the first stamp, and a stamp of another size counts as unreadable.

    Examples
    --------
    >>> from astrotl.sources import FileSource
    >>> source = FileSource({"g": ["m31-g.fits", "m33-g.fits"], "r": ["m31-r.fits", "m33-r.fits"]},
    ...                     ids=["m31", "m33"])  # doctest: +SKIP
    """

    def __init__(
        self,
        files: Paths | Mapping[str, Paths],
        *,
        ids: npt.ArrayLike | None = None,
        bands: Sequence[str] | None = None,
        size: int | tuple[int, int] | None = None,
    ) -> None:
        bands = tuple(bands) if bands is not None else None
        self._per_band = isinstance(files, Mapping)
        if isinstance(files, Mapping):
            self.channels = pick_channels(bands, tuple(files), "the inputs")
            columns = [path_list(files[band]) for band in self.channels]
            if len({len(column) for column in columns}) > 1:
                raise ValueError("files: every band needs one path an object; leave the missing ones empty")
        else:
            columns = [path_list(files)]
        self._paths = np.array(columns, dtype=np.str_).T
        if not len(self._paths):
            raise ValueError("files: there are none")
        self.ids = unique_ids(ids if ids is not None else [split_name(row[0])[0] for row in self._paths])
        if len(self.ids) != len(self._paths):
            raise ValueError(f"ids: expected {len(self._paths)} of them, got {len(self.ids)}")
        if size is not None and np.min(size) < 2:
            raise ValueError(f"size: expected 2 pixels or more, got {size}")
        path, first = self._first_stamp(self.channels[:1] if self._per_band else bands)
        self._names = first.names
        self._count = len(first.planes)
        if not self._per_band:
            self.channels = choose_planes(first.names, self._count, bands, path)
        elif self._count > 1:
            raise ValueError(
                f"files: {path} has {self._count} planes, but was given as the single band {self.channels[0]}"
            )
        self._value_range = first.value_range
        self._exact = size is None
        self._size = first.planes.shape[1:] if size is None else tuple(np.broadcast_to(size, 2).tolist())

    def _first_stamp(self, bands: tuple[str, ...] | None) -> tuple[str, Stamp]:
        """Read the first stamp that can be read, to learn the size and the channels of all."""
        errors = []
        for path in [path for path in self._paths[:, 0].tolist() if path][:100]:
            try:
                return path, read_stamp(path, bands)
            except ImageError as error:
                errors.append(error)
        raise errors[0] if errors else ImageError(f"there is no file for band {self.channels[0]}")

    def _take(self, rows: slice | np.ndarray) -> FileSource:
        part = object.__new__(FileSource)
        part.__dict__.update(self.__dict__, ids=self.ids[rows], _paths=self._paths[rows])
        return part

    def __getstate__(self) -> dict[str, Any]:
        # Other processes may stand in other folders.
        absolute = [os.path.abspath(path) if path else "" for path in self._paths.ravel().tolist()]
        return vars(self) | {"_paths": np.array(absolute, dtype=np.str_).reshape(self._paths.shape)}

    def read(self) -> ImageBatch:
        data = np.empty((len(self), len(self.channels), *self._size), dtype=np.float32)
        failed: dict[str, str] = {}
        for row, paths in enumerate(self._paths.tolist()):
            try:
                data[row] = self._fit(self._read_one(paths), paths[0])
            except ImageError as error:
                data[row] = np.nan
                failed[str(self.ids[row])] = str(error)
        return ImageBatch(data, self.ids, self.channels, self._value_range, failed)

    def _read_one(self, paths: list[str]) -> np.ndarray:
        if not self._per_band:
            return self._all_bands(paths[0])
        planes = []
        for band, path in zip(self.channels, paths, strict=True):
            if not path:
                raise ImageError(f"there is no file for band {band}")
            stamp = read_stamp(path, (band,))
            if len(stamp.planes) > 1:
                raise ImageError(f"{path}: has {len(stamp.planes)} planes, but was given as the single band {band}")
            self._check_range(stamp, path)
            planes.append(stamp.planes[0])
        if len({plane.shape for plane in planes}) > 1:
            sizes = ", ".join(
                f"{band} {plane.shape[1]} x {plane.shape[0]}" for band, plane in zip(self.channels, planes, strict=True)
            )
            raise ImageError(
                f"{paths[0]}: the bands of this object differ in size ({sizes}); give mosaics and a catalogue"
            )
        return np.stack(planes)

    def _all_bands(self, path: str) -> np.ndarray:
        if not path:
            raise ImageError("there is no file for this object")
        stamp = read_stamp(path, None if self._names is None else self.channels)
        self._check_range(stamp, path)
        if self._names is None:
            if stamp.names is not None or len(stamp.planes) != self._count:
                raise ImageError(f"{path}: has {_planes_of(stamp)}, but the first file has {self._count} unnamed ones")
            return stamp.planes
        have = [name.lower() for name in stamp.names or ()]
        if not {name.lower() for name in self.channels} <= set(have):
            raise ImageError(f"{path}: has {_planes_of(stamp)}, but the first file has {', '.join(self._names)}")
        return stamp.planes[[have.index(name.lower()) for name in self.channels]]

    def _check_range(self, stamp: Stamp, path: str) -> None:
        if stamp.value_range != self._value_range:
            here, first = (_range_in_words(values) for values in (stamp.value_range, self._value_range))
            raise ImageError(f"{path}: its values {here}, those of the first file {first}")

    def _fit(self, image: np.ndarray, path: str) -> np.ndarray:
        if image.shape[1:] == self._size:
            return image
        if self._exact:
            height, width = self._size
            raise ImageError(
                f"{path}: is {image.shape[2]} x {image.shape[1]} px, the first one {width} x {height}; "
                "give --size to crop or pad all"
            )
        return centred(image, self._size)

    def table(self) -> Table:
        table = super().table()
        table["file"] = self._paths[:, 0]
        return table

    def signature(self) -> dict[str, Any]:
        names = hashlib.sha256("\n".join(os.path.basename(path) for path in self._paths.ravel()).encode())
        return {
            "kind": "files",
            "channels": list(self.channels),
            "size": list(self._size),
            "files_sha256": names.hexdigest(),
        }


def centred(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Crop or pad with NaN about the centre."""
    fitted = np.full((len(image), *size), np.nan, dtype=np.float32)
    here, there = [], []
    for have, want in zip(image.shape[1:], size, strict=True):
        length = min(have, want)
        here.append(slice((have - length) // 2, (have - length) // 2 + length))
        there.append(slice((want - length) // 2, (want - length) // 2 + length))
    fitted[:, there[0], there[1]] = image[:, here[0], here[1]]
    return fitted


def choose_planes(
    names: tuple[str, ...] | None, count: int, bands: tuple[str, ...] | None, path: str
) -> tuple[str, ...]:
    """Name the channels: what is asked for out of the named planes, or names for all the unnamed ones."""
    if names is not None:
        known = {name.lower(): name for name in names}
        pick_channels(bands and tuple(known.get(band.lower(), band) for band in bands), names, path)
        return bands or names
    if bands is None:
        return ("image",) if count == 1 else tuple(str(number) for number in range(count))
    if len(bands) != count:
        raise ValueError(
            f"bands: {path} has {count} unnamed planes, so name all {count} of them "
            "(and choose later with the step choose)"
        )
    return pick_channels(bands, bands, path)


def _planes_of(stamp: Stamp) -> str:
    return f"{len(stamp.planes)} planes" if stamp.names is None else f"the planes {', '.join(stamp.names)}"


def _range_in_words(values: tuple[float, float] | None) -> str:
    return "are in physical units" if values is None else f"fill {values[0]:g} to {values[1]:g}"


def ids_of(paths: Sequence[str]) -> list[str]:
    """Name objects by their files' stems, with as much of the folders as makes them differ."""
    stems = [split_name(path)[0] for path in paths]
    if max(Counter(stems).values(), default=0) < 2:
        return stems
    folders = [os.path.dirname(os.path.abspath(path)) for path in paths]
    inside = [os.path.relpath(folder, os.path.commonpath(folders)) for folder in folders]
    return [os.path.normpath(os.path.join(folder, stem)) for folder, stem in zip(inside, stems, strict=True)]
