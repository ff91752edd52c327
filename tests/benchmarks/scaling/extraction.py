"""Images into a sharded store, on a Dask cluster of local processes: rate and memory, of the caller and the workers.

``python -m tests.benchmarks.scaling extraction``
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SIZES = (10_000, 100_000, 1_000_000)
WORKERS = 2
SHARD = 65_536
#: Dask kills a worker that comes near to this.
LIMIT = "1GB"
HEAD = ("stamps", "shards", "seconds", "stamps/s", "caller MB", "worker MB", "store MB")


def rows(sizes=SIZES):
    """Yield a row for each number of stamps, each by a caller of its own."""
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-m", __name__, str(size), str(Path(folder) / "survey")]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
        yield json.loads(done.stdout.splitlines()[-1])


def extract(size, folder):
    """Extract the stamps, and say what that took."""
    from distributed import Client, LocalCluster

    from astrotl import extract_features
    from tests.benchmarks.scaling.drawn import Stamps

    with (
        LocalCluster(n_workers=WORKERS, threads_per_worker=1, memory_limit=LIMIT, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        began = client.run(os.getpid)
        started = time.perf_counter()
        store = extract_features(
            Stamps(size), "profiles", folder, shard=SHARD, executor=client.get_executor(pure=False)
        )
        seconds = time.perf_counter() - started
        workers = client.run(peak)
        assert store.count_done() == size
        assert client.run(os.getpid) == began, "a worker had too little memory and was begun anew"
    written = sum(os.path.getsize(store.path_of(number)) for number in range(len(store.shards)))
    return (
        f"{size:,}",
        f"{len(store.shards)}",
        f"{seconds:.0f}",
        f"{size / seconds:.0f}",
        f"{peak():.0f}",
        f"{max(workers.values()):.0f}",
        f"{written / 1e6:.0f}",
    )


def peak():
    """Give the most memory that this process ever had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    print(json.dumps(extract(int(sys.argv[1]), sys.argv[2])))
