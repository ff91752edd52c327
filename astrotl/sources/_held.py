"""Which chips hold which positions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

import numpy as np

from astrotl.sources._mosaics import Chip, unit_vectors

#: Positions within so many lines of each other count as neighbours, and are taken from left to right.
_LINES = 64


@dataclass(frozen=True, eq=False)
class Held:
    """Pairs of a position and a chip that holds it, with the pixel, chip by chip and in each by place.

    The rank counts the chips of one position: the one that reaches farthest around it is the first.
    """

    row: np.ndarray
    chip: np.ndarray
    x: np.ndarray
    y: np.ndarray
    rank: np.ndarray

    @classmethod
    def by(cls, chips: Sequence[Chip], lon: np.ndarray, lat: np.ndarray) -> Held:
        """Find the chips of all positions."""
        vectors = unit_vectors(lon, lat)
        pairs = [(np.empty(0, np.intp), np.empty(0, np.intp), *np.empty((3, 0)))]
        for number, chip in enumerate(chips):
            near = np.flatnonzero(chip.near(vectors))
            x, y = chip.from_icrs(lon[near], lat[near])
            height, width = chip.shape
            margin = np.minimum(np.minimum(x, width - 1 - x), np.minimum(y, height - 1 - y))
            on = margin >= -0.5
            pairs.append((near[on], np.full(on.sum(), number), x[on], y[on], margin[on]))
        row, at, x, y, margin = (np.concatenate(column) for column in zip(*pairs, strict=True))
        by_row = np.lexsort((at, -margin, row))
        starts = np.flatnonzero(np.diff(row[by_row], prepend=-1))
        rank = np.empty(len(row), dtype=np.intp)
        rank[by_row] = np.arange(len(row)) - np.repeat(starts, np.diff(starts, append=len(row)))
        return cls(row, at, x, y, rank)._pick(np.lexsort((x, np.rint(y) // _LINES, at)))

    @property
    def ranks(self) -> int:
        """How many chips hold one position at most."""
        return int(self.rank.max(initial=-1)) + 1

    def of_rank(self, rank: int, rows: np.ndarray) -> Held:
        """Keep of these positions, given as a mask, the pairs of one rank."""
        return self._pick((self.rank == rank) & rows[self.row])

    def by_chip(self) -> Iterator[tuple[int, Held]]:
        """Go from chip to chip."""
        numbers, starts = np.unique(self.chip, return_index=True)
        for number, pairs in zip(numbers.tolist(), np.split(np.arange(len(self.chip)), starts[1:]), strict=False):
            yield number, self._pick(pairs)

    def _pick(self, pairs: np.ndarray | slice) -> Held:
        return Held(*(getattr(self, field.name)[pairs] for field in fields(self)))
