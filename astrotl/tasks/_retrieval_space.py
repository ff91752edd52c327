"""The space in which objects are compared: views whitened softly, so that no direction and no view drowns others."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from astrotl.store import FeatureStore
from astrotl.tasks._views import views_of

_SAMPLE, _BLOCK = 10_000, 2048
#: A direction's spread counts as at least this many times the mean one, in variance: whitening must not raise noise.
_SOFTENING = 1.0
_MOST = 256


class Space:
    """The whitened views of a store, side by side, learnt from some of its rows without labels.

    Each view is brought to its main directions, each direction divided by ``sqrt(spread^2 + mean spread^2)``, and the
    view to a mean square length of one.
    """

    def __init__(self, store: FeatureStore, rows: np.ndarray) -> None:
        self.store = store
        some = rows if len(rows) <= _SAMPLE else np.sort(np.random.default_rng(0).choice(rows, _SAMPLE, replace=False))
        sample = store.features(some)
        self._parts = [(view, *_whitening(sample[:, view].astype(np.float64))) for view in views_of(store)]
        ends = np.cumsum([project.shape[1] for _, _, project in self._parts]).tolist()
        #: Which coordinates belong to which view.
        self.views = [slice(start, end) for start, end in zip([0, *ends], ends, strict=False)]

    def blocks(self, rows: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Give some rows and their coordinates, a block at a time."""
        for start in range(0, len(rows), _BLOCK):
            some = rows[start : start + _BLOCK]
            features = self.store.features(some)
            yield some, np.hstack([(features[:, view] - mean) @ project for view, mean, project in self._parts])

    def coordinates(self, rows: np.ndarray) -> np.ndarray:
        """Give the coordinates of a few rows."""
        width = self.views[-1].stop
        return np.concatenate([np.empty((0, width), dtype=np.float32), *(block for _, block in self.blocks(rows))])


def unit(vectors: np.ndarray) -> np.ndarray:
    """Bring vectors to length one; one of length zero stays."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(lengths == 0, 1, lengths))


def apart(units: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Give the distances between two sets of unit vectors, ``sqrt(2 - 2 cos)``."""
    return np.sqrt(np.maximum(2 - 2 * (units @ others.T), 0))


def _whitening(sample: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find the mean of a view and the matrix that whitens it."""
    mean, scale = sample.mean(axis=0), sample.std(axis=0)
    scale[scale <= 1e-9 * (np.abs(mean) + scale.max(initial=0) + 1e-300)] = np.inf
    values = (sample - mean) / scale
    spread, axes = np.linalg.eigh(values.T @ values / len(values))
    rank = max(min(int((spread > 1e-9 * spread[-1]).sum()), len(values) - 1), 1)
    spread, axes = spread[::-1][: min(rank, _MOST)], axes[:, ::-1][:, : min(rank, _MOST)]
    softened = np.maximum(spread, 0) + _SOFTENING * max((np.isfinite(scale)).sum() / rank, 1e-12)
    length = np.sqrt(max((np.maximum(spread, 0) / softened).sum(), 1e-12))
    return mean.astype(np.float32), (axes / np.sqrt(softened) / scale[:, None] / length).astype(np.float32)
