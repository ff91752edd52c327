"""What every task promises: the columns of its table, checked before anybody sees it."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from importlib import metadata
from typing import Any, ClassVar, final

from astropy.table import Table

from astrotl import plugins
from astrotl._params import parameters, plain
from astrotl._showing import shown
from astrotl.errors import ContractError
from astrotl.index import Index
from astrotl.labels import align
from astrotl.measures import Measure

__all__ = ["Column", "Task"]


@dataclass(frozen=True)
class Column:
    """A column that a task's table has.

    Parameters
    ----------
    name : str
        The name.
    kind : str
        ``"str"``, ``"int"``, ``"float"`` or ``"bool"``.
    description : str
        What it holds, in a few words.
    unit : str, optional
        The unit.
    optional : bool, optional
        Whether it may be absent.
    """

    name: str
    kind: str
    description: str
    unit: str | None = None
    optional: bool = False


_KINDS = {"str": "U", "int": "iu", "float": "f", "bool": "b"}


class Task(ABC):
    """A question asked of the feature space, answered with a table.

    A subclass is a frozen dataclass of its parameters, declares its `columns`, and writes `_run`. Its parameters, and
    what its docstring says of them, become the options of ``astrotl run NAME``.

    Examples
    --------
    The objects in the order of their ids, which needs no neighbours:

    >>> from dataclasses import dataclass
    >>> from astropy.table import Table
    >>> from astrotl.tasks import Column, Task
    >>> @dataclass(frozen=True)
    ... class Listing(Task):
    ...     columns = (Column("id", "str", "the object"),)
    ...     def _run(self, index, labels):
    ...         return Table({"id": index.store.ids})
    """

    #: The columns of the table.
    columns: ClassVar[tuple[Column, ...]]
    #: The function that draws the table, ``"package.module:function"``, called with the table and a source of images.
    #: It gives a figure of matplotlib, or the axes of one.
    figure: ClassVar[str] = "astrotl.plots:gallery"
    #: Whether labels are "required" or "optional"; None where the task has no use for them.
    labels: ClassVar[str | None] = None
    #: The end of an example, shown by ``astrotl run NAME --help``.
    example: ClassVar[str] = "-o table.ecsv"

    @abstractmethod
    def _run(self, index: Index, labels: Table | None) -> Table:
        """Answer the question; the labels, if any, have a row for each object of the store."""

    def _evaluate(self, index: Index, labels: Table | None) -> dict[str, Measure]:
        """Measure how good the answers are, never letting an object's own label help its own answer."""
        raise ValueError(f"evaluate: {type(self).__name__} has nothing that could be measured")

    @final
    def run(self, index: Index, *, labels: Table | None = None, id_column: str | None = None) -> Table:
        """Ask the question of the store behind an index.

        Parameters
        ----------
        index : `~astrotl.index.Index`
            The index to search.
        labels : `~astropy.table.Table`, optional
            What is known of the objects, in any order.
        id_column : str, optional
            The column of the labels that holds the ids; found by what it holds if not given.

        Returns
        -------
        `~astropy.table.Table`
            The answer, with the columns that the task declares and its origin in ``meta["astrotl"]``.
        """
        known = self._aligned(index, labels, id_column)
        try:
            table = self._run(index, known)
        except Exception as error:
            error.add_note(f"while {plugins.in_full(type(self))} was answering")
            raise
        self._check(table)
        table.meta["astrotl"] = {**self._origin(index), **table.meta.get("astrotl", {})}
        if "id" in table.colnames:
            # A notebook shows it with pictures; nothing is read, or even imported, unless one does.
            table._repr_html_ = partial(shown, "table", table, index.store)
        return table

    @final
    def evaluate(self, index: Index, *, labels: Table | None = None, id_column: str | None = None) -> Table:
        """Measure how good the answers are, against labels that are known.

        Parameters
        ----------
        index : `~astrotl.index.Index`
            The index to search.
        labels : `~astropy.table.Table`, optional
            What is known of the objects, in any order.
        id_column : str, optional
            The column of the labels that holds the ids; found by what it holds if not given.

        Returns
        -------
        `~astropy.table.Table`
            A row for each measure: ``measure``, ``value``, and ``low`` and ``high``, between which 95 % of the
            bootstrap samples lie.
        """
        measures = self._evaluate(index, self._aligned(index, labels, id_column))
        rows = [(name, measure.value, measure.low, measure.high) for name, measure in measures.items()]
        table = Table(rows=rows, names=("measure", "value", "low", "high"))
        table.meta["astrotl"] = self._origin(index)
        return table

    def _aligned(self, index: Index, labels: Table | None, id_column: str | None) -> Table | None:
        if labels is None:
            if self.labels == "required":
                raise ValueError(f"labels: {type(self).__name__} needs a table of them")
            return None
        if self.labels is None:
            raise ValueError(f"labels: {type(self).__name__} has no use for them")
        return align(labels, index.store, id_column)

    def _origin(self, index: Index) -> dict[str, Any]:
        return {
            "task": type(self).__name__,
            "parameters": plain(parameters(self)),
            "store": {"file": os.path.basename(index.store.path), "uuid": index.store.uuid},
            "index": {"kind": index.kind, "metric": index.metric},
            "extractor": index.store.provenance.get("extractor"),
            "version": metadata.version("astrotl"),
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
        }

    def _check(self, table: Table) -> None:
        if not isinstance(table, Table):
            raise self._broken(f"a table, but gave {type(table).__name__}")
        for column in self.columns:
            if column.name not in table.colnames:
                if column.optional:
                    continue
                raise self._broken(f"the column {column.name!r}, but gave {', '.join(table.colnames)}")
            if table[column.name].dtype.kind not in _KINDS[column.kind]:
                raise self._broken(f"{column.name!r} as {column.kind}, but gave {table[column.name].dtype}")
            table[column.name].description = column.description
            if column.unit is not None:
                table[column.name].unit = column.unit

    def _broken(self, promise: str) -> ContractError:
        return ContractError(f"{plugins.in_full(type(self))} promised {promise}")
