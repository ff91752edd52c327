"""``astrotl run TASK``: one command a task, its options read off the task's own parameters."""

from __future__ import annotations

import dataclasses
import importlib
import os
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from astrotl.cli._options import comma_list, keep_figure, shared_options, summaries
from astrotl.errors import AstrotlWarning, PluginError

if TYPE_CHECKING:
    from astropy.table import Table

    from astrotl.store import FeatureStore
    from astrotl.tasks import Task

F = TypeVar("F", bound=Callable[..., Any])


class _Tasks(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        from astrotl import plugins

        return sorted({name for plugin in plugins.plugins() for name in plugin.tasks})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return _task_command(cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        # Not by get_command, so that a task that cannot be loaded does not take the help of the others with it.
        with formatter.section("Commands"):
            formatter.write_dl(list(summaries("tasks")))


@click.command(cls=_Tasks)
def run() -> None:
    """Ask a question of a store and get a table.

    \b
      astrotl run similar features.h5 --query M51 -k 16 -o similar.ecsv --plot similar.png

    The table's ending says its format: .ecsv, .csv, .fits, .vot or .parquet.
    """


def _task_command(name: str) -> click.Command:
    from astrotl import plugins
    from astrotl._params import parameter_docs, summary

    cls: type[Task] = plugins.load_task(name)
    if not dataclasses.is_dataclass(cls):
        raise PluginError(f"{plugins.in_full(cls)} must be a frozen dataclass of its parameters")
    docs = parameter_docs(cls)
    options = [_option(field, docs.get(field.name, "")) for field in dataclasses.fields(cls)]

    @shared_options
    @_label_options(cls)
    @click.option("--index", metavar="FILE.ann", help="The index; by default the one beside the store, if any.")
    @click.option("-o", "--output", metavar="FILE", help="Where to write the table; printed if not given.")
    @click.option("--plot", metavar="FILE", help="Draw the answer as a picture (.png, .pdf, .svg).")
    def ask(store: str, index: str | None, output: str | None, plot: str | None, **parameters: Any) -> None:
        known = {name: parameters.pop(name, None) for name in ("labels", "id_column", "evaluate")}
        _ask(cls(**parameters), store, index, output, plot, **known)

    params = getattr(ask, "__click_params__", [])[::-1]
    example = f"\b\nExample:\n  astrotl run {name} features.h5 {cls.example}"
    return click.Command(
        name,
        params=[click.Argument(["store"], metavar="STORE"), *options, *params],
        callback=ask,
        help=f"{summary(cls)}\n\n{example}",
        short_help=summary(cls),
    )


def _option(field: dataclasses.Field[Any], doc: str) -> click.Option:
    flag = f"-{field.name}" if len(field.name) == 1 else f"--{field.name.replace('_', '-')}"
    required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    default = None if required or field.default is dataclasses.MISSING else field.default
    settings: dict[str, Any] = {
        "help": doc,
        "required": required,
        "default": default,
        "show_default": default is not None,
    }
    if isinstance(default, bool):
        return click.Option([flag, field.name], is_flag=True, **settings)
    if "Sequence" in str(field.type) or "tuple" in str(field.type):
        return click.Option([flag, field.name], metavar="X,Y", multiple=True, callback=_flat_list, **settings)
    kind = type(default) if isinstance(default, (int, float)) else str
    return click.Option([flag, field.name], type=kind, **settings)


def _flat_list(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(word for value in values for word in comma_list(context, parameter, value) or ())


def _label_options(cls: type[Task]) -> Callable[[F], F]:
    def add(function: F) -> F:
        if cls.labels is None:
            return function
        options = (
            click.option(
                "--labels", metavar="TABLE", required=cls.labels == "required", help="What is known of objects."
            ),
            click.option("--id-column", metavar="NAME", help="The labels' column of ids, if it cannot be found."),
            click.option("--evaluate", is_flag=True, help="Measure how good the answers are; with -o also as JSON."),
        )
        for option in reversed(options):
            function = option(function)
        return function

    return add


def _ask(
    task: Task,
    store_path: str,
    index_path: str | None,
    output: str | None,
    plot: str | None,
    labels: str | None,
    id_column: str | None,
    evaluate: bool | None,
) -> None:
    from astrotl.index import open_index
    from astrotl.store import open_store
    from astrotl.tables import check_ending, read_table, write_table

    if output is not None:
        check_ending(output)
    store = open_store(store_path)
    index = open_index(store, index_path)
    known = read_table(labels) if labels is not None else None
    table = task.run(index, labels=known, id_column=id_column)
    if output is None:
        click.echo("\n".join(table.pformat(max_lines=40, max_width=-1)))
    else:
        write_table(table, output)
        click.echo(f"{output}: {len(table):,} rows")
    if plot is not None:
        _draw(task, table, store, plot)
    if evaluate:
        with warnings.catch_warnings():
            # What there was to say of the labels has been said.
            warnings.simplefilter("ignore", AstrotlWarning)
            _show_measures(task.evaluate(index, labels=known, id_column=id_column), output)


def _show_measures(measures: Table, output: str | None) -> None:
    import json

    for name in ("value", "low", "high"):
        measures[name].info.format = ".3f"
    click.echo("\n".join(measures.pformat(max_lines=-1, max_width=-1)))
    if output is not None:
        path = f"{os.path.splitext(output)[0]}.json"
        rows = {row["measure"]: {name: float(row[name]) for name in ("value", "low", "high")} for row in measures}
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"measures": rows, **measures.meta["astrotl"]}, file, indent=1)
        click.echo(f"{path}: {len(rows)} measures")


def _draw(task: Task, table: Table, store: FeatureStore, path: str) -> None:
    from astrotl.originals import images_of

    module, _, function = task.figure.partition(":")
    drawn = getattr(importlib.import_module(module), function)(table, images_of(store))
    keep_figure(drawn, path)
