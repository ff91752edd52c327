"""Brings a table of labels to the rows of a store, by the objects' ids."""

from __future__ import annotations

import os
import re
import warnings

import numpy as np
from astropy.table import MaskedColumn, Table

from astrotl.errors import AstrotlWarning
from astrotl.store import FeatureStore
from astrotl.tables import find_ids

_ENDING = re.compile(r"(\.(fits?|fts|fz|gz|bz2|z|jpe?g|png))+$", re.IGNORECASE)

__all__ = ["align", "numbers", "words"]


def align(labels: Table, store: FeatureStore, id_column: str | None = None) -> Table:
    """Give the labels a row for each object of the store, in its order, masked where there is none.

    Parameters
    ----------
    labels : `~astropy.table.Table`
        The labels, in any order.
    store : `~astrotl.FeatureStore`
        The store.
    id_column : str, optional
        The column that holds the ids. By default it is found by what it holds; files' names count as ids without their
        folders and endings.

    Examples
    --------
    >>> from astropy.table import Table
    >>> from astrotl import FeatureStore
    >>> from astrotl.tasks import align
    >>> store = FeatureStore.open_or_create("labels.h5", ["a", "b", "c"], 1, {})
    >>> labels = Table({"file": ["stamps/c.fits", "stamps/a.fits", "stamps/b.fits"], "kind": ["agn", "star", "qso"]})
    >>> print(align(labels, store)["id", "kind"])
     id kind
    --- ----
      a star
      b  qso
      c  agn
    """
    ids = _ids(labels, store, id_column)
    row_of = {name: row for row, name in enumerate(ids.tolist())}
    if len(row_of) < len(ids):
        names, counts = np.unique(ids, return_counts=True)
        raise ValueError(
            f"labels: the id {str(names[counts > 1][0])!r} stands more than once; keep one row for each object"
        )
    rows = np.array([row_of.get(name, -1) for name in store.ids.tolist()])
    found = int((rows >= 0).sum())
    # Objects without labels are what the labels are for; labels without an object may well be a mistake.
    if found < len(ids):
        warnings.warn(
            f"{found:,} of the {len(store):,} objects of {store.path} have labels, and {len(ids) - found:,} of the "
            f"{len(ids):,} rows of labels have no object",
            AstrotlWarning,
            stacklevel=3,
        )
    aligned = Table({"id": store.ids})
    for name in labels.colnames:
        if name != "id":
            column = np.ma.asarray(labels[name])[np.maximum(rows, 0)]
            aligned[name] = MaskedColumn(column, mask=np.ma.getmaskarray(column) | (rows < 0), unit=labels[name].unit)
    return aligned


def words(labels: Table, column: str) -> np.ndarray:
    """Take a column as text, empty where there is none."""
    values = np.ma.asarray(_column(labels, column))
    return np.where(np.ma.getmaskarray(values), "", np.ma.getdata(values).astype(np.str_))


def numbers(labels: Table, column: str) -> np.ndarray:
    """Take a column as numbers, NaN where there is none."""
    values = np.ma.asarray(_column(labels, column))
    known = ~np.ma.getmaskarray(values)
    found = np.full(len(values), np.nan)
    try:
        found[known] = np.ma.getdata(values)[known].astype(np.float64)
    except ValueError as error:
        raise ValueError(f"column: {column!r} of the labels does not hold numbers") from error
    return np.where(np.isfinite(found), found, np.nan)


def _column(labels: Table, column: str) -> MaskedColumn:
    if column not in labels.colnames:
        raise ValueError(f"column: the labels have no {column!r}; they have {', '.join(labels.colnames)}")
    return labels[column]


def _ids(labels: Table, store: FeatureStore, id_column: str | None) -> np.ndarray:
    known = set(store.ids.tolist())

    def matches(ids: np.ndarray) -> int:
        return len(known.intersection(ids.tolist()))

    if id_column is not None:
        ids = find_ids(labels, "labels", id_column)
        return ids if matches(ids) else _stems(ids)
    candidates = [
        np.asarray(labels[name].astype(str)) for name in labels.colnames if labels[name].dtype.kind in "USiuO"
    ]
    best = max((form for ids in candidates for form in (ids, _stems(ids))), key=matches, default=np.empty(0))
    if not len(best) or not matches(best):
        raise ValueError(
            f"labels: no column holds ids of {store.path}, such as {str(store.ids[0])!r}; the columns are "
            f"{', '.join(labels.colnames)}"
        )
    return best


def _stems(ids: np.ndarray) -> np.ndarray:
    return np.array([_ENDING.sub("", os.path.basename(name)) for name in ids.tolist()], dtype=np.str_)
