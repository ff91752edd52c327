"""Keeps what took long to open or unpack for the next block of this process."""

from __future__ import annotations

import mmap
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable

import numpy as np


def _memory() -> int:
    """Give the machine's memory in bytes; where it cannot be asked, that of a small one."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return 8 * 2**30


#: How much is kept in memory: a block of three bands needs three images at once, and is not to unpack them each time.
_BYTES = min(_memory() // 8, 4 * 2**30)
#: A mapped file takes no memory, but counts as this part of it: the system lets a process open only so many.
_MAPS = 128


class Kept:
    """The arrays used last, for all threads; of those that wait for the same array one makes it.

    An array goes by its key and by the state of its file: once that has changed, it is made anew.
    """

    def __init__(self) -> None:
        self._arrays: OrderedDict[Hashable, tuple[Hashable, np.ndarray, int]] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()
        self._making = [threading.Lock() for _ in range(64)]

    def get(self, key: Hashable, state: Hashable, make: Callable[[], np.ndarray]) -> np.ndarray:
        """Give the array, made now if it is not there."""
        with self._lock:
            found = self._found(key, state)
        if found is not None:
            return found
        with self._making[hash(key) % len(self._making)]:
            with self._lock:
                found = self._found(key, state)
            if found is not None:
                return found
            array = make()
            with self._lock:
                self._keep(key, state, array)
        return array

    def _found(self, key: Hashable, state: Hashable) -> np.ndarray | None:
        entry = self._arrays.get(key)
        if entry is None or entry[0] != state:
            return None
        self._arrays.move_to_end(key)
        return entry[1]

    def _keep(self, key: Hashable, state: Hashable, array: np.ndarray) -> None:
        if key in self._arrays:
            self._bytes -= self._arrays.pop(key)[2]
        size = _BYTES // _MAPS if _is_mapped(array) else array.nbytes
        self._arrays[key] = state, array, size
        self._bytes += size
        while len(self._arrays) > 1 and self._bytes > _BYTES:
            self._bytes -= self._arrays.popitem(last=False)[1][2]


def _is_mapped(array: np.ndarray) -> bool:
    """Say whether the pixels lie in a file rather than in memory."""
    base: object = array
    while isinstance(base, np.ndarray):
        base = base.base
    return isinstance(base, mmap.mmap)


kept = Kept()
if hasattr(os, "register_at_fork"):
    # A lock that another thread holds would stay locked in the new process for ever.
    os.register_at_fork(after_in_child=kept.__init__)  # type: ignore[misc]
