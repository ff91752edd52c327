"""Real or bogus: the network, the rivals of the studies on the same split, and both together."""

import numpy as np

from astrotl import Profiles, extract_features
from astrotl.extractors import Pixels
from astrotl.learn import probe
from astrotl.learn.scoring import labelled
from astrotl.measures import confusion
from astrotl.neural import StampNetwork
from astrotl.preprocess import CropCentre, FillNoData, Stretch
from astrotl.training import finetune
from tests.benchmarks.learning import sets
from tests.benchmarks.learning.rows import CHOOSING, SEEDS, measured, together

DESIGNS = ("published", "turning")
RIVALS = ("forest", "knn", "svm", "bayes")
MEASURES = ("accuracy", "precision", "recall", "f1", "auc", "calibration error")
#: Precision, recall and F1 are the means over both classes.
HEAD = f"{'':26} accur  preci  recal  F1     AUC   (of three)     miscal"


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
            tables[f"{head} on {features}"] = [labelled(table) for table in asked]
    best = _best_of(stores, labels, column)
    pairs = zip(tables["network, turning"], tables[best], strict=True)
    tables["turning and the best rival"] = both = [together(one, other) for one, other in pairs]
    for name, found in tables.items():
        measures = [[measured(table, measure) for table in found] for measure in MEASURES]
        aucs = measures[-2]
        means = [f"{np.mean(values):.3f}" for values in measures]
        yield f"{name:26} {'  '.join(means[:-1])} ({min(aucs):.3f}-{max(aucs):.3f})  {means[-1]}"
    yield f"{'always real':26} {np.mean([np.mean(table['label'] == 'real') for table in both]):.3f}"
    yield f"The best rival by other seeds: {best}. With it, in three tests together:"
    counts = np.sum([confusion(table["label"], table["predicted"], ("bogus", "real")) for table in both], axis=0)
    for true, row in zip(("bogus", "real"), counts, strict=True):
        yield f"  of {row.sum()} {true} {row[0]} are called bogus and {row[1]} real"


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
