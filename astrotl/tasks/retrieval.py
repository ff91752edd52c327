"""More of the same: what is most like known objects, from ten examples or from a table of labels."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from astropy.table import Table
from scipy import stats

from astrotl import measures
from astrotl._params import nearest
from astrotl.index import Index
from astrotl.labels import as_word, numbers, words
from astrotl.measures import Measure
from astrotl.store import FeatureStore
from astrotl.tasks._retrieval_crowding import Crowd, cross_validated, log_ratio, probability, some_of
from astrotl.tasks._retrieval_space import Space, unit
from astrotl.tasks._retrieval_votes import Votes, neighbours_share, votes
from astrotl.tasks.base import Column, Task

__all__ = ["Retrieval", "is_one_of"]

_COMPARE = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt}
_ORDERS = ("score", "votes", "weighted_votes")
_DEPTHS = (20, 100, 200)


@dataclass(frozen=True)
class Retrieval(Task):
    """Rank all objects by how much they are like known ones.

    All views of the store are whitened and put side by side, without labels. The score says how crowded the examples
    are around an object, against how crowded all else is: the counter-examples, and the store itself, which counts as
    30 of them. With labels this is turned into a probability, and a labelled object is only ever judged by the labels
    of others. More than 2,000 examples or counter-examples are represented by 2,000 drawn by lot.

    Parameters
    ----------
    query : sequence of str, optional
        The ids of examples, or @FILE with one id a line. Without any, all positive labels teach.
    unlike : sequence of str, optional
        The ids of counter-examples, or @FILE.
    column : str, optional
        The column of the labels that says what the objects are.
    positive : sequence of str, optional
        The values of that column that are looked for, or a limit such as ">=2".
    negative : sequence of str, optional
        The values that count as not looked for; by default every other one.
    k : int, optional
        How many neighbours each example votes for.
    order : str, optional
        What decides the rank: "score", "votes" or "weighted_votes".

    Examples
    --------
    >>> from astrotl import ExactIndex, FeatureStore
    >>> from astrotl.tasks import Lens
    >>> store = FeatureStore.open_or_create("retrieval.h5", ["a", "b", "c", "d", "e"], 2, {})
    >>> store.write(range(5), [[9, 1], [8, 1], [0, 3], [1, 2], [0, 2]])
    >>> table = Lens(query=["a"], k=1).run(ExactIndex.build(store))
    >>> print(table["id", "rank", "votes", "prototypes"][:2])
     id rank votes prototypes
    --- ---- ----- ----------
      b    1     1          a
      c    2     0          a
    """

    query: Sequence[str] = ()
    unlike: Sequence[str] = ()
    column: str | None = None
    positive: Sequence[str] = ()
    negative: Sequence[str] = ()
    k: int = 10
    order: str = "score"

    labels: ClassVar[str | None] = "optional"
    figure: ClassVar[str] = "astrotl.plots.retrieval:retrieved"
    columns: ClassVar[tuple[Column, ...]] = (
        Column("id", "str", "the object"),
        Column("rank", "int", "1 is the most alike"),
        Column("score", "float", "with labels a probability, else the share of the store that is less alike"),
        Column("votes", "int", "how many examples have it among their nearest neighbours"),
        Column("weighted_votes", "float", "the same, near neighbours counting more"),
        Column("distance", "float", "how far the nearest example is in the whitened feature space"),
        Column("prototypes", "str", "the nearest examples, nearest first"),
        Column("label", "str", "what is known of it, empty if nothing", optional=True),
        Column("ra", "float", "right ascension", unit="deg", optional=True),
        Column("dec", "float", "declination", unit="deg", optional=True),
    )

    def __post_init__(self) -> None:
        if self.k < 1:
            raise ValueError(f"k: must be 1 or more, got {self.k}")
        if self.order not in _ORDERS:
            raise ValueError(f"order: must be one of {', '.join(_ORDERS)}, got {self.order!r}")
        for name in ("query", "unlike", "positive", "negative"):
            value = getattr(self, name)
            values = (value,) if isinstance(value, (str, int, float)) else value
            object.__setattr__(self, name, tuple(as_word(one) for one in values))
        if (self.positive or self.negative) and self.column is None:
            raise ValueError("column: is needed to say where positive and negative labels stand")
        if self.column is not None and not self.positive:
            raise ValueError("positive: say which values of the column are looked for")
        if self.unlike and not self.query:
            raise ValueError("unlike: counter-examples need a query; with labels, give negative")

    def _run(self, index: Index, labels: Table | None) -> Table:
        store, rows = index.store, index.rows
        truth = self._truth(labels, len(store))
        space = Space(store, rows)
        if self.query:
            examples = self._rows_of(store, rows, "query")
            raw = self._one_shot(space, rows, examples)
            score = stats.rankdata(raw, method="average") / len(raw)
            ranked = rows[~np.isin(rows, np.concatenate([examples, self._rows_of(store, rows, "unlike")]))]
        else:
            examples = rows[truth[rows] == 1]
            raw, score = self._learnt(space, rows, truth)
            ranked = rows
        if not len(ranked):
            raise ValueError("query: holds every object of the store, so that there is nothing to rank")
        said = votes(space, rows, examples, self.k, candidates=ranked)
        inside = np.isin(rows, ranked)
        key = {"score": raw, "votes": said.count, "weighted_votes": said.weight}[self.order][inside]
        order = np.flatnonzero(inside)[np.lexsort((-raw[inside], -key))]
        return self._table(store, rows, order, score, said, store.ids[examples], labels)

    def _evaluate(self, index: Index, labels: Table | None) -> dict[str, Measure]:
        store, rows = index.store, index.rows
        if self.column is None:
            raise ValueError("evaluate: needs labels, with column and positive")
        truth = self._truth(labels, len(store))
        space = Space(store, rows)
        known = rows[truth[rows] >= 0]
        coordinates, positive = space.coordinates(known), truth[known] == 1
        _check_both(positive)
        share = neighbours_share(coordinates, positive, self.k)
        if self.query:
            examples = np.concatenate([self._rows_of(store, rows, name) for name in ("query", "unlike")])
            kept = ~np.isin(known, examples)
            score = self._one_shot(space, known, self._rows_of(store, rows, "query"))
            if self.order != "score":
                said = votes(space, known, self._rows_of(store, rows, "query"), self.k, candidates=known[kept])
                # Where votes are equal, the score decides.
                order = np.lexsort((score, said.count if self.order == "votes" else said.weight))
                score = np.argsort(order).astype(np.float64)
            score, known, positive, share = score[kept], known[kept], positive[kept], share[kept]
            _check_both(positive)
        elif self.order != "score":
            raise ValueError(f"order: without a query only the score can be measured, not {self.order}")
        else:
            store_crowd = _crowd(space, some_of(rows[truth[rows] < 0]))
            score = cross_validated(unit(coordinates), known, positive, store_crowd)
        return _measures(score, positive, share, self._values(labels)[known], self.positive)

    def _one_shot(self, space: Space, rows: np.ndarray, examples: np.ndarray) -> np.ndarray:
        against = self._rows_of(space.store, space.store.done(), "unlike")
        usual = np.setdiff1d(space.store.done(), np.concatenate([examples, against]))
        return _scores(space, rows, [_crowd(space, some) for some in (examples, against, some_of(usual))])

    def _learnt(self, space: Space, rows: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Give the score and the probability of each row, those of labelled ones cross-validated."""
        known, positive = truth[rows] >= 0, truth[rows] == 1
        _check_both(positive[known])
        crowds = [_crowd(space, some_of(rows[which])) for which in (positive, known & ~positive, ~known)]
        raw = _scores(space, rows, crowds)
        units = unit(space.coordinates(rows[known]))
        raw[known] = cross_validated(units, rows[known], positive[known], crowds[2])
        return raw, probability(raw[known], positive[known])(raw)

    def _table(
        self,
        store: FeatureStore,
        rows: np.ndarray,
        order: np.ndarray,
        score: np.ndarray,
        said: Votes,
        examples: np.ndarray,
        labels: Table | None,
    ) -> Table:
        table = Table()
        table["id"] = store.ids[rows[order]]
        table["rank"] = np.arange(1, len(order) + 1)
        table["score"] = score[order]
        table["votes"] = said.count[order]
        table["weighted_votes"] = said.weight[order]
        table["distance"] = said.distance[order]
        names = examples.tolist()
        table["prototypes"] = np.array(
            [",".join(names[place] for place in places if place >= 0) for places in said.nearest[order].tolist()],
            dtype=np.str_,
        )
        if self.column is not None:
            table["label"] = self._values(labels)[rows[order]]
        if store.positions is not None:
            table["ra"], table["dec"] = store.positions[rows[order]].T
        return table

    def _values(self, labels: Table | None) -> np.ndarray:
        if labels is None or self.column is None:
            raise ValueError("labels: are needed, and column and positive to say what is looked for; or else a query")
        return words(labels, self.column)

    def _truth(self, labels: Table | None, count: int) -> np.ndarray:
        """Say of each row of the store whether it is positive, 1, or negative, 0, or neither, -1."""
        if self.query and self.column is None and labels is not None:
            raise ValueError("column: say which column of the labels tells what the objects are")
        if self.query and self.column is None:
            return np.full(count, -1)
        values = self._values(labels)
        negative = is_one_of(values, self.negative) if self.negative else values != ""
        positive = is_one_of(values, self.positive)
        if not positive.any():
            some = ", ".join(sorted(set(values[values != ""].tolist()))[:8])
            raise ValueError(f"positive: no object has {' or '.join(self.positive)} in {self.column!r}; it has {some}")
        return np.where(positive, 1, np.where(negative, 0, -1))

    def _rows_of(self, store: FeatureStore, rows: np.ndarray, name: str) -> np.ndarray:
        """Find the rows of examples; ``@FILE`` stands for the ids in a file."""
        ids: list[str] = []
        for item in getattr(self, name):
            ids += _lines(item[1:], name) if item.startswith("@") else [item]
        row_of = {one: row for row, one in enumerate(store.ids.tolist())}
        unknown = next((one for one in ids if one not in row_of), None)
        if unknown is not None:
            raise ValueError(
                f"{name}: {unknown!r} is not an id of {store.path}{nearest(unknown, list(row_of)[:100_000])}"
            )
        found = np.array([row_of[one] for one in dict.fromkeys(ids)], dtype=np.intp)
        without = found[~np.isin(found, rows)]
        if len(without):
            raise ValueError(f"{name}: {str(store.ids[without[0]])!r} has no features in {store.path}")
        return found


