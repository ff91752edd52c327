"""Radio galaxies of four classes: a CNN and a transformer, frozen, fine-tuned and from nothing."""

import numpy as np

from astrotl.detection import Classical, best_threshold, detect
from astrotl.neural import Timm
from astrotl.training import train_detector
from tests.benchmarks.detection import sets
from tests.benchmarks.detection.rows import reached, searched

SEEDS = (0,)
NETWORKS = {
    "EfficientNet-Lite0": "efficientnet-lite0",
    "SAM2 Hiera-T": Timm("sam2_hiera_tiny", weights=str(sets.HIERA), size=288),
}
WAYS = {"from nothing": "scratch", "frozen": "head", "fine-tuned": "whole"}
#: Two thirds as fine as the images are, for the sake of the time it takes.
BOX_PIXELS = 20
EPOCHS = 16
#: The radio is the blue of these pictures.
CLASSICAL = Classical(bands=("blue",), deblend=None, smooth=1)


def teach(network, way, seed):
    """Teach one detector, or open it if it was taught before."""
    (fields, boxes), _ = sets.radio()
    return train_detector(
        fields,
        boxes,
        sets.KEPT / f"radio-{network.replace(' ', '-')}-{way.replace(' ', '-')}-{seed}.safetensors",
        extractor=NETWORKS[network],
        method=WAYS[way],
        box_pixels=BOX_PIXELS,
        epochs=EPOCHS,
        precision="bfloat16",
        seed=seed,
    )


def rows():
    (fields, boxes), test = sets.radio()
    least = best_threshold(detect(fields, CLASSICAL, threshold=0), boxes, classes=False)
    plain = test[1].copy()
    plain["class"] = np.full(len(plain), CLASSICAL.label)
    yield reached("classical, all of one class", [searched(CLASSICAL, test[0], plain, least)])
    for network in NETWORKS:
        for way in WAYS:
            for seed in SEEDS:
                yield reached(f"{network}, {way}", [searched(teach(network, way, seed), *test)])
