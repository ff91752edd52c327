"""What is done with images, wherever it is done: it travels in a few kB, and fills one store block by block."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from astrotl import plugins
from astrotl._executors import finished
from astrotl._optional import versions
from astrotl.extractors import Extractor
from astrotl.prepare import handful, read_images, take_through
from astrotl.preprocess import Step, step_signature
from astrotl.sources import ImageSource
from astrotl.store import FeatureStore

#: The packages whose versions are written down with the features.
_VERSIONS = ("astrotl", "numpy", "scipy", "astropy", "torch", "timm", "openvino")


@dataclass(frozen=True)
class Work:
    """Steps and an extractor, and how many images they take at once."""

    steps: tuple[Step, ...]
    extractor: Extractor
    block: int

    def provenance(self, source: ImageSource) -> dict[str, Any]:
        """Say what the features of these images are made from."""
        return {
            "source": source.signature(),
            "steps": [step_signature(step) for step in self.steps],
            "extractor": self.extractor.signature(),
            "origin": source.origin,
            "versions": versions(_VERSIONS),
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
        }

    def open(
        self, path: str | os.PathLike[str], source: ImageSource, *, uuid: str | None = None, **known: Any
    ) -> FeatureStore:
        """Open the store of these images, or create it; ``known`` is what else is written down in a new one."""
        provenance = {**self.provenance(source), **known}
        if not os.path.exists(path):
            provenance["runs_on"] = self.extractor.runs_on()
        positions, dim = _positions(source), self.extractor.dim
        return FeatureStore.open_or_create(
            path, source.ids, dim, provenance, block=self.block, positions=positions, uuid=uuid
        )

    def fill(
        self,
        store: FeatureStore,
        source: ImageSource,
        executor: Executor,
        window: int,
        advance: Callable[[int], Any],
    ) -> None:
        """Do what a store misses, ``window`` blocks handed out at once; ``advance`` hears of their rows."""
        blocks = _blocks(store.missing(), store.block, source.order())
        tasks = ((rows, (_part(source, rows), self.steps, self.extractor)) for rows in blocks)
        who = plugins.in_full(type(self.extractor))

        def described(rows: np.ndarray) -> str:
            first, last = source.ids[rows[[0, -1]]]
            where = f"rows {rows[0]}:{rows[-1] + 1}" if _are_contiguous(rows) else f"{len(rows)} rows"
            return f"while extracting {where} (ids {first} to {last}) of {store.path} by {who}"

        for rows, (features, failed) in finished(executor, extract_block, tasks, window, described):
            reasons = {int(rows[local]): why for local, why in failed.items()}
            store.write(np.delete(rows, list(failed)), features, reasons)
            advance(len(rows))


def extract_block(
    source: ImageSource, steps: Sequence[Step], extractor: Extractor
) -> tuple[np.ndarray, dict[int, str]]:
    """Read, prepare and extract one block: the features of what could be read, and the rows that could not."""
    batch = read_images(source)
    failed = {row: batch.failed[name] for row, name in enumerate(source.ids.tolist()) if name in batch.failed}
    size = max(handful(batch), extractor.at_once)
    parts = [slice(start, start + size) for start in range(0, max(len(batch), 1), size)]
    return np.concatenate([extractor.extract(take_through(batch.select(part), steps)) for part in parts]), failed


def _blocks(missing: np.ndarray, size: int, order: np.ndarray | None) -> Iterator[np.ndarray]:
    """Split the missing rows where all rows would be split, so that a rerun does the very same batches."""
    if order is None:
        if len(missing):
            yield from np.split(missing, np.flatnonzero(np.diff(missing // size)) + 1)
        return
    wanted = np.zeros(len(order), dtype=bool)
    wanted[missing] = True
    for start in range(0, len(order), size):
        rows = order[start : start + size]
        if wanted[rows].any():
            yield np.sort(rows[wanted[rows]])


def _part(source: ImageSource, rows: np.ndarray) -> ImageSource:
    return source[int(rows[0]) : int(rows[-1]) + 1] if _are_contiguous(rows) else source[rows]


def _are_contiguous(rows: np.ndarray) -> bool:
    return len(rows) == int(rows[-1] - rows[0]) + 1


def _positions(source: ImageSource) -> np.ndarray | None:
    table = source.table()
    return np.stack([table["ra"], table["dec"]], axis=1) if {"ra", "dec"} <= set(table.colnames) else None
