"""Lays the objects of a store on a plane, so that those whose features are alike lie near each other."""

from __future__ import annotations

import os
import warnings
from datetime import UTC, datetime
from importlib import metadata

import numpy as np
import numpy.typing as npt
from astropy.table import Table

from astrotl._optional import missing_dependency
from astrotl.labels import align, find_column
from astrotl.store import FeatureStore

__all__ = ["project"]

METHODS = ("pca", "umap")
#: So many vectors are enough to know the main directions of any number.
_SAMPLE = 10_000
#: UMAP looks for neighbours along so many main directions; what lies across them is mostly noise.
_DIRECTIONS = 50
_NEIGHBOURS = 15


def project(
    store: FeatureStore,
    *,
    method: str = "pca",
    labels: Table | None = None,
    column: str | None = None,
    id_column: str | None = None,
    rows: npt.ArrayLike | None = None,
    seed: int = 0,
) -> Table:
    """Give each object of a store a place on a map.

    Only the directions of the feature vectors count, not their lengths, as in an index with its default metric.

    Parameters
    ----------
    store : `~astrotl.FeatureStore`
        The store; objects without features are left out.
    method : {"pca", "umap"}, optional
        ``"pca"`` shows the two main directions of the features, in which distances mean something. ``"umap"`` keeps
        neighbours together and pulls groups apart; distances between groups, and their sizes, mean nothing.
    labels : `~astropy.table.Table`, optional
        What is known of the objects, in any order.
    column : str, optional
        The column of the labels to keep with the places.
    id_column : str, optional
        The labels' column of ids, if it cannot be found.
    rows : array_like of int, optional
        The rows of the store to place, such as a sample of a large one; all if not given.
    seed : int, optional
        The same seed gives the same map.

    Returns
    -------
    `~astropy.table.Table`
        The columns ``id``, ``x`` and ``y``, and with labels ``label``, masked where there is none.

    Examples
    --------
    >>> from astrotl import extract_features, simulate
    >>> from astrotl.learn import project
    >>> from astrotl.sources import ArraySource
    >>> batch, truth = simulate.stamps(60, seed=3)
    >>> store = extract_features(ArraySource(batch.data, ids=batch.ids), "profiles", "galaxies.h5")
    >>> project(store, labels=truth, column="kind").colnames
    ['id', 'x', 'y', 'label']
    """
    if method not in METHODS:
        raise ValueError(f"method: must be one of {', '.join(METHODS)}, got {method!r}")
    if (labels is None) != (column is None):
        raise ValueError("column: goes with labels, and labels with the column to keep")
    known = None if labels is None or column is None else find_column(align(labels, store, id_column), column)
    rows = store.done() if rows is None else np.intersect1d(store.done(), np.asarray(rows, dtype=np.intp))
    if len(rows) < 3:
        raise ValueError(f"store: {len(rows)} objects of {store.path} have features, too few for a map")
    vectors = store.features(rows)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors /= np.where(lengths == 0, 1, lengths)
    points, shares = _main_directions(vectors, 2 if method == "pca" else _DIRECTIONS, seed)
    places = points if method == "pca" else _umap(points, seed)
    table = Table({"id": store.objects(rows)["id"], "x": places[:, 0], "y": places[:, 1]})
    if known is not None:
        table["label"] = known[rows]
    table.meta["astrotl"] = {
        "map": method,
        "shares": [round(float(share), 4) for share in shares[:2]] if method == "pca" else None,
        "column": column,
        "seed": seed,
        "store": {"file": os.path.basename(store.path), "uuid": store.uuid},
        "extractor": store.provenance.get("extractor"),
        "version": metadata.version("astrotl"),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    return table


def _main_directions(vectors: np.ndarray, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Give the coordinates along the main directions of a sample, and which share of all differences each holds."""
    sample = vectors
    if len(vectors) > _SAMPLE:
        sample = vectors[np.sort(np.random.default_rng(seed).choice(len(vectors), _SAMPLE, replace=False))]
    middle = sample.mean(axis=0, dtype=np.float64)
    away = sample - middle
    held, directions = np.linalg.eigh(away.T @ away)
    held, directions = held[::-1], directions[:, ::-1][:, :count]
    # An eigenvector has no sign of its own; its largest entry is made positive, so that a map is never mirrored.
    largest = directions[np.abs(directions).argmax(axis=0), np.arange(directions.shape[1])]
    directions = directions * np.where(largest < 0, -1, 1)
    return vectors @ directions.astype(np.float32) - (middle @ directions).astype(np.float32), held[:count] / max(
        held.sum(), 1e-30
    )


def _umap(points: np.ndarray, seed: int) -> np.ndarray:
    with warnings.catch_warnings():
        # What it says of packages that are not there, and of its threads, is for nobody here.
        warnings.simplefilter("ignore")
        try:
            import umap
        except ModuleNotFoundError as error:
            raise missing_dependency(error, "a map by umap") from error
        # It starts from the two main directions, so that a map is the same on every machine and never turned.
        made = umap.UMAP(
            n_neighbors=min(_NEIGHBOURS, len(points) - 1), init=points[:, :2], random_state=seed, n_jobs=1
        ).fit_transform(points)
    return np.asarray(made, dtype=np.float64)
