"""Every figure on labelled data: ``python -m tests.benchmarks.science [ROOM ...]`` prints one table.

The reference is what was published, or measured with simple means on the same data; the goal is what was aimed at.
"""

import importlib
import sys
import time
import warnings

ROOMS = ("retrieval", "properties", "anomalies", "epochs")


def main(rooms):
    warnings.simplefilter("ignore")
    print(f"{'figure':64} {'reference':>10} {'goal':>8}  {'reached (95 % of bootstrap samples)':36} n")
    for room in rooms:
        started = time.perf_counter()
        for figure, reference, goal, reached, count in importlib.import_module(
            f"tests.benchmarks.science.{room}"
        ).figures():
            print(f"{figure:64} {reference:>10} {goal:>8}  {reached!s:36} {count}", flush=True)
        print(f"  {room}: {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main(sys.argv[1:] or ROOMS)
