"""Claims the name of an extractor that ships with astrotl."""

from astrotl import hookimpl


@hookimpl
def astrotl_extractors():
    return {"profiles": "astrotl_broken.classes:WrongShape"}
