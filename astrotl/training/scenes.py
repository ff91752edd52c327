"""The tiles of fields that a detector learns from, prepared once, with the boxes that each shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from astropy.table import Table

from astrotl.detection.table import corners
from astrotl.detection.tiles import Tile, read_tiles, tiles_of
from astrotl.extractors import InputSpec
from astrotl.neural.rcnn import Design
from astrotl.prepare import take_through
from astrotl.preprocess import Step
from astrotl.sources import Field
from astrotl.training.images import keep_images

__all__ = ["Scenes"]

#: A box of which less than this share lies within a tile is not learned from.
_ENOUGH = 0.5


@dataclass(frozen=True, eq=False)
class Scenes:
    """Prepared tiles, the boxes in each, and which of them are learned from and which are checked with.

    Of each tile there is a row a box: its edges as torch counts them and its class from 1; rows of zeros fill up.
    """

    images: np.ndarray
    boxes: torch.Tensor
    learned: np.ndarray
    checked: np.ndarray

    @classmethod
    def of(
        cls,
        fields: Sequence[Field],
        known: Table,
        checked: np.ndarray,
        design: Design,
        steps: Sequence[Step],
        bands: int,
        folder: Path,
        progress: Callable[..., Any] | None,
    ) -> Scenes:
        """Cut fields into tiles and prepare these."""
        tiles = [tiles_of(field.shape, design.tile, design.overlap) for field in fields]
        spec = InputSpec(channels=bands, value_range=(0, 1))

        def ready() -> Iterator[np.ndarray]:
            for field, its in zip(fields, tiles, strict=True):
                for _, batch in read_tiles(field, its, 1):
                    if np.isfinite(batch.data).any():
                        batch = take_through(batch, (*steps, *spec.steps()))
                        spec.check(batch, "a detector")
                        yield batch.data
                    else:
                        yield np.zeros((1, bands, design.tile, design.tile), dtype=np.float32)

        count = sum(map(len, tiles))
        images = keep_images(ready(), count, folder / "tiles.npy", progress)
        boxes = [
            _boxes_in(known[known["image"] == field.id], tile, design.classes)
            for field, its in zip(fields, tiles, strict=True)
            for tile in its
        ]
        aside = np.repeat(checked, [len(its) for its in tiles])
        # Corners of a mosaic without any data teach nothing.
        blank = np.array([not image.any() for image in images])
        learned, checked = (np.flatnonzero(those & ~blank) for those in (~aside, aside))
        if not (len(learned) and len(checked)):
            raise ValueError("fields: those to learn from, or those to check with, show nothing at all")
        return cls(images, _padded(boxes), learned, checked)


def _boxes_in(known: Table, tile: Tile, classes: tuple[str, ...]) -> np.ndarray:
    """Give the boxes that a tile shows well enough."""
    whole = corners(known) + 0.5 - np.array([tile.left, tile.bottom] * 2)
    cut = whole.clip(0, tile.size)
    within, all_of_it = (np.prod(edges[:, 2:] - edges[:, :2], axis=1) for edges in (cut, whole))
    label = np.array([classes.index(name) + 1 for name in known["class"]], dtype=np.float64)
    return np.column_stack([cut, label])[within > _ENOUGH * all_of_it]


def _padded(boxes: list[np.ndarray]) -> torch.Tensor:
    most = max(map(len, boxes))
    filled = [np.pad(some, ((0, most - len(some)), (0, 0))) for some in boxes]
    return torch.from_numpy(np.stack(filled).astype(np.float32))
