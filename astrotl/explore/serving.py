"""Serves the page on this machine, and says at which address."""

from __future__ import annotations

import contextlib
import getpass
import os
import secrets
import socket
import webbrowser
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from astropy.table import Table

from astrotl._optional import missing_dependency
from astrotl.explore.judging import default_path
from astrotl.sources import ImageSource
from astrotl.store import FeatureStore, open_store
from astrotl.tables import read_table

if TYPE_CHECKING:
    from astrotl.explore.guarding import Guard

__all__ = ["explore", "make_app"]

Path = str | os.PathLike[str]


def make_app(
    store: FeatureStore | Path,
    results: Table | Path | None = None,
    *,
    token: str,
    source: ImageSource | None = None,
    labels: Path | None = None,
    classes: Sequence[str] = (),
    by: str | None = None,
    host: str = "127.0.0.1",
) -> Guard:
    """Make the page's application, to be served by any ASGI server.

    Parameters
    ----------
    store : `~astrotl.FeatureStore` or path
        The features.
    results : `~astropy.table.Table` or path, optional
        What a task has answered: its columns are shown, and its order is the first one.
    token : str
        The secret without which nobody is let in.
    source : `~astrotl.sources.ImageSource`, optional
        The images; without them the page has no pictures.
    labels : path, optional
        Where labels are kept; by default beside the store.
    classes : sequence of str, optional
        What else an object may be called than interesting, artefact and boring.
    by : str, optional
        Who judges; by default the user's name.
    host : str, optional
        The address that is served.
    """
    try:
        from astrotl.explore.app import guarded
    except ModuleNotFoundError as error:
        raise missing_dependency(error, "the page in the browser") from error
    from astrotl.explore.desk import LABELS, Desk

    if not token:
        raise ValueError("token: must not be empty")
    for name in classes:
        if not name.strip() or name in LABELS or list(classes).count(name) > 1:
            raise ValueError(f"classes: each must be another word than {', '.join(LABELS)}, got {name!r}")
    opened = store if isinstance(store, FeatureStore) else open_store(store)
    table = results if results is None or isinstance(results, Table) else read_table(results)
    title = os.path.basename(os.path.abspath(opened.path))
    if results is not None and not isinstance(results, Table):
        title += f" · {os.path.basename(results)}"
    kept = default_path(opened) if labels is None else os.fspath(labels)
    desk = Desk(opened, table, source, kept, classes=classes, by=_user() if by is None else by, title=title)
    return guarded(desk, token, host)


def explore(
    store: FeatureStore | Path,
    results: Table | Path | None = None,
    *,
    source: ImageSource | None = None,
    labels: Path | None = None,
    classes: Sequence[str] = (),
    by: str | None = None,
    port: int = 0,
    host: str = "127.0.0.1",
    browser: bool = True,
    said: Callable[[str], Any] = print,
) -> None:
    """Look at a store in the browser, and judge its objects, until stopped by Ctrl-C.

    Parameters
    ----------
    store : `~astrotl.FeatureStore` or path
        The features.
    results : `~astropy.table.Table` or path, optional
        What a task has answered: its columns are shown, and its order is the first one.
    source : `~astrotl.sources.ImageSource`, optional
        The images; by default those from which the store was made. Where they are gone, the page has no pictures.
    labels : path, optional
        Where labels are kept; by default beside the store, ``features.labels.ecsv`` for ``features.h5``.
    classes : sequence of str, optional
        What else an object may be called than interesting, artefact and boring.
    by : str, optional
        Who judges; by default the user's name.
    port : int, optional
        The port; by default any that is free.
    host : str, optional
        The address that is served. Any other than 127.0.0.1 lets other machines in, if they know the secret.
    browser : bool, optional
        Whether to open the page in the browser.
    said : callable, optional
        What is called with each line that there is to say, the address first.

    Examples
    --------
    >>> from astrotl.explore import explore
    >>> explore("features.h5", "weird.ecsv")  # doctest: +SKIP
    http://127.0.0.1:34567/?token=...
    """
    if not 0 <= port <= 65535:
        raise ValueError(f"port: must be 0 to 65535, got {port}")
    try:
        import uvicorn
    except ModuleNotFoundError as error:
        raise missing_dependency(error, "the page in the browser") from error
    opened = store if isinstance(store, FeatureStore) else open_store(store)
    if source is None:
        source = _originals(opened, said)
    token = secrets.token_urlsafe(24)
    app = make_app(opened, results, source=source, labels=labels, classes=classes, by=by, token=token, host=host)
    try:
        listening = _listen(host, port)
    except OSError as error:
        raise ValueError(f"port: {port} of {host} cannot be had ({error.strerror or error})") from error
    with listening:
        name = f"[{host}]" if ":" in host else host
        address = f"http://{name}:{listening.getsockname()[1]}/?token={token}"
        said(address)
        if browser:
            webbrowser.open(address)
        settings = uvicorn.Config(app, log_level="warning", access_log=False, server_header=False, ws="none")
        # Ctrl-C is the way to end it, and no mistake.
        with contextlib.suppress(KeyboardInterrupt):
            uvicorn.Server(settings).run(sockets=[listening])


def _originals(store: FeatureStore, said: Callable[[str], Any]) -> ImageSource | None:
    from astrotl.errors import AstrotlError, first_line
    from astrotl.originals import images_of

    try:
        return images_of(store)
    except (AstrotlError, ValueError, OSError) as error:
        said(f"without pictures: {first_line(error)}")
        return None


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        # Who opens the address at once waits for the server instead of being refused.
        listening.listen(128)
    except OSError:
        listening.close()
        raise
    return listening


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return ""
