"""Fields with boxes: simulated galaxies with clumps, real ones, and radio galaxies."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from astrotl import simulate
from astrotl.detection import read_boxes
from astrotl.sources import ArrayField, open_fields
from tests.benchmarks.science.stores import DATA
from tests.benchmarks.science.stores import KEPT as _BESIDE

KEPT = _BESIDE.parent / "detection"
WEIGHTS = DATA.parent / "weights"
#: The pixels of SDSS.
ARCSEC = 0.396
#: The weights of a hierarchical transformer, which ``python -m tests.benchmarks.hiera`` makes.
HIERA = _BESIDE.parent / "weights" / "sam2_hiera_tiny.safetensors"


def simulated(seed):
    """400 galaxies to learn from and 200 others to test with, in colours as pictures have them."""
    fields, boxes = simulate.clumpy(600, bands=("i", "r", "g"), seed=seed)
    return parted(fields[:400], boxes), parted(fields[400:], boxes)


def clumps(fold, folds=3):
    """69 galaxies with the clumps of Mehta et al. 2021, a part of them kept for the test.

    The pictures are drawn so that each galaxy fills its own; here all are brought to the pixels of the survey, so that
    what is not resolved looks alike everywhere.
    """
    pictures = open_fields(DATA / "clumps")
    boxes = read_boxes(DATA / "clumps.json", pictures)
    scales = {Path(one["file_name"]).stem: one["arcsec_per_px"] for one in _clumps_note()["images"]}
    fields = [_resized(picture, scales[picture.id] / ARCSEC) for picture in pictures]
    factors = np.array([scales[name] / ARCSEC for name in boxes["image"]])
    for name in ("x", "y"):
        boxes[name] = (np.asarray(boxes[name]) + 0.5) * factors - 0.5
    for name in ("width", "height"):
        boxes[name] = np.asarray(boxes[name]) * factors
    order = np.random.default_rng(0).permutation(len(fields))
    tested = set(order[fold::folds].tolist())
    halves = ([field for row, field in enumerate(fields) if (row in tested) == kept] for kept in (False, True))
    return tuple(parted(half, boxes) for half in halves)


def _clumps_note():
    return json.loads((DATA / "clumps.json").read_text(encoding="utf-8"))


def _resized(picture, factor):
    height, width = picture.shape
    size = (round(width * factor), round(height * factor))
    planes = picture.read(0, 0, width, height)
    resized = [Image.fromarray(plane).resize(size, Image.Resampling.BICUBIC) for plane in planes]
    data = np.clip(np.stack([np.asarray(plane) for plane in resized]), *picture.value_range)
    return ArrayField(data, picture.id, channels=picture.channels, value_range=picture.value_range)


def radio():
    """120 fields with radio galaxies to learn from and 30 to test with."""
    both = []
    for part in ("train", "val"):
        fields = open_fields(DATA / "radio_boxes" / part)
        both.append((fields, read_boxes(DATA / f"radio_boxes_{part}.json", fields)))
    return tuple(both)


def parted(fields, boxes):
    """Give fields with their own boxes."""
    return fields, boxes[np.isin(boxes["image"], [field.id for field in fields])]
