"""The list of a sharded store's files: what each holds, and what all were made from."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np

from astrotl._locks import locked
from astrotl.errors import StoreError, StoreMismatchError
from astrotl.store.hdf5 import FeatureStore, compare

FORMAT = "astrotl-shards"
FORMAT_VERSION = 1
_NAME = "shards.json"


class Shard(NamedTuple):
    """One file of a sharded store: its name, how many objects it holds, and which HEALPix pixel they lie in."""

    name: str
    rows: int
    #: Order and number of the pixel, in nested numbering; None where a shard is a range of rows alone.
    healpix: tuple[int, int] | None = None


@dataclass(frozen=True)
class Manifest:
    """What is known of a sharded store without opening any of its shards."""

    uuid: str
    dim: int
    block: int
    shards: tuple[Shard, ...]
    provenance: dict[str, Any]

    @classmethod
    def open_or_create(
        cls, folder: str, dim: int, block: int, shards: Sequence[Shard], provenance: Mapping[str, Any]
    ) -> Manifest:
        """Read the list of a folder and compare it, or write it if there is none."""
        if not shards:
            raise ValueError("ids: there are none, so there is nothing to store")
        try:
            os.makedirs(folder, exist_ok=True)
            with locked(folder, wait=True):
                # Somebody else may just have begun it.
                if not os.path.exists(manifest_path(folder)):
                    known = _uuid_of_shards(folder, shards) or str(uuid.uuid4())
                    cls(known, dim, block, tuple(shards), dict(provenance))._write(folder)
        except OSError as error:
            raise StoreError(
                f"{folder}: cannot be written ({error.strerror or error}); name another place with -o"
            ) from error
        manifest = cls.read(folder)
        manifest._compare(folder, dim, shards, provenance)
        return manifest

    @classmethod
    def read(cls, folder: str) -> Manifest:
        """Read the list of a folder."""
        path = manifest_path(folder)
        try:
            with open(path, encoding="utf-8") as file:
                known = json.load(file)
            version = known.pop("format_version")
            if known.pop("format") != FORMAT:
                raise KeyError("format")
            if version > FORMAT_VERSION:
                raise StoreError(
                    f"{folder}: has the format version {version}, newer than this astrotl reads ({FORMAT_VERSION}); "
                    "upgrade astrotl"
                )
            shards = [
                Shard(str(one["name"]), int(one["rows"]), tuple(one["healpix"]) if one.get("healpix") else None)
                for one in known.pop("shards")
            ]
            if any(os.path.basename(shard.name) != shard.name for shard in shards):
                raise ValueError("a shard lies outside the folder")
            return cls(shards=tuple(shards), **known)
        except FileNotFoundError as error:
            raise StoreError(
                f"{folder}: is a folder without {_NAME}, so no store; make one with astrotl extract"
            ) from error
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise StoreError(
                f"{path}: is damaged ({error}); remove it, and the same extraction again writes it anew"
            ) from error

    def _write(self, folder: str) -> None:
        """Write the list, whole or not at all."""
        path = manifest_path(folder)
        shards = [shard._asdict() for shard in self.shards]
        known = {"format": FORMAT, "format_version": FORMAT_VERSION, **asdict(self), "shards": shards}
        with open(f"{path}.part", "w", encoding="utf-8") as file:
            json.dump(known, file, indent=1)
        os.replace(f"{path}.part", path)

    def uuid_of(self, number: int) -> str:
        """Give the uuid that a shard has, by which one of another store, or in another place, is found out."""
        return str(uuid.uuid5(uuid.UUID(self.uuid), self.shards[number].name))

    def starts(self) -> np.ndarray:
        """Give the first row of each shard, and after them the number of all rows."""
        return np.concatenate([[0], np.cumsum([shard.rows for shard in self.shards])]).astype(np.intp)

    def _compare(self, folder: str, dim: int, shards: Sequence[Shard], provenance: Mapping[str, Any]) -> None:
        """Refuse to go on with a store that was made otherwise."""
        compare(folder, self.provenance, provenance)
        remedy = "give another folder with -o, or overwrite this one with --overwrite"
        if dim != self.dim:
            raise StoreMismatchError(f"{folder}: holds {self.dim} features an object, not {dim}; {remedy}")
        if tuple(shards) != self.shards:
            old, new = (f"{len(of)} of up to {max(shard.rows for shard in of):,}" for of in (self.shards, shards))
            raise StoreMismatchError(f"{folder}: was made for other shards of objects ({old}, not {new}); {remedy}")


def manifest_path(folder: str | os.PathLike[str]) -> str:
    """Name the list in a folder."""
    return os.path.join(folder, _NAME)


def _uuid_of_shards(folder: str, shards: Sequence[Shard]) -> str | None:
    """Ask the shards which store they belong to, for their list may be lost."""
    for shard in shards:
        path = os.path.join(folder, shard.name)
        if os.path.exists(path):
            known = FeatureStore(path).provenance.get("sharded")
            return None if known is None else str(known)
    return None
