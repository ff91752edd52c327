"""Active galaxies and lenses: by labels, by ten examples, and by plain neighbours, as the studies did."""

import contextlib
import tempfile

import numpy as np
from astropy.table import Table

from astrotl import Concat, ExactIndex, extract_features
from astrotl import measures as ms
from astrotl.sources import ArraySource
from astrotl.tasks import Agn, Lens
from astrotl.tasks._retrieval_crowding import Crowd, cross_validated, log_ratio
from astrotl.tasks._retrieval_space import Space, unit
from astrotl.tasks._retrieval_votes import neighbours_share
from tests.benchmarks.science import lens_sky, stores

_VIEWS = ("whole", "crop 0.6", "crop 0.35", "profiles", "profiles of the centre")
_TENS = 100
_SKY = 2026


def figures():
    yield from _active()
    yield from _classes()
    yield from _graded_lenses()
    yield from _simulated_lenses()


def _active():
    """Each galaxy is placed by the labels of the others in ten folds; measured on the reported half."""
    store, labels = _store("efigi")
    table = Agn(column="bpt", positive=("seyfert", "liner")).run(ExactIndex.build(store), labels=labels)
    ids, positive = np.asarray(table["id"]), np.isin(table["label"], ("seyfert", "liner"))
    half = stores.reported(ids)
    yield _row("AGN, efigi: area under the curve", "0.64", "0.70", ms.area_under_curve, table["score"], positive, half)
    yield _row("AGN, efigi: lift in the first tenth", "1.9", "2.2", ms.lift, table["score"], positive, half)
    composite = positive | (np.asarray(table["label"]) == "composite")
    more = Agn(column="bpt", positive=("seyfert", "liner", "composite")).run(ExactIndex.build(store), labels=labels)
    here = stores.reported(more["id"])
    counted = np.isin(more["label"], ("seyfert", "liner", "composite"))
    yield _row(
        "  composites counted in: area under the curve", "", "", ms.area_under_curve, more["score"], counted, here
    )
    assert composite.sum() == counted.sum()
    positive = np.isin(_known(store, labels, "bpt"), ("seyfert", "liner"))
    half = stores.reported(store.ids)
    space = Space(store, store.done())
    coordinates = space.coordinates(store.done())
    for name, view in zip(_VIEWS, space.views, strict=True):
        score = cross_validated(unit(coordinates[:, view]), store.done(), positive)
        yield _row(f"  {name} alone: area under the curve", "", "", ms.area_under_curve, score, positive, half)
    for name, values in (("plain", _plain(store)), ("whitened views", coordinates)):
        share = neighbours_share(values, positive, 10) / positive[half].mean()
        yield _mean(f"  {name}: AGN among an AGN's 10 neighbours, by chance = 1", "1.0", "", share[positive & half])


def _classes():
    """Neighbours are taken from the whole set, and those of the reported objects are counted; no label is fitted."""
    store, labels = _store("spec_class")
    kind, half = _known(store, labels, "spec_class"), stores.reported(store.ids)
    coordinates = Space(store, store.done()).coordinates(store.done())
    qso = kind == "QSO"
    spaces = {"plain": (_plain(store), "", ""), "whitened views": (coordinates, "80 %", "8 %")}
    for name, (values, of_qso, of_galaxy) in spaces.items():
        share = neighbours_share(values, qso, 10)
        yield _mean(f"spec_class, {name}: QSOs among a QSO's neighbours", "59 %", of_qso, share[qso & half])
        yield _mean(
            f"spec_class, {name}: QSOs among a galaxy's neighbours",
            "16 %",
            of_galaxy,
            share[(kind == "GALAXY") & half],
        )
    # Fitted on the half that is not reported; neighbours are then taken from the reported half alone.
    views = Space(store, store.done()).views
    places = []
    for view in views:
        for one in np.unique(kind):
            units, rows = unit(coordinates[:, view]), store.done()
            sides = [Crowd(rows[some], units[some]) for some in (~half & (kind == one), ~half & (kind != one))]
            place = log_ratio(units, rows, *sides, Crowd(rows[:0], units[:0]))
            places.append(place / place[~half].std())
    share = neighbours_share(np.stack(places, axis=1)[half], qso[half], 10)
    for name, which in (("QSO", "QSO"), ("galaxy", "GALAXY")):
        yield _mean(f"  fitted to labels: QSOs among a {name}'s neighbours", "", "", share[kind[half] == which])


