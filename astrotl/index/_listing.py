"""The list of the indexes in a folder of shards: what they have in common, and the effort that all of them take."""

from __future__ import annotations

import json
import math
import os
from dataclasses import asdict, dataclass
from typing import Literal, Self

import numpy as np

from astrotl.errors import IndexMismatchError
from astrotl.index._forest import NEAREST
from astrotl.index._shards import Piece
from astrotl.store import ShardedStore

FORMAT = "astrotl-sharded-index"
FORMAT_VERSION = 1


@dataclass(frozen=True)
class Listing:
    """What is known of the index of a folder; ``counts`` says how many objects the index of each shard holds."""

    store: str
    metric: Literal["angular", "euclidean"]
    reduce: int
    trees: int
    seed: int
    #: The name of what the numbers in all shards stand for.
    projection: str
    counts: tuple[int, ...]
    candidates: int = 0
    nodes: int = 0
    recall: float = 0.0

    @classmethod
    def read(cls, store: ShardedStore) -> Self:
        """Read the list of a folder, and refuse one of another store."""
        path = listing_path(store)
        try:
            with open(path, encoding="utf-8") as file:
                known = json.load(file)
            version = known.pop("format_version")
            if known.pop("format") != FORMAT:
                raise KeyError("format")
            if version > FORMAT_VERSION:
                raise IndexMismatchError(f"{path}: has a newer format than this astrotl reads; upgrade astrotl")
            listing = cls(counts=tuple(known.pop("counts")), **known)
        except FileNotFoundError as error:
            raise IndexMismatchError(
                f"{path}: there is no such index; make it with: astrotl index {store.path}"
            ) from error
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise IndexMismatchError(
                f"{path}: is damaged ({error}); make it again with: astrotl index {store.path}"
            ) from error
        if listing.store != store.uuid or len(listing.counts) != len(store.shards):
            raise IndexMismatchError(f"{path}: belongs to another store than {store.path}; {listing.remedy(store)}")
        return listing

    def write(self, store: ShardedStore) -> None:
        """Write the list, whole or not at all."""
        path = listing_path(store)
        known = {"format": FORMAT, "format_version": FORMAT_VERSION, **asdict(self)}
        with open(f"{path}.part", "w", encoding="utf-8") as file:
            json.dump(known, file, indent=1)
        os.replace(f"{path}.part", path)

    def remedy(self, store: ShardedStore) -> str:
        """Say by which command the index is made again as it was; it does what is wrong and leaves the rest."""
        usual = {"metric": "angular", "reduce": 64, "trees": 12}
        options = [f" --{name} {getattr(self, name)}" for name in usual if getattr(self, name) != usual[name]]
        return f"make it again with: astrotl index {store.path}{''.join(options)}"

    def effort(self, k: int) -> tuple[int, int]:
        """Say how many candidates are taken for the k nearest, and how many nodes of the largest shard looked into."""
        more = max(1, k / NEAREST)
        return min(math.ceil(self.candidates * more), sum(self.counts)), math.ceil(self.nodes * more**0.5)

    def pieces(self, store: ShardedStore) -> list[Piece]:
        """List the shards that have any objects, as workers are told of them."""
        largest = max(self.counts)
        return [
            Piece(
                path=index_path(store, number),
                store=os.path.abspath(store.path_of(number)),
                first=store.rows_of_shard(number).start,
                objects=count,
                metric=self.metric,
                reduce=self.reduce,
                projection=self.projection,
                # In a smaller shard the same neighbourhood holds fewer of its objects, but more of its leaves.
                share=float(np.sqrt(count / largest)),
                remedy=self.remedy(store),
            )
            for number, count in enumerate(self.counts)
            if count
        ]


def listing_path(store: ShardedStore) -> str:
    """Name the list in a folder of shards."""
    return os.path.join(store.path, "index.json")


def index_path(store: ShardedStore, number: int) -> str:
    """Name the index of a shard; workers may stand in other folders."""
    return f"{os.path.splitext(os.path.abspath(store.path_of(number)))[0]}.ann"
