"""A forest grown over a store's vectors, and how much of it has to be looked through."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import annoy
import numpy as np

from astrotl._threads import threads
from astrotl.index._files import save
from astrotl.index._scan import likely_squares, nearest
from astrotl.index._vectors import BLOCK, Projection, Vectors

#: Building settles how much is looked through, so that this part of the nearest of a sample is found.
RECALL, NEAREST, SAMPLE = 0.994, 10, 128


class Plan(NamedTuple):
    """How a forest is grown: over which few numbers, and of how many trees."""

    projection: Projection
    trees: int
    seed: int

    def grow(
        self,
        vectors: Vectors,
        path: str,
        *,
        jobs: int = 1,
        at_once: int = 0,
        progress: Callable[..., Any] | None = None,
        **marks: Any,
    ) -> None:
        """Grow the forest over the vectors, find out what effort it asks for, and write it.

        The points are kept beside it if they are no more than ``at_once`` for each node that is looked into.
        """
        with threads(None) as pool:
            points = _points(vectors, self.projection, pool, progress)
        forest = annoy.AnnoyIndex(points.shape[1] - 1, "euclidean")
        forest.set_seed(self.seed)
        for number, point in enumerate(points[:, :-1]):
            # Annoy takes the numbers one by one, and those of a list several times as fast.
            forest.add_item(number, point.tolist())
        forest.build(self.trees, n_jobs=jobs)
        candidates, nodes = _effort(vectors, self.projection, points, forest, self.trees, self.seed)
        note = {
            "metric": vectors.metric,
            "dim": vectors.store.shape[1],
            "n": len(vectors),
            "forest": "euclidean",
            "points": points.shape[1] - 1,
            "trees": self.trees,
            "seed": self.seed,
            "candidates": candidates,
            "nodes": nodes,
            "store": vectors.store.uuid,
            **marks,
        }
        arrays = {name: array for name, array in self.projection._asdict().items() if array is not None}
        if len(points) <= at_once * nodes:
            arrays["points"] = points
        save(forest, path, note, arrays)


def _points(
    vectors: Vectors, projection: Projection, pool: ThreadPoolExecutor, progress: Callable[..., Any] | None
) -> np.ndarray:
    """Read all vectors, block by block, and give the few numbers that stand for each."""
    width = vectors.store.shape[1] if projection.directions is None else len(projection.directions)
    points = np.empty((len(vectors), width + 1), dtype=np.float32)

    def fill(start: int) -> int:
        block = points[start : start + BLOCK]
        block[:] = projection.points(vectors[start : start + BLOCK])
        return len(block)

    bar = progress(total=len(vectors), unit="obj") if progress else None
    for count in pool.map(fill, range(0, len(vectors), BLOCK)):
        if bar is not None:
            bar.update(count)
    if bar is not None:
        bar.close()
    return points


def _effort(
    vectors: Vectors, projection: Projection, points: np.ndarray, forest: annoy.AnnoyIndex, trees: int, seed: int
) -> tuple[int, int]:
    """Find how many candidates and nodes are needed, which for data of some kind and number nobody knows beforehand."""
    sample = vectors.sample(SAMPLE, seed)
    queries = vectors[sample]
    # Each object finds itself, which is no merit.
    true = nearest(vectors, queries, min(NEAREST + 1, len(vectors)))[0][:, 1:]
    if not true.size:
        return 2 * NEAREST, trees
    ranks = []
    for query, places in zip(projection.reduced(queries), true, strict=True):
        squares = likely_squares(points, query[None])[0]
        ranks.append(np.searchsorted(np.sort(squares), squares[places], side="right"))
    # Half of what may be missed is missed here, the other half in the trees.
    candidates = max(2 * NEAREST, math.ceil(np.quantile(ranks, (1 + RECALL) / 2)))
    nodes = 50 * trees
    while nodes < len(vectors):
        found = [forest.get_nns_by_item(place, candidates, nodes) for place in sample.tolist()]
        if np.mean([np.isin(a, b).mean() for a, b in zip(true, found, strict=True)]) >= RECALL:
            break
        nodes += nodes // 3
    return candidates, nodes
