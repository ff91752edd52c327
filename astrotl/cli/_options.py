"""What several commands share: their common options, bars and tables, the images and labels they are given."""

from __future__ import annotations

import functools
import importlib
import os
import tomllib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

import click

from astrotl._params import nearest

if TYPE_CHECKING:
    from astropy.table import Table

    from astrotl.sources import ImageSource

F = TypeVar("F", bound=Callable[..., Any])


def shared_options(function: F) -> F:
    """Add --config and --debug to a command."""
    config = click.option(
        "--config",
        type=click.Path(dir_okay=False),
        metavar="FILE.toml",
        is_eager=True,
        expose_value=False,
        callback=_read_config,
        help="Take options from this file, from the table named like the command: [extract], [run.similar].",
    )
    debug = click.option("--debug", is_flag=True, expose_value=False, help="Show the whole traceback of an error.")
    return config(debug(function))


def _read_config(context: click.Context, _parameter: click.Parameter, path: str | None) -> None:
    if path is None:
        return
    if not os.path.isfile(path):
        raise FileNotFoundError(f"{path}: there is no such file")
    with open(path, "rb") as file:
        try:
            table: Any = tomllib.load(file)
        except tomllib.TOMLDecodeError as error:
            raise ValueError(f"{path}: is not TOML ({error})") from error
    for name in _names(context):
        table = table.get(name, {})
    options = {name.lstrip("-"): parameter for parameter in context.command.params for name in parameter.opts}
    defaults: dict[str, Any] = {}
    for key, value in table.items():
        option = options.get(key) or options.get(key.replace("_", "-"))
        if option is None:
            raise ValueError(f"{path}: {context.command_path} has no option {key!r}{nearest(key, options)}")
        defaults[str(option.name)] = _as_typed(value, option)
    context.default_map = defaults


def _as_typed(value: Any, option: click.Parameter) -> Any:
    """Give one value to an option that is given several times, and a list as it would be typed to one that is not."""
    if not isinstance(option, click.Option):
        return value
    if isinstance(value, list):
        return value if option.multiple else ",".join(map(str, value))
    return [value] if option.multiple else value


def _names(context: click.Context) -> list[str]:
    """Give the words of a command without the program's own."""
    return [] if context.parent is None else [*_names(context.parent), str(context.info_name)]


def bar(**settings: Any) -> Any:
    """Make a progress bar with rate and time left, silent where nobody watches."""
    # tqdm: the smallest bar that astronomers know from everywhere.
    from tqdm import tqdm

    return tqdm(disable=None, **settings)


def comma_list(_context: click.Context, _parameter: click.Parameter, text: Any) -> tuple[str, ...] | None:
    """Read ``g,r,i``."""
    return None if text is None else tuple(word.strip() for word in text.split(",") if word.strip())


def source_options(function: F) -> F:
    """Add INPUT... and how it is read to a command, which gets ``images``: called, it opens them and counts them."""
    options = (
        click.argument("inputs", nargs=-1, required=True, metavar="INPUT..."),
        click.option(
            "--catalog", metavar="TABLE|FOLDER", help="Positions, also of HATS, to cut out of the inputs: mosaics."
        ),
        click.option("--boxes", metavar="FILE", help="Boxes, drawn or found, in the inputs: each becomes an object."),
        click.option("--bands", callback=comma_list, metavar="g,r,i", help="The bands to read, in this order."),
        click.option(
            "--size", metavar="PIXELS|ANGLE", help='Width and height of the images: 64, or for mosaics "30 arcsec".'
        ),
        click.option("--id-column", metavar="NAME", help="The catalogue's column of ids, if its name is unusual."),
        click.option(
            "--stack", metavar="median|mean|EPOCH", help="Objects on many dates: how, or which date, their stack is."
        ),
    )
    names = ("inputs", "catalog", "boxes", "bands", "size", "id_column", "stack")

    @functools.wraps(function)
    def command(**given: Any) -> Any:
        how = {name: given.pop(name) for name in names}
        return function(images=functools.partial(_open, **how), **given)

    for option in reversed(options):
        command = option(command)
    return command  # type: ignore[return-value]


def _open(inputs: tuple[str, ...], boxes: str | None, **how: Any) -> ImageSource:
    from astrotl.originals import about_boxes
    from astrotl.sources import open_source, parse_inputs

    given = parse_inputs(inputs)
    source = open_source(given, **how) if boxes is None else about_boxes(given, boxes, **how)
    click.echo(f"{len(source):,} objects in the bands {', '.join(source.channels)}", err=True)
    return source


def label_options(ids: str) -> Callable[[F], F]:
    """Add the options that say what is to be learned; ``ids`` spells the one of the labels' ids."""
    options = (
        click.option("--labels", metavar="TABLE", required=True, help="What is known of the objects."),
        click.option("--column", metavar="NAME", required=True, help="The column of the labels to learn."),
        click.option(
            "--kind", type=click.Choice(["classes", "numbers"]), help="What it holds, if it is not what it looks like."
        ),
        click.option(
            "--classes", callback=comma_list, metavar="A,B", help="The classes to tell apart; by default all."
        ),
        click.option(
            "--groups", metavar="NAME", help="A column of the labels: objects that share its value are never parted."
        ),
        click.option(ids, "label_ids", metavar="NAME", help="The labels' column of ids, if it cannot be found."),
        click.option(
            "--test", type=float, default=0.25, show_default=True, help="The share of the labels kept for the test."
        ),
    )

    def add(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return add


def keep_figure(drawn: Any, path: str) -> None:
    """Write what was drawn, a figure or the axes of one, and say so."""
    drawn.figure.savefig(path)
    click.echo(f"{path}: drawn")


def show_table(table: Table) -> None:
    """Print a whole table, fractions with three decimals."""
    for name in table.colnames:
        if table[name].dtype.kind == "f" and table[name].info.format is None and name != "fraction":
            table[name].info.format = ".3f"
    click.echo("\n".join(table.pformat(max_lines=-1, max_width=-1)))


def room(name: str, who: str) -> Any:
    """Import a room that needs torch: by its name, for no command imports torch."""
    from astrotl._optional import missing_dependency

    try:
        return importlib.import_module(f"astrotl.{name}")
    except ModuleNotFoundError as error:
        raise missing_dependency(error, who) from error


def summaries(kind: str) -> Iterator[tuple[str, str]]:
    """Give the names of all ``"extractors"`` or ``"tasks"``, and what each is, or else why it cannot be used."""
    from astrotl import plugins
    from astrotl._params import summary
    from astrotl.errors import AstrotlError

    load = plugins.load_extractor if kind == "extractors" else plugins.load_task
    for name in sorted({name for plugin in plugins.plugins() for name in getattr(plugin, kind)}):
        try:
            yield name, summary(load(name))
        except AstrotlError as error:
            yield name, f"not usable: {error}"
