"""The training of a detector that was stopped, called again, refused, or spread over devices."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from astrotl import simulate
from astrotl._locks import locked
from astrotl.errors import ImageError, StoreError, StoreMismatchError
from astrotl.neural import FasterRCNN, Timm
from astrotl.sources import open_fields
from astrotl.training import train_detector
from tests.training.stars import starry


class Killing:
    """A bar that does something when training has moved on so far."""

    def __init__(self, after, do):
        self.left, self.do = after, do

    def __call__(self, *, total, unit, initial=0, desc=""):
        self.training = not desc
        return self

    def update(self, count):
        if self.training:
            self.left -= count
            if self.left < 0:
                self.do()

    def close(self):
        pass


KILLED = """
import os, signal, sys, torch
torch.set_num_threads(1)
from astrotl import simulate
from astrotl.neural import Timm
from astrotl.training import train_detector
class Bar:
    def __init__(self, total, unit, initial=0, desc=""):
        self.left = 10**9 if desc else 19
    def update(self, count):
        self.left -= count
        if self.left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
    def close(self): pass
train_detector(*simulate.clumpy(12, size=64, seed=1), "killed.safetensors",
    extractor=Timm("test_resnet", weights={weights!r}), epochs=3, width=32, progress=Bar)
"""


def test_killed_half_way_the_same_call_ends_with_the_same(weights, folder):
    script = KILLED.format(weights=weights("test_resnet"))
    done = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert (folder / "killed.safetensors.part" / "last.ckpt").exists()
    assert not (folder / "killed.safetensors").exists()
    base = Timm("test_resnet", weights=weights("test_resnet"))
    killed, through = (
        train_detector(*simulate.clumpy(12, size=64, seed=1), path, extractor=base, epochs=3, width=32)
        for path in ("killed.safetensors", "through.safetensors")
    )
    assert sorted(os.listdir(folder)) == ["killed.safetensors", "through.safetensors"]
    assert killed.note["history"] == through.note["history"]
    assert killed.threshold == through.threshold
    one, other = load_file("killed.safetensors"), load_file("through.safetensors")
    assert set(one) == set(other)
    assert all(torch.equal(tensor, other[name]) for name, tensor in one.items())


def test_while_one_trains_another_is_refused(teach, folder):
    said = []

    def again():
        for settings in ({}, {"seed": 1, "overwrite": True}):
            with pytest.raises(StoreError, match="is being written by another process") as refused:
                teach(**settings)
            said.append(refused)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        teach(progress=Killing(0, again))
    assert len(said) == 2
    assert os.listdir(folder) == ["stars.safetensors.part"]
    # Afterwards nobody is kept out.
    with locked(folder / "stars.safetensors.part" / "settings.json"), pytest.raises(StoreError):
        teach()
    assert len(teach().history) == 3


def test_the_same_call_again_does_nothing(teach):
    first = teach(epochs=1)
    before = os.stat("stars.safetensors").st_mtime_ns
    assert teach(epochs=1).signature() == first.signature()
    assert os.stat("stars.safetensors").st_mtime_ns == before
    for change, where in (
        ({"seed": 1}, "seed = 0, not 1"),
        ({"batch": 2}, r"training\.batch = 4, not 2"),
        ({"tile": 32}, r"design\.tile = 64, not 32"),
        ({"suppress": 0.5}, r"design\.suppress = 0\.3, not 0\.5"),
        ({"validation": 0.5}, r"validation = 0\.15, not 0\.5"),
        ({"method": "head"}, 'method = "whole", not "head"'),
        ({"data": starry(seed=4)}, "boxes = "),
        ({"model": "test_resnet"}, "extractor"),
    ):
        with pytest.raises(StoreMismatchError, match=f"was made with .*{where}"):
            teach(**{"epochs": 1, **change})
    assert os.stat("stars.safetensors").st_mtime_ns == before
    teach(epochs=1, seed=1, overwrite=True)
    assert os.stat("stars.safetensors").st_mtime_ns != before


def test_a_field_that_cannot_be_read_is_named_and_the_same_call_goes_on_when_it_can(teach, folder):
    (folder / "pictures").mkdir()
    fields, boxes = starry(8)
    for field in fields:
        pixels = np.clip(20 + 5 * np.moveaxis(field.read(0, 0, 64, 64), 0, 2), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / "pictures" / f"{field.id}.png")
    broken = folder / "pictures" / "f03.png"
    whole = broken.read_bytes()
    broken.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ImageError, match=r"f03\.png"):
        teach(data=(open_fields("pictures"), boxes), epochs=1)
    assert not (folder / "stars.safetensors.part" / "tiles.npy").exists()
    broken.write_bytes(whole)
    assert len(teach(data=(open_fields("pictures"), boxes), epochs=1).history) == 2
    assert sorted(os.listdir(folder)) == ["pictures", "stars.safetensors"]


DEVICES = """
import torch
torch.set_num_threads(1)
from astrotl import simulate
from astrotl.neural import Timm
from astrotl.training import train_detector
if __name__ == "__main__":
    train_detector(*simulate.clumpy(12, size=64, seed=1), "two.safetensors", devices=2,
        extractor=Timm("test_resnet", weights={weights!r}), epochs=2, width=32)
"""


def test_two_devices_leave_one_detector(weights, folder):
    (folder / "train.py").write_text(DEVICES.format(weights=weights("test_resnet")))
    done = subprocess.run([sys.executable, "train.py"], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    assert sorted(os.listdir(folder)) == ["train.py", "two.safetensors"]
    history = FasterRCNN("two.safetensors").history
    assert len(history) == 3
    assert history["loss"][-1] < history["loss"][0]
