"""What is learned on labelled data: ``python -m tests.benchmarks.learning [ROOM ...] [--write]`` prints one table.

Each figure is the mean, the lowest and the highest of three seeds, each of which keeps other objects for the test. What
was taught is kept in .benchmarks/learning; delete it to begin anew. Two trainings run side by side, on one core each.
``--write`` puts the table of each room into docs/learning.
"""

import sys
import time
import warnings
from pathlib import Path

from tests.benchmarks.learning.rows import HEAD
from tests.benchmarks.learning.side_by_side import room, teach_all

ROOMS = ("frozen", "alerts", "taught", "sparing")
PAGES = Path(__file__).parents[3] / "docs" / "learning"


def main(rooms, write):
    warnings.simplefilter("ignore")
    for name, job, seconds in teach_all(rooms):
        print(f"  {name} {job}: {seconds:.0f} s", file=sys.stderr, flush=True)
    for name in rooms:
        started = time.perf_counter()
        lines = [getattr(room(name), "HEAD", HEAD)]
        print(lines[0])
        for row in room(name).rows():
            lines.append(str(row))
            print(row, flush=True)
        print(f"  {name}: {time.perf_counter() - started:.0f} s", flush=True)
        if write:
            PAGES.mkdir(exist_ok=True)
            command = f"python -m tests.benchmarks.learning {name}"
            (PAGES / f"{name}.txt").write_text("\n".join([f"$ {command}", *lines]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main([name for name in sys.argv[1:] if name != "--write"] or ROOMS, "--write" in sys.argv)
