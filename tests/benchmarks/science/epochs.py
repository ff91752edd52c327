"""Damaged epochs among simulated series: 50 objects on 40 dates, 8 % of the epochs damaged in five ways.

Constants were chosen on the seeds 11, 12 and 13, and the figures are those of three other seeds together. Real series
carry no labels: what is flagged in them is described in docs/recipes/epochs.rst.
"""

import numpy as np
from astropy.table import Table, vstack

from astrotl import Concat, ExactIndex, extract_features, simulate
from astrotl.measures import bootstrap
from astrotl.sources import ArraySource, EpochSource
from astrotl.tasks import Epochs
from tests.benchmarks.science.stores import KEPT

_SEEDS = (31, 32, 33)
_VIEWS = {
    "network and profiles": ("efficientnet-lite0", "profiles"),
    "the same, and of the centres": ("efficientnet-lite0", "efficientnet-lite0@0.4", "profiles", "profiles@0.5"),
    "profiles alone": "profiles",
}
#: Below this signal to noise not even the best filter sees every kind of damage.
_BRIGHT = 35


def series(seed, views, **settings) -> Table:
    """Flag the epochs of one simulated sample, with what was planted in them."""
    batch, truth = simulate.epochs(50, 40, seed=seed, **settings)
    source = EpochSource(ArraySource(batch.data, ids=batch.ids, channels=batch.channels))
    extractor = views if isinstance(views, str) else Concat(views)
    KEPT.mkdir(parents=True, exist_ok=True)
    name = "-".join([str(len(views)) if views != "profiles" else views, str(seed), *map(str, settings.values())])
    store = extract_features(source, extractor, KEPT / f"epochs-{name}.h5")
    table = Epochs().run(ExactIndex.build(store))
    table.meta.clear()
    assert (table["id"] == truth["id"]).all()
    snr = {one: np.median(truth["snr"][truth["object"] == one]) for one in np.unique(truth["object"])}
    table["damage"], table["object_snr"] = truth["damage"], [snr[one] for one in truth["object"]]
    return table


def figures():
    for name, views in _VIEWS.items():
        table = vstack([series(seed, views) for seed in _SEEDS])
        damaged, bright = table["damage"] != "none", table["object_snr"] > _BRIGHT
        yield from _found_and_lost(name, table, damaged)
        yield from _found_and_lost(f"{name}, S/N > {_BRIGHT}", table[bright], damaged[bright])
        for kind in ("trail", "ghost", "seeing", "shifted", "columns"):
            flagged = np.asarray(table["flagged"][table["damage"] == kind])
            yield f"  {name}: {kind} found", "", "", bootstrap(np.mean, flagged), len(flagged)


def _found_and_lost(name, table, damaged):
    found, lost = np.asarray(table["flagged"][damaged]), np.asarray(table["flagged"][~damaged])
    yield f"epochs, {name}: damaged found", "", "0.95", bootstrap(np.mean, found), len(found)
    yield f"epochs, {name}: good lost", "", "0.02", bootstrap(np.mean, lost), len(lost)
