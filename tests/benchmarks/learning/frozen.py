"""Galaxy Zoo's classes by heads on frozen features: networks, crops and heads beside each other."""

from astrotl.learn import compare
from astrotl.plots import compared
from astrotl.preprocess import CropCentre, CropSource
from tests.benchmarks.learning import sets
from tests.benchmarks.learning.rows import SEEDS, Row

EXTRACTORS = (
    "efficientnet-lite0",
    "efficientnet-lite1",
    "efficientnet-lite2",
    f"mobilenetv2:weights={sets.WEIGHTS / 'mobilenetv2_100.safetensors'}",
    "profiles",
)
VARIANTS = {"whole": (), "close": (CropCentre(fraction=0.6),), "source": (CropSource(margin=2.2, size=150),)}
FRACTIONS = (0.1, 0.3, 1.0)


def rows():
    source, labels, column = sets.galaxies()
    runs = compare(
        source,
        labels,
        column,
        sets.KEPT / "compared",
        extractors=EXTRACTORS,
        variants=VARIANTS,
        heads=("linear", "whitened"),
        fractions=FRACTIONS,
        seeds=len(SEEDS),
    )
    compared(runs).savefig(sets.KEPT / "compared.png")
    for extractor in dict.fromkeys(runs["extractor"].tolist()):
        for variant in VARIANTS:
            for head in ("linear", "whitened"):
                for fraction in FRACTIONS:
                    found = runs[
                        (runs["extractor"] == extractor)
                        & (runs["variant"] == variant)
                        & (runs["head"] == head)
                        & (runs["fraction"] == fraction)
                    ]
                    yield Row(
                        f"{fraction:.0%}: {extractor.partition(':')[0]}, {variant}, {head}",
                        found["f1"].tolist(),
                    )
