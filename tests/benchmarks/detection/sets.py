"""Fields with boxes: simulated galaxies with clumps, real ones, and radio galaxies."""

import numpy as np

from astrotl import simulate
from astrotl.detection import read_boxes
from astrotl.sources import open_fields
from tests.benchmarks.science.stores import DATA
from tests.benchmarks.science.stores import KEPT as _BESIDE

KEPT = _BESIDE.parent / "detection"
WEIGHTS = DATA.parent / "weights"
#: The weights of a hierarchical transformer, which ``python -m tests.benchmarks.hiera`` makes.
HIERA = _BESIDE.parent / "weights" / "sam2_hiera_tiny.safetensors"


def simulated(seed):
    """400 galaxies to learn from and 200 others to test with, in colours as pictures have them."""
    fields, boxes = simulate.clumpy(600, bands=("i", "r", "g"), seed=seed)
    return parted(fields[:400], boxes), parted(fields[400:], boxes)


def clumps(fold, folds=3):
    """69 galaxies with the clumps of Mehta et al. 2021, a part of them kept for the test."""
    fields = open_fields(DATA / "clumps")
    boxes = read_boxes(DATA / "clumps.json", fields)
    order = np.random.default_rng(0).permutation(len(fields))
    tested = set(order[fold::folds].tolist())
    halves = ([field for row, field in enumerate(fields) if (row in tested) == kept] for kept in (False, True))
    return tuple(parted(half, boxes) for half in halves)


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
