"""Search in shards beside one file of the same vectors: how long it takes, and what it finds.

``python -m tests.benchmarks.scaling.search [--shards N] [--each N] [--folder FOLDER]``
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

import numpy as np

from tests.benchmarks.speed.neighbours import features

SHARDS, EACH, DIM = 16, 62_500, 64
K, ROUNDS, ALONE, AT_ONCE, JUDGED = 10, 9, 100, 1000, 500
HEAD = ("index", "objects", "build s", "files MB", "recall", "one query ms", "1,000 queries s")


def rows(shards=SHARDS, each=EACH, folder=None):
    """Yield a row for one index of all vectors, one for an index of each shard, and their ratio."""
    with tempfile.TemporaryDirectory(dir=folder) as made:
        stores = write(Path(made), shards, each)
        yield from measured(stores)


def write(folder, shards, each):
    """Write the same vectors into one store and into shards, a shard's at a time."""
    from astrotl import FeatureStore
    from astrotl.store import Shard, ShardedStore

    ids = np.char.mod("%010d", np.arange(shards * each))
    one = FeatureStore.open_or_create(folder / "one.h5", ids, DIM, {})
    plan = [Shard(f"shard-{number:05}.h5", each) for number in range(shards)]
    survey = ShardedStore.open_or_create(folder / "survey", DIM, 256, plan, {})
    for number in range(shards):
        vectors = features(each, DIM, seed=10 + number)
        rows_ = np.arange(number * each, (number + 1) * each)
        one.write(rows_, vectors)
        path, uuid = survey.path_of(number), survey.uuid_of(number)
        FeatureStore.open_or_create(path, ids[rows_], DIM, {}, uuid=uuid).write(rows_ - rows_[0], vectors)
    return one, survey


def measured(stores):
    """Build an index of each, and ask both the same in turn, round by round."""
    from astrotl import AnnoyIndex
    from astrotl.index import ShardedIndex

    one, survey = stores
    kinds = (("one file", AnnoyIndex, one, {"jobs": os.cpu_count()}), ("shards", ShardedIndex, survey, {}))
    indexes, building = {}, {}
    for name, kind, store, settings in kinds:
        started = time.perf_counter()
        indexes[name] = kind.build(store, **settings)
        building[name] = time.perf_counter() - started
    queries = features(AT_ONCE, DIM, seed=3)
    found, alone, at_once = {}, {name: [] for name in indexes}, {name: [] for name in indexes}
    for _ in range(ROUNDS):
        for name, index in indexes.items():
            alone[name].append([_seconds(index.query, query, K)[0] for query in queries[:ALONE]])
        for name, index in indexes.items():
            seconds, found[name] = _seconds(index.query, queries, K)
            at_once[name].append(seconds)
    # Other work can only add to a time, so each query's best round counts.
    one_query = {name: np.median(np.min(times, axis=0)) for name, times in alone.items()}
    many = {name: np.min(times) for name, times in at_once.items()}
    # Those of all shards are the true ones of the file as well.
    true = indexes["shards"]._true(queries[:JUDGED].copy(), K)
    for name, index in indexes.items():
        recall = np.mean([np.isin(a, b).mean() for a, b in zip(true, found[name][0][:JUDGED], strict=True)])
        yield (
            name if name == "one file" else f"{len(survey.shards)} shards",
            f"{len(index):,}",
            f"{building[name]:.0f}",
            f"{_megabytes(index):.0f}",
            f"{recall:.4f}",
            f"{1e3 * one_query[name]:.2f}",
            f"{many[name]:.2f}",
        )
    ratios = (times["shards"] / times["one file"] for times in (building, one_query, many))
    build, *asked = (f"{ratio:.2f}" for ratio in ratios)
    yield ("ratio", "", build, "", "", *asked)


def _seconds(call, *given):
    started = time.perf_counter()
    answer = call(*given)
    return time.perf_counter() - started, answer


def _megabytes(index):
    path = Path(index.path)
    files = path.parent.glob(f"{path.name}*") if path.suffix == ".ann" else path.parent.glob("*.ann*")
    return sum(file.stat().st_size for file in files) / 1e6


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shards", type=int, default=SHARDS)
    parser.add_argument("--each", type=int, default=EACH, help="how many vectors a shard holds")
    parser.add_argument("--folder", help="where the files are written; by default the system's place for such")
    print("  ".join(HEAD), flush=True)
    for row in rows(**vars(parser.parse_args())):
        print("  ".join(row), flush=True)
