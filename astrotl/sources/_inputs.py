"""Which files stand behind paths, folders and patterns, and which of them show the same object."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

from astrotl.sources._epoch_files import as_glob
from astrotl.sources._stamps import is_stamp
from astrotl.sources.base import path_list
from astrotl.sources.files import ids_of

Path = str | os.PathLike[str]


def find_files(given: Path | Sequence[Path]) -> list[str]:
    """List the files behind paths, folders and patterns."""
    found: list[str] = []
    for path in map(os.path.expanduser, path_list(given)):
        if os.path.isdir(path):
            inside = (os.path.join(folder, name) for folder, _, names in os.walk(path) for name in names)
            files = sorted(name for name in inside if is_stamp(name))
            if not files:
                raise FileNotFoundError(f"{path}: the folder holds no FITS, JPEG or PNG files")
        elif os.path.exists(path):
            files = [path]
        else:
            files = sorted(glob.glob(as_glob(path), recursive=True))
            if not files:
                raise FileNotFoundError(f"{path}: there is no such file, and no file matches it as a pattern")
        found += files
    return found


def band_files(inputs: Mapping[str, Any], found: dict[str, list[str]]) -> tuple[dict[str, list[str]], list[str]]:
    """Bring the files of each band together: lists in their order, others by the part of their paths that varies.

    Given are a path an object and band, empty where there is none, and the objects' ids.
    """
    lists = [paths for band, paths in found.items() if not isinstance(inputs[band], (str, os.PathLike))]
    if len(lists) == len(found):
        if len({len(paths) for paths in lists}) > 1:
            raise ValueError(
                "inputs: lists of files need one an object in every band; give patterns where some are missing"
            )
        return found, ids_of(lists[0])
    by_band = {band: dict(zip(_varying(inputs[band], paths), paths, strict=True)) for band, paths in found.items()}
    if not set.intersection(*map(set, by_band.values())):
        seen = ", ".join(f"{band} {next(iter(paths))}" for band, paths in by_band.items())
        raise ValueError(
            f"inputs: no object has a file in every band; the first names are {seen}. "
            "Let a star stand for the object alone: g='stamps/*-g.fits'"
        )
    ids = sorted(set().union(*by_band.values()))
    return {band: [paths.get(name, "") for name in ids] for band, paths in by_band.items()}, ids


def _varying(given: Path | Sequence[Path], paths: list[str]) -> list[str]:
    """Name objects by what the pattern's stars stand for, or by the files' names where there is no star."""
    pattern = os.fspath(given) if isinstance(given, (str, os.PathLike)) else ""
    if not glob.has_magic(pattern):
        return ids_of(paths) if len(paths) > 1 else ["object"]
    parts = re.split(r"(\*\*/|\*+|\?+|\[[^]]*\])", os.path.expanduser(pattern))
    regex = "".join(f"({_regex(part)})" if number % 2 else re.escape(part) for number, part in enumerate(parts))
    names = []
    for path in paths:
        match = re.fullmatch(regex, path)
        names.append("-".join(filter(None, (part.strip("/") for part in match.groups()))) if match else path)
    return names if len(set(names)) == len(names) else ids_of(paths)


def _regex(wild: str) -> str:
    if wild.startswith("["):
        return wild.replace("[!", "[^")
    return {"**/": ".*", "?": "[^/]" * len(wild)}.get(wild[:3] if wild == "**/" else wild[0], "[^/]*")
