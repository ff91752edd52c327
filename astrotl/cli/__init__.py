"""The command ``astrotl``: each command is a thin line to the call of the same name."""

from __future__ import annotations

import sys
import warnings

import click

from astrotl.cli.demo import demo
from astrotl.cli.detect import detect
from astrotl.cli.explain import explain
from astrotl.cli.explore import explore
from astrotl.cli.extract import extract
from astrotl.cli.hats import hats
from astrotl.cli.index import index
from astrotl.cli.learn import compare, probe
from astrotl.cli.map import feature_map
from astrotl.cli.plugin import plugin
from astrotl.cli.repair import repair
from astrotl.cli.report import report
from astrotl.cli.run import run
from astrotl.cli.show import extractors, info, plugins, tasks
from astrotl.cli.training import finetune, predict
from astrotl.errors import AstrotlError, AstrotlWarning

__all__ = ["cli", "main"]


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="astrotl")
def cli() -> None:
    """Transfer learning for astronomical images.

    Images become features by a pretrained network, features are kept in a store, and questions are asked of the store:

    \b
      astrotl extract stamps/ -o features.h5
      astrotl run similar features.h5 --query M51 --plot similar.png

    Start with "astrotl demo", which does all of it on a made-up sky.
    """


for command in (
    *(demo, extract, repair, index, run, probe, compare, finetune, predict, detect, feature_map, explain, explore),
    *(report, hats, info, tasks, extractors, plugins, plugin),
):
    cli.add_command(command)


def main() -> None:
    """Run the command line; a user's mistake is one line and the exit code 1."""
    warnings.showwarning = _show_warning  # type: ignore[assignment]
    try:
        from astrotl.plugins import add_commands

        add_commands(cli)
        cli.main(prog_name="astrotl", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        sys.exit(1)
    except Exception as error:
        if "--debug" in sys.argv:
            raise
        click.echo(f"astrotl: error: {_in_one_line(error)}", err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        click.echo("astrotl: stopped; the same command again does the rest", err=True)
        sys.exit(130)


def _in_one_line(error: Exception) -> str:
    if isinstance(error, click.Abort):
        return "stopped; the same command again does the rest"
    if isinstance(error, click.ClickException):
        context = getattr(error, "ctx", None)
        hint = f" ({context.command_path} --help shows how)" if context else ""
        return " ".join(error.format_message().split()) + hint
    if isinstance(error, (AstrotlError, ValueError, FileNotFoundError)):
        return " ".join(str(error).split())
    said = "; ".join([str(error), *getattr(error, "__notes__", ())])
    return f"{type(error).__name__}: {' '.join(said.split())} (the option --debug shows where)"


_show_python_warning = warnings.showwarning


def _show_warning(message: Warning | str, category: type[Warning], filename: str, lineno: int, *rest: object) -> None:
    if issubclass(category, AstrotlWarning):
        click.echo(f"astrotl: warning: {message}", err=True)
    else:
        _show_python_warning(message, category, filename, lineno, *rest)  # type: ignore[arg-type]
