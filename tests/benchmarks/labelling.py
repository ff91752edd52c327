"""Thirty labels on anomalies in HSC images: ``python -m tests.benchmarks.labelling`` prints how many are well spent.

Whoever judges is asked what the page would ask next, and says what the published label says. Each seed takes another
80 % of the half of the objects on which nothing was chosen. In brackets the 95 % interval of the mean over the seeds.
"""

import warnings

import numpy as np

from astrotl import ExactIndex
from astrotl.explore.asking import best_to_ask, first_to_ask
from astrotl.explore.ranking import Judged, design
from astrotl.labels import align, words
from astrotl.tasks import Anomaly
from tests.benchmarks.science.anomalies import KINDS
from tests.benchmarks.science.stores import labels_of, reported, store_of

LABELS, SEEDS, NEXT = 30, 40, 15


def asked(numbers, offset, good):
    """Have the page ask until all labels are given."""
    seen = [] if offset.any() else first_to_ask(numbers).tolist()
    while len(seen) < LABELS:
        seen.append(int(best_to_ask(Judged(numbers, offset, np.array(seen, dtype=int), good[seen]))[0]))
    return np.array(seen)


def session(numbers, offset, good, orders):
    """Give what each way of looking finds, and what the page expects of what comes next."""
    seen = asked(numbers, offset, good)
    judged = Judged(numbers, offset, seen, good[seen])
    expected = judged.expected(NEXT)
    following = judged.open[np.argsort(-judged.odds[judged.open])][:NEXT]
    real = good[following].sum()
    return {
        "in order of the nearest's distance": good[np.argsort(-orders["distance"])][:LABELS].sum(),
        "in order of strangeness": good[np.argsort(-orders["score"])][:LABELS].sum(),
        "by lot": LABELS * good.mean(),
        "asked by the page": good[seen].sum(),
        "the next 15 of the ranking": real,
        "what the page expects of them": np.nan if expected is None else expected.count,
        "expectation's range holds it": np.nan if expected is None else expected.low <= real <= expected.high,
    }


def figures(half, seeds=SEEDS):
    store = store_of("anomalies")
    index = ExactIndex.build(store)
    label = words(align(labels_of("anomalies"), store), "label")
    good = np.isin(label, KINDS)
    table = Anomaly().run(index)
    table.sort("id")
    assert (table["id"] == np.sort(store.ids)).all()
    back = np.argsort(np.argsort(store.ids))
    orders = {name: np.asarray(table[name])[back] for name in ("distance", "score")}
    for name, score in (("without results", None), ("with the results of astrotl run anomaly", orders["score"])):
        numbers, offset = design(index, score)
        rounds = []
        for seed in range(seeds):
            rng = np.random.default_rng(seed)
            some = np.sort(rng.choice(half, round(0.8 * len(half)), replace=False))
            rounds.append(
                session(numbers[some], offset[some], good[some], {key: one[some] for key, one in orders.items()})
            )
        yield name, {key: np.array([one[key] for one in rounds], dtype=float) for key in rounds[0]}


def main():
    warnings.simplefilter("ignore")
    half = np.flatnonzero(reported(store_of("anomalies").ids))
    for name, found in figures(half):
        print(f"{LABELS} labels, {name}:")
        for key, values in found.items():
            values = values[np.isfinite(values)]
            reach = 1.96 * values.std(ddof=1) / np.sqrt(len(values))
            print(f"  {key:50} {values.mean():6.2f} ({values.mean() - reach:.2f} to {values.mean() + reach:.2f})")
        for key in ("in order of the nearest's distance", "in order of strangeness", "by lot"):
            print(f"  {'asked, against ' + key:50} {found['asked by the page'].sum() / found[key].sum():6.2f} times")


if __name__ == "__main__":
    main()
