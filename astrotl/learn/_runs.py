"""The runs of a comparison: what one is, what it measures, and how those of earlier calls are found again."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeAlias

import numpy as np
from astropy.table import Table

from astrotl.learn.probing import learned, said
from astrotl.learn.scoring import of_classes, of_numbers
from astrotl.learn.splits import fraction_of, part
from astrotl.learn.targets import Target
from astrotl.store import FeatureStore
from astrotl.tables import read_table

__all__ = ["COMBINATION", "Run", "digest", "key", "known_runs", "measured", "to_table"]

COMBINATION = ("extractor", "variant", "head", "fraction")
_IDENTITY = ("store", "labels", "head", "fraction", "test", "seed")
#: The columns that tell runs apart and nobody reads.
_LAST = ("test", "store", "labels")
Run: TypeAlias = dict[str, Any]


def digest(target: Target) -> str:
    """Sum up in a word what is learned, so that runs with other labels are never taken for these."""
    total = hashlib.sha256(json.dumps([target.column, target.classes]).encode())
    for numbers in (target.rows, target.values, target.groups):
        if numbers is not None:
            total.update(np.asarray(numbers, dtype=np.float64).tobytes())
        total.update(b";")
    return total.hexdigest()[:16]


def known_runs(path: str, digest: str, stores: Mapping[tuple[str, str], FeatureStore]) -> dict[tuple[Any, ...], Run]:
    """Read the runs of an earlier call, but for those of stores that are no more.

    Those with other labels are put aside, and found again when these labels come back.
    """
    _put_aside(path, digest)
    if not os.path.exists(path):
        return {}
    table = read_table(path)
    if not set(_IDENTITY) <= set(table.colnames):
        raise ValueError(f"folder: {path} is no table of runs; compare in another folder")
    rows = [dict(zip(table.colnames, (np.ma.getdata(value).item() for value in row), strict=True)) for row in table]
    there = {name: store.uuid for name, store in stores.items()}
    return {
        key(run): run
        for run in rows
        if run["labels"] == digest and there.get((run["extractor"], run["variant"]), run["store"]) == run["store"]
    }


def _put_aside(path: str, digest: str) -> None:
    """Rename a table of runs with other labels, and bring back that with these, if any."""
    stem, ending = os.path.splitext(path)
    if os.path.exists(path):
        table = read_table(path)
        if "labels" in table.colnames and len(table) and table["labels"][0] != digest:
            os.replace(path, f"{stem}-{table['labels'][0]}{ending}")
    if not os.path.exists(path) and os.path.exists(f"{stem}-{digest}{ending}"):
        os.replace(f"{stem}-{digest}{ending}", path)


def key(run: Run) -> tuple[Any, ...]:
    """Say what tells a run from all others."""
    return tuple(run[name] for name in _IDENTITY)


def measured(head: Any, target: Target, features: np.ndarray, run: Run) -> Run:
    """Do a run: learn from some of the objects, and measure on those kept for the test."""
    started = time.perf_counter()
    learn, tested = part(target, run["test"], run["seed"])
    kept = fraction_of(target, learn, run["fraction"], run["seed"])
    made = learned(head, target.select(kept), features[kept], run["seed"])
    answer = said(made, target, features[tested])
    true = target.values[tested]
    found = (
        of_numbers(true, answer.predicted)
        if answer.probabilities is None
        else of_classes(true, answer.predicted, answer.probabilities)
    )
    measures = {one.measure.replace(" ", "_"): float(one.take(*one.arrays)) for one in found}
    return {"learned": len(kept), "tested": len(tested), **measures, "seconds": time.perf_counter() - started}


def to_table(runs: Iterable[Run], origin: dict[str, Any]) -> Table:
    """Make a table with a row for each run."""
    rows = list(runs)
    names = [*(name for name in rows[0] if name not in _LAST), *_LAST]
    table = Table(rows=[[run[name] for name in names] for run in rows], names=names)
    table.meta["astrotl"] = {**origin, "created": datetime.now(UTC).isoformat(timespec="seconds")}
    return table
