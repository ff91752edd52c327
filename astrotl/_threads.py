"""Threads that work side by side, as many as pay on this machine."""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any


@contextmanager
def threads(workers: int | None) -> Iterator[ThreadPoolExecutor]:
    """Open a pool of threads: if no number is given, one more than there are cores, for one that waits for a disk."""
    if workers is not None and workers < 1:
        raise ValueError(f"workers: must be 1 or more, got {workers}")
    count = workers or cores() + 1
    with algebra, ThreadPoolExecutor(count, thread_name_prefix="astrotl") as pool:
        yield pool


def cores() -> int:
    """Count the cores that this process may use, which are fewer than there are in many a queue of a cluster."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


class _SingleThreadedAlgebra:
    """Keeps linear algebra to one thread as long as anybody asks: threads of threads get in each other's way."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pools = 0
        self._limits: Any = None

    def __enter__(self) -> None:
        # threadpoolctl: what scikit-learn and joblib use.
        from threadpoolctl import threadpool_limits

        with self._lock:
            self._pools += 1
            if self._pools == 1:
                self._limits = threadpool_limits(1, user_api="blas")

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._pools -= 1
            if self._pools == 0:
                self._limits.restore_original_limits()


#: As long as any ``with`` of this lasts.
algebra = _SingleThreadedAlgebra()
if hasattr(os, "register_at_fork"):
    # A lock that another thread holds would stay locked in the new process for ever.
    os.register_at_fork(after_in_child=algebra.__init__)  # type: ignore[misc]


@functools.cache
def lasting_pool() -> ThreadPoolExecutor:
    """Give the pool that stays open: what takes less than a thousandth of a second is not worth a pool of its own."""
    return ThreadPoolExecutor(cores(), thread_name_prefix="astrotl-lasting")


if hasattr(os, "register_at_fork"):
    # The threads stay behind in the old process.
    os.register_at_fork(after_in_child=lasting_pool.cache_clear)
