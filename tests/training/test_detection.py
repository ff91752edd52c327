"""A detector learns from boxes in fields, and finds such things in fields of any size."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from astropy.table import vstack
from astropy.wcs import WCS
from safetensors.torch import load_file, save_file

from astrotl import ImageBatch, simulate
from astrotl.detection import detect, detection_scores
from astrotl.detection.table import make_boxes
from astrotl.errors import AstrotlWarning
from astrotl.neural import FasterRCNN, Timm
from astrotl.sources import ArrayField
from astrotl.training import SkyAugment, finetune, train_detector
from tests.training.stars import starry


def precision(detector, **settings):
    """Measure the average precision on fields that it has not seen."""
    fields, boxes = starry(6, first=50, **settings)
    found = detect(fields, detector, threshold=0)
    return detection_scores(found, boxes, samples=0)["value"][0] if len(found) else 0.0


def network_of(path):
    return {name: tensor for name, tensor in load_file(path).items() if name.startswith("network.")}


def all_equal(one, other):
    assert set(one) == set(other)
    return all(torch.equal(tensor, other[name]) for name, tensor in one.items())


@pytest.fixture(scope="session")
def finder(weights, tmp_path_factory):
    """A detector that knows stars."""
    path = tmp_path_factory.mktemp("detector") / "stars.safetensors"
    base = Timm("test_efficientnet", weights=weights("test_efficientnet"))
    torch.set_num_threads(1)
    return train_detector(*starry(16), path, extractor=base, epochs=5, width=32, tile=64, box_pixels=24)


def test_training_lowers_the_loss_and_leaves_one_file(teach, folder, capfd):
    detector = teach(data=simulate.clumpy(16, size=64, seed=1), epochs=4)
    history = detector.history
    assert history["epoch"].tolist() == [0, 1, 2, 3, 4]
    assert history["loss"][-1] < 0.8 * history["loss"][1]
    assert capfd.readouterr() == ("", "")
    assert os.listdir(folder) == ["stars.safetensors"]
    assert detector.classes == ("clump",)
    assert 0 <= detector.threshold <= 1


def test_it_finds_what_it_was_taught(finder):
    assert precision(finder) > 0.5
    checked = finder.checked
    assert checked["measure"].tolist() == ["completeness", "purity"]
    assert (checked["value"] > 0.5).all()
    assert (checked["low"] <= checked["value"]).all()
    assert set(checked.meta["images"]) < {field.id for field in starry(16)[0]}


def test_a_field_larger_than_the_tile_is_searched_like_a_small_one(finder):
    assert precision(finder, shape=(150, 210), stars=20) > 0.5


FRESH = """
import sys, pickle, json
for name in ('lightning', 'peft', 'sklearn'): sys.modules[name] = None
import torch
torch.set_num_threads(1)
import numpy as np
from astrotl.detection import detect
from astrotl.neural import FasterRCNN
from astrotl.sources import ArrayField
pickle.load = pickle.loads = pickle.Unpickler = None
table = detect([ArrayField(np.load('field.npy', allow_pickle=False), channels=('u', 'g', 'r'))], FasterRCNN({path!r}))
print(json.dumps([list(row) for row in table]))
"""


def test_a_fresh_process_finds_the_same_without_lightning(finder, folder):
    (field,), _ = starry(1, first=70, shape=(100, 90))
    image = field.read(0, 0, 90, 100)
    np.save("field.npy", image)
    here = detect([ArrayField(image, channels=field.channels)], finder)
    script = FRESH.format(path=str(finder.path))
    done = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(here) > 0
    assert json.loads(done.stdout) == [list(row) for row in here]


def test_boxes_lie_within_the_field(finder):
    fields, _ = starry(2, shape=(40, 70), first=60)
    table = detect(fields, finder, threshold=0)
    for name, size, length in (("x", "width", 70), ("y", "height", 40)):
        assert (table[name] - table[size] / 2 >= -0.5 - 1e-6).all()
        assert (table[name] + table[size] / 2 <= length - 0.5 + 1e-6).all()


def test_images_without_data_show_nothing(finder):
    (field,), _ = starry(1, first=80, shape=(64, 64))
    image = field.read(0, 0, 64, 64)
    assert len(detect([ArrayField(np.full_like(image, np.nan), channels=field.channels)], finder, threshold=0)) == 0
    image[:, :, :20] = np.nan
    assert len(detect([ArrayField(image, channels=field.channels)], finder, threshold=0)) > 0


def test_it_refuses_what_it_cannot_look_at(finder):
    (two,), _ = starry(1, bands=2)
    with pytest.warns(AstrotlWarning, match="taught with the bands u, g, r, and is asked about u, g"):
        detect([two], finder)
    (large,), _ = simulate.clumpy(1, size=96, bands=("u", "g", "r"))
    with pytest.raises(ValueError, match="in this order, got r, g, u"):
        detect([ArrayField(np.ones((3, 20, 20)), channels=("r", "g", "u"))], finder)
    batch = ImageBatch(large.read(0, 0, 96, 96)[None], ["a"], large.channels)
    with pytest.raises(ValueError, match="takes 64 px at once, got 96 x 96; use detect"):
        finder.look(batch)
    with pytest.raises(ValueError, match="precision: must be one of"):
        FasterRCNN(finder.path, precision="half")


def test_half_precision_finds_nearly_the_same(finder):
    half = FasterRCNN(finder.path, precision="bfloat16")
    assert precision(half) == pytest.approx(precision(finder), abs=0.2)
    assert half.signature() != finder.signature()


@pytest.mark.parametrize("model", ["test_vit", "test_convnext", "test_resnet"])
def test_other_networks_learn_too(teach, model):
    detector = teach(model=model, epochs=3, box_pixels=24, precision="bfloat16" if model == "test_vit" else "float32")
    assert precision(detector) > 0.4


@pytest.mark.parametrize(("model", "tile"), [("test_vit", 50), ("test_efficientnet", 37)])
def test_tiles_of_any_size(teach, model, tile):
    detector = teach(model=model, tile=tile, box_pixels=20, epochs=3, data=starry(8))
    assert detector.tile == tile
    assert detector.design.size % 32 == 0
    assert precision(detector) > 0.4


def test_box_pixels_enlarges_what_the_network_sees_and_not_the_boxes(teach):
    detector = teach(box_pixels=25, epochs=3)
    assert detector.tile == 64
    assert detector.design.size == 128
    assert 20 < np.mean(detector.design.anchors.sizes) < 30
    assert precision(detector) > 0.5


@pytest.mark.parametrize(("model", "method"), [("test_resnet", m) for m in ("head", "last", "whole")])
def test_methods_train_as_much_as_they_say(teach, weights, model, method):
    teach(model=model, method=method, epochs=1)
    base, taught = load_file(weights(model)), network_of("stars.safetensors")
    changed = [name for name, tensor in base.items() if not torch.equal(tensor, taught[f"network.{name}"])]
    # What has been seen of brightness and contrast stays.
    assert not [name for name in changed if "running" in name or "num_batches" in name]
    learned = [name for name in base if "running" not in name and "num_batches" not in name]
    least, most = {"head": (0, 0), "last": (1, len(learned) / 2), "whole": (0.9 * len(learned), len(learned))}[method]
    assert least <= len(changed) <= most


@pytest.mark.parametrize("model", ["test_resnet", "test_vit"])
def test_from_scratch_nothing_is_left_of_the_weights(teach, weights, folder, model):
    other = {
        name: tensor + 1 if tensor.is_floating_point() else tensor for name, tensor in load_file(weights(model)).items()
    }
    save_file(other, "other.safetensors")
    made = [
        teach(f"{number}.safetensors", model, method="scratch", epochs=1, extractor=Timm(model, weights=path))
        for number, path in enumerate((weights(model), "other.safetensors"))
    ]
    assert made[0].note["base"] != made[1].note["base"]
    assert all_equal(*(load_file(detector.path) for detector in made))


def test_it_begins_with_a_network_that_was_taught_classes(teach, stripes, weights, folder):
    source, labels = stripes
    base = Timm("test_resnet", weights=weights("test_resnet"), size=32)
    taught = finetune(source, labels, "kind", "stripes.safetensors", extractor=base, method="head")
    detector = teach(extractor=taught, epochs=1)
    assert detector.note["base"]["class"] == "astrotl.neural.finetuned:Finetuned"
    assert len(detect(starry(2)[0], detector, threshold=0)) > 0


def test_it_goes_on_from_a_detector(teach, finder, folder):
    further = teach(extractor=finder, epochs=1, tile=64, box_pixels=24, rate=1e-5)
    moved = FasterRCNN(shutil.copy(finder.path, folder / "moved.safetensors"))
    assert teach(extractor=moved, epochs=1, tile=64, box_pixels=24, rate=1e-5).note == further.note
    assert further.note["base"]["class"] == "astrotl.neural.detectors:FasterRCNN"
    # It begins with what that one knew.
    assert further.history["validation_loss"][0] < 0.5
    fields, boxes = starry()
    boxes["class"] = "sun"
    other = teach("suns.safetensors", data=(fields, boxes), extractor=finder, epochs=1, tile=64, box_pixels=24)
    assert other.classes == ("sun",)


def test_it_ends_early_when_it_gets_worse(teach, finder):
    again = teach(extractor=finder, epochs=40, patience=2, rate=0.3, tile=64, box_pixels=24)
    assert 3 <= len(again.history) < 20
    assert again.note["epoch"] < len(again.history) - 1
    assert np.isfinite([tensor.sum() for tensor in load_file("stars.safetensors").values()]).all()


def test_it_says_that_it_has_diverged_and_keeps_what_was_before(teach):
    with pytest.warns(AstrotlWarning, match="rate: 1e\\+30 is too high, and training has diverged; epoch 0 is kept"):
        detector = teach(rate=1e30, epochs=1)
    assert all(torch.isfinite(tensor).all() for tensor in load_file(detector.path).values())


def test_fields_of_all_kinds_teach_together(teach):
    small, small_boxes = starry(6)
    large, large_boxes = starry(2, shape=(100, 150), first=10, stars=8)
    empty, _ = starry(3, shape=(64, 40), first=20, stars=0)
    wcs = WCS({"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 150, "CRVAL2": 2})
    half = large[0].read(0, 0, 150, 100)
    half[:, :60] = np.nan
    torn = ArrayField(half, "torn", channels=small[0].channels, wcs=wcs)
    nothing = ArrayField(np.full((3, 20, 20), np.nan), "nothing", channels=small[0].channels)
    elsewhere = make_boxes("not here", 5, 5, 9, 9, "star")
    boxes = vstack([small_boxes, large_boxes, elsewhere])
    detector = teach(data=([*small, *large, *empty, torn, nothing], boxes), tile=64, epochs=3)
    assert detector.tile == 64
    assert precision(detector) > 0.4


@pytest.mark.parametrize("bands", [1, 5])
def test_any_number_of_bands(teach, bands):
    detector = teach(bands=bands, epochs=1)
    assert detector.bands == bands
    assert detector.note["channels"] == list("ugriz"[:bands])
    assert len(detect(starry(1, bands=bands)[0], detector, threshold=0)) > 0


def test_one_band_goes_into_a_network_of_three(teach):
    detector = teach(data=starry(bands=1), epochs=1)
    assert detector.bands == 3
    assert len(detect(starry(1, bands=1)[0], detector, threshold=0)) > 0


def test_boxes_of_other_classes_are_left_out(teach):
    fields, boxes = starry()
    boxes["class"] = np.where(np.arange(len(boxes)) % 2, "star", "galaxy")
    assert teach("both.safetensors", data=(fields, boxes), epochs=1).classes == ("galaxy", "star")
    assert teach("one.safetensors", data=(fields, boxes), epochs=1, classes=["star"]).classes == ("star",)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"method": "lora"}, "method: must be one of head, last, whole, scratch, got 'lora'"),
        ({"precision": "half"}, "precision: must be one of float32, bfloat16"),
        ({"epochs": 0}, "epochs: must be 1 or more"),
        ({"batch": 0}, "batch: must be 1 or more"),
        ({"rate": -1}, "rate: must be above 0"),
        ({"rate": 0}, "rate: must be above 0"),
        ({"decay": 0}, "decay: must be above 0 and at most 1"),
        ({"validation": 1}, "validation: must lie between 0 and 1, got 1"),
        ({"augment": "stars"}, "augment: must be a SkyAugment, 'sky' or None, got 'stars'"),
        ({"augment": SkyAugment()}, "augment: boxes can be mirrored and turned by quarters only"),
        ({"path": "stars.pth"}, r"path: the file needs the ending \.safetensors, got stars\.pth"),
        ({"extractor": "profiles"}, "extractor: Profiles has no weights to train"),
        ({"tile": 8}, "tile: must be 16 or more, got 8"),
        ({"width": 8}, "width: must be 16 or more, got 8"),
        ({"box_pixels": 0}, "box_pixels: must be above 0, got 0"),
        (
            {"box_pixels": 3000},
            "box_pixels: the network would be shown [0-9,]+ pixels a side at once, and 4,096 are the most",
        ),
        ({"suppress": 0}, "suppress: must be above 0 and at most 1, got 0"),
        ({"data": starry(12, scale=4, stars=1, shape=(99, 99)), "tile": 32}, "tile: must be larger than the boxes"),
        ({"classes": ["sun"]}, "boxes: there is none in these fields"),
        ({"data": starry(1)}, "fields: one has boxes; it takes two or more"),
        ({"data": (starry()[0] * 2, starry()[1])}, "fields: every field needs an id of its own"),
        ({"data": (starry(6)[0] + starry(6, first=6, bands=2)[0], starry()[1])}, "fields: all of them need the same"),
        ({"data": (starry()[0], starry()[1]["x", "y"])}, "boxes: has no column 'image'"),
        (
            {"data": ([ArrayField(np.full((3, 64, 64), np.nan), f"f{n:02}") for n in range(12)], starry()[1])},
            "fields: those to learn from, or those to check with, show nothing at all",
        ),
    ],
)
def test_wrong_arguments_are_named(teach, folder, settings, said):
    with pytest.raises(ValueError, match=said):
        teach(**settings)
    assert not (folder / "stars.safetensors").exists()


def test_a_bar_moves_on_to_the_end(teach, bars):
    bar, seen = bars
    teach(epochs=2, progress=bar)
    assert [desc for desc, _, _ in seen] == ["preparing", ""]
    assert all(done == total for _, total, done in seen)
