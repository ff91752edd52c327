"""Whether a task keeps its promises."""

from __future__ import annotations

import importlib
import json
import re
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from astropy import units as u
from astropy.table import Table

from astrotl._params import parameters, plain
from astrotl.errors import AstrotlWarning
from astrotl.index import Index
from astrotl.tables import read_table, write_table
from astrotl.tasks import Column, Task
from astrotl.testing._made import made_index, made_labels
from astrotl.testing._promises import Promises

__all__ = ["check_task"]

_KINDS = ("str", "int", "float", "bool")
_META = ("task", "parameters", "store", "index", "extractor", "version", "created")


def check_task(
    task: Task, index: Index | None = None, *, labels: Table | None = None, refuses: Mapping[str, Any] | None = None
) -> None:
    """Check that a task keeps its promises.

    It must be a frozen dataclass whose parameters are documented, and declare its columns. Its table must hold objects
    of the store, be the same again, have its origin in ``meta["astrotl"]``, and be written and read as ECSV and
    FITS; the store and the labels must stay as they were.

    Parameters
    ----------
    task : `~astrotl.tasks.Task`
        The task.
    index : `~astrotl.index.Index`, optional
        What it is asked of. By default 80 made-up objects, ``G00`` to ``G79``, of which the last two have no features.
    labels : `~astropy.table.Table`, optional
        What is known of the objects. A task that requires labels is given made-up ones by default, with the columns
        ``kind``, "agn" or "galaxy", and ``mass``, a number.
    refuses : mapping, optional
        For each of some parameters a wrong value, for which the task must raise a `ValueError` that begins with the
        parameter's name.

    Raises
    ------
    AssertionError
        If a promise is broken.

    Examples
    --------
    >>> from astrotl import Similar
    >>> from astrotl.testing import check_task
    >>> check_task(Similar("G07", k=3), refuses={"k": 0, "query": "M 31"})
    """
    promises = Promises.of(task, "task", Task)
    settings = getattr(type(task), "__dataclass_params__", None)
    promises.hold(settings is not None and settings.frozen, "can be changed", "make it a @dataclass(frozen=True)")
    promises.documented(type(task))
    promises.made_again(task)
    promises.json(plain(parameters(task)), "parameters")
    _check_declared(promises, task)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        # What a task has to say about its labels is no breach.
        warnings.simplefilter("ignore", AstrotlWarning)
        made = index is None
        if index is None:
            index = made_index(folder)
        if labels is None and task.labels == "required":
            promises.hold(made, "requires labels", "give check_task those of the index")
            labels = made_labels(index)
        table = _answer(promises, task, index, labels)
        _check_table(promises, task, index, table)
        _check_written(promises, table, folder)
        _check_measures(promises, task, index, labels)
        for name, wrong in (refuses or {}).items():
            _check_refused(promises, task, index, labels, name, wrong)


def _check_declared(promises: Promises, task: Task) -> None:
    for name in ("run", "evaluate"):
        promises.hold(
            getattr(type(task), name) is getattr(Task, name),
            f"overrides {name}, which checks the table",
            f"write _{name}",
        )
    columns = getattr(task, "columns", None)
    promises.hold(
        isinstance(columns, tuple) and columns and all(isinstance(column, Column) for column in columns),
        f"has the columns {columns!r}",
        "declare them in a tuple of Column",
    )
    names = [column.name for column in task.columns]
    promises.hold(len(set(names)) == len(names), "declares a column twice", "give each a name of its own")
    for column in task.columns:
        what = f"declares the column {column.name!r}"
        promises.hold(column.kind in _KINDS, f"{what} of the kind {column.kind!r}", f"choose of {', '.join(_KINDS)}")
        promises.hold(column.description, f"{what} without a description", "say in a few words what it holds")
        with promises.trying(f"{what} with the unit {column.unit!r}", "write units as astropy does, such as 'deg'"):
            u.Unit(column.unit or "")
    promises.hold(
        task.labels in (None, "optional", "required"),
        f"has labels = {task.labels!r}",
        "say 'required', 'optional', or None where it has no use for them",
    )
    module, _, function = task.figure.partition(":")
    with promises.trying(
        f"has the figure {task.figure!r}", "name the function that draws it as package.module:function"
    ):
        getattr(importlib.import_module(module), function)


