"""Writes a hook that does not exist."""

from astrotl import hookimpl


@hookimpl
def astrotl_extractor():
    return {}
