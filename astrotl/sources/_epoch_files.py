"""Finds out which file shows which object on which date: by a pattern, by folders, or by a table."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

from astrotl import tables
from astrotl.errors import ImageError
from astrotl.sources._stamps import is_stamp, read_stamp, split_name
from astrotl.sources.arrays import STACK_ENDINGS, StackSource
from astrotl.sources.base import ImageSource, path_list
from astrotl.sources.epochs import STACK, EpochSource
from astrotl.sources.files import FileSource

_NAMED = re.compile(r"\{(object|epoch)\}")
_FORM = "'{object}/{epoch}.fits'"


def as_glob(path: str) -> str:
    """Let ``{object}`` and ``{epoch}`` stand for anything."""
    return _NAMED.sub("*", path)


def open_epochs(
    inputs: Any,
    found: list[str] | Mapping[str, list[str]],
    *,
    bands: tuple[str, ...] | None,
    size: int | None,
    stack: str,
) -> EpochSource:
    """Open the images of objects on many dates."""
    images: ImageSource
    if not isinstance(found, Mapping) and len(found) == 1 and found[0].lower().endswith(STACK_ENDINGS):
        if size is not None:
            raise ValueError("size: the images of a stack have one already; use the step crop-centre or resize")
        images = StackSource(found[0], channels=bands)
    elif isinstance(found, Mapping):
        by_band = {band: dict(zip(_ids(inputs[band], paths), paths, strict=True)) for band, paths in found.items()}
        ids = sorted(set().union(*by_band.values()))
        images = _files(
            {band: [paths.get(name, "") for name in ids] for band, paths in by_band.items()}, ids, bands, size, stack
        )
    elif len(found) == 1 and not is_stamp(found[0]):
        files, ids = _listed(found[0], bands)
        images = _files(files, ids, bands, size, stack)
    else:
        images = _files(found, _ids(inputs, found), bands, size, stack)
    return EpochSource(images, stack=stack)


def _files(
    files: list[str] | dict[str, list[str]],
    ids: list[str],
    bands: tuple[str, ...] | None,
    size: int | None,
    stack: str,
) -> FileSource:
    return FileSource(files, ids=ids, bands=bands, size=_size(files, ids, bands, stack) if size is None else size)


def _size(
    files: list[str] | dict[str, list[str]], ids: list[str], bands: tuple[str, ...] | None, stack: str
) -> tuple[int, int] | None:
    """Look at the first stack that is given, or else at the first image: all are brought to its size."""
    band, column = next(iter(files.items())) if isinstance(files, dict) else (None, files)
    given = [path for name, path in zip(ids, column, strict=True) if name.rpartition("/")[2] in (STACK, stack)]
    for path in [path for path in (*given, *column) if path][:100]:
        try:
            height, width = read_stamp(path, bands if band is None else (band,)).planes.shape[1:]
        except ImageError:
            continue
        return height, width
    return None


def _ids(given: Any, paths: Sequence[str]) -> list[str]:
    """Name the images OBJECT/EPOCH, by the parts of the pattern, or by their folders and their own names."""
    listed = path_list(given)
    pattern = os.path.expanduser(listed[0]) if len(listed) == 1 else ""
    named = set(_NAMED.findall(pattern))
    stars = len(re.findall(r"\*+", pattern)) if not os.path.exists(pattern) and glob.has_magic(pattern) else 0
    if not named and stars == 2:
        regex = _regex(pattern, ["object", "epoch"])
    elif named == {"object", "epoch"}:
        regex = _regex(pattern, [])
    elif named:
        raise ValueError(f"inputs: {pattern} names only one of object and epoch; write both, such as {_FORM}")
    elif stars > 2 or (stars == 1 and "*" in os.path.dirname(pattern)):
        raise ValueError(f"inputs: which star of {pattern} is the object, and which the date? Write {_FORM}")
    else:
        return [f"{os.path.basename(os.path.dirname(os.path.abspath(path)))}/{split_name(path)[0]}" for path in paths]
    matches = [re.fullmatch(regex, path) for path in paths]
    odd = next((path for path, match in zip(paths, matches, strict=True) if match is None), None)
    if odd is not None:
        raise ValueError(f"inputs: {odd} does not fit {pattern}; an object or a date is a part of one name")
    return [f"{match['object']}/{match['epoch']}" for match in matches if match]


def _regex(pattern: str, stars: list[str]) -> str:
    """Turn a pattern into a regular expression; a name that comes again stands for the same."""
    names = iter(stars)
    seen: set[str] = set()
    regex = ""
    for part in re.split(r"(\{object\}|\{epoch\}|\*+|\?|\[[^]]*\])", pattern):
        name = part[1:-1] if _NAMED.fullmatch(part) else next(names, None) if part.startswith("*") else None
        if name is not None:
            regex += f"(?P={name})" if name in seen else f"(?P<{name}>[^/]+)"
            seen.add(name)
        elif part.startswith("*"):
            regex += ".*" if part == "**" else "[^/]*"
        elif part == "?":
            regex += "[^/]"
        else:
            regex += part.replace("[!", "[^") if part.startswith("[") and part.endswith("]") else re.escape(part)
    return regex


def _listed(path: str, bands: tuple[str, ...] | None) -> tuple[list[str] | dict[str, list[str]], list[str]]:
    """Read a table of images: the columns object, epoch (or date) and file, or a column of files for each band."""
    table = tables.read_table(path)
    lower = {name.lower(): name for name in reversed(table.colnames)}
    when = next((lower[name] for name in ("epoch", "date") if name in lower), None)
    per_band = bands is not None and all(band in table.colnames for band in bands)
    if "object" not in lower or when is None or not ("file" in lower or per_band):
        raise ValueError(
            f"{path}: needs the columns object, epoch (or date) and file, or one for each band; "
            f"it has {', '.join(table.colnames)}"
        )
    objects, epochs = (tables.find_ids(table, path, name) for name in (lower["object"], when))
    slashed = next((epoch for epoch in epochs.tolist() if "/" in epoch), None)
    if slashed is not None:
        raise ValueError(
            f"{path}: the epoch {slashed!r} has a stroke, which parts object and epoch; write it with dashes"
        )
    ids = [f"{name}/{epoch}" for name, epoch in zip(objects.tolist(), epochs.tolist(), strict=True)]
    folder = os.path.dirname(os.path.abspath(path))

    def column(name: str) -> list[str]:
        texts = [
            "" if hidden else str(text) for text, hidden in zip(table[name].tolist(), _hidden(table[name]), strict=True)
        ]
        return [os.path.join(folder, os.path.expanduser(text)) if text else "" for text in texts]

    return ({band: column(band) for band in bands or ()} if per_band else column(lower["file"])), ids


def _hidden(column: Any) -> list[bool]:
    mask = getattr(column, "mask", None)
    return [False] * len(column) if mask is None else [bool(value) for value in mask]
