"""Draws the pages' figures anew by the pages' own lines: ``python docs/figures.py guide/figures.rst ...``.

Each ``.. image:: /_static/NAME.png`` becomes what the last ``>>>`` line with ``savefig("...")`` above it has written.
"""

from __future__ import annotations

import contextlib
import doctest
import re
import sys
import tempfile
import warnings
from pathlib import Path

from PIL import Image

DOCS = Path(__file__).resolve().parent
_SAVED = re.compile(r'^ *(?:>>>|\.\.\.) .*savefig\("([^"]+\.png)"\)')
_SHOWN = re.compile(r"^ *\.\. image:: .*_static/(\S+\.png)")


def draw(page: Path) -> None:
    """Run a page in an empty folder, and keep its figures."""
    text = page.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder), warnings.catch_warnings():
        warnings.simplefilter("default")
        flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
        failed, _ = doctest.testfile(str(page), module_relative=False, optionflags=flags)
        if failed:
            sys.exit(f"{page}: its lines do not give what it says, so its figures stay as they are")
        saved = None
        for line in text.splitlines():
            if found := _SAVED.match(line):
                saved = found[1]
            elif saved is not None and (shown := _SHOWN.match(line)):
                # Stamps are mostly noise, which weighs a lot in all its colours; those of few pixels must not be lost.
                figure = Image.open(saved).convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE)
                figure.save(DOCS / "_static" / shown[1], optimize=True)
                saved = None


if __name__ == "__main__":
    for name in sys.argv[1:]:
        draw((DOCS / name).resolve())
