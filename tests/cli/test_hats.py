"""The command that writes HATS catalogues."""

import subprocess
import sys

import numpy as np
import pytest
from astropy.table import Table

from astrotl import FeatureStore
from astrotl.sources._partitions import open_catalogue

pytest.importorskip("hats")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hats")
    positions = np.stack([np.linspace(10, 11, 30), np.linspace(-1, 0, 30)], axis=1)
    ids = [f"g{number}" for number in range(30)]
    store = FeatureStore.open_or_create(folder / "features.h5", ids, 4, {}, positions=positions)
    store.write(np.arange(28), np.ones((28, 4)))
    Table({"id": ["g3", "g5"], "class": ["a", "b"]}).write(folder / "classes.csv")
    return folder


def call(folder, *arguments, command="hats", warnings="error"):
    return subprocess.run(
        [sys.executable, "-W", warnings, "-m", "astrotl", command, *arguments],
        capture_output=True, text=True, cwd=folder, check=False,
    )  # fmt: skip


def test_a_store_and_a_table_of_its_ids_become_catalogues(folder):
    done = call(folder, "features.h5", "galaxies", warnings="default")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "galaxies: 28 rows\n"
    assert "astrotl: warning: 2 of 30 objects have no features or no position, and are left out\n" in done.stderr
    assert sum(partition.rows for partition in open_catalogue(folder / "galaxies", None)[1]) == 28
    known = call(folder, "galaxies", command="info", warnings="default")
    assert [line.split()[-1] for line in known.stdout.splitlines()] == ["catalogue", "28", "1", "dec", "id"], (
        known.stderr
    )
    done = call(folder, "classes.csv", "classes", "--store", "features.h5")
    assert done.stdout == "classes: 2 rows\n", done.stderr
    assert open_catalogue(folder / "classes", None)[0].ids == "id"


def test_what_cannot_be_written_is_one_line(folder):
    done = call(folder, "classes.csv", "none")
    assert done.returncode == 1
    assert done.stderr.startswith("astrotl: error: what: the table has no columns ra and dec; name by store= the store")
    (folder / "there").mkdir()
    done = call(folder, "features.h5", "there")
    assert done.returncode == 1
    assert "there exists; give another one, or overwrite this one with --overwrite" in done.stderr
