"""The places of the objects on the map: two main directions at once, UMAP when it is ready, kept beside the store."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import subprocess
import sys
import threading
import zipfile
from typing import Any

import numpy as np
from scipy.sparse.linalg import svds

from astrotl.store import FeatureStore, open_store

#: So many vectors are enough to know the main directions of any number.
_SAMPLE, _BLOCK = 2000, 8192


def default_path(store: FeatureStore) -> str:
    """Name the file of places that lies beside a store."""
    return os.path.splitext(os.path.abspath(store.path))[0] + ".map.npz"


class Places:
    """The maps of one store: ``(n, 2)``, NaN for objects without features."""

    def __init__(self, store: FeatureStore) -> None:
        self._store = store
        self._path = default_path(store)
        self._kept = _read(store)
        self._working: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def pca(self) -> np.ndarray:
        """Give the two main directions, measured the first time."""
        with self._lock:
            if "pca" not in self._kept:
                self._kept["pca"] = main_directions(self._store)
                _keep(self._store, pca=self._kept["pca"])
            return self._kept["pca"]

    def umap(self) -> np.ndarray | None:
        """Give the map by UMAP; the first time it is begun, in a process of its own, and None until it is ready."""
        with self._lock:
            if self._working is not None and self._working.poll() is not None:
                self._working = None
                self._kept |= _read(self._store)
                if "umap" not in self._kept:
                    raise ValueError("map: UMAP failed; astrotl map --method umap says why")
            if "umap" not in self._kept and self._working is None:
                if importlib.util.find_spec("umap") is None:
                    raise ValueError('map: UMAP needs the package umap-learn: pip install "astrotl[learn]"')
                # Its loops hold Python's lock, so that in a thread they would stop the page.
                order = "import sys; from astrotl.explore import mapping; mapping.keep_umap(sys.argv[1])"
                self._working = subprocess.Popen(
                    [sys.executable, "-c", order, self._store.path],
                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                )  # fmt: skip
            return self._kept.get("umap")

    def stop(self) -> None:
        """End what is still at work."""
        if self._working is not None:
            self._working.kill()
            self._working.wait()
            self._working = None


def main_directions(store: FeatureStore) -> np.ndarray:
    """Project the vectors, all of one length, on the two main directions of a sample of them, block by block."""
    places = np.full((len(store), 2), np.nan, dtype=np.float32)
    rows = store.done()
    if not len(rows):
        return places
    rng = np.random.default_rng(0)
    some = rows if len(rows) <= _SAMPLE else np.sort(rng.choice(rows, _SAMPLE, replace=False))
    sample = _unit(store.features(some)).astype(np.float64)
    middle = sample.mean(axis=0)
    if min(sample.shape) < 3:
        axes = np.linalg.svd(sample - middle, full_matrices=False)[2][:2]
        axes = np.pad(axes, ((0, 2 - len(axes)), (0, 0)))
    else:
        _, held, axes = svds(sample - middle, k=2, v0=rng.normal(size=min(sample.shape)))
        axes = axes[np.argsort(-held)]
    # An axis has no sign of its own; its largest entry is made positive, so that a map is never mirrored.
    axes = axes * np.where(axes[[0, 1], np.abs(axes).argmax(axis=1)] < 0, -1, 1)[:, None]
    for start in range(0, len(store), _BLOCK):
        vectors = _unit(store.features(slice(start, start + _BLOCK)))
        places[start : start + _BLOCK] = (vectors - middle.astype(np.float32)) @ axes.T.astype(np.float32)
    return places


def keep_umap(path: str) -> None:
    """Lay out a store by UMAP and keep the places beside it."""
    from astrotl.learn import project

    store = open_store(path)
    table = project(store, method="umap")
    places = np.full((len(store), 2), np.nan, dtype=np.float32)
    places[store.done()] = np.column_stack([table["x"], table["y"]])
    _keep(store, umap=places)


def _unit(vectors: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(lengths == 0, 1, lengths))


def _read(store: FeatureStore) -> dict[str, np.ndarray]:
    """Read what is kept, if it is of this very store and of as many objects as it has now."""
    try:
        with open(default_path(store), "rb") as file, np.load(file, allow_pickle=False) as kept:
            arrays = {name: kept[name] for name in kept.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        return {}
    if str(arrays.pop("uuid", "")) != store.uuid or int(arrays.pop("done", -1)) != store.count_done():
        return {}
    return {name: places for name, places in arrays.items() if places.shape == (len(store), 2)}


def _keep(store: FeatureStore, **places: np.ndarray) -> None:
    path = default_path(store)
    part = f"{path}.{os.getpid()}.part.npz"
    # Where nothing can be written, the places are measured again the next time.
    with contextlib.suppress(OSError):
        try:
            arrays: dict[str, Any] = {**_read(store), **places, "uuid": store.uuid, "done": store.count_done()}
            np.savez(part, **arrays)
            os.replace(part, path)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(part)
