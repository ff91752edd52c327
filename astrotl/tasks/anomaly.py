"""The strangest objects, and the ones that a few labels make them into."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, NamedTuple

import numpy as np
from astropy.table import Table
from scipy.special import expit

from astrotl.index import Index
from astrotl.labels import words
from astrotl.measures import Measure, area_under_curve, bootstrap, completeness, purity
from astrotl.tasks import _anomaly_steering
from astrotl.tasks._anomaly_others import LARGE, nearest_by_index, nearest_others, reader_of
from astrotl.tasks._anomaly_scores import (
    chosen_views,
    farthest,
    fused,
    in_sigmas,
    main_directions,
    mean_distance,
    outlier_factor,
    steering_numbers,
)
from astrotl.tasks.base import Column, Task

__all__ = ["Anomaly"]

_METHODS = ("fused", "first", "kth", "mean", "density")


class _Known(NamedTuple):
    """What the labels say of the objects in the index."""

    label: np.ndarray
    artefact: np.ndarray
    boring: np.ndarray
    interesting: np.ndarray

    @property
    def places(self) -> np.ndarray:
        return np.flatnonzero(self.artefact | self.boring | self.interesting)


@dataclass(frozen=True)
class Anomaly(Task):
    """Rank all objects by how strange they are, and after some were labelled, by how interesting.

    Without labels the score is 0.5 for the usual object, 0.73 for one whose distance lies one standard deviation above
    it on a logarithmic scale, 0.95 for three, 0.99 for five. With labels, a logistic regression that starts from this
    score lowers what resembles artefacts and boring objects and raises what resembles interesting ones; the score is
    then its probability. Labelled objects stay in the table: interesting ones have the score 1, the others 0.

    Parameters
    ----------
    k : int, optional
        How many neighbours the methods kth, mean and density look at; fused measures the distance to the k-th.
    method : str, optional
        ``"fused"``: the distance to the k-th of the usual objects, in each view whole and whitened, all taken together.
        The others see all features at once: ``"first"`` and ``"kth"`` take the distance to the first and the k-th
        neighbour, ``"mean"`` the mean over k of them, ``"density"`` the local outlier factor.
    column : str, optional
        The column of the labels that says what an object is.
    artefact : sequence of str, optional
        The labels that mean an artefact.
    boring : sequence of str, optional
        The labels that mean a boring object.
    interesting : sequence of str, optional
        The labels that mean an interesting object. Labels that mean none of the three have no effect.
    views : sequence of str, optional
        The views that are looked at by the method fused and by what is learnt from labels, by name or number from 1;
        all if not given.

    Notes
    -----
    Neighbours that are far nearer than is usual are taken for the same object, seen twice, and skipped. The local
    outlier factor is that of Breunig et al. 2000, Proc. ACM SIGMOD, 93.

    Examples
    --------
    >>> import numpy as np
    >>> from astrotl import ExactIndex, FeatureStore
    >>> from astrotl.tasks import Anomaly
    >>> vectors = np.random.default_rng(1).normal([5, 0, 0], 1, (40, 3))
    >>> vectors[7] = [-5, 2, 0]
    >>> store = FeatureStore.open_or_create("odd.h5", [f"G{n:02}" for n in range(40)], 3, {})
    >>> store.write(range(40), vectors)
    >>> print(Anomaly().run(ExactIndex.build(store))["id"][0])
    G07
    """

    k: int = 5
    method: str = "fused"
    column: str = "label"
    artefact: Sequence[str] = ("artefact",)
    boring: Sequence[str] = ("boring",)
    interesting: Sequence[str] = ("interesting",)
    views: Sequence[str] = ()

    labels: ClassVar[str | None] = "optional"
    figure: ClassVar[str] = "astrotl.plots.anomaly:anomalies"
    example: ClassVar[str] = "-o weird.ecsv --plot weird.png --labels seen.ecsv"
    columns: ClassVar[tuple[Column, ...]] = (
        Column("rank", "int", "1 is the strangest, or with labels the most interesting"),
        Column("id", "str", "the object"),
        Column("score", "float", "0.5 is the usual, 1 the strangest; with labels the probability of interest"),
        Column("distance", "float", "how far the nearest other object is in the feature space"),
        Column("nearest", "str", "the nearest other object, doubles skipped"),
        Column("label", "str", "what it was labelled as", optional=True),
        Column("ra", "float", "right ascension", unit="deg", optional=True),
        Column("dec", "float", "declination", unit="deg", optional=True),
    )

    def __post_init__(self) -> None:
        if self.k < 1:
            raise ValueError(f"k: must be 1 or more, got {self.k}")
        if self.method not in _METHODS:
            raise ValueError(f"method: must be one of {', '.join(_METHODS)}, got {self.method!r}")
        for name in ("artefact", "boring", "interesting", "views"):
            value = getattr(self, name)
            # One word is often written without its brackets; the letters of a word are nobody's labels.
            object.__setattr__(self, name, (value,) if isinstance(value, str) else tuple(map(str, value)))
        meanings = [*self.artefact, *self.boring, *self.interesting]
        twice = next((word for word in meanings if meanings.count(word) > 1), None)
        if twice is not None:
            raise ValueError(f"artefact, boring, interesting: {twice!r} stands more than once")

    def _run(self, index: Index, labels: Table | None) -> Table:
        known = None if labels is None else self._known(index, labels)
        found, distances = self._neighbours(index)
        sigmas, numbers = self._strangeness(index, found, distances, learns=known is not None)
        score = expit(sigmas)
        order_by = sigmas
        if known is not None:
            places = known.places
            order_by = _anomaly_steering.steer(numbers, sigmas, places, known.interesting[places])
            score = expit(order_by)
            # What was labelled is settled; among themselves those objects stand in the order of their strangeness.
            order_by = np.where(known.interesting, np.inf, order_by)
            order_by[known.artefact | known.boring] = -np.inf
            score = np.where(known.interesting, 1.0, np.where(known.artefact | known.boring, 0.0, score))
        order = np.lexsort((-sigmas, -order_by))
        return self._table(index, order, score, found[:, 0], distances[:, 0], known)

    def _evaluate(self, index: Index, labels: Table | None) -> dict[str, Measure]:
        if labels is None:
            raise ValueError("labels: nothing can be measured without them")
        known = self._known(index, labels)
        places = known.places
        sigmas, numbers = self._strangeness(index, *self._neighbours(index), learns=True)
        plain, odd = sigmas[places], ~known.boring[places]
        artefact, interesting = known.artefact[places], known.interesting[places]
        measures: dict[str, Measure] = {}
        if odd.any() and not odd.all():
            measures["AUC, not boring against boring"] = bootstrap(area_under_curve, plain, odd)
            tenth = max(1, round(0.1 * len(places)))
            measures["not boring in the first tenth"] = bootstrap(partial(purity, depth=tenth), plain, odd)
        if artefact.any() and not odd.all():
            some = artefact | ~odd
            measures["AUC, artefacts against boring"] = bootstrap(area_under_curve, plain[some], artefact[some])
        if interesting.any() and not interesting.all():
            steered = _anomaly_steering.steer_left_out(numbers, sigmas, places, interesting)
            depth = partial(completeness, depth=max(1, round(0.15 * len(places))))
            measures["AUC, interesting against the rest"] = bootstrap(area_under_curve, plain, interesting)
            measures["the same, steered by other labels"] = bootstrap(area_under_curve, steered, interesting)
            measures["interesting found in the first 15 %"] = bootstrap(depth, plain, interesting)
            measures["the same 15 %, steered by other labels"] = bootstrap(depth, steered, interesting)
        if not measures:
            raise ValueError(f"labels: those in {self.column!r} are all of one meaning, so nothing can be measured")
        return measures

    def _known(self, index: Index, labels: Table) -> _Known:
        label = words(labels, self.column)[index.rows]
        known = _Known(label, *(np.isin(label, meant) for meant in (self.artefact, self.boring, self.interesting)))
        if not len(known.places):
            there = ", ".join(sorted(set(label.tolist()) - {""})[:10]) or "nothing"
            raise ValueError(
                f"labels: {self.column!r} says nowhere {', '.join((*self.artefact, *self.boring, *self.interesting))}; "
                f"it says {there}. Name what they mean with artefact, boring and interesting"
            )
        return known

    def _neighbours(self, index: Index) -> tuple[np.ndarray, np.ndarray]:
        """Find the nearest others of all objects, and no more of them than the method needs."""
        count = len(index.rows)
        if count < 3:
            raise ValueError(f"store: {index.store.path} has {count} objects with features, and 3 are the least")
        k = 1 if self.method in ("fused", "first") else min(self.k, count - 1)
        if count > LARGE:
            return nearest_by_index(index, k)
        places = np.arange(count)
        return nearest_others(reader_of(index), places, places, k)

    def _strangeness(
        self, index: Index, found: np.ndarray, distances: np.ndarray, *, learns: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """Give the unlabelled score in standard deviations, and the numbers by which labels steer."""
        views = chosen_views(index.store, tuple(self.views))
        reduced = [main_directions(index, view) for view in views] if learns or self.method == "fused" else []
        numbers = steering_numbers(reduced) if learns else np.empty((len(found), 0))
        if self.method == "fused":
            return fused(index, views, reduced, self.k), numbers
        if self.method == "density":
            return in_sigmas(outlier_factor(found, distances)), numbers
        return in_sigmas(mean_distance(distances) if self.method == "mean" else farthest(distances)), numbers

    def _table(
        self,
        index: Index,
        order: np.ndarray,
        score: np.ndarray,
        nearest: np.ndarray,
        distance: np.ndarray,
        known: _Known | None,
    ) -> Table:
        rows, ids = index.rows[order], index.store.ids[index.rows]
        table = Table()
        table["rank"] = np.arange(1, len(order) + 1)
        table["id"] = ids[order]
        table["score"] = score[order]
        table["distance"] = np.where(nearest < 0, np.nan, distance)[order]
        table["nearest"] = np.where(nearest < 0, "", ids[nearest])[order]
        if known is not None:
            table["label"] = known.label[order]
        if index.store.positions is not None:
            table["ra"], table["dec"] = index.store.positions[rows].T
        return table
