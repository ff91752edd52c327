"""The pixels of chips: mapped where they lie in a file as they are, else unpacked in pieces that are kept."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable, Hashable
from typing import Any

import numpy as np

from astrotl.errors import ImageError
from astrotl.sources import _fits
from astrotl.sources._kept import kept
from astrotl.sources._mosaics import Chip


class OpenChips(contextlib.ExitStack):
    """Keeps each file open while a block is cut out of it, and what was mapped or unpacked for the next one."""

    def __init__(self) -> None:
        super().__init__()
        self._mapped: dict[Chip, np.ndarray] = {}
        self._files: dict[str, Any] = {}
        self._states: dict[str, tuple[int, int]] = {}
        self._broken: dict[Hashable, ImageError] = {}
        self._damaged: set[tuple[Chip, int, int]] = set()

    def box(self, chip: Chip, left: int, bottom: int, width: int, height: int) -> np.ndarray:
        """Read a box of a chip as float32, NaN where it reaches over the edge."""
        y0, y1 = max(bottom, 0), min(bottom + height, chip.shape[0])
        x0, x1 = max(left, 0), min(left + width, chip.shape[1])
        if (y1 - y0, x1 - x0) == (height, width):
            return self._read(chip, y0, y1, x0, x1)
        box = np.full((height, width), np.nan, dtype=np.float32)
        if y0 < y1 and x0 < x1:
            box[y0 - bottom : y1 - bottom, x0 - left : x1 - left] = self._read(chip, y0, y1, x0, x1)
        return box

    def _read(self, chip: Chip, y0: int, y1: int, x0: int, x1: int) -> np.ndarray:
        if chip.piece is not None:
            return self._out_of_pieces(chip, chip.piece, y0, y1, x0, x1)
        plane = self._mapped[chip] if chip in self._mapped else self._plane(chip)
        return np.asarray(plane[y0:y1, x0:x1], dtype=np.float32)

    def _plane(self, chip: Chip) -> np.ndarray:
        """Map an image, or unpack one of which no part can be read alone."""
        image = (chip.path, chip.hdu)
        state = self._state(chip.path)
        make = functools.partial(_fits.whole, *image, memmap=chip.mapped)
        plane: np.ndarray = self._once(image, lambda: kept.get(image, state, make))[chip.leading]
        if chip.mapped:
            self._mapped[chip] = plane
        return plane

    def _out_of_pieces(self, chip: Chip, piece: tuple[int, int], y0: int, y1: int, x0: int, x1: int) -> np.ndarray:
        height, width = piece
        box = np.empty((y1 - y0, x1 - x0), dtype=np.float32)
        for bottom in range(y0 - y0 % height, y1, height):
            for left in range(x0 - x0 % width, x1, width):
                pixels = self._piece(chip, bottom, left)
                if pixels is None:
                    # The damage may lie elsewhere in the piece.
                    return self._section(chip, y0, y1, x0, x1)
                ya, yb, xa, xb = max(y0, bottom), min(y1, bottom + height), max(x0, left), min(x1, left + width)
                box[ya - y0 : yb - y0, xa - x0 : xb - x0] = pixels[ya - bottom : yb - bottom, xa - left : xb - left]
        return box

    def _piece(self, chip: Chip, bottom: int, left: int) -> np.ndarray | None:
        """Unpack what lies in one piece; None where that fails."""
        height, width = chip.piece or chip.shape
        top, right = min(bottom + height, chip.shape[0]), min(left + width, chip.shape[1])
        if (chip, bottom, left) in self._damaged:
            return None
        state = self._state(chip.path)
        key = (chip.path, chip.hdu, chip.leading, bottom, left)
        try:
            return kept.get(key, state, lambda: self._section(chip, bottom, top, left, right))
        except ImageError:
            self._damaged.add((chip, bottom, left))
            return None

    def _section(self, chip: Chip, y0: int, y1: int, x0: int, x1: int) -> np.ndarray:
        path = chip.path
        if path not in self._files:
            self._files[path] = self._once(path, lambda: self.enter_context(_fits.open_fits(path)))
        return _fits.section(self._files[path], chip.hdu, (*chip.leading, slice(y0, y1), slice(x0, x1)), path)

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
