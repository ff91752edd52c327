"""The folder of an unfinished training, beside the file that it will become: who killed it finds it again."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from astrotl._locks import locked
from astrotl._params import difference
from astrotl.errors import StoreMismatchError

__all__ = ["NOTE", "check_settings", "is_first", "open_folder", "wait_for_the_first"]

#: What the folder says of itself.
NOTE = "settings.json"

#: What a call asks of a detector's design.
_ASKED = ("tile", "classes", "width", "suppress")
_REMEDY = "give another file with -o, or overwrite this one with --overwrite"


def open_folder(path: str, settings: Mapping[str, Any], *, overwrite: bool) -> Path:
    """Open the folder of a training with these settings, or make it; one with others is refused, or overwritten."""
    folder = Path(f"{path}.part")
    note = folder / NOTE
    if note.exists():
        try:
            check_settings(str(folder), json.loads(note.read_text(encoding="utf-8")), settings)
            return folder
        except StoreMismatchError:
            if not overwrite:
                raise
            with locked(note):
                shutil.rmtree(folder)
    if not folder.parent.is_dir():
        raise FileNotFoundError(f"{path}: there is no folder {folder.parent}")
    # The folder appears with its settings in it, or not at all.
    begun = Path(f"{path}.part.{os.getpid()}")
    begun.mkdir()
    (begun / note.name).write_text(json.dumps(settings), encoding="utf-8")
    begun.rename(folder)
    return folder


def check_settings(path: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    """Refuse settings other than those that something was made with, and name the one that differs."""
    new = json.loads(json.dumps(new))
    for key in sorted({*old, *new}):
        if old.get(key) != new.get(key):
            where, before, now = difference(key, *_asked(old.get(key), new.get(key)))
            raise StoreMismatchError(f"{path}: was made with {where} = {before}, not {now}; {_REMEDY}")


def _asked(old: Any, new: Any) -> tuple[Any, Any]:
    """Of a detector's design leave what was asked for, if that differs; the rest of it follows from that."""
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return old, new
    differ = [key for key in _ASKED if old.get(key) != new.get(key)]
    return ({key: old.get(key) for key in differ}, {key: new.get(key) for key in differ}) if differ else (old, new)


def is_first() -> bool:
    """Say whether this is the process that was started; the others are those that it starts for further devices."""
    return os.environ.get("LOCAL_RANK", "0") == "0"


def wait_for_the_first() -> None:
    """Have the other processes wait, as they open the file, too."""
    import torch

    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.barrier()
