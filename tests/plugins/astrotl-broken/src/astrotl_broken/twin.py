"""Claims the name of another plugin's extractor."""

from astrotl import hookimpl


@hookimpl
def astrotl_extractors():
    return {"power-spectrum": "astrotl_broken.classes:WrongShape"}
