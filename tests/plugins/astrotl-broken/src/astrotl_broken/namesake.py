"""Is well, but its entry point is called like astrotl's own."""

import click

from astrotl import hookimpl


@hookimpl
def astrotl_commands(cli):
    @cli.command("fall")
    def fall():
        """Fail when it is run."""
        click.echo(1 / 0)
