"""An index's files: Annoy's own, the points that its trees stand in, and the note that says what they are."""

from __future__ import annotations

import json
import os
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np

from astrotl.errors import IndexMismatchError
from astrotl.index._vectors import Projection
from astrotl.store import FeatureStore

if TYPE_CHECKING:
    import annoy

FORMAT = "astrotl-annoy"
NOTE_VERSION = 2


def default_path(store: FeatureStore) -> str:
    """Name the index that lies beside a store."""
    return os.path.splitext(store.path)[0] + ".ann"


def note_path(path: str) -> str:
    """Name the note that lies beside an index."""
    return f"{path}.json"


def points_path(path: str) -> str:
    """Name the file of points that lies beside an index."""
    return f"{path}.npz"


def save(forest: annoy.AnnoyIndex, path: str, note: dict[str, Any], arrays: dict[str, Any]) -> None:
    """Write all files whole: the index last, so that it is never there without what fits it."""
    parts = {name: f"{name}.part" for name in (points_path(path), note_path(path), path)}
    try:
        forest.save(parts[path])
        # It maps what it has saved, and some systems rename no file that is mapped.
        forest.unload()
        with open(parts[points_path(path)], "wb") as binary:
            np.savez(binary, **arrays)
        sizes = {"bytes": os.path.getsize(parts[path]), "points_bytes": os.path.getsize(parts[points_path(path)])}
        with open(parts[note_path(path)], "w", encoding="utf-8") as file:
            json.dump({"format": FORMAT, "format_version": NOTE_VERSION, **note, **sizes}, file, indent=1)
        if os.path.exists(path):
            os.unlink(path)
        for name, part in parts.items():
            os.replace(part, name)
    finally:
        for part in parts.values():
            if os.path.exists(part):
                os.unlink(part)


def checked_note(path: str, store: FeatureStore, count: int, remedy: str) -> dict[str, Any]:
    """Read what an index is, and refuse one that does not belong to the so many objects that a store has."""
    note = read_note(path, remedy)
    if note["store"] != store.uuid:
        raise IndexMismatchError(f"{path}: belongs to another store than {store.path}; {remedy}")
    if note["n"] != count or note["dim"] != store.shape[1]:
        raise IndexMismatchError(f"{path}: holds {note['n']} objects, but {store.path} now has {count}; {remedy}")
    for name, key in ((path, "bytes"), (points_path(path), "points_bytes")):
        if note[key] is not None and (not os.path.exists(name) or os.path.getsize(name) != note[key]):
            raise IndexMismatchError(f"{path}: is damaged (the size of {name} is not the one noted); {remedy}")
    return note


def read_note(path: str, remedy: str = "build it again with astrotl index") -> dict[str, Any]:
    """Read what an index is; one of format 1 is told in the words of today's."""
    if not os.path.exists(path):
        raise IndexMismatchError(f"{path}: there is no such index; {remedy}")
    try:
        with open(note_path(path), encoding="utf-8") as file:
            note: dict[str, Any] = json.load(file)
        if note["format"] != FORMAT:
            raise KeyError("format")
        if note["format_version"] > NOTE_VERSION:
            raise IndexMismatchError(f"{path}: has a newer format than this astrotl reads; upgrade astrotl")
        if note["format_version"] == 1:
            # Its trees hold all features as they are.
            note |= {
                "forest": note["metric"],
                "points": None,
                "nodes": 100 * note["trees"],
                "candidates": 20,
                "points_bytes": None,
            }
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise IndexMismatchError(
            f"{path}: has no readable {note_path(path)} beside it, without which it cannot be trusted; {remedy}"
        ) from error
    return note


def read_arrays(path: str, *names: str) -> dict[str, np.ndarray]:
    """Read those of some arrays that lie beside an index."""
    try:
        with np.load(points_path(path), allow_pickle=False) as arrays:
            return {name: arrays[name] for name in names if name in arrays}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise IndexMismatchError(f"{path}: is damaged ({points_path(path)}: {error}); build it again") from error


def read_projection(path: str) -> Projection:
    """Read what the few numbers of an index are."""
    arrays = read_arrays(path, "middle", "directions")
    return Projection(arrays["middle"], arrays.get("directions"))
