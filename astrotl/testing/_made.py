"""What is made up for the checks: images, the odd ones among them, and a store with labels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from astropy.table import Table

from astrotl.images import ImageBatch
from astrotl.index import ExactIndex, Index
from astrotl.store import FeatureStore

#: So many of the images that are given are looked at.
FEW = 4
_OBJECTS = 80


def made_images(channels: int = 3, size: int = 32, seed: int = 0) -> ImageBatch:
    """Draw a few sources of different size and colour on a noisy sky, in physical units."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    width = rng.uniform(0.06, 0.2, (FEW, 1, 1, 1)) * size
    light = rng.uniform(50, 500, (FEW, channels, 1, 1))
    data = light * np.exp(-(x**2 + y**2) / (2 * width**2)) + rng.normal(10, 3, (FEW, channels, size, size))
    names = ("g", "r", "i", "z", "y")[:channels] if channels <= 5 else tuple(f"band{n}" for n in range(channels))
    return ImageBatch(data, np.array([f"galaxy{n}" for n in range(FEW)]), names)


def with_odd_ones(images: ImageBatch) -> ImageBatch:
    """Take a few of the images, and add what surveys have, too: a hole, a flat image, a band without data."""
    if not len(images):
        raise ValueError("images: there are none")
    few = images.select(slice(FEW))
    first = few.data[:1]
    hole, band = first.copy(), first.copy()
    height, width = first.shape[2:]
    hole[..., : max(1, height // 4), : max(1, width // 3)] = np.nan
    flat = np.zeros_like(first)
    band[:, -1] = np.nan
    odd = [("hole", hole), ("flat", flat)] + ([("band", band)] if first.shape[1] > 1 else [])
    taken = set(few.ids.tolist())
    names = [next(name for name in (what, f"odd {what}", f"odd odd {what}") if name not in taken) for what, _ in odd]
    return replace(
        few, data=np.concatenate([few.data, *(data for _, data in odd)]), ids=np.array([*few.ids.tolist(), *names])
    )


def made_index(folder: str) -> Index:
    """Make up a store in which likes lie together, and of which the last two rows have no features."""
    rng = np.random.default_rng(0)
    features = rng.normal(0, 1, (_OBJECTS, 6)) + np.where(_active()[:, None], 2, 0)
    positions = np.stack([rng.uniform(10, 11, _OBJECTS), rng.uniform(-1, 1, _OBJECTS)], axis=1)
    ids = [f"G{row:02}" for row in range(_OBJECTS)]
    store = FeatureStore.open_or_create(Path(folder) / "made.h5", ids, 6, {}, positions=positions)
    store.write(np.arange(_OBJECTS - 2), features[:-2], {_OBJECTS - 1: "its file is cut off"})
    return ExactIndex.build(store)


def made_labels(index: Index) -> Table:
    """Make up labels, in another order than the objects."""
    mass = 10 + index.store.features()[:, 0] / 2
    labels = Table({"id": index.store.ids, "kind": np.where(_active(), "agn", "galaxy"), "mass": mass})
    return labels[::-1]


def _active() -> np.ndarray:
    return np.arange(_OBJECTS) % 4 == 0
