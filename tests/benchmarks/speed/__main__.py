"""Ours beside each peer on the same made data: ``python -m tests.benchmarks.speed [A B C D E] [--quick] [--write]``.

A: stamps to network-sized images. B: insert and search vectors. C: FITS to features. D: cutouts from a mosaic.
E: growth from a thousand to a million objects. The peers come with ``pip install -e ".[bench,torch]"``; one that is not
installed is left out.
"""

import argparse
import importlib
import sys
import tempfile
import time
from pathlib import Path

from tests.benchmarks.speed import report, rounds

BENCHMARKS = {"A": "stamps", "B": "neighbours", "C": "networks", "D": "cutouts", "E": "growth"}
PAGES = Path(__file__).parents[3] / "docs" / "performance"


def main(arguments):
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.speed", description=__doc__)
    parser.add_argument("letters", nargs="*", metavar="LETTER", help="which benchmarks; by default all")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see that all runs; no figures to quote")
    parser.add_argument("--write", action="store_true", help="write the tables into docs/performance")
    asked = parser.parse_args(arguments)
    if unknown := set(asked.letters) - set(BENCHMARKS):
        parser.error(f"there are the benchmarks {', '.join(BENCHMARKS)}, and no {', '.join(sorted(unknown))}")
    if asked.quick and asked.write:
        parser.error("figures of --quick are not worth writing down")
    failed = []
    for letter in asked.letters or BENCHMARKS:
        text, bad = benchmark(letter, asked.quick)
        print(text, flush=True)
        failed += bad
        if asked.write:
            PAGES.mkdir(exist_ok=True)
            (PAGES / f"{letter}.txt").write_text(text)
    return f"failed: {', '.join(failed)}" if failed else 0


def benchmark(letter, quick):
    """Run one benchmark: its tables, and the names of contenders that failed."""
    name = f"tests.benchmarks.speed.{BENCHMARKS[letter]}"
    module = importlib.import_module(name)
    sizes = module.QUICK if quick else module.FULL
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        results = rounds.run(name, sizes, Path(folder))
        notes = module.notes(Path(folder), results)
    command = f"python -m tests.benchmarks.speed {letter}{' --quick' * quick}"
    parts = [
        report.figures(results),
        report.ratios(results, module.ratios(sizes)),
        "\n".join(f"- {note}" for note in notes),
        report.machine(module.contenders(sizes), sizes["rounds"], command),
    ]
    print(f"{letter}: {time.perf_counter() - started:.0f} s", file=sys.stderr)
    return "\n\n".join(part for part in parts if part) + "\n", rounds.failures(results)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
