"""One contender in a process of its own, which `rounds` starts: ``python -m tests.benchmarks.speed.child CALL``."""

import importlib
import json
import os
import resource
import sys
import warnings
from pathlib import Path


def main(call):
    if call["cores"] and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: call["cores"]])
    warnings.simplefilter("ignore")
    function = getattr(importlib.import_module(call["module"]), call["function"])
    found = function(Path(call["folder"]), call["sizes"], *call["arguments"]) or {}
    if isinstance(found, dict):
        found["peak MB"] = peak()
    Path(call["answer"]).write_text(json.dumps(found))


def peak():
    """Give the most memory that this process ever had, in MB."""
    status = Path("/proc/self/status")
    if status.exists():
        # ru_maxrss would count what the parent had when it started this process.
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) / 1e3
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