def _graded_lenses():
    """By labels: ten folds. One-shot: ten lenses of the other half are the examples, the reported half is ranked."""
    store, labels = _store("lenses")
    index = ExactIndex.build(store)
    asked = {"column": "expert_grade", "positive": (">=2",), "negative": ("<=0.7",)}
    table = Lens(**asked).run(index, labels=labels)
    grade = np.asarray(table["label"]).astype(float)
    half = stores.reported(table["id"]) & ((grade >= 2) | (grade <= 0.7))
    yield _row("lenses: area under the curve", "0.71", "0.80", ms.area_under_curve, table["score"], grade >= 2, half)
    grade = np.asarray(_known(store, labels, "expert_grade")).astype(float)
    half = stores.reported(store.ids)
    ranked = store.ids[half & ((grade >= 2) | (grade <= 0.7))]
    true = (grade >= 2)[half & ((grade >= 2) | (grade <= 0.7))]
    scores = _by_tens(index, store.ids[~half & (grade >= 2)], ranked)
    yield _over_tens("lenses, ten examples: purity of the first 20", "", "60 %", scores, true, 20)
    yield _mean("  at random", "33 %", "", true)
    coordinates = Space(store, store.done()).coordinates(store.done())
    both = (grade >= 2) | (grade <= 0.7)
    for name, values in (("plain", _plain(store)), ("whitened views", coordinates)):
        share = neighbours_share(values[both], (grade >= 2)[both], 10)
        yield _mean(f"  {name}: lenses among a lens's 10 neighbours", "31 %", "", share[((grade >= 2) & half)[both]])


def _simulated_lenses():
    """A sky that nothing was chosen on; ten lenses drawn by lot are the examples, many times."""
    batch, kinds = _sky()
    store = extract_features(
        ArraySource(batch.data, ids=batch.ids, channels=batch.channels),
        Concat((*stores.PARTS, "arcs")),
        stores.KEPT / "sky-arcs.h5",
    )
    true = kinds == "lens"
    index = ExactIndex.build(store)
    rng = np.random.default_rng(0)
    right = {100: [], 200: []}
    for _ in range(10):
        table = Lens(query=rng.choice(store.ids[true], 10, replace=False).tolist()).run(index)
        found = np.isin(np.asarray(table["id"]), store.ids[true])
        for depth, counts in right.items():
            counts.append(found[:depth].sum())
    for depth, published, goal in ((100, "94", "97"), (200, "186", "190")):
        name = f"simulated lenses, ten examples: true among the first {depth}"
        yield name, published, goal, ms.bootstrap(np.mean, right[depth]), len(store)
    table = Lens(column="kind", positive=("lens",)).run(index, labels=Table({"id": store.ids, "kind": kinds}))
    by_labels = np.asarray(table["label"]) == "lens"
    for depth in (100, 200):
        count = ms.Measure(float(by_labels[:depth].sum()), np.nan, np.nan)
        yield f"  by all labels, cross-validated: true among the first {depth}", "", "", count, len(store)


def _sky():
    kept = stores.KEPT / "sky.npz"
    if not kept.exists():
        batch, kinds = lens_sky.sky(300, 5000, seed=_SKY)
        stores.KEPT.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=stores.KEPT, suffix=".npz", delete=False) as part:
            np.savez(part, data=batch.data, ids=batch.ids, kinds=kinds)
        with contextlib.suppress(FileNotFoundError):
            (stores.KEPT / part.name).rename(kept)
    with np.load(kept) as file:
        return lens_sky.ImageBatch(file["data"], file["ids"], lens_sky.BANDS), file["kinds"]


def _by_tens(index, examples, ranked):
    """Score the ranked objects by many random tens of examples, ``(object, ten)``."""
    rng = np.random.default_rng(0)
    scores = []
    for _ in range(_TENS):
        table = Lens(query=rng.choice(examples, 10, replace=False).tolist()).run(index)
        score_of = dict(zip(table["id"].tolist(), table["score"].tolist(), strict=True))
        scores.append([score_of[name] for name in ranked.tolist()])
    return np.array(scores).T


def _over_tens(name, reference, goal, scores, true, depth):
    def mean(scores, true):
        return np.mean([ms.purity(score, true, depth) for score in scores.T])

    return name, reference, goal, ms.bootstrap(mean, scores, true), len(true)


def _store(name):
    store, labels = stores.store_of(name), stores.labels_of(name)
    labels["id"] = [str(path).split("/")[-1].rpartition(".")[0] for path in labels["path"]]
    return store, labels


def _known(store, labels, column):
    value = dict(zip(labels["id"].tolist(), labels[column].tolist(), strict=True))
    return np.array([value[name] for name in store.ids.tolist()])


def _plain(store):
    """The features of the whole stamp as they come, compared by their angle."""
    return unit(store.features(store.done())[:, : store.provenance["extractor"]["dims"][0]])


def _row(name, reference, goal, measure, score, positive, half):
    score, positive = np.asarray(score)[half], np.asarray(positive)[half]
    return name, reference, goal, ms.bootstrap(measure, score, positive), len(score)


def _mean(name, reference, goal, values):
    return name, reference, goal, ms.bootstrap(np.mean, values), len(values)
