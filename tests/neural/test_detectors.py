"""A detector out of its file: it refuses other files, and searches in little memory."""

import json
import subprocess
import sys

import numpy as np
import pytest
import timm
import torch
from astropy.io import fits
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from astrotl import ImageBatch
from astrotl.detection import detect
from astrotl.errors import WeightsError
from astrotl.neural import FasterRCNN
from astrotl.neural.anchors import Anchors
from astrotl.neural.backbone import pooled
from astrotl.neural.detectors import heads_of
from astrotl.neural.rcnn import Design, assemble
from astrotl.neural.saved import write_network
from astrotl.preprocess import Stretch, step_signature
from astrotl.sources import ArrayField, open_fields
from astrotl.testing import check_detector


def written(path, tile=64, strides=(8, 16), size=64):
    """Write a detector whose weights are drawn by lot, and which finds something everywhere."""
    torch.manual_seed(0)
    module = pooled(timm.create_model("test_efficientnet", num_classes=0), "average", 3, size).eval()
    sizes = tuple((3.0 * stride, 4.0 * stride) for stride in strides)
    design = Design(("clump", "star"), tile, size, 16, 16, Anchors(strides, sizes, (1.0,)), 0.3)
    model = assemble(module.network, [0.5] * 3, [0.5] * 3, design)
    note = {
        "design": design.described(),
        "steps": [step_signature(Stretch())],
        "channels": ["i"],
        "threshold": 0.3,
        "history": [{"epoch": 0, "loss": 1.0}],
    }
    write_network(path, module, {name: t.numpy() for name, t in heads_of(model).items()}, note, "astrotl-detector")
    return path


@pytest.fixture
def file(tmp_path):
    return written(tmp_path / "detector.safetensors")


@pytest.fixture
def noise():
    return np.random.default_rng(1).normal(size=(4, 1, 64, 64)).astype(np.float32)


def changed(file, **note):
    """Write the same file with another note."""
    with safe_open(file, framework="pt") as opened:
        known = json.loads(opened.metadata()["astrotl"])
    save_file(load_file(file), file, metadata={"astrotl": json.dumps({**known, **note})})
    return file


def test_it_keeps_what_every_detector_promises(file, noise):
    check_detector(FasterRCNN(file), ImageBatch(noise[:2], ["a", "b"], ("i",)))


def test_it_says_what_it_is(file):
    detector = FasterRCNN(file)
    assert (detector.classes, detector.tile, detector.overlap, detector.threshold) == (("clump", "star"), 64, 16, 0.3)
    assert detector.history["loss"].tolist() == [1.0]
    signature = detector.signature()
    assert len(signature["weights_sha256"]) == 64
    assert json.loads(json.dumps(signature)) == signature


def test_an_image_is_seen_alike_alone_and_among_others(file, noise):
    detector = FasterRCNN(file)
    noise[1] = np.nan
    batch = ImageBatch(noise, list("abcd"), ("i",))
    found = detector.look(batch)
    assert [len(each) > 0 for each in found] == [True, False, True, True]
    alone = detector.look(batch.select([2]))[0]
    np.testing.assert_allclose(alone.x, found[2].x, atol=0.01)
    np.testing.assert_allclose(alone.score, found[2].score, atol=1e-4)


def test_what_is_smaller_than_the_tile_is_seen_as_if_there_were_no_data_beside_it(file, noise):
    detector = FasterRCNN(file)
    beside = noise[:1].copy()
    beside[:, :, 40:] = np.nan
    beside[:, :, :, 50:] = np.nan
    (whole,) = detector.look(ImageBatch(beside, ["a"], ("i",)))
    (part,) = detector.look(ImageBatch(beside[:, :, :40, :50], ["a"], ("i",)))
    np.testing.assert_array_equal(part.x, whole.x)


