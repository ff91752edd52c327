"""Runs the contenders of a benchmark in turn, round after round, each in a fresh process that is watched for memory."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

#: How many cores, and how many threads or processes, every contender has.
CORES = 2
_LOOK_EVERY = 0.25

Sizes = Mapping[str, Any]
#: What a contender measured in each round, or why it could not be measured.
Results = dict[str, list[dict[str, float]] | str]


@dataclass(frozen=True)
class Contender:
    """One row of a table: a function of the benchmark's module, called with the data's folder and the sizes."""

    name: str
    function: str
    arguments: tuple[Any, ...] = ()
    #: The peers that it measures, as pip names them.
    needs: tuple[str, ...] = ()
    #: None for all of the machine, as beside a GPU.
    cores: int | None = CORES


@dataclass(frozen=True)
class Ratio:
    """What is compared: ours by theirs, of which the better counts, and the goal that it should reach."""

    figure: str
    ours: str
    theirs: tuple[str, ...]
    at_least: float | None = None
    at_most: float | None = None


def run(module: str, sizes: Sizes, folder: Path) -> Results:
    """Make the data of a benchmark and measure its contenders in turn, as many rounds as its sizes say."""
    contenders = importlib.import_module(module).contenders(sizes)
    made = measure(module, Contender("the data", "make"), sizes, folder)
    if isinstance(made, str):
        raise RuntimeError(f"{module} cannot make its data: {made}")
    results: Results = {contender.name: [] for contender in contenders}
    for number in range(sizes["rounds"]):
        for contender in contenders:
            so_far = results[contender.name]
            if isinstance(so_far, str) or len(so_far) >= sizes.get("rounds_of", {}).get(contender.name, number + 1):
                continue
            found = why_absent(contender) or measure(module, contender, sizes, folder)
            print(f"round {number + 1}: {contender.name}: {_in_words(found)}", file=sys.stderr, flush=True)
            if isinstance(found, str):
                results[contender.name] = found
            else:
                so_far.append(found)
    return results


def failures(results: Results) -> list[str]:
    """Name the contenders that should have run and did not."""
    return [name for name, found in results.items() if isinstance(found, str) and found.startswith("failed")]


def why_absent(contender: Contender) -> str | None:
    """Name the peers that are missing and how to get them; None if there are none."""
    missing = []
    for package in contender.needs:
        try:
            metadata.version(package)
        except metadata.PackageNotFoundError:
            missing.append(package)
    return f"not installed: pip install {' '.join(missing)}" if missing else None


def measure(module: str, contender: Contender, sizes: Sizes, folder: Path) -> dict[str, float] | str:
    """Run a contender once in a process of its own: what it measured, or why it could not."""
    with tempfile.TemporaryDirectory() as beside:
        answer, errors = Path(beside) / "answer.json", Path(beside) / "errors.txt"
        call = {"module": module, "sizes": sizes, "folder": str(folder), "answer": str(answer), **asdict(contender)}
        with errors.open("w") as stderr:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.benchmarks.speed.child", json.dumps(call)],
                stdout=subprocess.DEVNULL,
                stderr=stderr,
            )
            peak = peak_of_family(process)
        if process.returncode:
            last = errors.read_text().strip().splitlines()[-1:] or [f"exit status {process.returncode}"]
            return f"failed: {last[0]}"
        found = json.loads(answer.read_text())
    if isinstance(found, dict):
        found["peak MB"] = max(found["peak MB"], peak)
    return found


def peak_of_family(process: subprocess.Popen[bytes]) -> float:
    """Watch a process until it ends; if it has workers, give the most memory that all of them had together, in MB."""
    peak = 0.0
    while True:
        try:
            process.wait(_LOOK_EVERY)
        except subprocess.TimeoutExpired:
            family = list(_family(process.pid))
            if len(family) > 1:
                peak = max(peak, sum(map(_proportional, family)))
        else:
            return peak


def _family(pid: int) -> Iterator[int]:
    yield pid
    # Elsewhere than on Linux there is no such folder, and workers are not counted.
    with suppress(OSError):
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            for child in children.read_text().split():
                yield from _family(int(child))


def _proportional(pid: int) -> float:
    """Give the memory of a process in MB, pages that it shares divided among those that share them."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1e3
    return 0.0


def _in_words(found: dict[str, float] | str) -> str:
    if isinstance(found, str):
        return found
    return ", ".join(f"{value:.4g} {figure}" for figure, value in found.items())
