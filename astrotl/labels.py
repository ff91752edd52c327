"""Brings a table of labels to the objects of a store or a source, by their ids."""

from __future__ import annotations

import os
import re
import warnings

import numpy as np
import numpy.typing as npt
from astropy.table import Column, MaskedColumn, Table

from astrotl._params import nearest
from astrotl.errors import AstrotlWarning
from astrotl.sources import ImageSource
from astrotl.store import FeatureStore
from astrotl.tables import ID_NAMES, find_ids

_ENDING = re.compile(r"(\.(fits?|fts|fz|gz|bz2|z|jpe?g|png))+$", re.IGNORECASE)

_TRUTHS = {"true": True, "1": True, "t": True, "yes": True, "false": False, "0": False, "f": False, "no": False}

__all__ = ["align", "as_word", "find_column", "numbers", "truths", "words"]


def align(labels: Table, objects: FeatureStore | ImageSource, id_column: str | None = None) -> Table:
    """Give the labels a row for each object, in the order of these, masked where there is none.

    Parameters
    ----------
    labels : `~astropy.table.Table`
        The labels, in any order.
    objects : `~astrotl.FeatureStore` or `~astrotl.sources.ImageSource`
        The objects.
    id_column : str, optional
        The column that holds the ids. By default it is found by what it holds; files' names count as ids without their
        folders and endings.

    Examples
    --------
    >>> from astropy.table import Table
    >>> from astrotl import FeatureStore
    >>> from astrotl.labels import align
    >>> store = FeatureStore.open_or_create("labels.h5", ["a", "b", "c"], 1, {})
    >>> labels = Table({"file": ["stamps/c.fits", "stamps/a.fits", "stamps/b.fits"], "kind": ["agn", "star", "qso"]})
    >>> print(align(labels, store)["id", "kind"])
     id kind
    --- ----
      a star
      b  qso
      c  agn
    """
    known = objects.ids
    where = objects.path if isinstance(objects, FeatureStore) else "the images"
    ids = _ids(labels, known, where, id_column)
    row_of = {name: row for row, name in enumerate(ids.tolist())}
    if len(row_of) < len(ids):
        names, counts = np.unique(ids, return_counts=True)
        raise ValueError(
            f"labels: the id {str(names[counts > 1][0])!r} stands more than once; keep one row for each object"
        )
    rows = np.array([row_of.get(name, -1) for name in known.tolist()])
    found = int((rows >= 0).sum())
    # Objects without labels are what the labels are for; labels without an object may well be a mistake.
    if found < len(ids):
        warnings.warn(
            f"{found:,} of the {len(known):,} objects of {where} have labels, and {len(ids) - found:,} of the "
            f"{len(ids):,} rows of labels have no object",
            AstrotlWarning,
            stacklevel=3,
        )
    aligned = Table({"id": known})
    for name in labels.colnames:
        # A vector or a position is no label.
        if name != "id" and _is_plain(labels[name]):
            column = np.ma.asarray(labels[name])[np.maximum(rows, 0)]
            aligned[name] = MaskedColumn(column, mask=np.ma.getmaskarray(column) | (rows < 0), unit=labels[name].unit)
    return aligned


def words(labels: Table, column: str) -> np.ndarray:
    """Take a column as text, empty where there is none; a whole number has no point."""
    values = np.ma.asarray(find_column(labels, column))
    hidden = np.ma.getmaskarray(values).tolist()
    texts = ["" if gone else as_word(value) for value, gone in zip(np.ma.getdata(values).tolist(), hidden, strict=True)]
    return np.array(texts, dtype=np.str_)


def as_word(value: object) -> str:
    """Write one label as text: nothing for None and NaN, and no point in a whole number.

    >>> as_word(1.0), as_word(" agn "), as_word(float("nan"))
    ('1', 'agn', '')
    """
    if value is None or value != value:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def truths(values: npt.ArrayLike, name: str) -> np.ndarray:
    """Take yes and no from booleans, or from what a CSV file makes of them."""
    said = [as_word(value).lower() for value in np.asarray(values).tolist()]
    odd = next((word for word in said if word not in _TRUTHS), None)
    if odd is not None:
        raise ValueError(f"{name}: expected true or false, got {odd!r}")
    return np.array([_TRUTHS[word] for word in said], dtype=bool)


def numbers(labels: Table, column: str) -> np.ndarray:
    """Take a column as numbers, NaN where there is none."""
    values = np.ma.asarray(find_column(labels, column))
    known = ~np.ma.getmaskarray(values)
    found = np.full(len(values), np.nan)
    try:
        found[known] = np.ma.getdata(values)[known].astype(np.float64)
    except ValueError as error:
        raise ValueError(f"column: {column!r} of the labels does not hold numbers") from error
    return np.where(np.isfinite(found), found, np.nan)


def find_column(labels: Table, column: str, argument: str = "column") -> MaskedColumn:
    """Take a column; if there is none, the error names the argument and the column that was probably meant."""
    if column not in labels.colnames:
        raise ValueError(
            f"{argument}: the labels have no {column!r}{nearest(column, labels.colnames)}; they have "
            f"{', '.join(labels.colnames)}"
        )
    return labels[column]


def _ids(labels: Table, objects: np.ndarray, where: str, id_column: str | None) -> np.ndarray:
    known = set(objects.tolist())

    def matches(ids: np.ndarray) -> int:
        return len(known.intersection(ids.tolist()))

    def best_form(name: str) -> np.ndarray:
        ids = find_ids(labels, "labels", name)
        return max(ids, stems(ids), key=matches)

    if id_column is not None:
        return best_form(id_column)
    columns = [name for name in labels.colnames if _is_plain(labels[name]) and labels[name].dtype.kind in "USiuO"]
    forms: dict[tuple[int, bool], set[tuple[str, ...]]] = {}
    for name in columns:
        usual = name.lower() in ID_NAMES
        ids = best_form(name) if usual else max(form := _texts(labels[name]), stems(form), key=matches)
        # A column with an unusual name must tell all rows apart: a class of 1, 2, 3 is no id of an object 1.
        if matches(ids) and (usual or len(np.unique(ids)) == len(ids)):
            forms.setdefault((matches(ids), usual), set()).add(tuple(ids.tolist()))
    if forms:
        best = forms[max(forms)]
        if len(best) > 1:
            raise ValueError(f"labels: several columns hold ids of {where}; name the right one with id_column")
        return np.array(best.pop(), dtype=np.str_)
    raise ValueError(
        f"labels: no column holds ids of {where}, such as {str(objects[0])!r}; the columns are "
        f"{', '.join(labels.colnames)}"
    )


def _is_plain(column: object) -> bool:
    return isinstance(column, Column) and column.ndim == 1


def _texts(column: Column) -> np.ndarray:
    return np.array([as_word(value) for value in np.ma.getdata(column).tolist()], dtype=np.str_)


def stems(ids: np.ndarray) -> np.ndarray:
    """Take files' names without their folders and endings."""
    return np.array([_ENDING.sub("", os.path.basename(name)) for name in ids.tolist()], dtype=np.str_)
