"""``astrotl run TASK``: one command a task, its options read off the task's own parameters."""

from __future__ import annotations

import dataclasses
import importlib
from typing import TYPE_CHECKING, Any

import click

from astrotl.cli._options import comma_list, images_of, shared_options

if TYPE_CHECKING:
    from astropy.table import Table

    from astrotl.store import FeatureStore
    from astrotl.tasks import Task


class _Tasks(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        from astrotl import plugins

        return sorted({name for plugin in plugins.plugins() for name in plugin.tasks})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return _task_command(cmd_name)


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
    docs = parameter_docs(cls)
    options = [_option(field, docs.get(field.name, "")) for field in dataclasses.fields(cls)]  # type: ignore[arg-type]

    @shared_options
    @click.option("--index", metavar="FILE.ann", help="The index; by default the one beside the store, if any.")
    @click.option("-o", "--output", metavar="FILE", help="Where to write the table; printed if not given.")
    @click.option("--plot", metavar="FILE", help="Draw the answer as a picture (.png, .pdf, .svg).")
    def ask(store: str, index: str | None, output: str | None, plot: str | None, **parameters: Any) -> None:
        _ask(cls, parameters, store, index, output, plot)

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


def _ask(
    cls: type[Task],
    parameters: dict[str, Any],
    store_path: str,
    index: str | None,
    output: str | None,
    plot: str | None,
) -> None:
    from astrotl.index import open_index
    from astrotl.store import FeatureStore
    from astrotl.tables import check_ending, write_table

    if output is not None:
        check_ending(output)
    store = FeatureStore(store_path)
    table = cls(**parameters).run(open_index(store, index))
    if output is None:
        click.echo("\n".join(table.pformat(max_lines=40, max_width=-1)))
    else:
        write_table(table, output)
        click.echo(f"{output}: {len(table):,} rows")
    if plot is not None:
        _draw(cls, table, store, plot)


def _draw(cls: type[Task], table: Table, store: FeatureStore, path: str) -> None:
    module, _, function = cls.figure.partition(":")
    figure = getattr(importlib.import_module(module), function)(table, images_of(store))
    figure.savefig(path)
    click.echo(f"{path}: drawn")
