"""Simulated galaxies with clumps: how complete and pure, and how long two cores take."""

import time

from astrotl.detection import Classical, best_threshold, detect
from astrotl.training import train_detector
from tests.benchmarks.detection import sets
from tests.benchmarks.detection.rows import reached, searched

SEEDS = (0, 1, 2)
#: Half the side of a box.
RADIUS = 3.0
BOX_PIXELS = 12
EPOCHS = 8
CLASSICAL = Classical(structure=12, smooth=1, deblend=0.3, box=6)


def teach(seed):
    """Teach one detector, or open it if it was taught before."""
    (fields, boxes), _ = sets.simulated(seed)
    return train_detector(
        fields,
        boxes,
        sets.KEPT / f"simulated-{seed}.safetensors",
        box_pixels=BOX_PIXELS,
        epochs=EPOCHS,
        precision="bfloat16",
        seed=seed,
    )


def rows():
    for seed in SEEDS:
        (fields, boxes), test = sets.simulated(seed)
        least = best_threshold(detect(fields, CLASSICAL, threshold=0), boxes, radius=RADIUS)
        yield reached(f"seed {seed}, classical", [searched(CLASSICAL, *test, least)], RADIUS)
        started = time.perf_counter()
        detector = teach(seed)
        seconds = time.perf_counter() - started
        yield reached(f"seed {seed}, taught on 400", [searched(detector, *test)], RADIUS) + _took(seconds)


def _took(seconds):
    return f" {seconds / 60:.0f} min" if seconds > 5 else ""
