"""Real galaxies with clumps: the classical detector, and Faster R-CNN from several beginnings, by three parts."""

from astrotl.detection import Classical, best_threshold, detect, on_host
from astrotl.training import train_detector
from tests.benchmarks.detection import sets, simulated
from tests.benchmarks.detection.rows import reached, searched

FOLDS = (0, 1, 2)
#: What each way begins with, and what of it is trained.
WAYS = {
    "frozen": ("efficientnet-lite0", "head"),
    "fine-tuned": ("efficientnet-lite0", "whole"),
    "simulated, then real": ("simulated", "whole"),
}
BOX_PIXELS = 12
EPOCHS = 14
#: Half the side of a box.
RADIUS = 5.0
#: What suits clumps without labels: the bluest light, without what is smoother than a clump.
CLASSICAL = Classical(bands=("blue",), structure=12, smooth=3, deblend=0.3, box=10)


def teach(way, fold):
    """Teach one detector, or open it if it was taught before."""
    (fields, boxes), _ = sets.clumps(fold)
    begin, method = WAYS[way]
    return train_detector(
        fields,
        boxes,
        sets.KEPT / f"clumps-{way.replace(', ', '-')}-{fold}.safetensors",
        extractor=simulated.teach(fold) if begin == "simulated" else begin,
        method=method,
        box_pixels=BOX_PIXELS,
        epochs=EPOCHS,
        precision="bfloat16",
        seed=fold,
    )


def rows():
    yield reached("classical, on the host", [_classical(fold) for fold in FOLDS], RADIUS)
    yield reached("simulated alone", [searched(simulated.teach(fold), *sets.clumps(fold)[1]) for fold in FOLDS], RADIUS)
    for way in WAYS:
        parts = [searched(teach(way, fold), *sets.clumps(fold)[1]) for fold in FOLDS]
        yield reached(way, parts, RADIUS)


def _classical(fold):
    (fields, boxes), test = sets.clumps(fold)
    found = on_host(detect(fields, CLASSICAL, threshold=0), fields)
    return searched(CLASSICAL, *test, best_threshold(found, boxes, radius=RADIUS), on_host)
