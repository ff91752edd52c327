"""Ends the program when it is asked for its commands."""

from astrotl import hookimpl


@hookimpl
def astrotl_extractors():
    return {"left-behind": "astrotl_broken.classes:WrongShape"}


@hookimpl
def astrotl_commands(cli):
    raise SystemExit(4)
