"""Turns what was measured into tables that a terminal and a page of the documentation can show."""

from __future__ import annotations

import io
import os
import platform
import statistics
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from astropy.table import Table

from tests.benchmarks.speed.rounds import CORES, Contender, Ratio, Results

_OURS = ("astrotl", "numpy", "astropy", "scipy", "annoy", "h5py", "torch", "timm", "openvino")


def figures(results: Results) -> str:
    """Give each contender's figures: the median, and the least and the most of the rounds."""
    measured = {name: rounds for name, rounds in results.items() if not isinstance(rounds, str)}
    columns = list(dict.fromkeys(figure for rounds in measured.values() for one in rounds for figure in one))
    # Memory is what is looked at last.
    columns.sort(key="peak MB".__eq__)
    rows = [
        [name, *(_spread([one[figure] for one in rounds if figure in one]) for figure in columns)]
        for name, rounds in measured.items()
    ]
    absent = [f"- {name}: {why}" for name, why in results.items() if isinstance(why, str)]
    return "\n\n".join(part for part in (_table(["", *columns], rows), "\n".join(absent)) if part)


def ratios(results: Results, wanted: Iterable[Ratio]) -> str:
    """Give ours by theirs, round by round: the median, the least and the most, and the goal."""
    rows = []
    for ratio in wanted:
        ours, theirs = _of(results, ratio.ours, ratio.figure), _best(results, ratio)
        if not ours or not theirs:
            continue
        rival, others = theirs
        each = [mine / other for mine, other in zip(ours, others, strict=False)]
        rows.append([ratio.figure, ratio.ours, rival, _spread(each), *_verdict(ratio, statistics.median(each))])
    return _table(["figure", "ours", "by", "ratio", "goal", "reached"], rows)


def machine(contenders: Iterable[Contender], rounds: int, command: str) -> str:
    """Say on what, when and by which command it was measured."""
    packages = [*_OURS, *dict.fromkeys(package for contender in contenders for package in contender.needs)]
    versions = ", ".join(f"{package} {found}" for package in packages if (found := _version(package)))
    return (
        f"``{command}``, {datetime.now(UTC):%d %B %Y}, {rounds} rounds, {CORES} of {os.cpu_count()} cores of "
        f"{_processor()}, {platform.system()}, Python {platform.python_version()}, {versions}."
    )


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def _processor() -> str:
    described = Path("/proc/cpuinfo")
    names = (
        [line for line in described.read_text().splitlines() if line.startswith("model name")]
        if (described.exists())
        else []
    )
    return names[0].partition(":")[2].strip() if names else platform.processor() or platform.machine()


def _of(results: Results, name: str, figure: str) -> list[float]:
    rounds = results.get(name, "")
    return [] if isinstance(rounds, str) else [one[figure] for one in rounds if figure in one]


def _best(results: Results, ratio: Ratio) -> tuple[str, list[float]] | None:
    """Choose the better of the peers: the highest rate, or the lowest where less is better."""
    better: Callable[..., str] = min if ratio.at_most is not None else max
    there = {name: found for name in ratio.theirs if (found := _of(results, name, ratio.figure))}
    if not there:
        return None
    best = better(there, key=lambda name: statistics.median(there[name]))
    return best, there[best]


def _verdict(ratio: Ratio, reached: float) -> tuple[str, str]:
    if ratio.at_least is not None:
        return f"at least {ratio.at_least:g}", "yes" if reached >= ratio.at_least else "no"
    if ratio.at_most is not None:
        return f"at most {ratio.at_most:g}", "yes" if reached <= ratio.at_most else "no"
    return "--", "--"


def _spread(values: list[float]) -> str:
    if not values:
        return "--"
    middle = _number(statistics.median(values))
    return middle if len(values) == 1 else f"{middle} ({_number(min(values))}-{_number(max(values))})"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _table(names: list[str], rows: list[list[str]]) -> str:
    if not rows:
        return ""
    # An empty first cell would continue the row above it.
    table = Table(rows=rows, names=[name or "\\" for name in names], dtype=[str] * len(names))
    lines = io.StringIO()
    table.write(lines, format="ascii.rst")
    return lines.getvalue().strip()
