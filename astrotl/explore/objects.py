"""The objects of a store with all that is known of them, column by column: sorted, filtered, shown."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from astropy.table import MaskedColumn, Table
from astropy.time import Time

from astrotl.errors import AstrotlWarning
from astrotl.store import FeatureStore
from astrotl.tables import find_ids

_ORDERS = (">=", "<=", "=")
_WORDS = ("is", "is not", "contains")


@dataclass(frozen=True, eq=False)
class Known:
    """One column: a number or a word for each object, NaN or empty where nothing is known."""

    name: str
    values: np.ndarray
    unit: str = ""
    description: str = ""
    #: What decides the order, where it knows more than the values: as many of these may be equal.
    rank_by: np.ndarray | None = None

    @property
    def is_number(self) -> bool:
        """Whether it holds numbers rather than words."""
        return self.values.dtype.kind == "f"

    def told(self) -> dict[str, Any]:
        """Describe the column to the page."""
        told: dict[str, Any] = {"name": self.name, "unit": self.unit, "description": self.description}
        if self.is_number:
            known = self.values[np.isfinite(self.values)]
            low, high = (float(known.min()), float(known.max())) if len(known) else (None, None)
            return {**told, "kind": "number", "low": low, "high": high, "known": len(known)}
        return {**told, "kind": "word", "known": int((self.values != "").sum())}

    def codes(self) -> tuple[np.ndarray, list[str]]:
        """Give each word as a number, the most frequent one 0, and what the numbers mean; -1 where there is none."""
        names, place, counts = np.unique(self.values, return_inverse=True, return_counts=True)
        order = [one for one in np.argsort(-counts, kind="stable").tolist() if names[one] != ""]
        code = np.full(len(names), -1, dtype=np.float32)
        code[order] = np.arange(len(order))
        return code[place], [str(names[one]) for one in order]


class Objects:
    """All columns of all objects; the column ``label`` changes as people judge."""

    def __init__(self, store: FeatureStore, results: Table | None = None) -> None:
        self.ids = store.ids
        self.positions = store.positions
        self._row_of = {name: row for row, name in enumerate(self.ids.tolist())}
        self._columns: dict[str, Known] = {"id": Known("id", self.ids.astype(np.str_), description="the object")}
        self.given = np.arange(len(self.ids))
        if self.positions is not None:
            for name, values in zip(("ra", "dec"), np.asarray(self.positions, dtype=np.float64).T, strict=True):
                self.put(Known(name, values, "deg", {"ra": "right ascension", "dec": "declination"}[name]))
        if results is not None:
            self._join(results, os.path.basename(store.path))
        self.put(Known("label", np.full(len(self.ids), "", dtype=object), description="what was said of it here"))

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def columns(self) -> list[Known]:
        """All columns, the id first."""
        return list(self._columns.values())

    def column(self, name: str) -> Known:
        """Find a column."""
        if name not in self._columns:
            raise ValueError(f"column: there is no {name!r}; there are {', '.join(self._columns)}")
        return self._columns[name]

    def put(self, known: Known) -> None:
        """Add a column, or replace the one of that name."""
        self._columns[known.name] = known

    def row_of(self, name: str) -> int | None:
        """Find the row of an id."""
        return self._row_of.get(name)

    def label(self, name: str, label: str) -> int | None:
        """Set the label of an object, and give its row; None where it is not among these objects."""
        row = self._row_of.get(name)
        if row is not None:
            self._columns["label"].values[row] = label
        return row

    def order(self, sort: str, descending: bool, filters: Sequence[dict[str, Any]] = ()) -> np.ndarray:
        """List the rows that pass all filters; those without a value come last, whichever way is up."""
        rows = self.given
        for one in filters:
            rows = rows[self._passes(**one)[rows]]
        if not sort:
            return rows[::-1] if descending else rows
        known = self.column(sort)
        values = (known.values if known.rank_by is None else known.rank_by)[rows]
        if known.is_number:
            keys, lacks = (-values if descending else values), ~np.isfinite(values)
        else:
            _, keys = np.unique(values.astype(np.str_), return_inverse=True)
            keys, lacks = (-keys if descending else keys), values == ""
        return rows[np.lexsort((keys, lacks))]

    def shown(self, rows: np.ndarray, names: Sequence[str]) -> list[list[Any]]:
        """Give some columns of some rows as JSON holds them: None for a number that is not known."""
        columns = [self.column(name) for name in names]
        return [[_plain(known.values[row]) for known in columns] for row in rows.tolist()]

    def table(self, rows: np.ndarray) -> Table:
        """Make a table of some rows, in their order, as it is exported."""
        table = Table()
        for known in self.columns:
            values = known.values[rows]
            if known.is_number:
                table[known.name] = values
                table[known.name].unit = known.unit or None
            else:
                table[known.name] = values.astype(np.str_)
            table[known.name].description = known.description or None
        return table

    def _passes(self, column: str, op: str, value: Any) -> np.ndarray:
        known = self.column(column)
        if op not in (_ORDERS if known.is_number else _WORDS):
            raise ValueError(f"filters: {column} takes {', '.join(_ORDERS if known.is_number else _WORDS)}, not {op!r}")
        if known.is_number:
            limit = float(value)
            if op == "=":
                return np.isclose(known.values, limit)
            with np.errstate(invalid="ignore"):
                return np.asarray(known.values >= limit if op == ">=" else known.values <= limit)
        if op == "contains":
            wanted = str(value).casefold()
            return np.array([wanted in word.casefold() for word in known.values.tolist()], dtype=bool)
        same = known.values == str(value)
        return np.asarray(same if op == "is" else ~same, dtype=bool)

    def _join(self, results: Table, where: str) -> None:
        """Bring results to the objects by their ids; where one stands twice, the first row counts."""
        names = find_ids(results, "results").tolist()
        rows = np.array([self._row_of.get(name, -1) for name in names], dtype=np.intp)
        if not (rows >= 0).any():
            raise ValueError(f"results: none of their ids is in {where}")
        if (rows < 0).any():
            warnings.warn(
                f"{int((rows < 0).sum()):,} of the {len(rows):,} rows of results have no object in {where}",
                AstrotlWarning,
                stacklevel=4,
            )
        places = np.flatnonzero(rows >= 0)
        firsts = places[np.sort(np.unique(rows[places], return_index=True)[1])]
        here = rows[firsts]
        self.given = np.concatenate([here, np.setdiff1d(np.arange(len(self.ids)), here)])
        for name in results.colnames:
            column = results[name]
            if isinstance(column, Time):
                column = MaskedColumn(column.isot, description=column.info.description)
            # A column of positions, or of several numbers each, is none here.
            kind = getattr(getattr(column, "dtype", None), "kind", "V")
            if name in self._columns or column.ndim > 1 or kind not in "iufbUSO":
                continue
            self.put(Known(name, _spread(column, firsts, here, len(self.ids)), *_meaning(column)))
        if "label" in results.colnames:
            # The page's own labels have that name.
            known = self._columns.pop("label")
            self.put(Known("known label", known.values, known.unit, known.description))


def _spread(column: Any, firsts: np.ndarray, here: np.ndarray, count: int) -> np.ndarray:
    values = np.ma.asarray(column)[firsts]
    # As numbers, the ids of large surveys would lose their last digits.
    long = values.dtype.kind in "iu" and bool((np.abs(values.astype(np.float64)) >= 2**53).any())
    if values.dtype.kind in "iuf" and not long:
        spread = np.full(count, np.nan)
        spread[here] = values.astype(np.float64).filled(np.nan)
        return spread
    words = np.full(count, "", dtype=object)
    hidden = np.ma.getmaskarray(values).tolist()
    items = np.ma.getdata(values).tolist()
    words[here] = ["" if gone or item is None else _word(item) for item, gone in zip(items, hidden, strict=True)]
    return words.astype(np.str_)


def _word(item: object) -> str:
    return item.decode(errors="replace") if isinstance(item, bytes) else str(item)


def _meaning(column: MaskedColumn) -> tuple[str, str]:
    return str(getattr(column, "unit", None) or ""), str(getattr(column.info, "description", None) or "")


def _plain(value: Any) -> Any:
    if isinstance(value, (float, np.floating)):
        return float(value) if np.isfinite(value) else None
    return str(value)