def test_boxes_are_in_pixels_of_the_image_and_not_of_the_network(tmp_path, noise):
    small, large = (
        detect([ArrayField(noise[0], channels=("i",))], FasterRCNN(written(tmp_path / name, size=size)), threshold=0)
        for name, size in (("a.safetensors", 64), ("b.safetensors", 128))
    )
    for table in (small, large):
        assert table["x"].max() > 50
        assert (table["x"] + table["width"] / 2).max() <= 63.5
    # The same anchors are half as large in the image.
    assert np.median(large["width"]) < 0.75 * np.median(small["width"])


def test_files_that_are_none_are_named(file, tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no such file; make it with astrotl detect train"):
        FasterRCNN(tmp_path / "gone.safetensors").tile  # noqa: B018
    save_file({"a": torch.zeros(1)}, tmp_path / "weights.safetensors")
    with pytest.raises(WeightsError, match="holds weights, but not what astrotl detect train makes"):
        FasterRCNN(tmp_path / "weights.safetensors").tile  # noqa: B018
    (tmp_path / "bad.safetensors").write_bytes(b"no tensors at all")
    with pytest.raises(WeightsError, match=r"cannot be read as \.safetensors"):
        FasterRCNN(tmp_path / "bad.safetensors").tile  # noqa: B018
    with pytest.raises(WeightsError, match="has the format version 2, newer than this astrotl reads"):
        FasterRCNN(changed(file, format_version=2)).tile  # noqa: B018
    with pytest.raises(WeightsError, match="it was made by astrotl finetune"):
        FasterRCNN(changed(file, format="astrotl-network", format_version=1)).tile  # noqa: B018


def test_heads_of_another_kind_are_refused(file, noise):
    with safe_open(file, framework="pt") as opened:
        note = opened.metadata()
    tensors = load_file(file)
    lost = next(name for name in tensors if name.startswith("detector.rpn"))
    save_file({name: tensor for name, tensor in tensors.items() if name != lost}, file, metadata=note)
    with pytest.raises(WeightsError, match="torchvision builds another detector than the one in the file"):
        FasterRCNN(file).look(ImageBatch(noise, list("abcd"), ("i",)))


MEMORY = """
import resource, torch
torch.set_num_threads(1)
from astrotl.detection import detect
from astrotl.neural import FasterRCNN
from astrotl.sources import open_fields
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
detector = FasterRCNN("wide.safetensors")
detect(open_fields("small.fits"), detector)
before = peak()
found = detect(open_fields("large.fits"), detector)
print(peak() - before, len(found))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is counted in other units there")
def test_a_large_field_takes_no_more_memory_than_a_small_one(tmp_path):
    written(tmp_path / "wide.safetensors", tile=512, size=512, strides=(16, 32))
    rng = np.random.default_rng(1)
    for name, side in (("small", 1500), ("large", 4000)):
        fits.writeto(tmp_path / f"{name}.fits", rng.integers(-99, 99, (side, side), dtype=np.int16))
    assert open_fields(tmp_path / "large.fits")[0].shape == (4000, 4000)
    done = subprocess.run([sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True, cwd=tmp_path)
    grown, found = map(float, done.stdout.split())
    # The file is mapped and takes 32 MB; its image in three bands would take 192.
    assert grown < 150
    assert found > 100


def test_with_turns_it_finds_the_same_however_the_image_lies(file, noise):
    detector = FasterRCNN(file, turns=True)
    lying, standing = (
        detector.look(ImageBatch(np.ascontiguousarray(some), list("ab"), ("i",)))
        for some in (noise[:2], np.rot90(noise[:2], 1, (2, 3)))
    )
    for one, other in zip(lying, standing, strict=True):
        assert len(one) > 5
        # A turned image shows at (y, side - 1 - x) what was at (x, y).
        back = np.stack([63 - other.y, other.x, other.height, other.width, other.score], axis=1)
        straight = np.stack([one.x, one.y, one.width, one.height, one.score], axis=1)
        np.testing.assert_allclose(np.sort(straight[:, 4]), np.sort(back[:, 4]), atol=1e-4)
        sure = np.argmax(straight[:, 4]), np.argmax(back[:, 4])
        np.testing.assert_allclose(straight[sure[0]], back[sure[1]], atol=1e-2)
