"""Returns a list where a dictionary is wanted."""

from astrotl import hookimpl


@hookimpl
def astrotl_extractors():
    return ["mean"]
