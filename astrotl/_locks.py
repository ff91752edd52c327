"""One writer at a time, one thread at a time."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from astrotl.errors import StoreError

try:
    import fcntl
except ModuleNotFoundError:
    fcntl = None  # type: ignore[assignment]


@contextmanager
def locked(path: str | os.PathLike[str], *, wait: bool = False) -> Iterator[None]:
    """Be the only one who has locked a file or a folder as long as this context lasts; another process is refused.

    With ``wait`` it waits instead. Where the system or the file system has no such locks, nothing is excluded.
    """
    if fcntl is None:
        yield
        return
    while True:
        file = _opened(path)
        try:
            _lock(file, path, wait)
            # While it was waited for, another file may have come in its place, whose lock is another one.
            if os.path.samestat(os.fstat(file), os.stat(path)):
                yield
                return
        finally:
            os.close(file)


def _opened(path: str | os.PathLike[str]) -> int:
    try:
        # NFS locks only what is opened to be written.
        return os.open(path, os.O_RDWR)
    except OSError:
        # A folder can be locked too, but not be opened like that, nor a file that may only be read.
        return os.open(path, os.O_RDONLY)


def _lock(file: int, path: str | os.PathLike[str], wait: bool) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError as error:
        raise StoreError(f"{path}: is being written by another process; wait for it to end") from error
    except OSError as error:
        # The shared disks of some clusters have none.
        if error.errno not in (errno.EBADF, errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP):
            raise


class Turns:
    """Lets in one thread at a time, which may come in again; a forked process, where that thread is gone, is free."""

    def __init__(self) -> None:
        self._renew()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._renew)

    def _renew(self) -> None:
        self._lock = threading.RLock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()
