"""Files that a command is to write: refused before the work, not after it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

__all__ = ["check_files"]

#: What an option's file may end in, where it is no table.
_ENDINGS = {
    "regions": (".reg",),
    "coco": (".json",),
    "plot": (".png", ".pdf", ".svg"),
    "curve": (".png", ".pdf", ".svg"),
}


def check_files(files: Mapping[str, str | None], read: Mapping[str, Sequence[str]]) -> None:
    """Refuse files that cannot be written, that are one and the same, or that are among those that are read."""
    from astrotl.tables import check_ending

    taken = {os.path.realpath(path): name for name, paths in read.items() for path in paths}
    for name, path in files.items():
        if path is None:
            continue
        endings = _ENDINGS.get(name)
        if endings is None:
            check_ending(path)
        elif not path.lower().endswith(endings):
            raise ValueError(f"{name}: {path} needs the ending {' or '.join(endings)}")
        folder = os.path.dirname(path)
        if folder and not os.path.isdir(folder):
            raise FileNotFoundError(f"{path}: there is no folder {folder}")
        if os.path.isdir(path):
            raise ValueError(f"{name}: {path} is a folder")
        other = taken.setdefault(os.path.realpath(path), name)
        if other != name:
            raise ValueError(f"{name}: {path} is what {other} names, too")
