"""``astrotl probe`` and ``astrotl compare`` as they are typed."""

import os
import signal
import subprocess
import sys
import time

import pytest
from astropy.io import fits

from astrotl import simulate
from astrotl.tables import read_table, write_table

from .test_cli import call, fails


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Stamps of three kinds of galaxies, a table of what they are, and a store."""
    folder = tmp_path_factory.mktemp("learn")
    batch, truth = simulate.stamps(90, kinds=("spiral", "elliptical", "lens"), size=32, seed=5)
    (folder / "stamps").mkdir()
    for name, image in zip(batch.ids, batch.data, strict=True):
        fits.writeto(folder / "stamps" / f"{name}.fits", image)
    write_table(truth, folder / "truth.ecsv")
    write_table(truth[:60], folder / "some.csv")
    done = call(folder, "extract", "stamps", "--extractor", "profiles", "-o", "features.h5")
    assert done.returncode == 0, done.stderr
    return folder


def test_a_probe_prints_scores_with_intervals_and_writes_what_it_says(folder):
    done = call(folder, "probe", "features.h5", "--labels", "some.csv", "--column", "kind", "-o", "kinds.ecsv")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "learned kind from 45 objects, tested on 15; 90 have features"
    assert done.stdout.splitlines()[1].split() == ["measure", "class", "value", "low", "high"]
    assert "kinds.ecsv: 90 rows" in done.stdout
    table = read_table(folder / "kinds.ecsv")
    assert {"part", "label", "predicted", "p_lens"} <= set(table.colnames)
    assert table.meta["astrotl"]["probe"] == "linear"


def test_several_splits_give_the_mean_and_the_range(folder):
    options = ("probe", "features.h5", "--labels", "some.csv", "--column", "log_mass", "--head", "knn")
    done = call(folder, *options, "--seeds", 3, "--fraction", 0.5, "--test", 0.4)
    assert done.returncode == 0, done.stderr
    assert "learned log_mass from 20 objects, tested on 25;" in done.stdout
    scatter = next(line.split() for line in done.stdout.splitlines() if line.split()[:1] == ["scatter"])
    value, low, high = map(float, scatter[1:])
    assert low < value < high


def test_a_probe_is_drawn(folder):
    for column in ("kind", "log_mass"):
        done = call(folder, "probe", "features.h5", "--labels", "truth.ecsv", "--column", column, "--plot", "probe.png")
        assert done.returncode == 0, done.stderr
        assert (folder / "probe.png").read_bytes().startswith(b"\x89PNG")
        os.unlink(folder / "probe.png")


COMPARE = (
    "compare", "stamps", "--labels", "truth.ecsv", "--column", "kind", "--extractor", "profiles",
    "--extractor", "concat:parts=[profiles,profiles@0.5]", "--fraction", 0.5, "--fraction", 1, "--seeds", 2,
)  # fmt: skip


def test_a_comparison_prints_its_summary_and_keeps_all(folder):
    variants = ("--variant", "whole=", "--variant", "close=crop-centre:fraction=0.5", "--variant", "close=percentile")
    done = call(folder, *COMPARE, *variants, "--head", "linear", "--head", "knn", "-o", "out", "--plot", "f1.png")
    assert done.returncode == 0, done.stderr
    assert "out/summary.ecsv: 16 combinations, of 32 runs in out/runs.ecsv" in done.stdout
    header = done.stdout.splitlines()[0].split()
    assert header == [
        "extractor",
        "variant",
        "head",
        "fraction",
        "learned",
        *("f1", "f1_low", "f1_high"),
        "accuracy",
        "auc",
        "best",
    ]
    assert done.stdout.count("*") == 2
    assert sorted(name for name in os.listdir(folder / "out") if not name.endswith(".h5")) == [
        "runs.ecsv",
        "summary.ecsv",
    ]
    assert (folder / "f1.png").exists()
    again = call(folder, *COMPARE, *variants, "--head", "linear", "--head", "knn", "-o", "out")
    assert again.stdout.splitlines()[:-1] == done.stdout.splitlines()[:-2]


def test_after_a_kill_the_same_command_does_the_rest(folder):
    command = [*COMPARE, "--head", "forest", "-o", "killed"]
    process = subprocess.Popen(
        [sys.executable, "-m", "astrotl", *map(str, command)],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    path = folder / "killed" / "runs.ecsv"
    end = time.monotonic() + 60
    while not path.exists() or len(read_table(path)) < 2:
        assert time.monotonic() < end
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = read_table(path)
    assert len(before) < 8
    done = call(folder, *command)
    assert done.returncode == 0, done.stderr
    after = read_table(path)
    assert len(after) == 8
    assert after["seconds"][: len(before)].tolist() == before["seconds"].tolist()


def test_options_may_stand_in_a_file(folder):
    (folder / "run.toml").write_text(
        '[compare]\ninputs = ["stamps"]\nlabels = "truth.ecsv"\ncolumn = "kind"\nextractor = ["profiles"]\n'
        'fraction = [1.0]\nseeds = 1\noutput = "config"\nclasses = ["lens", "spiral"]\n'
    )
    done = call(folder, "compare", "--config", "run.toml")
    assert done.returncode == 0, done.stderr
    assert "config/summary.ecsv: 1 combinations, of 1 runs" in done.stdout


PROBE = ("probe", "features.h5", "--labels", "some.csv")


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ((*PROBE, "--column", "kin"), "column: the labels have no 'kin' (did you mean 'kind'?)"),
        (PROBE, "Missing option '--column'"),
        ((*PROBE, "--column", "kind", "-o", "a.txt"), "a.txt: the ending says the format"),
        ((*PROBE, "--column", "kind", "--head", "deep"), "head: there is no 'deep'"),
        (("probe", "none.h5", "--labels", "some.csv", "--column", "kind"), "none.h5: there is no such store"),
        ((*COMPARE, "--variant", "close"), "variant: expected NAME=STEP, got 'close'"),
        ((*COMPARE, "--variant", "close=crop"), "step: there is no 'crop'"),
        ((*COMPARE, "--label-id-column", "name"), "id_column: labels has no column 'name'"),
    ],
)
def test_mistakes_are_one_line(folder, command, said):
    assert said in fails(folder, *command)