def is_one_of(values: np.ndarray, wanted: Sequence[str]) -> np.ndarray:
    """Say which labels are among the wanted ones; ``">=2"`` and the like compare numbers.

    >>> is_one_of(np.array(["seyfert", "", "liner"]), ["seyfert", "liner"]).tolist()
    [True, False, True]
    >>> is_one_of(np.array(["3.0", "", "0.7"]), [">=2"]).tolist()
    [True, False, False]
    """
    chosen = np.zeros(len(values), dtype=bool)
    for want in wanted:
        sign = next((sign for sign in _COMPARE if want.startswith(sign)), None)
        if sign is None:
            chosen |= values == want
            if want.endswith(".0"):
                chosen |= values == want.removesuffix(".0")
        else:
            table = Table({"value": np.ma.masked_equal(values, "")})
            with np.errstate(invalid="ignore"):
                chosen |= _COMPARE[sign](numbers(table, "value"), float(want.removeprefix(sign)))
    return chosen & (values != "")


def _crowd(space: Space, rows: np.ndarray) -> Crowd:
    return Crowd(rows, unit(space.coordinates(rows)))


def _scores(space: Space, rows: np.ndarray, crowds: list[Crowd]) -> np.ndarray:
    return np.concatenate([log_ratio(unit(block), some, *crowds) for some, block in space.blocks(rows)])


