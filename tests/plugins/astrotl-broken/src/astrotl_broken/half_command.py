"""Fails when it has added one of its commands."""

from astrotl import hookimpl


@hookimpl
def astrotl_commands(cli):
    @cli.command("half")
    def half():
        pass

    raise OSError("no way")
