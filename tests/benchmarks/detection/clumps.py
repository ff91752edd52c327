"""Real galaxies with clumps: the classical detector, and Faster R-CNN from several beginnings, by three parts."""

from astrotl.detection import Classical, best_threshold, detect, on_host
from astrotl.neural import FasterRCNN
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
EPOCHS = 7
TILE = 256
#: Half the side of a box, which is the width of the PSF.
RADIUS = 3.3
#: What suits clumps without labels: the bluest light, without what is smoother than a clump.
CLASSICAL = Classical(bands=("blue",), structure=4, smooth=1, deblend=0.3, box=6, label="clump")


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
        tile=TILE,
        box_pixels=BOX_PIXELS,
        epochs=EPOCHS,
        precision="bfloat16",
        seed=fold,
    )


def rows():
    yield reached("classical, on the host", [_classical(fold) for fold in FOLDS], RADIUS)
    yield reached("simulated alone", [_learned(simulated.teach(fold), fold) for fold in FOLDS], RADIUS)
    for way in WAYS:
        yield reached(way, [_learned(teach(way, fold), fold) for fold in FOLDS], RADIUS)
    turning = [FasterRCNN(teach(way, fold).path, turns=True, precision="bfloat16") for fold in FOLDS]
    yield reached("the last, from all sides", [_learned(turning[fold], fold) for fold in FOLDS], RADIUS)


def _classical(fold):
    (fields, boxes), test = sets.clumps(fold)
    found = on_host(detect(fields, CLASSICAL, threshold=0), fields)
    return searched(CLASSICAL, *test, best_threshold(found, boxes, radius=RADIUS), on_host)


def _learned(detector, fold):
    """Search the galaxies of the test; the threshold is the best of those that were kept for checking."""
    (fields, boxes), test = sets.clumps(fold)
    aside = set(detector.checked.meta["images"])
    fields = [field for field in fields if field.id in aside] or fields
    found = detect(fields, detector, threshold=0)
    least = best_threshold(found, sets.parted(fields, boxes)[1], radius=RADIUS)
    return searched(detector, *test, least)