def _measures(
    score: np.ndarray, positive: np.ndarray, share: np.ndarray, values: np.ndarray, wanted: Sequence[str]
) -> dict[str, Measure]:
    answer = {}
    tenth = max(1, round(len(score) / 10))
    for depth in [*(depth for depth in _DEPTHS if depth <= len(score) // 2), tenth]:
        where = "tenth" if depth == tenth else f"{depth}"

        def pure(score: np.ndarray, positive: np.ndarray, depth: int = depth) -> float:
            return measures.purity(score, positive, depth)

        def complete(score: np.ndarray, positive: np.ndarray, depth: int = depth) -> float:
            return measures.completeness(score, positive, depth)

        answer[f"purity of the first {where}"] = measures.bootstrap(pure, score, positive)
        answer[f"completeness of the first {where}"] = measures.bootstrap(complete, score, positive)
    answer["lift in the first tenth"] = measures.bootstrap(measures.lift, score, positive)
    answer["area under the curve"] = measures.bootstrap(measures.area_under_curve, score, positive)
    answer["average precision"] = measures.bootstrap(measures.average_precision, score, positive)
    answer["positives at random"] = measures.bootstrap(np.mean, positive)
    answer["positives among a positive's neighbours"] = measures.bootstrap(np.mean, share[positive])
    answer["positives among a negative's neighbours"] = measures.bootstrap(np.mean, share[~positive])
    if len(wanted) > 1:
        for value in wanted:
            some = is_one_of(values, [value]) | ~positive
            if is_one_of(values, [value])[positive].any():
                answer[f"area under the curve, {value}"] = measures.bootstrap(
                    measures.area_under_curve, score[some], positive[some]
                )
    return answer


def _check_both(positive: np.ndarray) -> None:
    if positive.sum() < 2 or (~positive).sum() < 2:
        raise ValueError(
            f"positive: at least two objects of either kind must have labels and features, but there are "
            f"{positive.sum()} positive and {(~positive).sum()} negative ones"
        )


def _lines(path: str, name: str) -> list[str]:
    try:
        with open(path, encoding="utf-8") as file:
            return [line.strip() for line in file if line.strip()]
    except OSError as error:
        raise ValueError(f"{name}: {path} cannot be read: {error.strerror}") from error
