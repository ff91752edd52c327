"""Trainings in processes of their own, on one core each."""

import importlib
import multiprocessing
import os
import time
import warnings
from concurrent.futures import ProcessPoolExecutor

_PROCESSES = 2


def room(name):
    """Give a room of the benchmark."""
    return importlib.import_module(f"tests.benchmarks.learning.{name}")


def teach_all(names):
    """Do all trainings of some rooms, and say how long each took."""
    os.environ["OMP_NUM_THREADS"] = "1"
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(_PROCESSES, mp_context=context, initializer=_one_thread) as pool:
        jobs = [(name, job) for name in names if hasattr(room(name), "jobs") for job in room(name).jobs()]
        for (name, job), seconds in zip(jobs, pool.map(_timed, *zip(*jobs, strict=True)) if jobs else (), strict=True):
            yield name, job, seconds


def _timed(name, job):
    started = time.perf_counter()
    room(name).teach(*job)
    return time.perf_counter() - started


def _one_thread():
    import torch

    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
