"""Has a hook that fails."""

from astrotl import hookimpl


@hookimpl
def astrotl_tasks():
    return 1 / 0
