"""The benchmarks run at tiny sizes, so that they do not rot; a peer's rows are left out where it is not installed."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks.speed import report
from tests.benchmarks.speed.rounds import Contender, Ratio, measure, peak_of_family, why_absent

ROOT = Path(__file__).parents[3]


def run(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.speed", *arguments], cwd=ROOT, capture_output=True, text=True
    )


@pytest.mark.parametrize(
    ("letter", "figure", "rows"),
    [
        ("A", "images/s", ["astrotl"]),
        ("B", "queries/s", ["astrotl AnnoyIndex", "astrotl ExactIndex", "annoy alone"]),
        pytest.param(
            "C", "images/s", ["efficientnet-lite0, astrotl", "efficientnet-lite0, torch loop"], marks=pytest.mark.torch
        ),
        ("D", "cutouts/s", ["astrotl"]),
        ("E", "seconds", ["extract, 2,000", "index, 2,000", "query, 2,000"]),
    ],
)
def test_a_benchmark_measures_what_is_installed(letter, figure, rows):
    if letter == "C" and importlib.util.find_spec("torch") is None:
        pytest.skip("torch is not installed: pip install astrotl[torch]")
    done = run("--quick", letter)
    assert done.returncode == 0, done.stdout + done.stderr
    header = next(line for line in done.stdout.splitlines() if "peak MB" in line)
    assert figure in header
    measured = [line.strip() for line in done.stdout.splitlines()]
    for row in rows:
        assert any(line.startswith(f"{row} ") for line in measured), done.stdout
    assert f"python -m tests.benchmarks.speed {letter} --quick" in done.stdout


def test_an_unknown_letter_is_refused():
    done = run("Z")
    assert done.returncode == 2
    assert "no Z" in done.stderr


def test_quick_figures_are_not_written():
    assert "not worth writing" in run("--quick", "--write", "A").stderr


def test_a_peer_that_is_not_installed_comes_with_the_remedy():
    assert (
        why_absent(Contender("it", "it", needs=("numpy", "no-such-peer"))) == "not installed: pip install no-such-peer"
    )
    assert why_absent(Contender("it", "it", needs=("numpy",))) is None


def test_a_contender_that_fails_says_why(tmp_path):
    found = measure("tests.benchmarks.speed.growth", Contender("query", "query_step", (5,)), {"queries": 1}, tmp_path)
    assert found.startswith("failed: ")
    assert "5.h5" in found


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="workers are counted on Linux alone")
def test_memory_of_workers_counts():
    worker = "import time; held = bytearray(b'1') * 200_000_000; time.sleep(2)"
    process = subprocess.Popen(
        [sys.executable, "-c", f"import subprocess, sys; subprocess.run([sys.executable, '-c', {worker!r}])"]
    )
    assert 200 < peak_of_family(process) < 400


RESULTS = {
    "ours": [
        {"images/s": 30.0, "build s": 1.0},
        {"images/s": 40.0, "build s": 1.0},
        {"images/s": 90.0, "build s": 3.0},
    ],
    "slow": [{"images/s": 5.0, "build s": 2.0}] * 3,
    "fast": [{"images/s": 10.0, "build s": 8.0}] * 3,
    "gone": "not installed: pip install gone",
}


def test_ours_is_held_against_the_better_peer():
    table = report.ratios(RESULTS, [Ratio("images/s", "ours", ("slow", "fast", "gone"), at_least=5)])
    assert "fast" in table
    assert "slow" not in table
    assert "4 (3-9)" in table
    assert table.splitlines()[3].split()[-1] == "no"


def test_of_times_the_shorter_is_the_better():
    table = report.ratios(RESULTS, [Ratio("build s", "ours", ("slow", "fast"), at_most=0.5)])
    assert "slow" in table
    assert "0.5 (0.5-1.5)" in table
    assert table.splitlines()[3].split()[-1] == "yes"


def test_what_was_not_measured_is_listed_below():
    text = report.figures(RESULTS)
    assert text.endswith("- gone: not installed: pip install gone")
    assert "40 (30-90)" in text
