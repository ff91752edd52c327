"""``astrotl finetune`` and ``astrotl predict`` as an astronomer types them."""

import os
import subprocess
import sys

import numpy as np
import pytest
from astropy.table import Table

from astrotl import FeatureStore, simulate

pytestmark = pytest.mark.torch
for package in ("torch", "timm", "lightning"):
    pytest.importorskip(package, reason=f"{package} is not installed: pip install astrotl[torch]")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Eighty galaxies of two kinds in one file, their kinds, and the weights of a small network."""
    import timm
    import torch
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp("sky")
    batch, truth = simulate.stamps(80, size=32, kinds=("elliptical", "spiral"), seed=5)
    np.savez(folder / "stamps.npz", images=batch.data, ids=batch.ids)
    truth["id", "kind", "log_mass"].write(folder / "kinds.csv")
    torch.manual_seed(0)
    save_file(timm.create_model("test_vit", num_classes=0).state_dict(), folder / "vit.safetensors")
    return folder


def call(folder, *arguments):
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "astrotl", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=folder,
        check=False,
        env={**os.environ, "COLUMNS": "120", "OMP_NUM_THREADS": "1"},
    )


SMALL = ("--extractor", "timm", "--set", "model=test_vit", "--set", "weights=vit.safetensors", "--set", "size=32")


def test_teach_and_ask(folder):
    done = call(
        folder, "finetune", "stamps.npz", "--labels", "kinds.csv", "--column", "kind", *SMALL, "--epochs", 1,
        "--batch", 16, "-o", "kinds.safetensors", "--plot", "test.png",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[0] == "80 objects in the bands 0, 1, 2"
    assert [line.split(",")[0] for line in done.stderr.splitlines()[1:]] == ["epoch 0", "epoch 1"]
    assert "accuracy" in done.stdout
    assert "kinds.safetensors: kind, tested on 20 objects that it had not seen" in done.stdout
    assert (folder / "test.png").stat().st_size > 10_000

    asked = call(folder, "predict", "kinds.safetensors", "stamps.npz", "-o", "said.ecsv")
    assert asked.returncode == 0, asked.stderr
    assert "said.ecsv: kind of 80 objects; their features are in said.h5" in asked.stdout
    table = Table.read(folder / "said.ecsv")
    assert set(table["predicted"]) <= {"elliptical", "spiral"}
    assert (np.asarray(table["part"]) == "test").sum() == 20
    assert FeatureStore(folder / "said.h5").shape == (80, 64)

    told = call(folder, "info", "kinds.safetensors")
    assert told.returncode == 0, told.stderr
    assert "kind" in told.stdout


def test_numbers_by_the_head_alone(folder):
    done = call(
        folder, "finetune", "stamps.npz", "--labels", "kinds.csv", "--column", "log_mass", *SMALL, "--method", "head",
        "-o", "mass.safetensors",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "scatter" in done.stdout


def test_mistakes_are_one_line(folder):
    done = call(folder, "finetune", "stamps.npz", "--labels", "kinds.csv", "--column", "knd", "-o", "x.safetensors")
    assert done.returncode == 1
    assert "astrotl: error: column: the labels have no 'knd' (did you mean 'kind'?)" in done.stderr
    done = call(folder, "predict", "gone.safetensors", "stamps.npz", "-o", "said.ecsv")
    assert done.returncode == 1
    assert "astrotl: error: gone.safetensors: there is no such file; make it with astrotl finetune" in done.stderr
    assert not (folder / "x.safetensors.part").exists()
