"""How time and memory grow with the number of objects: ``python -m tests.benchmarks.scaling [PART ...] [--write]``.

extraction: stamps into a sharded store on a Dask cluster of local processes. growth: features into shards, an index of
each, and searches. search: shards beside one file. paper: what these rates mean for more than a machine holds; it reads
what the others have written.
"""

import argparse
import importlib
import os
import platform
import sys
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

PARTS = ("extraction", "growth", "search", "paper")
PAGES = Path(__file__).parents[3] / "docs" / "scaling"


def main(arguments):
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.scaling", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help="which parts; by default all")
    parser.add_argument("--write", action="store_true", help="write the tables into docs/scaling")
    asked = parser.parse_args(arguments)
    if unknown := set(asked.parts) - set(PARTS):
        parser.error(f"there are the parts {', '.join(PARTS)}, and no {', '.join(sorted(unknown))}")
    for name in asked.parts or PARTS:
        part = importlib.import_module(f"tests.benchmarks.scaling.{name}")
        rows = []
        print("  ".join(part.HEAD), flush=True)
        for row in part.rows():
            print("  ".join(row), flush=True)
            rows.append(row)
        if asked.write:
            PAGES.mkdir(exist_ok=True)
            text = f"{table(part.HEAD, rows)}\n\n{machine(f'python -m tests.benchmarks.scaling {name}')}\n"
            (PAGES / f"{name}.txt").write_text(text)
    return 0


def table(head, rows):
    """Draw a table as the pages take it; what begins with a number stands to the right."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    line = "  ".join("=" * width for width in widths)

    def drawn(row):
        return "  ".join(
            cell.ljust(width) if column == 0 and not cell[:1].isdigit() else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()

    return "\n".join([line, drawn(head), line, *(drawn(row) for row in rows), line])


def machine(command):
    """Say on what, when and by which command it was measured."""
    packages = ("astrotl", "numpy", "h5py", "annoy", "distributed")
    versions = ", ".join(f"{package} {metadata.version(package)}" for package in packages)
    return (
        f"``{command}``, {datetime.now(UTC):%d %B %Y}, {os.cpu_count()} cores, {platform.system()}, "
        f"Python {platform.python_version()}, {versions}."
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
