"""The command that draws the map of a store."""

import subprocess
import sys

import numpy as np
import pytest
from astropy.table import Table

from astrotl import FeatureStore, extract_features, simulate
from astrotl.sources import ArraySource


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("map")
    batch, truth = simulate.stamps(40, size=32, seed=7)
    extract_features(ArraySource(batch.data, ids=batch.ids), "profiles", folder / "features.h5")
    truth["id", "kind", "log_mass"].write(folder / "truth.csv")
    return folder


def call(folder, *arguments):
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "astrotl", "map", *arguments],
        capture_output=True, text=True, cwd=folder, check=False,
    )  # fmt: skip


def test_a_map_is_drawn_and_its_table_written(folder):
    done = call(folder, "features.h5", "--labels", "truth.csv", "--column", "kind", "-o", "k.png", "--table", "k.ecsv")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "k.ecsv: 40 rows\nk.png: drawn\n"
    assert (folder / "k.png").read_bytes().startswith(b"\x89PNG")
    table = Table.read(folder / "k.ecsv")
    assert table.colnames == ["id", "x", "y", "label"]
    assert table["id"].tolist() == FeatureStore(folder / "features.h5").ids.tolist()
    assert table["label"].tolist() == Table.read(folder / "truth.csv")["kind"].tolist()
    assert np.ptp(table["x"]) > np.ptp(table["y"]) / 3


def test_a_column_that_is_not_there_is_said(folder):
    done = call(folder, "features.h5", "--labels", "truth.csv", "--column", "kinds", "-o", "bad.png")
    assert done.returncode == 1
    assert "column: the labels have no 'kinds'" in done.stderr
    assert not (folder / "bad.png").exists()
