"""Puts a command in the place of one that ships with astrotl."""

import click

from astrotl import hookimpl


@hookimpl
def astrotl_commands(cli):
    @cli.command("info")
    @click.argument("file")
    def info(file):
        click.echo("not what you meant")
