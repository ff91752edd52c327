"""What was taught is one file: an extractor as any other, that answers besides, and refuses what it cannot know."""

import subprocess
import sys

import numpy as np
import pytest

from astrotl import extract_features, open_index
from astrotl.errors import AstrotlWarning, StoreMismatchError, WeightsError
from astrotl.extract import extractor_of, make_extractor
from astrotl.measures import scatter
from astrotl.neural import Finetuned, Timm
from astrotl.preprocess import Stretch
from astrotl.sources import ArraySource
from astrotl.tasks import Similar
from astrotl.testing import check_extractor
from astrotl.training import finetune


def test_it_is_an_extractor_like_any_other(taught, stripes, tmp_path):
    network = taught(epochs=6, rate=1e-2, decay=0.9)
    source, _ = stripes
    check_extractor(network, source[:4].read())
    store = extract_features(source, make_extractor("finetuned", {"path": "stripes.safetensors"}), "f.h5")
    assert store.shape == (90, network.dim) == (90, 96)
    assert store.provenance["steps"][0]["step"] == "stretch"
    assert extractor_of(store).signature() == network.signature()
    table = network.predict(store)
    assert table.colnames == ["id", "part", "label", "predicted", "probability", "p_lying", "p_standing"]
    np.testing.assert_allclose(table["p_lying"] + table["p_standing"], 1)
    tested = table[table["part"] == "test"]
    assert tested["predicted"].tolist() == network.tested["predicted"].tolist()
    np.testing.assert_allclose(tested["p_lying"], network.tested["p_lying"], atol=1e-3)
    assert {"learn", "validation", "test"} == set(table["part"])
    assert table.meta["astrotl"]["store"]["uuid"] == store.uuid
    # Look-alikes are of the same kind now.
    neighbours = Similar(["s000"], k=5).run(open_index(store))
    kinds = dict(zip(table["id"], table["label"], strict=True))
    assert [kinds[name] for name in neighbours["id"]].count(kinds["s000"]) >= 4


def test_new_objects_have_neither_part_nor_label(taught, stripes):
    network = taught(method="head")
    source, _ = stripes
    new = ArraySource(source[:5].read().data, ids=[f"new{number}" for number in range(5)])
    table = network.predict(extract_features(new, network, "new.h5"))
    assert table.colnames == ["id", "predicted", "probability", "p_lying", "p_standing"]


def test_engines_agree(taught, stripes):
    pytest.importorskip("openvino")
    taught(method="whole", epochs=2)
    batch = Stretch()(stripes[0][:6].read())
    made = [Finetuned("stripes.safetensors", engine=engine) for engine in ("torch", "openvino")]
    from astrotl.prepare import take_through

    images = take_through(batch, made[0].input.steps())
    one, other = (each.extract(images) for each in made)
    assert np.abs(one - other).max() < 1e-4 * np.abs(one).max()


def test_numbers_come_with_intervals(taught):
    network = taught(column="slope")
    table = network.tested
    assert table.colnames == ["id", "part", "label", "predicted", "predicted_p16", "predicted_p84"]
    assert (table["predicted_p16"] < table["predicted_p84"]).all()
    assert scatter(table["label"], table["predicted"]) < 0.7 * table["label"].std()
    assert network.history.colnames[-1] == "validation_scatter"
    assert network.classes == ()


def test_a_network_is_taught_further(taught):
    first = taught("first.safetensors", method="head", column="slope")
    second = taught("second.safetensors", extractor=first, epochs=1)
    assert second.note["base"]["class"] == "astrotl.neural.finetuned:Finetuned"


def test_a_store_of_another_network_is_refused(taught, stripes, weights):
    network = taught(method="head")
    store = extract_features(stripes[0], Timm("test_vit", weights=weights("test_vit"), size=32), "other.h5")
    with pytest.raises(StoreMismatchError, match="its features were made by Timm, with other weights"):
        network.predict(store)


def test_files_that_are_none_are_named(tmp_path, weights):
    with pytest.raises(FileNotFoundError, match="there is no such file; make it with astrotl finetune"):
        Finetuned(tmp_path / "gone.safetensors").dim  # noqa: B018
    with pytest.raises(WeightsError, match="holds weights, but not what astrotl finetune makes; weights"):
        Finetuned(weights("test_vit")).dim  # noqa: B018
    (tmp_path / "bad.safetensors").write_bytes(b"no tensors at all")
    with pytest.raises(WeightsError, match=r"cannot be read as \.safetensors"):
        Finetuned(tmp_path / "bad.safetensors").dim  # noqa: B018


def test_a_fresh_process_needs_no_lightning_and_no_pickle(taught):
    taught(method="lora", model="test_vit", epochs=1)
    script = (
        "import sys, pickle\n"
        "for name in ('lightning', 'peft', 'sklearn'): sys.modules[name] = None\n"
        "import astrotl.neural\n"
        "from astrotl.extract import make_extractor\n"
        "pickle.load = pickle.loads = pickle.Unpickler = None\n"
        "network = make_extractor('finetuned', {'path': 'stripes.safetensors'})\n"
        "print(network.dim, len(network.tested), network.classes)\n"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=False)
    assert done.stdout.split()[0] == "64", done.stderr


def test_objects_that_are_only_counted_are_not_taken_for_those_of_another_night(taught, stripes):
    source, labels = stripes
    counted = ArraySource(source.read().data)
    labels = labels.copy()
    labels["id"] = counted.ids
    network = taught(method="head", data=(counted, labels))
    tonight = ArraySource(source[:5].read().data[:, :, ::-1].copy())
    said = network.predict(extract_features(tonight, network, "tonight.h5"))
    assert "label" not in said.colnames
    assert len(network.tested["label"]) > 0


def test_the_order_of_the_bands_is_that_of_the_teaching(stripes, weights, folder):
    source, labels = stripes
    images = np.repeat(source.read().data, 3, axis=1)
    images[:, 1:] *= 0.9
    taught_with = ArraySource(images, ids=source.ids, channels=("i", "r", "g"))
    base = Timm("test_resnet", weights=weights("test_resnet"), size=32)
    network = finetune(taught_with, labels, "kind", "three.safetensors", extractor=base, method="head")
    turned = ArraySource(images, ids=source.ids, channels=("g", "r", "i"))
    with pytest.raises(ValueError, match="was taught with i, r, g in this order, got g, r, i"):
        network.predict(extract_features(turned, network, "turned.h5"))
    named = ArraySource(images, ids=source.ids, channels=("red", "green", "blue"))
    with pytest.warns(AstrotlWarning, match="is asked about red, green, blue"):
        network.predict(extract_features(named, network, "named.h5"))


def test_a_rate_too_high_is_said_and_what_was_good_is_kept(taught):
    with pytest.warns(AstrotlWarning, match="rate: 1e.06 is too high, and training has diverged"):
        network = taught(rate=1e6, epochs=2)
    assert np.isfinite(network.tested["probability"]).all()
    assert network.note["epoch"] == 0
