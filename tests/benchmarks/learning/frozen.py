"""Galaxy Zoo's classes by heads on frozen features: networks, crops and heads beside each other."""

import numpy as np

from astrotl.learn import compare
from astrotl.plots import compared
from astrotl.preprocess import CropCentre, CropSource
from tests.benchmarks.learning import sets
from tests.benchmarks.learning.rows import SEEDS

EXTRACTORS = (
    "efficientnet-lite0",
    "efficientnet-lite1",
    "efficientnet-lite2",
    f"mobilenetv2:weights={sets.WEIGHTS / 'mobilenetv2_100.safetensors'}",
    "profiles",
)
VARIANTS = {"whole": (), "close": (CropCentre(fraction=0.6),), "source": (CropSource(margin=2.2, size=150),)}
HEADS = ("linear", "whitened")
FRACTIONS = (0.1, 0.3, 1.0)
HEAD = f"{'macro F1, labels used':36} 10%    30%    100%  (of three seeds)"


def rows():
    source, labels, column = sets.galaxies()
    runs = compare(
        source,
        labels,
        column,
        sets.KEPT / "compared",
        extractors=EXTRACTORS,
        variants=VARIANTS,
        heads=HEADS,
        fractions=FRACTIONS,
        seeds=len(SEEDS),
    )
    compared(runs).figure.savefig(sets.KEPT / "compared.png")
    for extractor in dict.fromkeys(runs["extractor"].tolist()):
        for variant in VARIANTS:
            for head in HEADS:
                own = runs[(runs["extractor"] == extractor) & (runs["variant"] == variant) & (runs["head"] == head)]
                f1 = [own["f1"][own["fraction"] == fraction] for fraction in FRACTIONS]
                means = "  ".join(f"{np.mean(each):.3f}" for each in f1)
                name = f"{extractor.partition(':')[0]:19}{variant:7}{head:9}"
                yield f"{name} {means} ({min(f1[-1]):.3f}-{max(f1[-1]):.3f})"
