"""A network learns one's own classes or numbers, survives a kill, and is an extractor afterwards."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch

from astrotl import Profiles, extract_features, open_source
from astrotl.errors import AstrotlWarning, MissingDependencyError, StoreMismatchError
from astrotl.learn import part, read_target
from astrotl.measures import accuracy
from astrotl.neural import Finetuned, Timm
from astrotl.preprocess import CropCentre, Stretch
from astrotl.sources import ArraySource
from astrotl.training import finetune


def right(network):
    return accuracy(network.tested["label"], network.tested["predicted"])


def test_all_weights_learn_what_the_network_did_not_know(taught, faint_stripes, folder, capfd):
    alone = taught("head.safetensors", data=faint_stripes, method="head")
    network = taught(data=faint_stripes, epochs=12, rate=3e-3, decay=0.9)
    assert right(network) > 0.9 > right(alone)
    assert network.history["epoch"].tolist() == list(range(len(network.history)))
    assert network.history["validation_loss"].min() < network.history["validation_loss"][0]
    # Nothing is said and nothing is left behind.
    assert capfd.readouterr() == ("", "")
    assert sorted(os.listdir(folder)) == ["head.safetensors", "stripes.safetensors"]


@pytest.mark.parametrize(
    ("method", "model"),
    [("lora", "test_vit"), ("lora", "test_efficientnet"), ("last", "test_vit"), ("last", "test_resnet")],
)
def test_other_methods_change_less(taught, method, model):
    network = taught(method=method, model=model, epochs=2, rate=3e-3)
    base = Timm(model, weights=network.note["base"]["parameters"]["weights"], size=32).module().state_dict()
    changed = [name for name, tensor in network.module().state_dict().items() if not torch.equal(tensor, base[name])]
    assert set(network.module().state_dict()) == set(base)
    assert network.note["epoch"] > 0
    assert 0 < len(changed) < (len(base) / 2 if method == "last" else len(base))


def test_lora_trains_less_than_five_per_cent(weights):
    from astrotl.training.methods import unfrozen

    for model in ("test_vit", "test_efficientnet", "test_resnet"):
        module = Timm(model, weights=weights(model), size=32).module()
        size = sum(parameter.numel() for parameter in module.parameters())
        trained = sum(p.numel() for p in unfrozen(module, "lora").parameters() if p.requires_grad)
        assert 0.01 * size < trained < 0.05 * size


def test_the_test_is_that_of_a_probe(taught, stripes, tmp_path):
    network = taught(method="head", seed=4)
    source, labels = stripes
    store = extract_features(source, Profiles(bands=1), tmp_path / "p.h5")
    target = read_target(labels, store, "kind")
    expected = store.ids[target.rows[part(target, 0.25, 4)[1]]]
    assert network.tested["id"].tolist() == expected.tolist()
    assert set(network.tested["part"]) == {"test"}


def test_a_fraction_leaves_the_test_as_it_is(taught):
    whole, half = taught("a.safetensors", method="head"), taught("b.safetensors", method="head", fraction=0.5)
    assert whole.tested["id"].tolist() == half.tested["id"].tolist()


def test_groups_are_never_parted(taught, stripes):
    network = taught(method="head", groups="field")
    _, labels = stripes
    field = dict(zip(labels["id"], labels["field"], strict=True))
    store = extract_features(stripes[0], network, "g.h5")
    table = network.predict(store)
    tested = {field[row["id"]] for row in table if row["part"] == "test"}
    assert tested.isdisjoint({field[row["id"]] for row in table if row["part"] != "test"})


def test_five_bands(stripes, weights, folder):
    source, labels = stripes
    five = ArraySource(np.repeat(source.read().data, 5, axis=1), ids=source.ids, channels=tuple("ugriz"))
    base = Timm("test_resnet", weights=weights("test_resnet"), size=32, bands=5)
    network = finetune(five, labels, "kind", "five.safetensors", extractor=base, epochs=1, batch=32)
    assert network.input.channels == 5
    assert network.note["network"]["mean"] == pytest.approx(base.module().mean.flatten().tolist())


class Killing:
    """A bar that stops the program when it has moved so far."""

    def __init__(self, after, stop):
        self.left, self.stop = after, stop

    def __call__(self, *, total, unit, initial=0, desc=""):
        self.training = not desc and total > 100
        return self

    def update(self, count):
        if getattr(self, "training", False):
            self.left -= count
            if self.left < 0:
                self.stop()

    def close(self):
        pass


@pytest.mark.parametrize("method", ["whole", "lora"])
def test_stopped_and_called_again_it_ends_with_the_same(taught, folder, method):
    def stop():
        raise KeyboardInterrupt

    through = taught("through.safetensors", method=method)
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        taught("stopped.safetensors", method=method, progress=Killing(120, stop))
    assert signal.getsignal(signal.SIGINT) is handler
    assert (folder / "stopped.safetensors.part" / "last.ckpt").exists()
    stopped = taught("stopped.safetensors", method=method)
    assert not (folder / "stopped.safetensors.part").exists()
    assert list(stopped.history["validation_loss"]) == list(through.history["validation_loss"])
    for name, tensor in through.module().state_dict().items():
        assert torch.equal(tensor, stopped.module().state_dict()[name])
    assert (stopped.tested["probability"] == through.tested["probability"]).all()


KILLED = """
import os, signal, torch
torch.set_num_threads(1)
from astropy.table import Table
from astrotl import open_source
from astrotl.neural import Timm
from astrotl.training import finetune
class Bar:
    def __init__(self, total, unit, initial=0, desc=""):
        self.left = 120 if total > 200 else 10**9
    def update(self, count):
        self.left -= count
        if self.left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
    def close(self): pass
