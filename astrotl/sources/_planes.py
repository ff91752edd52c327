"""The planes of image files: where each lies in its file, and how its pixels are had."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np

from astrotl.sources import _fits
from astrotl.sources._stamps import read_stamp, split_name

#: The least width and height of what is unpacked at once.
_PIECE = 64


@dataclass(frozen=True, eq=False)
class Plane:
    """One plane of one image extension.

    Its pixels are mapped where they lie in the file as they are. Else they are unpacked, in pieces of so many pixels up
    and across, or the whole image where there is no piece.
    """

    path: str
    hdu: int
    leading: tuple[int, ...]
    mapped: bool
    piece: tuple[int, int] | None
    shape: tuple[int, int]

    def __getstate__(self) -> dict[str, Any]:
        # Other processes may stand in other folders.
        return vars(self) | {"path": os.path.abspath(self.path)}

    def image(self) -> np.ndarray:
        """Read or map the whole image that the plane is a part of."""
        return _fits.whole(self.path, self.hdu, memmap=self.mapped)


class PicturePlane(Plane):
    """One colour of a picture, of which no part can be read alone."""

    def image(self) -> np.ndarray:
        return read_stamp(self.path).planes


def fits_plane(path: str, number: int, hdu: Any, leading: tuple[int, ...]) -> Plane:
    """Find out how a plane of a FITS extension is read."""
    height, width = _fits.shape(hdu)[-2:]
    packed = split_name(path)[1].endswith(_fits.PACKED_ENDINGS)
    piece = None if packed or _fits.is_mappable(hdu) else _piece(hdu)
    return Plane(path, number, leading, piece is None and not packed, piece, (height, width))


def _piece(hdu: Any) -> tuple[int, int]:
    """Choose how much to unpack at once, whole tiles, as many as a cutout is likely to need."""
    tile = _fits.tile(hdu)
    return tile[0] * -(-_PIECE // tile[0]), tile[1] * -(-_PIECE // tile[1])
