"""The epochs of light curves that are not to be trusted: damaged images among many dates of one object."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from astropy.table import MaskedColumn, Table
from scipy import stats

from astrotl.index import Index
from astrotl.labels import truths, words
from astrotl.measures import Measure, area_under_curve, bootstrap
from astrotl.sources.epochs import STACK, split_epoch
from astrotl.store import FeatureStore
from astrotl.tables import find_ids
from astrotl.tasks._epochs_residuals import Series, distances, usual
from astrotl.tasks._views import views_of
from astrotl.tasks.base import Column, Task

__all__ = ["Epochs", "filter_light_curve"]

#: So few epochs double the limit, and fewer still raise it to so many times itself.
_FEW, _WIDEST = 8, 2.5
#: Words that stand for an epoch without damage.
_GOOD = ("none", "good", "ok", "false", "0", "no")
#: A bad night: so many objects at the least, so large a share of them flagged, against chance; or all of them off.
_NIGHT_OBJECTS, _NIGHT_SHARE, _NIGHT_CHANCE, _NIGHT_SHIFT = 3, 0.3, 1e-3, 2.0


@dataclass(frozen=True)
class Epochs(Task):
    """Flag the epochs of each object that do not look like its stack.

    The store is that of an `~astrotl.sources.EpochSource`. How far an epoch may be from the stack is each object's own:
    a bright galaxy betrays what a faint one hides.

    Parameters
    ----------
    limit : float, optional
        How many times the scatter of its object's distances an epoch may lie above their median. Where there are few
        epochs the scatter is poorly known, and it is more times: twice as many for 8 epochs, 2.5 times
        for 6 and less.
    column : str, optional
        The column of the labels that says what is wrong with an epoch; none, good, ok, no, false or 0 is nothing.

    Examples
    --------
    >>> from astrotl import ExactIndex, extract_features, simulate
    >>> from astrotl.sources import ArraySource, EpochSource
    >>> from astrotl.tasks import Epochs
    >>> batch, truth = simulate.epochs(4, 20, seed=2)
    >>> source = EpochSource(ArraySource(batch.data, ids=batch.ids))
    >>> store = extract_features(source, "profiles", "epochs.h5")
    >>> table = Epochs().run(ExactIndex.build(store))
    >>> len(table), table.colnames[:6]
    (80, ['id', 'object', 'epoch', 'distance', 'threshold', 'flagged'])
    """

    limit: float = 2.75
    column: str | None = None

    labels: ClassVar[str | None] = "optional"
    figure: ClassVar[str] = "astrotl.plots.epochs:epoch_timelines"
    example: ClassVar[str] = "-o flags.ecsv --plot flags.png"
    columns: ClassVar[tuple[Column, ...]] = (
        Column("id", "str", "the image"),
        Column("object", "str", "the object"),
        Column("epoch", "str", "the date"),
        Column("distance", "float", "how far the image is from the object's stack"),
        Column("threshold", "float", "how far it may be, for this object"),
        Column("flagged", "bool", "whether it is farther"),
        Column("score", "float", "how much farther, in units of the scatter of the object's distances"),
        Column("bad_night", "bool", "whether many objects are off on this date"),
        Column("damaged", "bool", "whether the labels say that something is wrong", optional=True),
    )

    def __post_init__(self) -> None:
        if not self.limit > 0:
            raise ValueError(f"limit: must be above 0, got {self.limit}")

    def _run(self, index: Index, labels: Table | None) -> Table:
        store = index.store
        objects = _series(store)
        rows = np.concatenate([one.rows for one in objects])
        by_view = distances(store, objects, views_of(store))
        # In each view the object's own scatter is the unit, so that a view which sees little says little.
        distance = np.mean([values / usual(values, objects)[1] for values in by_view.T], axis=0)
        middle, width = usual(distance, objects)
        counts = np.array([len(one.rows) for one in objects])
        limit = np.repeat(self.limit * np.minimum(1 + (_FEW / counts) ** 2, _WIDEST), counts)
        table = Table({"id": store.ids[rows]})
        table["object"], table["epoch"] = split_epoch(table["id"])
        table["distance"] = distance
        table["threshold"] = middle + limit * width
        table["flagged"] = distance > table["threshold"]
        table["score"] = (distance - table["threshold"]) / width
        nights = _nights(table, (distance - middle) / width)
        table["bad_night"] = np.isin(table["epoch"], list(nights))
        if labels is not None:
            if self.column is None:
                raise ValueError("column: say which column of the labels tells what is wrong with an epoch")
            said = np.char.lower(words(labels, self.column)[rows])
            table["damaged"] = MaskedColumn(~np.isin(said, _GOOD), mask=said == "")
        table.meta["astrotl"] = {"report": _report(table, objects, len(store), nights)}
        order = np.argsort(rows, kind="stable")
        return table[order]

    def _evaluate(self, index: Index, labels: Table | None) -> dict[str, Measure]:
        if labels is None or self.column is None:
            raise ValueError("evaluate: needs labels, and the column that says what is wrong with an epoch")
        table = self._run(index, labels)
        table = table[~np.ma.getmaskarray(table["damaged"])]
        damaged, flagged, score = (np.asarray(table[name]) for name in ("damaged", "flagged", "score"))
        if not damaged.any() or damaged.all():
            raise ValueError(f"evaluate: {self.column} of the labels must know damaged epochs and good ones")
        return {
            "damaged epochs found": bootstrap(_share, flagged, damaged),
            "good epochs lost": bootstrap(_share, flagged, ~damaged),
            "flagged epochs damaged": bootstrap(_share, damaged, flagged),
            "area under the curve": bootstrap(area_under_curve, score, damaged),
        }


def filter_light_curve(light_curve: Table, flags: Table) -> Table:
    """Leave out of a light curve what was flagged.

    Parameters
    ----------
    light_curve : `~astropy.table.Table`
        A row for each measurement, with the columns ``object`` and ``epoch`` (or ``date``), or with ``id``, which holds
        OBJECT/EPOCH.
    flags : `~astropy.table.Table`
        The table that `Epochs` gave. To leave out bad nights as a whole, set ``flags["flagged"] |= flags["bad_night"]``
        first.

    Returns
    -------
    `~astropy.table.Table`
        The rows that were not flagged; those of which the flags know nothing are among them.

    Examples
    --------
    >>> from astropy.table import Table
    >>> from astrotl.tasks import filter_light_curve
    >>> flags = Table({"object": ["m31", "m31"], "epoch": ["d1", "d2"], "flagged": [False, True]})
    >>> curve = Table({"object": ["m31", "m31"], "date": ["d1", "d2"], "mag": [17.1, 14.0]})
    >>> print(filter_light_curve(curve, flags))
    object date mag
    ------ ---- ----
       m31   d1 17.1
    """
    seen = list(zip(*(find_ids(flags, "flags", name).tolist() for name in ("object", "epoch")), strict=True))
    flagged = {name for name, out in zip(seen, truths(flags["flagged"], "flags").tolist(), strict=True) if out}
    names = list(zip(*(part.tolist() for part in _objects_and_epochs(light_curve)), strict=True))
    if not set(seen).intersection(names):
        raise ValueError(f"light_curve: no object and epoch of it is among the flags, which have {'/'.join(seen[0])}")
    return light_curve[np.array([name not in flagged for name in names], dtype=bool)]


def _objects_and_epochs(table: Table) -> tuple[np.ndarray, np.ndarray]:
    lower = {name.lower(): name for name in reversed(table.colnames)}
    when = next((lower[name] for name in ("epoch", "date") if name in lower), None)
    if "object" in lower and when is not None:
        return find_ids(table, "light_curve", lower["object"]), find_ids(table, "light_curve", when)
    if "id" in lower:
        return split_epoch(find_ids(table, "light_curve", lower["id"]))
    raise ValueError(
        f"light_curve: needs the columns object and epoch (or date), or id; it has {', '.join(table.colnames)}"
    )


def _series(store: FeatureStore) -> list[Series]:
    """Find the epochs and the stack of each object."""
    objects, epochs = split_epoch(store.ids)
    rows: dict[str, list[int]] = {}
    stacks: dict[str, int] = {}
    for row in store.done().tolist():
        if epochs[row] == STACK:
            stacks[str(objects[row])] = row
        else:
            rows.setdefault(str(objects[row]), []).append(row)
    if not rows:
        raise ValueError(f"store: {store.path} has no epochs with features; extract with --stack")
    return [Series(name, np.array(own, dtype=np.intp), stacks.get(name, -1)) for name, own in rows.items()]


def _nights(table: Table, above: np.ndarray) -> set[str]:
    """Name the dates on which many objects are off together."""
    names, number = np.unique(table["epoch"], return_inverse=True)
    count = np.bincount(number)
    flagged = np.bincount(number, weights=table["flagged"])
    # The other nights tell how often an epoch is flagged; bad ones among them do not move their median.
    usual_share = max(float(np.median(flagged / count)), float(np.mean(table["flagged"])) / 2, 1e-3)
    by_chance = stats.binom.sf(flagged - 1, count, usual_share) * len(names)
    order = np.argsort(number, kind="stable")
    shift = np.array([np.median(part) for part in np.split(above[order], np.cumsum(count)[:-1])])
    bad = (flagged / count >= _NIGHT_SHARE) & (by_chance < _NIGHT_CHANCE) | (shift > _NIGHT_SHIFT)
    return set(names[bad & (count >= _NIGHT_OBJECTS)].tolist())


def _report(table: Table, objects: list[Series], rows: int, nights: set[str]) -> dict[str, Any]:
    stacks = sum(one.stack >= 0 for one in objects)
    return {
        "objects": len(objects),
        "without_stack": len(objects) - stacks,
        "epochs": len(table),
        "without_features": rows - len(table) - stacks,
        "flagged": int(np.sum(table["flagged"])),
        "bad_nights": sorted(nights),
    }


def _share(what: np.ndarray, among: np.ndarray) -> float:
    return float(what[among].mean()) if among.any() else np.nan
