"""Objects leave the page: as a file, or through SAMP to whatever table programs are running."""

from __future__ import annotations

import importlib
import os
import tempfile
import warnings
from pathlib import Path
from typing import Any

from astropy.table import Table

from astrotl.tables import write_table

FORMATS = {"ecsv": ".ecsv", "votable": ".vot"}


def as_file(table: Table, kind: str) -> bytes:
    """Write a table as ECSV or VOTable."""
    if kind not in FORMATS:
        raise ValueError(f"format: must be one of {', '.join(FORMATS)}, got {kind!r}")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"selection{FORMATS[kind]}"
        write_table(table, path)
        return path.read_bytes()


class Samp:
    """Sends tables to the programs of a SAMP hub, such as TOPCAT and Aladin."""

    def __init__(self) -> None:
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._sent = 0

    def send(self, table: Table, name: str) -> list[str]:
        """Send a table, and give the names of those to whom it went."""
        samp = library()
        # The programs read the file when they get to it, so it stays as long as the page is served.
        self._folder = self._folder or tempfile.TemporaryDirectory(prefix="astrotl-")
        self._sent += 1
        path = os.path.join(self._folder.name, f"{self._sent}.vot")
        write_table(table, path)
        client = samp.SAMPIntegratedClient(name="astrotl explore", callable=False)
        try:
            client.connect()
        except (samp.errors.SAMPHubError, OSError) as error:
            raise ValueError("SAMP: no TOPCAT, Aladin or other hub is running on this machine") from error
        try:
            message = {
                "samp.mtype": "table.load.votable",
                "samp.params": {"url": Path(path).as_uri(), "table-id": f"astrotl-{self._sent}", "name": name},
            }
            there = client.get_subscribed_clients(message["samp.mtype"])
            if there:
                client.notify_all(message)
            return [_called(client.get_metadata(one), one) for one in there]
        finally:
            client.disconnect()

    def close(self) -> None:
        """Remove what was sent."""
        if self._folder is not None:
            self._folder.cleanup()


def library() -> Any:
    """Import what speaks SAMP: it is moving from astropy to pyvo."""
    try:
        return importlib.import_module("pyvo.samp")
    except ModuleNotFoundError:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return importlib.import_module("astropy.samp")


def _called(metadata: dict[str, str], name: str) -> str:
    return str(metadata.get("samp.name", name))
