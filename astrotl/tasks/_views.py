"""The features of a store as the views they were put together from, each reduced to a few whitened numbers."""

from __future__ import annotations

import numpy as np

from astrotl.store import FeatureStore

_SAMPLE, _BLOCK = 20_000, 8192
#: Directions that hold less than this of the largest one's spread are noise, and whitening would blow it up.
_FLOOR = 1e-3


def views_of(store: FeatureStore) -> list[slice]:
    """Find which features belong to which view; one slice unless the extractor is a ``Concat``."""
    dims = store.provenance.get("extractor", {}).get("dims", [store.shape[1]])
    ends = np.cumsum(dims).tolist()
    return [slice(end - dim, end) for dim, end in zip(dims, ends, strict=True)]


def whitened(store: FeatureStore, rows: np.ndarray, view: slice, dims: int, power: float = 1.0) -> np.ndarray:
    """Reduce one view of some rows to its ``dims`` main directions, in bounded memory.

    The mean and the directions are those of a sample of the rows. ``power`` is how far their spreads are made equal: 0
    keeps them as they are, 1 makes all of them one.
    """
    some = rows if len(rows) <= _SAMPLE else np.sort(np.random.default_rng(0).choice(rows, _SAMPLE, replace=False))
    sample = store.features(some)[:, view].astype(np.float64)
    mean = sample.mean(axis=0)
    # Features of one view may be of very different scales, as those of Profiles are.
    scale = sample.std(axis=0)
    scale[scale == 0] = 1
    _, spread, axes = np.linalg.svd((sample - mean) / scale, full_matrices=False)
    spread /= np.sqrt(max(len(some) - 1, 1))
    keep = min(dims, int((spread > _FLOOR * spread[0]).sum()) or 1)
    project = (axes[:keep] / spread[:keep, None] ** power).T / scale[:, None]
    parts = [
        (store.features(rows[start : start + _BLOCK])[:, view] - mean) @ project
        for start in range(0, len(rows), _BLOCK)
    ]
    return np.concatenate(parts) / np.sqrt(keep)
