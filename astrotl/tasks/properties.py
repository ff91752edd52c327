"""Masses, star formation rates and other numbers, read off the look-alikes of which they are known."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from astropy.table import Table

from astrotl.errors import AstrotlWarning, ContractError
from astrotl.index import Index
from astrotl.labels import numbers
from astrotl.measures import Measure, bias, bootstrap, coverage, scatter, within
from astrotl.tasks._properties_estimates import (
    KINDS,
    Answers,
    Space,
    Surroundings,
    learn,
    main_directions,
    rarity,
    space_of,
)
from astrotl.tasks.base import Column, Task

__all__ = ["Properties"]

_FOLDS, _FEW = 10, 50
_MOST = 20_000
_FEWEST = 3
_BLOCK = 4096


@dataclass(frozen=True)
class Properties(Task):
    """Estimate numbers, such as masses, from the look-alikes of which they are known.

    The objects with a known value are the references. The value of each object is estimated from its ``k`` nearest
    references, with a 68 % interval; its own value, if known, is never used, neither for the estimate nor for the
    interval.

    Parameters
    ----------
    column : sequence of str
        The columns of the labels to estimate.
    k : int, optional
        How many look-alikes.
    estimate : str, optional
        How values are summed up: learned (a linear fit and the look-alikes in a metric learned from the references), or
        where the index looks: mean, median, distance (the nearer count more), density (the rarer count more).

    Notes
    -----
    At most 20,000 references are used, drawn by lot with a fixed seed. Look-alikes are all of them but the object
    itself. The metric and the intervals are learned from other objects, too: of up to 50 references each is left out in
    turn, of more a tenth at a time.

    ``learned`` takes four steps. Each view of the store is turned to its main directions, and all views get the same
    spread. A ridge regression predicts the value, its penalty chosen by leave-one-out. Neighbours are found among these
    predictions and, the less these explain, the more among the directions themselves. The estimate lies between the
    prediction and the mean of the neighbours, where the references, each left out in turn, are met best.

    ``density`` undoes the uneven density of the references in the plane of the wanted columns [1]_; references
    must have a value in all of them.

    An object is reliable where its ``k``-th reference is not farther, in the space of the index, than for 99 % of the
    references themselves.

    The interval is the spread of the look-alikes' values, stretched to hold 68 % of the references, each left out
    in turn (normalised conformal prediction [2]_).

    References
    ----------
    .. [1] Cavuoti et al. 2024, A&A
    .. [2] Lei et al. 2018, JASA 113, 1094

    Examples
    --------
    >>> import numpy as np
    >>> from astropy.table import Table
    >>> from astrotl import ExactIndex, FeatureStore
    >>> from astrotl.tasks import Properties
    >>> rng = np.random.default_rng(0)
    >>> mass = rng.uniform(9, 11, 60)
    >>> features = np.column_stack([mass - 10, rng.normal(0, 0.1, 60)])
    >>> store = FeatureStore.open_or_create("masses.h5", [f"g{n}" for n in range(60)], 2, {})
    >>> store.write(range(60), features)
    >>> table = Properties(["mass"], k=5).run(ExactIndex.build(store), labels=Table({"id": store.ids, "mass": mass}))
    >>> table.colnames
    ['id', 'mass', 'mass_p16', 'mass_p84', 'mass_true', 'reliable', 'references', 'distance']
    >>> bool(np.abs(table["mass"] - table["mass_true"]).max() < 0.1)
    True
    """

    column: Sequence[str]
    k: int = 16
    estimate: str = "learned"

    labels: ClassVar[str | None] = "required"
    figure: ClassVar[str] = "astrotl.plots.properties:properties"
    example: ClassVar[str] = "--labels catalogue.csv --column log_mstellar,log_sfr -o masses.ecsv --plot masses.png"
    columns: ClassVar[tuple[Column, ...]] = (
        Column("id", "str", "the object"),
        Column("reliable", "bool", "whether it lies inside the reference sample, for every column"),
        Column("references", "int", "how many look-alikes with a known value were used, the fewest of all columns"),
        Column("distance", "float", "how far the k-th reference is where the index looks, the largest of all columns"),
    )

    def __post_init__(self) -> None:
        if self.k < 1:
            raise ValueError(f"k: must be 1 or more, got {self.k}")
        if self.estimate not in KINDS:
            raise ValueError(f"estimate: must be one of {', '.join(KINDS)}, got {self.estimate!r}")
        if not self._names:
            raise ValueError("column: there is none")
        if len(set(self._names)) < len(self._names):
            raise ValueError(f"column: the same column is named twice in {', '.join(self._names)}")
        for name in self._names:
            if {name, f"{name}_true", f"{name}_p16", f"{name}_p84"} & {column.name for column in self.columns}:
                raise ValueError(f"column: {name!r} is a column of the result; rename that of the labels")

    @property
    def _names(self) -> list[str]:
        return [self.column] if isinstance(self.column, str) else list(self.column)

    def _run(self, index: Index, labels: Table | None) -> Table:
        assert labels is not None
        known = np.column_stack([numbers(labels, name) for name in self._names])
        references = self._references(index, known)
        space = main_directions(index.store, index.rows) if self.estimate == "learned" else space_of(index)
        answers = [self._answers(index, space, known, rows, number) for number, rows in enumerate(references)]
        distance, inside = _outlook(index, references, self.k)
        table = Table({"id": index.store.ids})
        for name, values, answer in zip(self._names, known.T, answers, strict=True):
            unit = labels[name].unit
            for column, numbers_, what in (
                (name, answer.value, f"{name}, estimated from look-alikes"),
                (f"{name}_p16", answer.p16, "lower end of the 68 % interval"),
                (f"{name}_p84", answer.p84, "upper end of the 68 % interval"),
                (f"{name}_true", values, f"{name} as the labels give it"),
            ):
                table[column] = numbers_
                table[column].unit, table[column].description = unit, what
        table["reliable"] = inside
        table["references"] = np.min([answer.used for answer in answers], axis=0)
        table["distance"] = distance
        table.meta["astrotl"] = {
            "references": {name: len(rows) for name, rows in zip(self._names, references, strict=True)}
        }
        self._check_named(table)
        return table

    def _evaluate(self, index: Index, labels: Table | None) -> dict[str, Measure]:
        table = self._run(index, labels)
        measures = {}
        for name in self._names:
            estimated, low, high, true = (np.asarray(table[name + end]) for end in ("", "_p16", "_p84", "_true"))
            both = np.isfinite(true) & np.isfinite(estimated)
            values, answers = true[both], estimated[both]
            measures[f"{name}_bias"] = bootstrap(bias, values, answers)
            measures[f"{name}_scatter"] = bootstrap(scatter, values, answers)
            for limit in (0.5, 1):
                measures[f"{name}_within_{limit}"] = bootstrap(
                    lambda true, estimated, limit=limit: within(true, estimated, limit), values, answers
                )
            measures[f"{name}_coverage"] = bootstrap(coverage, values, low[both], high[both])
        return measures

    def _answers(self, index: Index, space: Space, known: np.ndarray, references: np.ndarray, number: int) -> Answers:
        """Estimate one column for all objects of the store."""
        store = index.store
        points = np.concatenate([space(store.features(part)) for part in _blocks(references)])
        values, plane = known[references, number], known[references]
        unknown = np.full(len(store), np.nan)
        answers = Answers(unknown, unknown.copy(), unknown.copy(), np.zeros(len(store), dtype=int))
        for left_out in _folds(len(references)):
            others = np.setdiff1d(np.arange(len(references)), left_out)
            weights = self._weights(plane, plane[others])
            model = learn(self.estimate, self.k, points[others], values[others], weights[others])
            model = model.joined(points[left_out], values[left_out], weights[left_out])
            own = len(others) + np.arange(len(left_out))
            _put(answers, references[left_out], model.answer(points[left_out], own))
        rest = np.setdiff1d(index.rows, references)
        if len(rest):
            model = learn(self.estimate, self.k, points, values, self._weights(plane, plane))
            for part in _blocks(rest):
                _put(answers, part, model.answer(space(store.features(part))))
        return answers

    def _weights(self, plane: np.ndarray, others: np.ndarray) -> np.ndarray:
        return rarity(plane, others) if self.estimate == "density" else np.ones(len(plane))

    def _references(self, index: Index, known: np.ndarray) -> list[np.ndarray]:
        """List for each column the rows whose values may be used."""
        if self.estimate == "density":
            known = np.where(np.isfinite(known).all(axis=1, keepdims=True), known, np.nan)
        usable = np.zeros_like(known, dtype=bool)
        usable[index.rows] = np.isfinite(known[index.rows])
        return [
            _chosen(np.flatnonzero(column), len(known), name)
            for column, name in zip(usable.T, self._names, strict=True)
        ]

    def _check_named(self, table: Table) -> None:
        for name in self._names:
            for column in (name, f"{name}_p16", f"{name}_p84", f"{name}_true"):
                if table[column].dtype.kind != "f" or table[column].shape != (len(table),):
                    raise ContractError(f"Properties promised {column!r} as float, but gave {table[column].dtype}")


def _chosen(rows: np.ndarray, total: int, name: str) -> np.ndarray:
    """Say how many references there are, and draw some where they are too many."""
    if len(rows) < _FEWEST:
        raise ValueError(
            f"column: {name!r} is known for {len(rows)} of the {total:,} objects; {_FEWEST} or more are needed"
        )
    if len(rows) < total:
        warnings.warn(
            f"{name} is known for {len(rows):,} of the {total:,} objects; the other {total - len(rows):,} are no "
            "references",
            AstrotlWarning,
            stacklevel=5,
        )
    if len(rows) > _MOST:
        warnings.warn(
            f"{name}: {_MOST:,} of its {len(rows):,} references are used, drawn by lot", AstrotlWarning, stacklevel=5
        )
        return np.sort(np.random.default_rng(0).choice(rows, _MOST, replace=False))
    return rows


def _folds(count: int) -> list[np.ndarray]:
    """Say of which references the values are kept away at a time."""
    folds = count if count <= _FEW else _FOLDS
    fold_of = np.random.default_rng(0).permutation(count) % folds
    return [np.flatnonzero(fold_of == fold) for fold in range(folds)]


def _outlook(index: Index, references: list[np.ndarray], k: int) -> tuple[np.ndarray, np.ndarray]:
    """Measure how far the k-th reference is in the index's space, and say whether that is near enough."""
    distance, inside = np.full(len(index.store), np.nan), np.zeros(len(index.store), dtype=bool)
    inside[index.rows] = True
    space = space_of(index)
    done: list[np.ndarray] = []
    for rows in references:
        if any(np.array_equal(rows, others) for others in done):
            continue
        done.append(rows)
        around = Surroundings(np.concatenate([space(index.store.features(part)) for part in _blocks(rows)]), k)
        here = np.full(len(distance), np.nan)
        here[rows] = around.own
        for part in _blocks(np.setdiff1d(index.rows, rows)):
            here[part] = around.distance(space(index.store.features(part)))
        inside &= here <= around.reach
        distance = np.fmax(distance, here)
    return distance, inside


def _blocks(rows: np.ndarray) -> list[np.ndarray]:
    return [rows[start : start + _BLOCK] for start in range(0, len(rows), _BLOCK)]


def _put(answers: Answers, rows: np.ndarray, some: Answers) -> None:
    for whole, part in zip(answers, some, strict=True):
        whole[rows] = part
