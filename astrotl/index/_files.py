"""An index's files: Annoy's own, the projection that its vectors went through, and the note that says what they are."""

from __future__ import annotations

import hashlib
import io
import json
import os
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


def projection_path(path: str) -> str:
    """Name the projection that lies beside an index of reduced vectors."""
    return f"{path}.npz"


def save(forest: annoy.AnnoyIndex, projection: Projection | None, path: str, note: dict[str, Any]) -> None:
    """Write all files whole: the index last, so that it is never there without what fits it."""
    note = {"format": FORMAT, "format_version": NOTE_VERSION, **note}
    parts = {name: f"{name}.part" for name in (projection_path(path), note_path(path), path)}
    try:
        forest.save(parts[path])
        note["bytes"] = os.path.getsize(parts[path])
        packed = None if projection is None else _packed(projection)
        note["projection_sha256"] = None if packed is None else hashlib.sha256(packed).hexdigest()
        with open(parts[note_path(path)], "w", encoding="utf-8") as file:
            json.dump(note, file, indent=1)
        for name in (path, projection_path(path)):
            if os.path.exists(name):
                os.unlink(name)
        if packed is not None:
            with open(parts[projection_path(path)], "wb") as binary:
                binary.write(packed)
        for name, part in parts.items():
            if os.path.exists(part):
                os.replace(part, name)
    finally:
        for part in parts.values():
            if os.path.exists(part):
                os.unlink(part)


def read_note(path: str) -> dict[str, Any]:
    """Read what an index is; one of format 1 is told in the words of today's."""
    if not os.path.exists(path):
        raise IndexMismatchError(f"{path}: there is no such index; build it with astrotl index")
    try:
        with open(note_path(path), encoding="utf-8") as file:
            note: dict[str, Any] = json.load(file)
        if note["format"] != FORMAT:
            raise KeyError("format")
        if note["format_version"] > NOTE_VERSION:
            raise IndexMismatchError(f"{path}: has a newer format than this astrotl reads; upgrade astrotl")
        if note["format_version"] == 1:
            # Its trees hold all features as they are.
            note |= {"forest": note["metric"], "reduce": None, "nodes": 100 * note["trees"], "projection_sha256": None}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise IndexMismatchError(
            f"{path}: has no readable {note_path(path)} beside it, without which it cannot be trusted; build it again"
        ) from error
    return note


def read_projection(path: str, note: dict[str, Any], remedy: str) -> Projection | None:
    """Read the projection of an index, and check that it is the one that its note knows."""
    if note["reduce"] is None:
        return None
    name = projection_path(path)
    try:
        with open(name, "rb") as file:
            packed = file.read()
    except OSError as error:
        raise IndexMismatchError(f"{path}: has no readable {name} beside it; {remedy}") from error
    if hashlib.sha256(packed).hexdigest() != note["projection_sha256"]:
        raise IndexMismatchError(f"{path}: is damaged ({name} is not the one noted); {remedy}")
    arrays = np.load(io.BytesIO(packed), allow_pickle=False)
    return Projection(arrays["middle"], arrays["directions"])


def _packed(projection: Projection) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **projection._asdict())
    return buffer.getvalue()
