"""How a large image is looked at: in square tiles that overlap, each pixel of it in one tile's own part."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from astrotl.images import ImageBatch
from astrotl.sources import Field

__all__ = ["Tile", "read_tiles", "tiles_of"]


@dataclass(frozen=True)
class Tile:
    """A square of a field, and how far its own part reaches into it from each edge."""

    left: int
    bottom: int
    size: int
    #: Left, bottom, right and top of its own part, in pixels of the field; infinite where no other tile follows.
    own: tuple[float, float, float, float]


def tiles_of(shape: tuple[int, int], size: int, overlap: int) -> list[Tile]:
    """Lay tiles over an image, as few as have at least this overlap, evenly.

    >>> [(tile.left, tile.own[0], tile.own[2]) for tile in tiles_of((100, 250), size=128, overlap=28)]
    [(0, -inf, 94.0), (61, 94.0, 155.0), (122, 155.0, inf)]
    """
    (bottoms, rows), (lefts, columns) = (_along(length, size, overlap) for length in shape)
    return [
        Tile(left, bottom, size, (columns[i], rows[j], columns[i + 1], rows[j + 1]))
        for j, bottom in enumerate(bottoms)
        for i, left in enumerate(lefts)
    ]


def _along(length: int, size: int, overlap: int) -> tuple[list[int], list[float]]:
    """Give where tiles begin along an axis, and the borders between their own parts."""
    count = max(1, -(-(length - overlap) // (size - overlap)))
    starts = np.linspace(0, max(length - size, 0), count).round().astype(int).tolist()
    middles = [(start + before + size - 1) / 2 for before, start in itertools.pairwise(starts)]
    return starts, [-np.inf, *middles, np.inf]


def read_tiles(field: Field, tiles: list[Tile], at_once: int) -> Iterator[tuple[list[Tile], ImageBatch]]:
    """Read tiles of a field, some at a time; NaN where they reach over its edge."""
    for start in range(0, len(tiles), at_once):
        some = tiles[start : start + at_once]
        data = np.stack([field.read(tile.left, tile.bottom, tile.size, tile.size) for tile in some])
        names = [f"{field.id}:{tile.left}:{tile.bottom}" for tile in some]
        yield some, ImageBatch(data, np.array(names), field.channels, field.value_range)
