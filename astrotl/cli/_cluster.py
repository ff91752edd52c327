"""Where the work of a command is done: on this process's threads, on local processes, or on a Dask cluster."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar

import click

from astrotl._optional import missing_dependency
from astrotl.errors import first_line

F = TypeVar("F", bound=Callable[..., Any])


def cluster_options(function: F) -> F:
    """Add --scheduler and --workers to a command."""
    scheduler = click.option(
        "--scheduler",
        metavar="ADDRESS|FILE|local",
        help="Do the work on this Dask cluster, or on local processes.",
    )
    workers = click.option(
        "--workers",
        type=click.IntRange(1),
        help="The number of threads, by default one more than cores; with --scheduler local, of processes.",
    )
    return scheduler(workers(function))


@contextmanager
def at_work(scheduler: str | None, workers: int | None) -> Iterator[dict[str, Any]]:
    """Give the keywords ``workers``, ``executor`` and ``window`` that have the work done there."""
    if scheduler is None:
        yield {"workers": workers}
        return
    with ExitStack() as stack:
        client = stack.enter_context(_client(scheduler, workers, stack))
        threads = client.nthreads()
        # A cluster whose workers still stand in the queue is no mistake: the work waits for them.
        click.echo(f"{len(threads):,} workers so far, dashboard: {client.dashboard_link}", err=True)
        # The same task is not the same work: it writes files, which may since be gone.
        yield {"executor": client.get_executor(pure=False), "window": max(16, 2 * sum(threads.values()))}


def _client(scheduler: str, workers: int | None, stack: ExitStack) -> Any:
    try:
        from distributed import Client, LocalCluster
    except ModuleNotFoundError as error:
        raise missing_dependency(error, "scheduler") from error
    # What it says of a lost scheduler, or of an error in a worker, fills a screen; the command says it in a line.
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    if scheduler == "local":
        with warnings.catch_warnings():
            # Where the usual port of the dashboard is taken it has another one, which is said in any case.
            warnings.filterwarnings("ignore", message="Port")
            cluster = LocalCluster(n_workers=workers, threads_per_worker=1, silence_logs=logging.CRITICAL)
        return Client(stack.enter_context(cluster))
    if workers is not None:
        raise ValueError("workers: goes with --scheduler local; a cluster has the workers that it has")
    try:
        if os.path.exists(scheduler):
            return Client(scheduler_file=scheduler)
        return Client(scheduler)
    # AssertionError, KeyError: what Dask says of a file that no scheduler has written.
    except (OSError, ValueError, AssertionError, KeyError) as error:
        raise ValueError(
            f"scheduler: nobody answers at {scheduler} ({first_line(error)}); start one with: dask scheduler"
        ) from error
