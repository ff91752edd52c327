"""What people said of objects: a plain table beside the store, whole on the disk before anybody is answered."""

from __future__ import annotations

import csv
import os
import threading
import warnings
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
from astropy.table import Table

from astrotl._locks import locked
from astrotl.errors import AstrotlWarning
from astrotl.store import FeatureStore
from astrotl.tables import read_table

__all__ = ["Judgement", "LabelFile", "merge_labels", "read_labels"]

_COLUMNS = ("id", "label", "by", "at")
_HEAD = "".join(
    [
        "# %ECSV 1.0\n# ---\n# delimiter: ','\n# datatype:\n",
        *(f"# - {{name: {name}, datatype: string}}\n" for name in _COLUMNS),
        ",".join(_COLUMNS) + "\n",
    ]
)


@dataclass(frozen=True)
class Judgement:
    """What one person said of one object; an empty label takes back what was said before."""

    id: str
    label: str
    by: str
    at: str


def default_path(store: FeatureStore) -> str:
    """Name the file of labels that lies beside a store."""
    return os.path.splitext(os.path.abspath(store.path))[0] + ".labels.ecsv"


def read_labels(path: str | os.PathLike[str]) -> Table:
    """Read what was said of objects on the page.

    Parameters
    ----------
    path : path
        The file: ``features.labels.ecsv`` beside ``features.h5``.

    Returns
    -------
    `~astropy.table.Table`
        The columns ``id``, ``label``, ``by`` and ``at``, one row for each object. An empty label is one that was taken
        back.
    """
    return _table(_judgements(read_table(path), os.fspath(path)).values())


def merge_labels(first: Table, second: Table) -> Table:
    """Bring the labels of two people together; where both judged an object, the later word counts.

    Parameters
    ----------
    first, second : `~astropy.table.Table`
        What `read_labels` gave.

    Returns
    -------
    `~astropy.table.Table`
        One row for each object. How often the two disagreed is said in a warning.

    Examples
    --------
    >>> from astropy.table import Table
    >>> from astrotl.explore import merge_labels
    >>> names = ("id", "label", "by", "at")
    >>> ann = Table(rows=[("M51", "merger", "ann", "2026-03-01T10:00:00Z")], names=names)
    >>> bob = Table(rows=[("M101", "boring", "bob", "2026-03-02T09:30:00Z")], names=names)
    >>> print(merge_labels(ann, bob)["id", "label", "by"])
     id  label   by
    ---- ------ ---
     M51 merger ann
    M101 boring bob
    """
    mine, theirs = _judgements(first, "first"), _judgements(second, "second")
    apart = sum(
        bool(mine[name].label and theirs[name].label and mine[name].label != theirs[name].label)
        for name in mine.keys() & theirs.keys()
    )
    if apart:
        what = "1 object was" if apart == 1 else f"{apart:,} objects were"
        warnings.warn(f"{what} judged differently; the later word counts", AstrotlWarning, stacklevel=2)
    return _table(_later(mine, theirs).values())


class LabelFile:
    """The labels of one store on the disk, and the same in memory.

    Each new word is written into a new file that then takes the place of the old one: after a kill at any moment one of
    the two is there, whole. What others write into the file meanwhile, by another server or by hand, is kept.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.path.abspath(path)
        self._said: dict[str, Judgement] = {}
        self._stamp: tuple[int, ...] | None = None
        self._lock = threading.Lock()
        folder = os.path.dirname(self.path)
        if not os.path.isdir(folder):
            raise FileNotFoundError(f"labels: there is no folder {folder}")
        if not self.path.lower().endswith(".ecsv"):
            raise ValueError(f"labels: the file must end in .ecsv, got {os.fspath(path)}")
        self.refresh()

    def refresh(self) -> list[Judgement]:
        """Read the file again if somebody else has changed it, and give what is new."""
        with self._lock:
            return self._read()

    def all(self) -> dict[str, Judgement]:
        """Give the last word on each object, by its id."""
        with self._lock:
            return dict(self._said)

    def say(self, words: dict[str, str], by: str) -> list[Judgement]:
        """Write down labels; when this returns, they are on the disk."""
        at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        new = {name: Judgement(name, label, by, at) for name, label in words.items()}
        for one in new.values():
            for what, text in (("id", one.id), ("label", one.label), ("by", one.by)):
                if not text.isprintable() or (what == "id" and text != text.strip()):
                    raise ValueError(f"{what}: {text!r} holds letters that no table can keep")
        with self._lock, locked(os.path.dirname(self.path), wait=True):
            self._read()
            said = {**self._said, **new}
            _write(list(said.values()), self.path)
            self._said, self._stamp = said, _stamp(self.path)
        return list(new.values())

    def _read(self) -> list[Judgement]:
        stamp = _stamp(self.path)
        if stamp == self._stamp or stamp is None:
            return []
        there = _judgements(read_table(self.path), self.path)
        new = [one for name, one in there.items() if self._said.get(name) != one]
        # A row that somebody has deleted is a label that was taken back.
        new += [replace(one, label="") for name, one in self._said.items() if name not in there]
        self._said, self._stamp = there, stamp
        return new


def _judgements(table: Table, where: str) -> dict[str, Judgement]:
    lost = [name for name in ("id", "label") if name not in table.colnames]
    if lost:
        raise ValueError(f"labels: {where} has no column {lost[0]!r}; it has {', '.join(table.colnames)}")
    more = [name for name in table.colnames if name not in _COLUMNS]
    if more:
        # They would be lost when the next label is written.
        raise ValueError(f"labels: {where} has other columns than {', '.join(_COLUMNS)}, such as {more[0]!r}")
    columns = [_words(table, name) for name in _COLUMNS]
    said: dict[str, Judgement] = {}
    for values in zip(*columns, strict=True):
        one = Judgement(*values)
        if one.id not in said or one.at >= said[one.id].at:
            said[one.id] = one
    return said


def _words(table: Table, name: str) -> list[str]:
    if name not in table.colnames:
        return [""] * len(table)
    values = np.ma.asarray(table[name])
    hidden = np.ma.getmaskarray(values).tolist()
    return ["" if gone else str(value) for value, gone in zip(np.ma.getdata(values).tolist(), hidden, strict=True)]


def _later(mine: dict[str, Judgement], theirs: dict[str, Judgement]) -> dict[str, Judgement]:
    merged = dict(mine)
    for name, one in theirs.items():
        if name not in merged or one.at > merged[name].at:
            merged[name] = one
    return merged


def _table(said: object) -> Table:
    rows = [tuple(getattr(one, name) for name in _COLUMNS) for one in said]  # type: ignore[attr-defined]
    columns = list(zip(*rows, strict=True)) or [()] * len(_COLUMNS)
    return Table({name: np.array(values, dtype=np.str_) for name, values in zip(_COLUMNS, columns, strict=True)})


def _stamp(path: str) -> tuple[int, ...] | None:
    try:
        there = os.stat(path)
    except FileNotFoundError:
        return None
    return there.st_ino, there.st_mtime_ns, there.st_size


def _write(said: list[Judgement], path: str) -> None:
    folder, name = os.path.split(path)
    part = os.path.join(folder, f".{name}.part")
    try:
        with open(part, "w", encoding="utf-8", newline="") as file:
            file.write(_HEAD)
            # Everything in quotes: an id that begins with # or a blank would else be lost when the table is read.
            lines = csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\n")
            lines.writerows([getattr(one, column) for column in _COLUMNS] for one in said)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        if os.path.exists(part):
            os.unlink(part)
    if os.name == "posix":
        # The new name too must outlive a loss of power.
        entry = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(entry)
        finally:
            os.close(entry)