def _answer(promises: Promises, task: Task, index: Index, labels: Table | None) -> Table:
    """Ask twice, and see that nothing but the answer has changed."""
    rows, features = index.store.done(), index.store.features()
    known = None if labels is None else labels.copy()
    copy = type(task)(**parameters(task))
    with promises.trying("cannot answer", "if it needs another index or labels, give them to check_task"):
        table = task.run(index, labels=labels)
        # A generator that all share goes on, and would give the copy other numbers.
        again = copy.run(index, labels=labels)
    remedy = "draw random numbers from numpy.random.default_rng with a fixed seed"
    promises.hold(
        table.colnames == again.colnames
        and len(table) == len(again)
        and all(_same(table[name], again[name]) for name in table.colnames),
        "gives another table when it is asked again",
        remedy,
    )
    promises.hold(
        np.array_equal(index.store.done(), rows) and np.array_equal(index.store.features(), features, equal_nan=True),
        "changes the store",
        "a task reads features, and writes none",
    )
    promises.hold(
        known is None
        or labels is None
        or (labels.colnames == known.colnames and all(_same(labels[name], known[name]) for name in known.colnames)),
        "changes the labels that it is given",
        "work on a copy",
    )
    return table


def _check_table(promises: Promises, task: Task, index: Index, table: Table) -> None:
    if "id" in table.colnames:
        unknown = np.setdiff1d(np.asarray(table["id"]), index.store.ids)
        promises.hold(
            not len(unknown),
            f"names objects that are not in the store, such as {', '.join(unknown[:1])!r}",
            "take ids from index.store.ids",
        )
    for name in table.colnames:
        promises.hold(
            table[name].description, f"gives the column {name!r} without a description", "declare it in columns"
        )
    meta = table.meta["astrotl"]
    promises.json(meta, 'meta["astrotl"]')
    # What run() writes is known; what a task adds must not stand in its place.
    origin = task._origin(index)
    for name in _META[:-1]:
        promises.hold(
            meta[name] == json.loads(json.dumps(origin[name])),
            f'writes over {name!r} in meta["astrotl"]',
            f"call it otherwise; {', '.join(_META)} are what every table has",
        )


def _check_written(promises: Promises, table: Table, folder: str) -> None:
    for ending in ("ecsv", "fits"):
        path = Path(folder) / f"table.{ending}"
        with promises.trying(
            f"gives a table that cannot be written as {ending.upper()} and read again",
            "keep to columns of words, numbers or truths",
        ):
            write_table(table, path)
            again = read_table(path)
        promises.hold(
            (again.colnames, len(again)) == (table.colnames, len(table)),
            f"gives a table whose columns {ending.upper()} changes",
            "keep to columns of words, numbers or truths",
        )


def _check_measures(promises: Promises, task: Task, index: Index, labels: Table | None) -> None:
    """See that it measures itself, or says with a ValueError why it does not."""
    with promises.trying("cannot be evaluated", "where nothing can be measured, raise a ValueError"):
        try:
            measures = task.evaluate(index, labels=labels)
        except ValueError:
            return
    for name, value, low, high in measures.iterrows("measure", "value", "low", "high"):
        promises.hold(
            not (value < low or value > high),
            f"measures {name} as {value:g}, which does not lie between {low:g} and {high:g}",
            "measure with astrotl.measures.bootstrap",
        )


def _check_refused(promises: Promises, task: Task, index: Index, labels: Table | None, name: str, wrong: Any) -> None:
    remedy = f"raise ValueError('{name}: must be ..., got ...') in __post_init__"
    given = f"{name}={wrong!r}"
    promises.hold(name in parameters(task), f"has no parameter {name!r}", "name a parameter in refuses")
    try:
        type(task)(**{**parameters(task), name: wrong}).run(index, labels=labels)
    except ValueError as error:
        promises.hold(
            re.match(rf"([\w, ]+, )?{re.escape(name)}\b[\w, ]*: ", str(error)),
            f"refuses {given} with the words {str(error)!r}, which do not begin with the parameter's name",
            remedy,
        )
    except Exception as error:
        promises.hold(False, f"fails on {given} with {type(error).__name__}: {error}", remedy)
    else:
        promises.hold(False, f"takes {given}", remedy)


def _same(some: Any, others: Any) -> bool:
    some, others = np.ma.asarray(some), np.ma.asarray(others)
    if some.shape != others.shape or some.dtype.kind != others.dtype.kind:
        return False
    hidden = np.ma.getmaskarray(some)
    if not np.array_equal(hidden, np.ma.getmaskarray(others)):
        return False
    some, others = np.ma.getdata(some)[~hidden], np.ma.getdata(others)[~hidden]
    if some.dtype.kind == "f":
        return bool(np.allclose(some, others, rtol=1e-6, atol=0, equal_nan=True))
    return bool((some == others).all())
