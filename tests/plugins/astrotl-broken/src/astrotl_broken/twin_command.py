"""Puts a command in the place of another plugin's."""

from astrotl import hookimpl


@hookimpl
def astrotl_commands(cli):
    @cli.command("count")
    def count():
        pass
