"""On a Dask cluster: the same features, whoever dies meanwhile."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress

import numpy as np
import pytest

from astrotl import extract_features, open_source, open_store, simulate
from astrotl.errors import AstrotlError
from astrotl.store import is_store

distributed = pytest.importorskip("distributed", reason="needs the extra dask")

# What Dask itself leaves behind when a process of its is killed.
pytestmark = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL"),
]


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    path = tmp_path_factory.mktemp("images") / "stack.npy"
    np.save(path, np.tile(simulate.stamps(50, size=32, seed=3)[0].data, (40, 1, 1, 1)))
    return path


@pytest.fixture(scope="module")
def whole(stack, tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "f.h5"
    return extract_features(open_source(stack), "profiles", path, block=16, workers=1).features()


class Cluster:
    """A scheduler and workers, each a process of its own, as on the nodes of a cluster."""

    def __init__(self, folder, workers):
        self.file = folder / "scheduler.json"
        command = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0"]
        self.scheduler = self._start([*command, "--no-dashboard", "--scheduler-file", self.file])
        command = [
            sys.executable,
            "-m",
            "distributed.cli.dask_worker",
            "--scheduler-file",
            self.file,
            "--nthreads",
            "1",
        ]
        self.nannies = [self._start([*command, "--no-dashboard"]) for _ in range(workers)]
        self.client = distributed.Client(scheduler_file=self.file)
        self.client.wait_for_workers(workers, timeout=60)
        self.executor = self.client.get_executor(pure=False)

    def _start(self, command):
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=self.file.parent)

    def worker_pids(self):
        return list(self.client.run(os.getpid).values())

    def close(self):
        self.client.close(timeout=1)
        for process in (*self.nannies, self.scheduler):
            process.terminate()
        for process in (*self.nannies, self.scheduler):
            process.wait(30)


@pytest.fixture(scope="module")
def four(tmp_path_factory):
    cluster = Cluster(tmp_path_factory.mktemp("cluster"), 4)
    yield cluster
    cluster.close()


def _wait_for(happened, seconds=60):
    until = time.monotonic() + seconds
    while not happened() and time.monotonic() < until:
        time.sleep(0.002)


def _count_done(path):
    return open_store(path).count_done() if is_store(path) else 0


@pytest.mark.parametrize("shard", [None, 320])
def test_four_workers_give_the_same_features_byte_by_byte(stack, whole, four, tmp_path, shard):
    path = tmp_path / "features"
    store = extract_features(open_source(stack), "profiles", path, block=16, shard=shard, executor=four.executor)
    assert store.features().tobytes() == whole.tobytes()


def test_the_dashboard_says_what_is_being_done(stack, four, tmp_path):
    source = open_source(stack)
    extract_features(source[:64], "profiles", tmp_path / "f.h5", executor=four.executor)
    extract_features(source[:64], "profiles", tmp_path / "survey", shard=64, executor=four.executor)
    prefixes = four.client.run_on_scheduler(lambda dask_scheduler: list(dask_scheduler.task_prefixes))
    assert {"extract_block", "extract_shard"} <= set(prefixes)


@pytest.mark.torch
def test_a_worker_loads_the_network_once(stack, four, tmp_path):
    pytest.importorskip("timm", reason="needs the extra torch")
    source, address = open_source(stack), next(iter(four.client.run(os.getpid)))
    alone = four.client.get_executor(pure=False, workers=[address])
    extract_features(source[:48], "efficientnet-lite0", tmp_path / "a.h5", block=8, executor=alone)
    extract_features(source[:48], "efficientnet-lite0", tmp_path / "b", block=8, shard=16, executor=alone)

    def loaded():
        import gc

        from astrotl.extractors import Extractor

        return [type(thing).__name__ for thing in gc.get_objects() if isinstance(thing, Extractor)]

    (names,) = four.client.run(loaded, workers=[address]).values()
    assert names.count("EfficientNetLite0") == 1, names


@pytest.mark.parametrize("shard", [None, 320])
def test_a_worker_killed_in_the_middle_costs_nothing(stack, whole, four, tmp_path, shard):
    path = tmp_path / "features"
    killed = []

    def kill():
        _wait_for(lambda: _count_done(path) > 100)
        os.kill(four.worker_pids()[0], signal.SIGKILL)
        killed.append(_count_done(path))

    killer = threading.Thread(target=kill)
    killer.start()
    store = extract_features(open_source(stack), "profiles", path, block=16, shard=shard, executor=four.executor)
    killer.join()
    assert 100 < killed[0] < 2000
    assert store.features().tobytes() == whole.tobytes()
    four.client.wait_for_workers(4, timeout=60)


@pytest.mark.parametrize("shard", [[], ["--shard", "320"]])
def test_the_caller_killed_in_the_middle_the_same_command_does_the_rest(stack, whole, four, tmp_path, shard):
    path = tmp_path / "features"
    command = [sys.executable, "-m", "astrotl", "extract", stack, "--extractor", "profiles", "--block", "16", *shard]
    command += ["--scheduler", four.file, "-o", path]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as caller:
        _wait_for(lambda: _count_done(path) > 100)
        caller.kill()
    assert caller.returncode == -signal.SIGKILL
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert re.search(r"features: 2,000 x 28 features", done.stdout)
    assert open_store(path).features().tobytes() == whole.tobytes()


@pytest.mark.parametrize("shard", [None, 320])
def test_a_scheduler_that_dies_leaves_a_store_that_goes_on(stack, whole, tmp_path, shard):
    cluster = Cluster(tmp_path, 1)
    path = tmp_path / "features"

    def kill():
        _wait_for(lambda: _count_done(path) > 100)
        cluster.scheduler.kill()

    killer = threading.Thread(target=kill)
    killer.start()
    source = open_source(stack)
    try:
        with pytest.raises(AstrotlError, match=r"the work was dropped .*what was done is kept"):
            extract_features(source, "profiles", path, block=16, shard=shard, executor=cluster.executor, window=4)
    finally:
        killer.join()
        cluster.close()
    assert 100 < _count_done(path) < 2000
    store = extract_features(source, "profiles", path, block=16, shard=shard)
    assert store.features().tobytes() == whole.tobytes()


def test_local_processes_serve_from_the_command_line(stack, whole, tmp_path):
    command = [sys.executable, "-m", "astrotl", "extract", stack, "--extractor", "profiles", "--block", "16"]
    command += ["--scheduler", "local", "--workers", "2", "--shard", "320", "-o", tmp_path / "survey"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert "2 workers so far, dashboard: http://" in done.stderr
    assert open_store(tmp_path / "survey").features().tobytes() == whole.tobytes()


def test_a_mistake_that_a_worker_finds_is_one_line(stack, tmp_path):
    command = [
        sys.executable,
        "-m",
        "astrotl",
        "extract",
        stack,
        "--extractor",
        "pixels",
        "--step",
        "crop-centre:size=16",
    ]
    command += ["--scheduler", "local", "--workers", "1", "--shard", "320", "-o", tmp_path / "survey"]
    with socket.socket() as taken:
        # Somebody else's dashboard, if there is not one already.
        with suppress(OSError):
            taken.bind(("", 8787))
            taken.listen()
        done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 1
    *lines, last = done.stderr.splitlines()
    assert last.startswith("astrotl: error: images: Pixels expects values from 0 to 1, got")
    assert len(lines) == 2, done.stderr


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["--scheduler", "tcp://127.0.0.1:1"], "scheduler: nobody answers at tcp://127.0.0.1:1"),
        (["--scheduler", "nonsense"], "scheduler: nobody answers at nonsense"),
        (["--scheduler", __file__], "scheduler: nobody answers at"),
        (["--scheduler", "tcp://127.0.0.1:1", "--workers", "2"], "workers: goes with --scheduler local"),
    ],
)
def test_a_scheduler_that_does_not_answer_is_said_in_a_line(stack, tmp_path, asked, said):
    command = [
        sys.executable,
        "-m",
        "astrotl",
        "extract",
        stack,
        *asked,
        "-o",
        tmp_path / "f.h5",
        "--extractor",
        "pixels",
    ]
    environment = os.environ | {"DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "1s"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 1
    assert said in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