finetune(open_source("stripes.npz"), Table.read("labels.ecsv"), "kind", "killed.safetensors",
    extractor=Timm("test_resnet", weights={weights!r}, size=32), epochs=4, batch=16, progress=Bar)
"""


def test_killed_half_way_the_same_call_ends_with_the_same(stripes, weights, folder):
    source, labels = stripes
    np.savez("stripes.npz", images=source.read().data, ids=source.ids)
    labels.write("labels.ecsv")
    base = Timm("test_resnet", weights=weights("test_resnet"), size=32)

    def run(path):
        return finetune(open_source("stripes.npz"), labels, "kind", path, extractor=base, epochs=4, batch=16)

    script = KILLED.format(weights=weights("test_resnet"))
    done = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert (folder / "killed.safetensors.part" / "last.ckpt").exists()
    assert not (folder / "killed.safetensors").exists()
    resumed, through = run("killed.safetensors"), run("through.safetensors")
    assert resumed.tested.pformat(max_lines=-1) == through.tested.pformat(max_lines=-1)


def test_the_same_call_again_does_nothing(taught, folder):
    first = taught(method="head")
    before = os.stat("stripes.safetensors").st_mtime_ns
    again = taught(method="head")
    assert os.stat("stripes.safetensors").st_mtime_ns == before
    assert again.signature() == first.signature()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"seed": 1}, "was made with seed = 0, not 1"),
        ({"batch": 8}, "was made with training.batch = 16, not 8"),
        ({"column": "field", "kind": "classes"}, r"labels\."),
        ({"steps": (CropCentre(fraction=0.5), Stretch())}, "was made with steps"),
        ({"test": 0.5}, r"parts\.test = 0\.25, not 0\.5"),
    ],
)
def test_other_settings_are_refused(taught, change, said):
    taught(epochs=1)
    with pytest.raises(StoreMismatchError, match=said):
        taught(**{"epochs": 1, **change})


def test_other_settings_than_those_of_an_unfinished_training_are_refused(taught, folder):
    def stop():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        taught(progress=Killing(60, stop))
    with pytest.raises(StoreMismatchError, match=r"stripes\.safetensors\.part: was made with seed = 0, not 3"):
        taught(seed=3)
    taught(seed=3, epochs=1, overwrite=True)
    assert os.listdir(folder) == ["stripes.safetensors"]
    # The same call goes on where it was stopped, also one that is to overwrite.
    with pytest.raises(KeyboardInterrupt):
        taught(progress=Killing(120, stop), overwrite=True)
    checkpoint = os.stat(folder / "stripes.safetensors.part" / "last.ckpt").st_mtime_ns
    with pytest.raises(KeyboardInterrupt):
        taught(progress=Killing(0, stop), overwrite=True)
    assert os.stat(folder / "stripes.safetensors.part" / "last.ckpt").st_mtime_ns == checkpoint


def test_a_stopped_training_is_not_begun_twice_at_once(taught, folder):
    def stop():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        taught(progress=Killing(60, stop))
    from astrotl import FeatureStore
    from astrotl.errors import StoreError

    with (
        FeatureStore(folder / "stripes.safetensors.part" / "features.h5").lock(),
        pytest.raises(StoreError, match="being written"),
    ):
        taught()


def test_labels_that_nothing_can_be_learned_from_are_refused_first(taught, stripes, folder):
    source, labels = stripes
    odd = labels.copy()
    odd["same"] = "one"
    with pytest.raises(ValueError, match="column: the labels have no 'kin'"):
        taught(column="kin")
    with pytest.raises(ValueError, match="column: 'same' has 1 classes"):
        finetune(source, odd, "same", "x.safetensors", extractor="efficientnet-lite0")
    few = labels[:0]
    few.add_row(labels[0])
    few.add_row(labels[1])
    few.add_row(labels[2])
    few.add_row(labels[3])
    few["kind"] = ["lying", "lying", "standing", "standing"]
    with pytest.raises(ValueError, match="labels: 'kind' leaves no two objects"):
        finetune(source, few, "kind", "x.safetensors", test=0.5)
    assert os.listdir(folder) == []


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"method": "all"}, "method: must be one of head, last, lora, whole"),
        ({"precision": "half"}, "precision: must be one of float32, bfloat16"),
        ({"epochs": 0}, "epochs: must be 1 or more"),
        ({"patience": 0}, "patience: must be 1 or more"),
        ({"batch": 0}, "batch: must be 1 or more"),
        ({"devices": 0}, "devices: must be 1 or more"),
        ({"rate": -1}, "rate: must be above 0"),
        ({"rate": 0}, "rate: must be above 0"),
        ({"decay": 0}, "decay: must be above 0 and at most 1"),
        ({"test": 0}, "test: must lie between 0 and 1"),
        ({"fraction": 2}, "fraction: must lie between 0 and 1"),
        ({"validation": 1}, "validation: must lie between 0 and 1"),
        ({"augment": "stars"}, "augment: must be a SkyAugment, 'sky' or None"),
        ({"path": "stripes.pth"}, r"path: must end in \.safetensors"),
        ({"extractor": "profiles"}, "extractor: Profiles has no weights to train"),
    ],
)
def test_wrong_arguments_are_named(taught, folder, settings, said):
    with pytest.raises(ValueError, match=said):
        taught(**settings)
    assert os.listdir(folder) == []


def test_unreadable_images_are_left_out_and_counted(stripes, weights, folder):
    source, labels = stripes
    images = source.read().data.copy()
    images[[3, 40]] = np.nan
    broken = ArraySource(images, ids=source.ids)
    base = Timm("test_resnet", weights=weights("test_resnet"), size=32)
    with pytest.warns(AstrotlWarning, match="2 of 90 objects have no features"):
        network = finetune(broken, labels, "kind", "net.safetensors", extractor=base, epochs=1)
    assert "s003" not in network._known["id"]


def test_half_precision_learns_as_well(taught):
    assert len(taught(epochs=2, precision="bfloat16").history) == 3


def test_a_bar_moves_on_to_the_end(taught, bars):
    bar, seen = bars
    taught(epochs=3, progress=bar)
    assert all(done == total for _, total, done in seen)


def test_the_head_alone_needs_no_lightning(taught, monkeypatch):
    monkeypatch.setitem(sys.modules, "lightning", None)
    monkeypatch.setitem(sys.modules, "lightning.pytorch", None)
    for module in ("learner", "loop"):
        monkeypatch.delitem(sys.modules, f"astrotl.training.{module}", raising=False)
    assert len(taught("head.safetensors", method="head").history) == 1
    with pytest.raises(MissingDependencyError, match=r"method whole needs the package lightning.*astrotl\[torch\]"):
        taught("whole.safetensors", method="whole")


DEVICES = """
import torch
torch.set_num_threads(1)
from astropy.table import Table
from astrotl import open_source
from astrotl.neural import Timm
from astrotl.training import finetune
if __name__ == "__main__":
    finetune(open_source("stripes.npz"), Table.read("labels.ecsv"), "kind", "two.safetensors", augment=None,
        extractor=Timm("test_vit", weights={weights!r}, size=32), epochs=2, batch=16, devices=2)
"""


def test_two_devices_learn_what_one_learns(taught, stripes, weights, folder):
    source, labels = stripes
    np.savez("stripes.npz", images=source.read().data, ids=source.ids)
    labels.write("labels.ecsv")
    (folder / "train.py").write_text(DEVICES.format(weights=weights("test_vit")))
    done = subprocess.run([sys.executable, "train.py"], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    one = taught("one.safetensors", model="test_vit", epochs=2)
    two = Finetuned("two.safetensors")
    np.testing.assert_allclose(two.history["validation_loss"], one.history["validation_loss"], rtol=0.02)
