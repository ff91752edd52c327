"""Simulated galaxies with clumps: how complete and pure, and how long two cores take."""

import time

from astrotl.detection import Classical, best_threshold, detect, on_host
from astrotl.training import train_detector
from tests.benchmarks.detection import sets
from tests.benchmarks.detection.rows import reached, searched

SEEDS = (0, 1, 2)
#: Half the side of a box.
RADIUS = 3.0
BOX_PIXELS = 12
EPOCHS = 8
CLASSICAL = Classical(bands=("g",), structure=3, smooth=1, deblend=0.3, box=6, label="clump")


def teach(seed):
    """Teach one detector, or open it if it was taught before."""
    (fields, boxes), _ = sets.simulated(seed)
    return train_detector(
        fields,
        boxes,
        _file(seed),
        box_pixels=BOX_PIXELS,
        epochs=EPOCHS,
        precision="bfloat16",
        seed=seed,
    )


def rows():
    for seed in SEEDS:
        (fields, boxes), test = sets.simulated(seed)
        least = best_threshold(on_host(detect(fields, CLASSICAL, threshold=0), fields), boxes, radius=RADIUS)
        yield reached(f"seed {seed}, classical, on the host", [searched(CLASSICAL, *test, least, on_host)], RADIUS)
        new, started = not _file(seed).exists(), time.perf_counter()
        detector = teach(seed)
        took = f"taught in {(time.perf_counter() - started) / 60:.0f} min" if new else ""
        yield f"{reached(f'seed {seed}, taught on 400', [searched(detector, *test)], RADIUS)} {took}".rstrip()


def _file(seed):
    return sets.KEPT / f"simulated-{seed}.safetensors"
