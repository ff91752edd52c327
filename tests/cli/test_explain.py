"""The command that draws where a network looks."""

import subprocess
import sys

import pytest
from astropy.io import fits

from astrotl import extract_features, open_source, simulate

safetensors = pytest.importorskip("safetensors.torch", reason="torch is not installed: pip install astrotl[torch]")
pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Six stamps, and a store of them by a tiny transformer, another by a network without attention, one by none."""
    import timm

    from astrotl.neural import Timm

    folder = tmp_path_factory.mktemp("explain")
    batch, _ = simulate.stamps(6, size=32, seed=7)
    (folder / "stamps").mkdir()
    for name, image in zip(batch.ids, batch.data, strict=True):
        fits.writeto(folder / "stamps" / f"{name}.fits", image)
    source = open_source(str(folder / "stamps"))
    for model in ("test_vit", "test_resnet"):
        path = str(folder / f"{model}.safetensors")
        safetensors.save_file(timm.create_model(model, num_classes=0).state_dict(), path)
        extract_features(source, Timm(model, weights=path, engine="torch"), folder / f"{model}.h5")
    extract_features(source, "profiles", folder / "profiles.h5")
    return folder


def call(folder, *arguments):
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "astrotl", "explain", *arguments],
        capture_output=True, text=True, cwd=folder, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(("model", "how"), [("test_vit", "attention"), ("test_resnet", "saliency")])
def test_a_picture_is_drawn(folder, model, how):
    done = call(folder, f"{model}.h5", "--query", "SIM0001,SIM0004", "--how", how, "-o", f"{how}.png")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{how}.png: drawn\n"
    assert (folder / f"{how}.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("test_vit.h5", "--query", "SIM0009"), "'SIM0009' is not an id of test_vit.h5"),
        (("test_resnet.h5", "--query", "SIM0001", "--how", "attention"), "extractor: test_resnet has no attention"),
        (("profiles.h5", "--query", "SIM0001"), "extractor: must be a network"),
    ],
)
def test_mistakes_are_one_line(folder, arguments, said):
    done = call(folder, *arguments)
    assert done.returncode == 1
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
