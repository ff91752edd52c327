"""What is found in images with boxes: ``python -m tests.benchmarks.detection [ROOM ...] [--write]`` prints one table.

What was taught is kept in .benchmarks/detection; delete it to begin anew. ``--write`` puts the table of each room into
docs/detection.
"""

import importlib
import sys
import warnings
from pathlib import Path

from tests.benchmarks.detection.rows import HEAD
from tests.benchmarks.detection.sets import KEPT

ROOMS = ("simulated", "clumps", "radio")
PAGES = Path(__file__).parents[3] / "docs" / "detection"


def main(rooms, write):
    warnings.simplefilter("ignore")
    KEPT.mkdir(parents=True, exist_ok=True)
    for name in rooms:
        print(HEAD)
        lines = [HEAD]
        for row in importlib.import_module(f"tests.benchmarks.detection.{name}").rows():
            lines.append(str(row))
            print(row, flush=True)
        if write:
            PAGES.mkdir(exist_ok=True)
            command = f"python -m tests.benchmarks.detection {name}"
            (PAGES / f"{name}.txt").write_text("\n".join([f"$ {command}", *lines]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main([name for name in sys.argv[1:] if name != "--write"] or ROOMS, "--write" in sys.argv)
