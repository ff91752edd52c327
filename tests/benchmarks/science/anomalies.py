"""Anomalies in HSC images, labelled by eye: defects, interesting kinds and boring ones.

Neighbours are sought among all 222 images, without labels. Views and k were chosen on the other half than the one that
is reported.
"""

from functools import partial

import numpy as np
from astropy.table import Table

from astrotl import ExactIndex
from astrotl.labels import align, words
from astrotl.measures import area_under_curve, bootstrap, completeness, purity
from astrotl.tasks import Anomaly
from tests.benchmarks.science.stores import labels_of, reported, store_of

DEFECT = "top100_gan_anomaly"
KINDS = ("bluecore", "redextended", "mergerstidalfeatures", "trails", "otherinteresting")
VIEWS = ("efficientnet-lite0", "efficientnet-lite0@0.6")
WORDS = {"artefact": (DEFECT,), "boring": ("boring",), "interesting": KINDS}
CHOSEN = {"views": VIEWS, "k": 3, **WORDS}
ROUNDS = (4, 3, 3)


def figures():
    store = store_of("anomalies")
    index = ExactIndex.build(store)
    label = words(align(labels_of("anomalies"), store), "label")
    half = np.flatnonzero(reported(store.ids))
    yield from _unlabelled(index, label, half)
    yield from _loop(index, label, half)
    yield from _steered(index, label, half)


def _unlabelled(index, label, half):
    boring, defect = label[half] == "boring", label[half] == DEFECT
    sure = boring | defect
    for name, task, reference in (
        ("first neighbour, all features", Anomaly(method="first"), "0.84"),
        ("fifth neighbour, all features", Anomaly(method="kth"), "0.92"),
        ("local outlier factor, k = 20", Anomaly(method="density", k=20), "-"),
        ("fused, all views", Anomaly(), "-"),
        ("fused, whole and 0.6, k = 3", Anomaly(**CHOSEN), "-"),
    ):
        score = _scores(task.run(index), index)[half]
        yield (
            f"defects against boring, AUC: {name}",
            reference,
            "0.97",
            bootstrap(area_under_curve, score[sure], defect[sure]),
            sure.sum(),
        )
        yield (
            f"not boring against boring, AUC: {name}",
            "-",
            "0.85",
            bootstrap(area_under_curve, score, ~boring),
            len(half),
        )
        if task.views:
            tenth = round(0.1 * len(half))
            first = bootstrap(partial(purity, depth=tenth), score, ~boring)
            yield f"not boring in the first tenth: {name}", "-", "-", first, len(half)


def _loop(index, label, half):
    """Label the first that are not labelled yet, rank again, and see after each round what stands at the front."""
    ids, interesting = index.store.ids, np.isin(label, KINDS)
    depth = round(0.15 * len(half))
    best = min(1.0, depth / interesting[half].sum())
    asked = np.empty(0, dtype=int)
    score = _scores(Anomaly(**CHOSEN).run(index), index)
    for number, count in enumerate((0, *ROUNDS)):
        if count:
            order = half[np.argsort(-score[half], kind="stable")]
            asked = np.concatenate([asked, order[~np.isin(order, asked)][:count]])
            seen = Table({"id": ids[asked], "label": label[asked]})
            score = _scores(Anomaly(**CHOSEN).run(index, labels=seen), index)
        front = half[np.argsort(-score[half], kind="stable")][:depth]
        found = bootstrap(partial(completeness, depth=depth), score[half], interesting[half])
        kinds = len(set(label[front]) & set(KINDS))
        yield (
            f"interesting in the first 15 %, {len(asked)} labels, round {number} ({kinds} of 5 kinds)",
            f"max {best:.2f}",
            "0.50" if number == len(ROUNDS) else "-",
            found,
            len(half),
        )


def _steered(index, label, half):
    """Labels of the other half alone, so that no reported object has one."""
    other = np.setdiff1d(np.arange(len(label)), half)
    seen = Table({"id": index.store.ids[other], "label": label[other]})
    score = _scores(Anomaly(**CHOSEN).run(index, labels=seen), index)[half]
    interesting = np.isin(label[half], KINDS)
    depth = partial(completeness, depth=round(0.15 * len(half)))
    yield (
        f"interesting in the first 15 %, {len(other)} labels of the other half",
        "-",
        "-",
        bootstrap(depth, score, interesting),
        len(half),
    )
    yield (
        "interesting against the rest, AUC: labels of the other half",
        "-",
        "-",
        bootstrap(area_under_curve, score, interesting),
        len(half),
    )


def _scores(table, index):
    """Give each row of the store a number that falls with its rank."""
    row_of = {name: row for row, name in enumerate(index.store.ids.tolist())}
    score = np.empty(len(row_of))
    score[[row_of[name] for name in table["id"].tolist()]] = -np.asarray(table["rank"])
    return score
