"""Real or bogus: the network, the rivals of the studies on the same split, and both together."""

import numpy as np

from astrotl import Profiles, extract_features
from astrotl.extractors import Pixels
from astrotl.learn import probe
from astrotl.measures import confusion
from astrotl.neural import StampNetwork
from astrotl.preprocess import CropCentre, FillNoData, Stretch
from astrotl.training import finetune
from tests.benchmarks.learning import sets
from tests.benchmarks.learning.rows import CHOOSING, SEEDS, Row, measured, tested, together

DESIGNS = ("published", "turning")
RIVALS = ("forest", "knn", "svm", "bayes")
MEASURES = ("accuracy", "precision", "recall", "f1", "auc", "calibration error")


def jobs():
    """List all trainings."""
    return [(design, seed) for design in DESIGNS for seed in SEEDS]


def teach(design, seed):
    """Teach one network, or open it if it was taught before."""
    source, labels, column = sets.alerts()
    return finetune(
        source,
        labels,
        column,
        sets.KEPT / f"alerts-{design}-{seed}.safetensors",
        extractor=StampNetwork(design=design, seed=seed, engine="torch"),
        rate=1e-3,
        decay=1.0,
        epochs=60,
        seed=seed,
    )


def rows():
    source, labels, column = sets.alerts()
    tables = {}
    for design in DESIGNS:
        tables[f"network, {design}"] = [teach(design, seed).tested for seed in SEEDS]
    stores = {
        "pixels": extract_features(
            source, Pixels(size=21), sets.KEPT / "alerts-pixels.h5", steps=(CropCentre(size=21), Stretch())
        ),
        "profiles": extract_features(source, Profiles(), sets.KEPT / "alerts-profiles.h5", steps=(FillNoData(),)),
    }
    for features, store in stores.items():
        for head in RIVALS:
            asked = [probe(store, labels, column, head=head, seed=seed) for seed in SEEDS]
            tables[f"{head} on {features}"] = [tested(table) for table in asked]
    for name, found in tables.items():
        for measure in MEASURES:
            yield Row(f"alerts, {name}: {measure}", [measured(table, measure) for table in found])
    yield Row("alerts, always real: accuracy", [np.mean(table["label"] == "real") for table in found])
    best = _best_of(stores, labels, column)
    both = [together(one, other) for one, other in zip(tables["network, turning"], tables[best], strict=True)]
    for measure in MEASURES:
        yield Row(f"alerts, network and {best} together: {measure}", [measured(table, measure) for table in both])
    counts = np.sum([confusion(table["label"], table["predicted"], ("bogus", "real")) for table in both], axis=0)
    for true, row in zip(("bogus", "real"), counts, strict=True):
        yield f"  of {row.sum()} {true} in the three tests {row[0]} are called bogus and {row[1]} real"


def _best_of(stores, labels, column):
    """Choose the rival by the tests of other seeds."""
    aucs = {
        f"{head} on {features}": np.mean(
            [measured(probe(store, labels, column, head=head, seed=seed), "auc") for seed in CHOOSING]
        )
        for features, store in stores.items()
        for head in RIVALS
    }
    return max(aucs, key=aucs.get)
