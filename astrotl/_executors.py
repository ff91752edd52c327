"""Work handed to an executor, a few tasks ahead, and taken back as it is finished."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Executor, Future, wait
from itertools import islice
from typing import Any, TypeVar

from astrotl.errors import AstrotlError

K = TypeVar("K")


def finished(
    executor: Executor,
    function: Callable[..., Any],
    tasks: Iterable[tuple[K, tuple[Any, ...]]],
    window: int,
    described: Callable[[K], str],
) -> Iterator[tuple[K, Any]]:
    """Yield the key and the result of each task as it is finished, while ``window`` of them are handed out.

    An error keeps its kind and gains a note of what was being done, by ``described`` of the task's key.
    """
    waiting = iter(tasks)
    flying: dict[Future[Any], K] = {}
    try:
        while True:
            for key, given in islice(waiting, window - len(flying)):
                flying[executor.submit(function, *given)] = key
            if not flying:
                return
            done = wait(flying, return_when=FIRST_COMPLETED).done
            for future in [future for future in flying if future in done]:
                key = flying.pop(future)
                try:
                    result = future.result()
                except (CancelledError, BrokenExecutor) as error:
                    raise AstrotlError(
                        f"the work was dropped {described(key)}: the executor, its scheduler or one of its processes "
                        f"is gone ({type(error).__name__}); what was done is kept, and the same call does the rest"
                    ) from error
                except Exception as error:
                    error.add_note(described(key))
                    raise
                yield key, result
    finally:
        for future in flying:
            future.cancel()
