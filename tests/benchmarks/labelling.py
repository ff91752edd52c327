"""Thirty labels on anomalies in HSC images: ``python -m tests.benchmarks.labelling [--write]`` says what they find.

Whoever judges is asked what the page would ask next, and says what the published label says. Each seed takes another
80 % of the half of the objects on which nothing was chosen. In brackets the 95 % interval over the seeds: of the mean,
and of the ratio by bootstrap. ``--write`` puts what is printed into docs/explore.
"""

import sys
import warnings
from pathlib import Path

import numpy as np

from astrotl import ExactIndex
from astrotl.explore.asking import best_to_ask, first_to_ask
from astrotl.explore.ranking import Judged, design
from astrotl.labels import align, words
from astrotl.tasks import Anomaly
from tests.benchmarks.science.anomalies import KINDS
from tests.benchmarks.science.stores import labels_of, reported, store_of

LABELS, SEEDS, NEXT = 30, 40, 15
ORDERS = ("in order of the nearest's distance", "in order of strangeness", "by lot")
PAGE = Path(__file__).parents[2] / "docs" / "explore" / "labelling.txt"


def asked(numbers, offset, good):
    """Have the page ask until all labels are given."""
    seen = [] if offset.any() else first_to_ask(numbers).tolist()
    while len(seen) < LABELS:
        seen.append(int(best_to_ask(Judged(numbers, offset, np.array(seen, dtype=int), good[seen]))[0]))
    return np.array(seen)


def sitting(numbers, offset, good, orders):
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
                sitting(numbers[some], offset[some], good[some], {key: one[some] for key, one in orders.items()})
            )
        yield name, {key: np.array([one[key] for one in rounds], dtype=float) for key in rounds[0]}


def lines():
    half = np.flatnonzero(reported(store_of("anomalies").ids))
    for name, found in figures(half):
        yield f"{LABELS} labels, {name}; mean of {SEEDS} seeds"
        for key, values in found.items():
            values = values[np.isfinite(values)]
            reach = 1.96 * values.std(ddof=1) / np.sqrt(len(values))
            yield f"  {key:50} {values.mean():6.2f} ({values.mean() - reach:.2f} to {values.mean() + reach:.2f})"
        for key in ORDERS:
            yield f"  {'asked, against ' + key:50} {ratio(found['asked by the page'], found[key])}"


def ratio(mine, other):
    drawn = np.random.default_rng(0).integers(0, len(mine), (2000, len(mine)))
    low, high = np.quantile(mine[drawn].sum(axis=1) / other[drawn].sum(axis=1), [0.025, 0.975])
    return f"{mine.sum() / other.sum():6.2f} times ({low:.2f} to {high:.2f})"


def main(write):
    warnings.simplefilter("ignore")
    said = ["$ python -m tests.benchmarks.labelling"]
    for line in lines():
        said.append(line)
        print(line, flush=True)
    if write:
        PAGE.parent.mkdir(exist_ok=True)
        PAGE.write_text("\n".join(said) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main("--write" in sys.argv)
