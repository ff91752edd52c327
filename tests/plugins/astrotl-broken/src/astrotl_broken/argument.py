"""Wants an argument that no hook is given."""

from astrotl import hookimpl


@hookimpl
def astrotl_commands(command_line):
    pass
