"""The pixels of planes: mapped where they lie in a file as they are, else unpacked in pieces that are kept."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Hashable
from typing import Any

import numpy as np

from astrotl.errors import ImageError
from astrotl.sources import _fits
from astrotl.sources._kept import kept
from astrotl.sources._planes import Plane


class OpenPlanes(contextlib.ExitStack):
    """Keeps each file open while a block is cut out of it, and what was mapped or unpacked for the next one."""

    def __init__(self) -> None:
        super().__init__()
        self._mapped: dict[Plane, np.ndarray] = {}
        self._files: dict[str, Any] = {}
        self._states: dict[str, tuple[int, int]] = {}
        self._broken: dict[Hashable, ImageError] = {}
        self._damaged: set[tuple[Plane, int, int]] = set()

    def box(self, plane: Plane, left: int, bottom: int, width: int, height: int) -> np.ndarray:
        """Read a box of a plane as float32, NaN where it reaches over the edge."""
        y0, y1 = max(bottom, 0), min(bottom + height, plane.shape[0])
        x0, x1 = max(left, 0), min(left + width, plane.shape[1])
        if (y1 - y0, x1 - x0) == (height, width):
            return self._read(plane, y0, y1, x0, x1)
        box = np.full((height, width), np.nan, dtype=np.float32)
        if y0 < y1 and x0 < x1:
            box[y0 - bottom : y1 - bottom, x0 - left : x1 - left] = self._read(plane, y0, y1, x0, x1)
        return box

    def _read(self, plane: Plane, y0: int, y1: int, x0: int, x1: int) -> np.ndarray:
        if plane.piece is not None:
            return self._out_of_pieces(plane, plane.piece, y0, y1, x0, x1)
        pixels = self._mapped[plane] if plane in self._mapped else self._whole(plane)
        return np.asarray(pixels[y0:y1, x0:x1], dtype=np.float32)

    def _whole(self, plane: Plane) -> np.ndarray:
        """Map an image, or unpack one of which no part can be read alone."""
        image = (plane.path, plane.hdu)
        state = self._state(plane.path)
        pixels: np.ndarray = self._once(image, lambda: kept.get(image, state, plane.image))[plane.leading]
        if plane.mapped:
            self._mapped[plane] = pixels
        return pixels

    def _out_of_pieces(self, plane: Plane, piece: tuple[int, int], y0: int, y1: int, x0: int, x1: int) -> np.ndarray:
        height, width = piece
        box = np.empty((y1 - y0, x1 - x0), dtype=np.float32)
        for bottom in range(y0 - y0 % height, y1, height):
            for left in range(x0 - x0 % width, x1, width):
                pixels = self._piece(plane, bottom, left)
                if pixels is None:
                    # The damage may lie elsewhere in the piece.
                    return self._section(plane, y0, y1, x0, x1)
                ya, yb, xa, xb = max(y0, bottom), min(y1, bottom + height), max(x0, left), min(x1, left + width)
                box[ya - y0 : yb - y0, xa - x0 : xb - x0] = pixels[ya - bottom : yb - bottom, xa - left : xb - left]
        return box

    def _piece(self, plane: Plane, bottom: int, left: int) -> np.ndarray | None:
        """Unpack what lies in one piece; None where that fails."""
        height, width = plane.piece or plane.shape
        top, right = min(bottom + height, plane.shape[0]), min(left + width, plane.shape[1])
        if (plane, bottom, left) in self._damaged:
            return None
        state = self._state(plane.path)
        key = (plane.path, plane.hdu, plane.leading, bottom, left)
        try:
            return kept.get(key, state, lambda: self._section(plane, bottom, top, left, right))
        except ImageError:
            self._damaged.add((plane, bottom, left))
            return None

    def _section(self, plane: Plane, y0: int, y1: int, x0: int, x1: int) -> np.ndarray:
        path = plane.path
        if path not in self._files:
            self._files[path] = self._once(path, lambda: self.enter_context(_fits.open_fits(path)))
        return _fits.section(self._files[path], plane.hdu, (*plane.leading, slice(y0, y1), slice(x0, x1)), path)

    def _state(self, path: str) -> tuple[int, int]:
        """Say when the file was last changed, as far as this block is concerned."""
        if path not in self._states:
            self._states[path] = self._once(path, lambda: _state_of(path))
        return self._states[path]

    def _once(self, what: Hashable, do: Callable[[], Any]) -> Any:
        """Try only once what fails: unpacking takes seconds, and is not to be done for every position."""
        if what in self._broken:
            raise self._broken[what]
        try:
            return do()
        except ImageError as error:
            self._broken[what] = error
            raise


def _state_of(path: str) -> tuple[int, int]:
    with _fits.reading(path):
        status = os.stat(path)
    return status.st_mtime_ns, status.st_size
