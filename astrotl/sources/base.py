"""What every source of images promises."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
from astropy.table import Table

if TYPE_CHECKING:
    from astrotl.images import ImageBatch

__all__ = ["ImageSource", "Part"]


class Part(NamedTuple):
    """Rows of a source that belong together, and the HEALPix pixel that they lie in: order and number, nested."""

    rows: slice
    healpix: tuple[int, int] | None = None


class ImageSource(ABC):
    """Images that are read only when asked for.

    A source is sized, sliceable and picklable, and a slice of it is a source. Nothing is read before `read`, so a slice
    of 256 objects out of a million travels to another process in a few kB.
    """

    #: The name of each channel, in the order of the data.
    channels: tuple[str, ...]
    #: The id of each object, all different.
    ids: np.ndarray
    #: The keywords of `~astrotl.sources.open_source` that open the same images again; None if nothing can.
    origin: dict[str, Any] | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, rows: slice | npt.ArrayLike) -> ImageSource:
        if not isinstance(rows, slice):
            rows = np.asarray(rows)
            if rows.ndim != 1:
                raise TypeError("rows: expected a slice or a list of row numbers; for one object write source[i:i + 1]")
            if rows.dtype.kind == "b":
                if len(rows) != len(self):
                    raise IndexError(f"rows: a mask needs one value an object, {len(self)} of them, got {len(rows)}")
                rows = np.flatnonzero(rows)
            elif len(rows) and rows.dtype.kind not in "iu":
                raise TypeError(
                    f"rows: expected row numbers or a mask, got {rows.dtype}; rows_of() finds the rows of ids"
                )
            rows = rows.astype(np.intp)
        part = self._take(rows)
        # What opens all images again is not what opens these, and it may be long: every block travels.
        part.origin = None
        return part

    @abstractmethod
    def _take(self, rows: slice | np.ndarray) -> ImageSource:
        """Make the source of these rows alone."""

    @abstractmethod
    def read(self) -> ImageBatch:
        """Read all images of this source; those that cannot be read are NaN and named in the batch's ``failed``."""

    @abstractmethod
    def signature(self) -> dict[str, Any]:
        """Say in JSON what decides the pixels: two sources with other signatures never share a store.

        The list of ``channels`` and the ``size`` in pixels, or ``[height, width]``, are among it, for new images are
        opened alike by them.
        """

    def order(self) -> np.ndarray | None:
        """Give the order in which the rows are read fastest; None if any will do."""
        return None

    def parts(self) -> Sequence[Part]:
        """Say into which parts the rows fall by themselves; no file of a sharded store holds rows of two."""
        return [Part(slice(0, len(self)))]

    def loaded(self) -> ImageSource:
        """Give the same images with all that is known of the objects in memory, as most sources are from the start."""
        return self

    def table(self) -> Table:
        """List the objects: ``id`` and what else is known, such as ``ra`` and ``dec`` in degrees, or the file."""
        return Table({"id": self.ids})

    def rows_of(self, ids: npt.ArrayLike) -> np.ndarray:
        """Find the rows of these ids; an unknown id is a `KeyError`."""
        row_of = {name: row for row, name in enumerate(self.ids.tolist())}
        return np.array([row_of[name] for name in np.asarray(ids, dtype=np.str_).tolist()], dtype=np.intp)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {len(self)} objects, channels {', '.join(self.channels)}>"


def unique_ids(ids: npt.ArrayLike) -> np.ndarray:
    """Give the ids as an array of strings, or refuse those that stand twice."""
    given = np.asarray(ids)
    # Numbers become strings of 21 letters, of which a million ids, and every block, would carry the blanks.
    names = given.astype(f"U{len(str(np.abs(given).max(initial=0))) + 1}" if given.dtype.kind in "iu" else np.str_)
    values, counts = np.unique(given if given.dtype.kind in "iu" else names, return_counts=True)
    if len(values) < len(names):
        twice = ", ".join(values[counts > 1][:3].astype(np.str_))
        raise ValueError(f"ids: every object needs its own, but these stand more than once: {twice}")
    return names.astype(f"U{np.char.str_len(names).max(initial=1)}", copy=False)


def path_list(given: str | os.PathLike[str] | Iterable[str | os.PathLike[str]]) -> list[str]:
    """Take one path or several."""
    return [os.fspath(path) for path in ([given] if isinstance(given, (str, os.PathLike)) else given)]


def pick_channels(bands: tuple[str, ...] | None, known: tuple[str, ...], where: str) -> tuple[str, ...]:
    """Check the wanted bands against those that are there; all of them if none are named."""
    if bands is None:
        return known
    if len(set(bands)) < len(bands):
        raise ValueError(f"bands: one is named twice in {', '.join(bands)}")
    for band in bands:
        if band not in known:
            raise ValueError(f"bands: {band!r} is not in {where}, which has {', '.join(known)}")
    return tuple(bands)
