"""The cells of a table: what they say, and what they are sorted by."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from astropy.table import Table

__all__ = ["Column", "columns_of"]

#: Fractions are shown with so many digits, also where these are zeros, unless the column says how it is to be shown.
_DIGITS = "#.4g"
#: Degrees are shown to a third of an arcsecond.
_DEGREES = ".4f"


class Column(NamedTuple):
    """A column as people see it: its cells as text, and as numbers where they are numbers, NaN where unknown."""

    name: str
    unit: str
    about: str
    texts: list[str]
    values: np.ndarray | None

    @property
    def heading(self) -> str:
        return f"{self.name} [{self.unit}]" if self.unit else self.name


def columns_of(table: Table) -> list[Column]:
    """Read a table's columns."""
    return [_column(table, name) for name in table.colnames]


def _column(table: Table, name: str) -> Column:
    given = table[name]
    info = getattr(given, "info", None)
    unit = str(getattr(given, "unit", None) or "")
    about = str(getattr(info, "description", None) or "")
    values = _numbers(given)
    if values is not None and getattr(info, "format", None) is None and given.dtype.kind == "f":
        digits = _DEGREES if unit == "deg" else ".0f" if _are_whole(values) else _DIGITS
        texts = ["" if np.isnan(value) else f"{value:{digits}}".rstrip(".") for value in values]
        return Column(name, unit, about, texts, values)
    lines = table[[name]].pformat(max_lines=-1, max_width=-1, show_name=False, show_unit=False, align="<")
    masked = np.broadcast_to(getattr(given, "mask", False), (len(table),)) if getattr(given, "ndim", 1) == 1 else ()
    hidden = list(masked) or [False] * len(table)
    texts = ["" if gone else line.rstrip() for line, gone in zip(lines, hidden, strict=True)]
    return Column(name, unit, about, texts, values)


def _are_whole(values: np.ndarray) -> bool:
    known = values[~np.isnan(values)]
    return bool((np.abs(known) < 1e6).all() and (known == np.round(known)).all())


def _numbers(column: Any) -> np.ndarray | None:
    dtype = getattr(column, "dtype", None)
    if dtype is None or dtype.kind not in "fiu" or getattr(column, "ndim", 1) != 1:
        return None
    values: Any = getattr(column, "value", column)
    if hasattr(values, "unmasked"):
        # A quantity with gaps is astropy's own kind of masked array.
        return np.where(values.mask, np.nan, values.unmasked.astype(np.float64))
    return np.ma.filled(np.ma.asarray(values, dtype=np.float64), np.nan)
