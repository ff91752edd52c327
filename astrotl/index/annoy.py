"""The default index: Annoy's forest of random trees in a memory-mapped file, with a note beside it of what it is."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any, ClassVar, Self

import annoy
import numpy as np

from astrotl.errors import IndexMismatchError
from astrotl.index.base import Index, validate_metric
from astrotl.store import FeatureStore

__all__ = ["AnnoyIndex"]

NOTE_VERSION = 1
_BLOCK = 4096


class AnnoyIndex(Index):
    """Finds neighbours fast and nearly always rightly; `~astrotl.index.Index.recall` says how nearly.

    Annoy's file says nothing of itself, so a JSON file beside it holds metric, dimension, count and the store's uuid,
    and both are checked when the index is opened.

    Parameters
    ----------
    store : `~astrotl.FeatureStore`
        The store that the index was built from.
    path : path
        The index; `build` makes one.

    Examples
    --------
    >>> from astrotl import AnnoyIndex, FeatureStore
    >>> store = FeatureStore.open_or_create("store.h5", ["a", "b", "c"], 2, {})
    >>> store.write([0, 1, 2], [[0, 1], [1, 1], [1, 0]])
    >>> index = AnnoyIndex.build(store, "store.ann")
    >>> index.query([[0, 2]], k=2)[0].tolist()
    [[0, 1]]
    """

    kind: ClassVar[str] = "annoy"

    def __init__(self, store: FeatureStore, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        self.store = store
        note = read_note(self.path)
        self._rows = store.done()
        remedy = f"build it again with astrotl index {store.path}"
        if note["store"] != store.uuid:
            raise IndexMismatchError(f"{self.path}: belongs to another store than {store.path}; {remedy}")
        if note["n"] != len(self._rows) or note["dim"] != store.shape[1]:
            raise IndexMismatchError(
                f"{self.path}: holds {note['n']} objects, but {store.path} now has {len(self._rows)}; {remedy}"
            )
        if os.path.getsize(self.path) != note["bytes"]:
            raise IndexMismatchError(f"{self.path}: is damaged (its size is not the one noted); {remedy}")
        self.metric = validate_metric(note["metric"])
        self.trees: int = note["trees"]
        self._trees = annoy.AnnoyIndex(note["dim"], self.metric)
        self._trees.load(self.path)

    @classmethod
    def build(
        cls,
        store: FeatureStore,
        path: str | os.PathLike[str] | None = None,
        *,
        metric: str = "angular",
        trees: int = 50,
        seed: int = 1,
        jobs: int = 1,
        progress: Callable[..., Any] | None = None,
        **settings: Any,
    ) -> Self:
        """Build the index of a store and write it.

        Parameters
        ----------
        store : `~astrotl.FeatureStore`
            The features; rows that are missing or failed are left out.
        path : path, optional
            The index's file; by default the store's name with the ending ``.ann``.
        metric : str, optional
            ``"angular"`` or ``"euclidean"``.
        trees : int, optional
            More trees find more of the true neighbours, in a larger file.
        seed : int, optional
            The same seed and ``jobs=1`` give the same file, byte by byte.
        jobs : int, optional
            The number of threads; -1 takes all cores.
        progress : callable, optional
            Something like ``tqdm``.
        """
        if settings:
            raise ValueError(f"{next(iter(settings))}: an Annoy index has no such setting; it has trees, seed, jobs")
        if trees < 1:
            raise ValueError(f"trees: must be 1 or more, got {trees}")
        path = default_path(store) if path is None else os.fspath(path)
        if not os.access(os.path.dirname(os.path.abspath(path)), os.W_OK):
            raise OSError(f"{path}: cannot be written, for the folder does not exist or may not be written to")
        rows = store.done()
        if not len(rows):
            raise ValueError(f"store: {store.path} has no features yet")
        forest = annoy.AnnoyIndex(store.shape[1], validate_metric(metric))
        forest.set_seed(seed)
        bar = progress(total=len(rows), unit="obj") if progress else None
        for start in range(0, len(rows), _BLOCK):
            block = store.features(rows[start : start + _BLOCK])
            for number, vector in enumerate(block, start=start):
                forest.add_item(number, vector)
            if bar is not None:
                bar.update(len(block))
        if bar is not None:
            bar.close()
        forest.build(trees, n_jobs=jobs)
        _save(
            forest,
            path,
            {
                "metric": metric,
                "dim": store.shape[1],
                "n": len(rows),
                "trees": trees,
                "seed": seed,
                "store": store.uuid,
            },
        )
        return cls(store, path)

    def _query(self, vectors: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        rows = np.empty((len(vectors), k), dtype=np.intp)
        distances = np.empty((len(vectors), k), dtype=np.float32)
        for number, vector in enumerate(vectors):
            items, apart = self._search(vector, k)
            rows[number], distances[number] = self._rows[items], apart
        return rows, distances

    def _search(self, vector: np.ndarray, k: int) -> tuple[list[int], list[float]]:
        """Look into more and more nodes until k neighbours are found; few trees may at first give fewer."""
        nodes = k * self.trees
        while nodes < 4 * (len(self) + k) * self.trees:
            items, apart = self._trees.get_nns_by_vector(vector, k, nodes, include_distances=True)
            if len(items) == k:
                return items, apart
            nodes *= 4
        raise IndexMismatchError(f"{self.path}: is damaged (it finds {len(items)} of {k} neighbours); build it again")


def default_path(store: FeatureStore) -> str:
    """Name the index that lies beside a store."""
    return os.path.splitext(store.path)[0] + ".ann"


def note_path(path: str) -> str:
    """Name the note that lies beside an index."""
    return f"{path}.json"


def _save(forest: annoy.AnnoyIndex, path: str, note: dict[str, Any]) -> None:
    """Write both files whole: the note first, so that an index is never there without the one that fits it."""
    part = f"{path}.part"
    try:
        forest.save(part)
        note = {"format": "astrotl-annoy", "format_version": NOTE_VERSION, **note, "bytes": os.path.getsize(part)}
        if os.path.exists(path):
            os.unlink(path)
        with open(f"{note_path(path)}.part", "w", encoding="utf-8") as file:
            json.dump(note, file, indent=1)
        os.replace(f"{note_path(path)}.part", note_path(path))
        os.replace(part, path)
    finally:
        if os.path.exists(part):
            os.unlink(part)


def read_note(path: str) -> dict[str, Any]:
    if not os.path.exists(path):
        raise IndexMismatchError(f"{path}: there is no such index; build it with astrotl index")
    try:
        with open(note_path(path), encoding="utf-8") as file:
            note: dict[str, Any] = json.load(file)
        if note["format"] != "astrotl-annoy":
            raise KeyError("format")
        if note["format_version"] > NOTE_VERSION:
            raise IndexMismatchError(f"{path}: has a newer format than this astrotl reads; upgrade astrotl")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise IndexMismatchError(
            f"{path}: has no readable {note_path(path)} beside it, without which it cannot be trusted; build it again"
        ) from error
    return note
