"""The look-alikes of one or many objects."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from astropy.table import Table, vstack

from astrotl.extract import features_like
from astrotl.index import Index
from astrotl.sources import ImageSource, open_source, parse_inputs
from astrotl.store import FeatureStore
from astrotl.tasks.base import Column, Task

__all__ = ["Similar"]


@dataclass(frozen=True)
class Similar(Task):
    """Find the objects that look most like one or many others.

    Parameters
    ----------
    query : str, int, sequence of them, or ImageSource
        What to look for: an id, a row number, or an image file that is not in the store (one with all bands, or
        BAND=FILE for each band).
    k : int, optional
        How many look-alikes of each.
    include_query : bool, optional
        Whether an object of the store may be its own look-alike.

    Examples
    --------
    >>> from astrotl import ExactIndex, FeatureStore, Similar
    >>> store = FeatureStore.open_or_create("similar.h5", ["a", "b", "c"], 2, {})
    >>> store.write([0, 1, 2], [[0, 1], [1, 2], [3, 0]])
    >>> table = Similar("a", k=1).run(ExactIndex.build(store))
    >>> print(table["query", "rank", "id"])
    query rank  id
    ----- ---- ---
        a    1   b
    """

    query: str | int | Sequence[str | int] | ImageSource
    k: int = 16
    include_query: bool = False

    example: ClassVar[str] = "--query M51,NGC4321 -k 16 -o similar.ecsv --plot similar.png"
    columns: ClassVar[tuple[Column, ...]] = (
        Column("query", "str", "what was looked for"),
        Column("rank", "int", "1 is the most alike"),
        Column("id", "str", "the look-alike"),
        Column("distance", "float", "how far apart they are in the feature space"),
        Column("ra", "float", "right ascension of the look-alike", unit="deg", optional=True),
        Column("dec", "float", "declination of the look-alike", unit="deg", optional=True),
    )

    def __post_init__(self) -> None:
        if self.k < 1:
            raise ValueError(f"k: must be 1 or more, got {self.k}")

    def _run(self, index: Index, labels: Table | None) -> Table:
        names, vectors, own = self._queries(index.store)
        rows, distances = index.query(vectors, self.k + (not self.include_query))
        return vstack([self._answer(index.store, *one) for one in zip(names, rows, distances, own, strict=True)])

    def _answer(self, store: FeatureStore, name: str, rows: np.ndarray, distances: np.ndarray, own: int) -> Table:
        if not self.include_query:
            others = rows != own
            rows, distances = rows[others], distances[others]
        rows, distances = rows[: self.k], distances[: self.k]
        table = store.objects(rows)
        table.add_column(np.full(len(rows), name), index=0, name="query")
        table.add_column(np.arange(1, len(rows) + 1), index=1, name="rank")
        table.add_column(distances, index=3, name="distance")
        return table

    def _queries(self, store: FeatureStore) -> tuple[list[str], np.ndarray, list[int]]:
        """Gather the names and vectors of the queries, and their own rows, -1 for those that are not in the store."""
        if isinstance(self.query, ImageSource):
            return self.query.ids.tolist(), features_like(store, self.query), [-1] * len(self.query)
        wanted = [self.query] if isinstance(self.query, (str, int, np.integer)) else list(self.query)
        if not wanted:
            raise ValueError("query: there is none")
        names: list[str] = []
        vectors: list[np.ndarray] = []
        own: list[int] = []
        files: list[str] = []
        for query in wanted:
            if isinstance(query, str) and _is_file(query) and query not in store:
                files.append(query)
                continue
            row = store.row_of(query) if isinstance(query, str) else _checked_row(store, int(query))
            names.append(str(store.objects([row])["id"][0]))
            vectors.append(_done_features(store, row))
            own.append(row)
        if files:
            source = _open_like(store, files)
            names += source.ids.tolist()
            vectors += list(features_like(store, source))
            own += [-1] * len(source)
        return names, np.array(vectors), own


def _is_file(query: str) -> bool:
    path = query.partition("=")[2] or query
    return os.path.exists(query) or os.path.exists(path) or bool(glob.has_magic(path) and glob.glob(path))


def _open_like(store: FeatureStore, files: list[str]) -> ImageSource:
    """Open new images as the store's own were: the same bands, the same size in pixels."""
    source: dict[str, Any] = store.provenance["source"]
    height, width = np.broadcast_to(source["size"], 2).tolist()
    return open_source(parse_inputs(files), bands=source["channels"], size=height if height == width else None)


def _checked_row(store: FeatureStore, row: int) -> int:
    if not 0 <= row < len(store):
        raise ValueError(f"query: {store.path} has the rows 0 to {len(store) - 1}, not {row}")
    return row


def _done_features(store: FeatureStore, row: int) -> np.ndarray:
    vector = store.features([row])[0]
    if not np.isfinite(vector).all():
        name = str(store.objects([row])["id"][0])
        raise ValueError(f"query: {name!r} has no features in {store.path}; astrotl info {store.path} says why")
    return np.asarray(vector)
