"""What every task promises: the columns of its table, checked before anybody sees it."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from typing import ClassVar, final

from astropy.table import Table

from astrotl._params import parameters, plain
from astrotl.errors import ContractError
from astrotl.index import Index

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
    figure: ClassVar[str] = "astrotl.plots:gallery"
    #: The end of an example, shown by ``astrotl run NAME --help``.
    example: ClassVar[str] = "-o table.ecsv"

    @abstractmethod
    def _run(self, index: Index, labels: Table | None) -> Table:
        """Answer the question."""

    @final
    def run(self, index: Index, *, labels: Table | None = None) -> Table:
        """Ask the question of the store behind an index.

        Parameters
        ----------
        index : `~astrotl.index.Index`
            The index to search.
        labels : `~astropy.table.Table`, optional
            What is known of the objects, with a column ``id``.

        Returns
        -------
        `~astropy.table.Table`
            The answer, with the columns that the task declares and its origin in ``meta["astrotl"]``.
        """
        table = self._run(index, labels)
        self._check(table)
        table.meta["astrotl"] = {
            "task": type(self).__name__,
            "parameters": plain(parameters(self)),
            "store": {"file": os.path.basename(index.store.path), "uuid": index.store.uuid},
            "index": {"kind": index.kind, "metric": index.metric},
            "extractor": index.store.provenance.get("extractor"),
            "version": metadata.version("astrotl"),
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        return table

    def _check(self, table: Table) -> None:
        who = type(self).__name__
        if not isinstance(table, Table):
            raise ContractError(f"{who} promised a table, but gave {type(table).__name__}")
        for column in self.columns:
            if column.name not in table.colnames:
                if column.optional:
                    continue
                raise ContractError(f"{who} promised the column {column.name!r}, but gave {', '.join(table.colnames)}")
            if table[column.name].dtype.kind not in _KINDS[column.kind]:
                raise ContractError(
                    f"{who} promised {column.name!r} as {column.kind}, but gave {table[column.name].dtype}"
                )
            table[column.name].description = column.description
            if column.unit is not None:
                table[column.name].unit = column.unit
