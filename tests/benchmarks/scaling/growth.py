"""Vectors of 64 numbers into shards, an index of each, and searches: time and memory from 10^5 to 10^7 objects.

``python -m tests.benchmarks.scaling growth``; each step of each size is a process of its own, and works on two others.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from tests.benchmarks.scaling.extraction import peak

SIZES = (100_000, 1_000_000, 10_000_000)
WORKERS = 2
SHARD = 655_360
QUERIES, K, JUDGED = 200, 10, 50
STEPS = ("store", "index", "search")
HEAD = ("step", "objects", "shards", "seconds", "objects/s", "caller MB", "worker MB", "files MB", "recall")


def rows(sizes=SIZES):
    """Yield a row for each step of each size."""
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            for step in STEPS:
                command = [sys.executable, "-m", __name__, step, str(size), str(Path(folder) / "survey")]
                done = subprocess.run(command, check=True, capture_output=True, text=True)
                yield json.loads(done.stdout.splitlines()[-1])


def store(size, folder, executor):
    """Write the vectors; there are no images to read."""
    from astrotl import extract_features
    from tests.benchmarks.scaling.drawn import AsTheyAre, Vectors

    started = time.perf_counter()
    made = extract_features(Vectors(size), AsTheyAre(), folder, block=4096, shard=SHARD, executor=executor)
    seconds = time.perf_counter() - started
    return made, seconds, f"{size / seconds:.0f}", _megabytes(folder, "*.h5"), ""


def index(size, folder, executor):
    """Build an index of each shard."""
    from astrotl import open_store
    from astrotl.index import ShardedIndex

    kept = open_store(folder)
    started = time.perf_counter()
    built = ShardedIndex.build(kept, metric="euclidean", executor=executor)
    seconds = time.perf_counter() - started
    return kept, seconds, f"{size / seconds:.0f}", _megabytes(folder, "*.ann*"), f"{built.found:.4f}"


def search(size, folder, executor):
    """Ask for the neighbours of some objects, one by one, in this process; the time is that of one question."""
    from astrotl import ExactIndex, open_index, open_store

    kept = open_store(folder)
    found = open_index(kept)
    queries = kept.features(np.sort(np.random.default_rng(1).choice(size, QUERIES, replace=False)))
    times, answers = [], []
    for query in queries:
        started = time.perf_counter()
        answers.append(found.query(query, K)[0][0])
        times.append(time.perf_counter() - started)
    memory = peak()
    true = ExactIndex.build(kept, metric="euclidean").query(queries[:JUDGED], K)[0]
    recall = np.mean([np.isin(a, b).mean() for a, b in zip(true, answers, strict=False)])
    seconds = float(np.median(times))
    return kept, seconds, f"{1 / seconds:.0f}", "", f"{recall:.4f}", memory


def _megabytes(folder, pattern):
    return f"{sum(path.stat().st_size for path in Path(folder).glob(pattern)) / 1e6:.0f}"


def main(step, size, folder):
    """Do one step, and say what it took."""
    from distributed import Client, LocalCluster

    how = {"n_workers": WORKERS, "threads_per_worker": 1, "memory_limit": None, "dashboard_address": ":0"}
    with LocalCluster(**how) as cluster, Client(cluster) as client:
        done = globals()[step](size, folder, client.get_executor(pure=False))
        kept, seconds, rate, written, recall, *memory = done
        workers = f"{max(client.run(peak).values()):.0f}" if step != "search" else ""
    return (
        step if step != "search" else "search, one question",
        f"{size:,}",
        f"{len(kept.shards)}",
        f"{seconds:.0f}" if seconds > 1 else f"{seconds:.4f}",
        rate,
        f"{memory[0] if memory else peak():.0f}",
        workers,
        written,
        recall,
    )


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], int(sys.argv[2]), sys.argv[3])), flush=True)
