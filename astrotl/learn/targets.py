"""What is to be learned: the labelled objects and their classes or numbers, checked before anything is trained."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from astropy.table import Table

from astrotl._params import nearest
from astrotl.errors import AstrotlWarning
from astrotl.labels import align, as_word, find_column, numbers, words
from astrotl.sources import ImageSource
from astrotl.store import FeatureStore

__all__ = ["Target", "read_target"]

_KINDS = ("classes", "numbers")
#: Whole numbers are classes unless there are more of them than anybody would tell apart.
_MOST_CLASSES = 20
#: One to learn from, and one to test with.
_FEWEST = 2


@dataclass(frozen=True, eq=False)
class Target:
    """The labelled objects, and what is known of them.

    Parameters
    ----------
    column : str
        The column of the labels.
    rows : `~numpy.ndarray`
        The rows of the labelled objects in their store or source, rising.
    values : `~numpy.ndarray`
        For each of them the number of its class, or the number itself.
    classes : tuple of str
        The names of the classes; empty where numbers are to be learned.
    groups : `~numpy.ndarray`, optional
        For each of them the group of objects that are never parted.
    """

    column: str
    rows: np.ndarray
    values: np.ndarray
    classes: tuple[str, ...] = ()
    groups: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def select(self, which: np.ndarray) -> Target:
        """Keep some of the objects."""
        groups = None if self.groups is None else self.groups[which]
        return replace(self, rows=self.rows[which], values=self.values[which], groups=groups)


def read_target(
    labels: Table,
    objects: FeatureStore | ImageSource,
    column: str,
    *,
    kind: str | None = None,
    classes: Sequence[str] | None = None,
    groups: str | None = None,
    id_column: str | None = None,
) -> Target:
    """Bring the labels to the objects, and refuse those that nothing can be learned from.

    Parameters
    ----------
    labels : `~astropy.table.Table`
        The labels, in any order; objects without one are left out.
    objects : `~astrotl.FeatureStore` or `~astrotl.sources.ImageSource`
        The objects. Those of a store without features are left out.
    column : str
        The column to learn.
    kind : {"classes", "numbers"}, optional
        What the column holds; by default numbers if it holds fractions, or more than twenty whole numbers.
    classes : sequence of str, optional
        The classes to tell apart; objects of others are left out. By default all.
    groups : str, optional
        A column of the labels: objects that share its value, such as the images of one galaxy, are never parted.
    id_column : str, optional
        The labels' column of ids, if it cannot be found.

    Examples
    --------
    >>> from astropy.table import Table
    >>> from astrotl import simulate
    >>> from astrotl.learn import read_target
    >>> from astrotl.sources import ArraySource
    >>> batch, truth = simulate.stamps(6, kinds=("spiral", "elliptical"), seed=1)
    >>> target = read_target(truth, ArraySource(batch.data, ids=batch.ids), "kind")
    >>> target.classes, target.values.tolist()
    (('elliptical', 'spiral'), [1, 0, 1, 0, 1, 0])
    """
    if kind is not None and kind not in _KINDS:
        raise ValueError(f"kind: must be one of {', '.join(_KINDS)}, got {kind!r}")
    if kind == "numbers" and classes is not None:
        raise ValueError("classes: go with classes, not with numbers")
    for argument, name in (("column", column), ("groups", groups)):
        if name is not None:
            find_column(labels, name, argument)
    aligned = align(labels, objects, id_column)
    for argument, name in (("column", column), ("groups", groups)):
        if name is not None and name not in aligned.colnames:
            raise ValueError(f"{argument}: {name!r} must hold one word or number each, not vectors or positions")
    if (kind or ("classes" if classes is not None else _kind(aligned[column]))) == "numbers":
        target = _numbers(numbers(aligned, column), column)
    else:
        target = _classes(words(aligned, column), column, classes)
    if groups is not None:
        target = replace(target, groups=_groups(aligned, groups, target.rows))
    return among(target, objects.done()) if isinstance(objects, FeatureStore) else target


def among(target: Target, rows: np.ndarray) -> Target:
    """Leave out the labelled objects that are not among these rows, saying how many, and check what is left."""
    there = np.isin(target.rows, rows)
    if there.all():
        return target
    warnings.warn(
        f"{np.sum(~there):,} of the {len(target):,} labelled objects have no features and are left out",
        AstrotlWarning,
        stacklevel=3,
    )
    some = target.select(there)
    if not target.classes:
        _numbers(some.values, target.column)
        return some
    said = np.array(target.classes)[some.values]
    left = _classes(said, target.column, [name for name in target.classes if name in said])
    return replace(some.select(left.rows), values=left.values, classes=left.classes)


def _kind(column: np.ma.MaskedArray) -> str:
    """Say what a column holds: fractions and many whole numbers are numbers, all else are classes."""
    known = np.ma.asarray(column).compressed()
    if known.dtype.kind == "f":
        known = known[np.isfinite(known)]
    if known.dtype.kind not in "fiu":
        return "classes"
    whole = bool((known == np.round(known)).all())
    return "classes" if whole and len(np.unique(known)) <= _MOST_CLASSES else "numbers"


def _numbers(values: np.ndarray, column: str) -> Target:
    rows = np.flatnonzero(np.isfinite(values))
    different = len(np.unique(values[rows]))
    if len(rows) < 2 * _FEWEST or different < 2:
        raise ValueError(
            f"column: {column!r} is known for {len(rows):,} of the {len(values):,} objects, with {different:,} "
            f"different values; {2 * _FEWEST} objects and two values are the least to learn from"
        )
    return Target(column, rows, values[rows])


def _classes(said: np.ndarray, column: str, wanted: Sequence[str] | None) -> Target:
    names, counts = np.unique(said[said != ""], return_counts=True)
    members = dict(zip(names.tolist(), counts.tolist(), strict=True))
    asked = list(members) if wanted is None else list(dict.fromkeys(as_word(name) for name in wanted))
    for name in asked:
        if name not in members:
            raise ValueError(
                f"classes: no object is {name!r}{nearest(name, members)}; {column} holds "
                f"{', '.join(members) or 'nothing'}"
            )
    if len(asked) > max(_MOST_CLASSES, sum(members.values()) / 3):
        raise ValueError(
            f"column: {column!r} has {len(asked):,} classes for {sum(members.values()):,} objects; does it hold names?"
        )
    chosen = tuple(name for name in asked if members[name] >= _FEWEST)
    if len(chosen) < 2:
        raise ValueError(
            f"column: {column!r} has {len(chosen)} classes with {_FEWEST} or more members"
            f"{f' ({chosen[0]})' if chosen else ''}; two are needed to tell apart"
        )
    small = [name for name in asked if members[name] < _FEWEST]
    if small:
        what = "class" if len(small) == 1 else "classes"
        warnings.warn(
            f"{column}: {len(small):,} {what} with one member only, left out: {', '.join(small[:5])}"
            f"{', ...' if len(small) > 5 else ''}",
            AstrotlWarning,
            stacklevel=3,
        )
    number_of = {name: number for number, name in enumerate(chosen)}
    rows = np.flatnonzero(np.isin(said, chosen))
    return Target(column, rows, np.array([number_of[name] for name in said[rows].tolist()]), chosen)


def _groups(aligned: Table, name: str, rows: np.ndarray) -> np.ndarray:
    """Number the groups; an object whose group is not known is one by itself."""
    found = words(aligned, name)[rows]
    alone = np.flatnonzero(found == "")
    numbered = np.unique(found, return_inverse=True)[1]
    numbered[alone] = numbered.max(initial=0) + 1 + np.arange(len(alone))
    return numbered
