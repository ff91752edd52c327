"""Every task that ships keeps its promises; whatever breaks one is told which."""

import re
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import pytest
from astropy.table import Table

from astrotl import ExactIndex, Task, extract_features, simulate
from astrotl.measures import Measure
from astrotl.plugins import plugins
from astrotl.sources import ArraySource, EpochSource
from astrotl.tasks import Agn, Anomaly, Column, Epochs, Lens, Properties, Similar
from astrotl.testing import check_task

TASKS = {
    "agn": (Agn(query=["G00", "G04", "G08"]), {"k": 0, "order": "size", "query": ["M31"]}),
    "anomaly": (Anomaly(), {"k": 0, "method": "magic", "views": ["7"]}),
    "lens": (Lens(query=["G00", "G04"], unlike=["G01"]), {"k": 0, "order": "size"}),
    "properties": (Properties(["mass"]), {"k": 0, "estimate": "magic", "column": ["age"]}),
    "similar": (Similar(["G00", 4], k=3), {"k": 0, "query": "M31"}),
}


def test_none_is_forgotten():
    (names,) = (plugin.tasks for plugin in plugins() if plugin.name == "builtin")
    assert {*TASKS, "epochs"} == set(names)


@pytest.mark.parametrize("name", TASKS)
def test_what_ships_keeps_every_promise(name):
    task, refuses = TASKS[name]
    check_task(task, refuses=refuses)


@pytest.fixture
def nights(tmp_path):
    batch, truth = simulate.epochs(4, 20, seed=2, size=32)
    source = EpochSource(ArraySource(batch.data, ids=batch.ids))
    index = ExactIndex.build(extract_features(source, "profiles", tmp_path / "epochs.h5"))
    return index, truth


def test_ones_own_index_and_labels_are_taken(nights, broken):
    index, truth = nights
    check_task(Epochs(), index, refuses={"limit": 0})
    check_task(Epochs(column="damage"), index, labels=truth["id", "damage"], refuses={"column": "spoilt"})
    assert "cannot answer (ValueError" in broken(check_task, Epochs(column="damage"), index, labels=truth["id",])
    assert "requires labels; give check_task those" in broken(check_task, Properties(["mass"]), index)


@dataclass(frozen=True)
class First(Task):
    """List the first objects.

    Parameters
    ----------
    n : int, optional
        How many.
    """

    n: int = 5

    columns: ClassVar[tuple[Column, ...]] = (
        Column("id", "str", "the object"),
        Column("length", "float", "the length of its feature vector"),
    )

    def __post_init__(self):
        if self.n < 1:
            raise ValueError(f"n: must be 1 or more, got {self.n}")

    def _run(self, index, labels):
        rows = index.rows[: self.n]
        return Table({"id": index.store.ids[rows], "length": np.linalg.norm(index.store.features(rows), axis=1)})


def test_ones_own_task_passes():
    check_task(First(), refuses={"n": 0})


class Melting(Task):
    def _run(self, index, labels):
        return Table()


class Undocumented(First):
    pass


class Overriding(First):
    """Overrides what checks."""

    def run(self, index, **settings):
        return Table({"id": index.store.ids})


class Columnless(First):
    """Declares nothing."""

    columns = ()


class Doubled(First):
    """Declares one twice."""

    columns = (*First.columns, First.columns[0])


class Odd(First):
    """Declares a kind that there is not."""

    columns = (Column("id", "text", "the object"),)


class Undescribed(First):
    """Describes nothing."""

    columns = (Column("id", "str", ""),)


class Unitless(First):
    """Declares a unit that there is not."""

    columns = (*First.columns[:1], Column("length", "float", "its length", unit="furlong"))


class Labelled(First):
    """Wants labels, somehow."""

    labels = True


class Undrawn(First):
    """Names a figure that there is not."""

    figure = "astrotl.plots:sculpture"


class Failing(First):
    """Divides by nothing."""

    def _run(self, index, labels):
        return 1 / 0


class Wrong(First):
    """Gives another kind."""

    def _run(self, index, labels):
        table = super()._run(index, labels)
        table["length"] = table["length"] > 0
        return table


class Random(First):
    """Draws by lot."""

    def _run(self, index, labels):
        table = super()._run(index, labels)
        table["length"] *= np.random.rand()  # noqa: NPY002
        return table


class Writing(First):
    """Writes into the store."""

    def _run(self, index, labels):
        index.store.write([0], index.store.features([1]))
        return Table({"id": index.store.ids[1:2], "length": [1.0]})


class Marking(First):
    """Writes into the labels, having found them elsewhere."""

    def _run(self, index, labels):
        LABELS["kind"] = "?"
        return super()._run(index, labels)


LABELS = Table({"id": ["G00", "G01"], "kind": ["agn", "star"]})


class Inventing(First):
    """Names an object that there is not."""

    def _run(self, index, labels):
        return Table({"id": ["M31"], "length": [1.0]})


class Silent(First):
    """Gives more than it declares."""

    def _run(self, index, labels):
        table = super()._run(index, labels)
        table["width"] = table["length"] / 2
        return table


class Unwritten(First):
    """Notes what is no JSON."""

    def _run(self, index, labels):
        table = super()._run(index, labels)
        table.meta["astrotl"] = {"rows": index.rows}
        return table


class Covering(First):
    """Notes its own thing in the place of another."""

    def _run(self, index, labels):
        table = super()._run(index, labels)
        table.meta["astrotl"] = {"index": "mine"}
        return table


class Nested(First):
    """Gives a column of anything."""

    def _run(self, index, labels):
        table = super()._run(index, labels)
        table["parts"] = np.array([{"a"}] * len(table), dtype=object)
        table["parts"].description = "its parts"
        return table


class Unmeasured(First):
    """Fails where it is measured."""

    def _evaluate(self, index, labels):
        return {}["accuracy"]


class Boasting(First):
    """Measures itself as better than it can be."""

    def _evaluate(self, index, labels):
        return {"accuracy": Measure(0.9, 0.5, 0.7)}


@dataclass(frozen=True)
class Doubling(First):
    """Changes what it is given."""

    def __post_init__(self):
        object.__setattr__(self, "n", self.n * 2)


@dataclass(frozen=True)
class Sets(First):
    """Has a parameter that is no JSON."""

    n: set = field(default_factory=lambda: {1})

    def __post_init__(self):
        pass


BROKEN = [
    (Melting(), "can be changed"),
    (Undocumented(), "has no docstring"),
    (Overriding(), "overrides run"),
    (Columnless(), r"has the columns \(\)"),
    (Doubled(), "declares a column twice"),
    (Odd(), "declares the column 'id' of the kind 'text'"),
    (Undescribed(), "declares the column 'id' without a description"),
    (Unitless(), "declares the column 'length' with the unit 'furlong'"),
    (Labelled(), "has labels = True"),
    (Undrawn(), "has the figure 'astrotl.plots:sculpture'"),
    (Failing(), r"cannot answer \(ZeroDivisionError"),
    (Wrong(), r"cannot answer \(ContractError"),
    (Random(), "gives another table when it is asked again"),
    (Writing(), "changes the store"),
    (Inventing(), "names objects that are not in the store, such as 'M31'"),
    (Silent(), "gives the column 'width' without a description"),
    (Unwritten(), "cannot be written as JSON"),
    (Covering(), "writes over 'index'"),
    (Nested(), "gives a table that cannot be written as ECSV|FITS"),
    (Unmeasured(), r"cannot be evaluated \(KeyError"),
    (Boasting(), "measures accuracy as 0.9, which does not lie between 0.5 and 0.7"),
    (Doubling(), "changes its parameter 'n' in __init__"),
    (Sets(), "has parameters that cannot be written as JSON"),
]


@pytest.mark.parametrize(("task", "words"), BROKEN, ids=[type(one).__name__ for one, _ in BROKEN])
def test_a_broken_promise_is_named(broken, task, words):
    assert re.search(words, broken(check_task, task))


class Marked(Marking):
    """Has use for labels."""

    labels = "optional"


def test_labels_stay_as_they_are(broken):
    assert "changes the labels" in broken(check_task, Marked(), labels=LABELS)


@dataclass(frozen=True)
class Lenient(First):
    """Takes whatever comes."""

    def __post_init__(self):
        pass


@dataclass(frozen=True)
class Grumpy(First):
    """Refuses without a word about what."""

    def __post_init__(self):
        if self.n < 1:
            raise ValueError("too few")


@dataclass(frozen=True)
class Fragile(First):
    """Fails on what it should refuse."""

    def __post_init__(self):
        1 / self.n


@pytest.mark.parametrize(
    ("task", "wrong", "words"),
    [
        (Lenient(), {"n": 0}, "takes n=0"),
        (Grumpy(), {"n": 0}, "refuses n=0 with the words 'too few', which do not begin with the parameter's name"),
        (Fragile(), {"n": 0}, "fails on n=0 with ZeroDivisionError"),
        (First(), {"k": 0}, "has no parameter 'k'"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_wrong_parameters_must_be_refused(broken, task, wrong, words):
    assert words in broken(check_task, task, refuses=wrong)


def test_a_class_is_refused():
    with pytest.raises(TypeError, match=r"^task: expected an object, got the class Similar; write Similar\(...\)"):
        check_task(Similar)


def test_nothing_is_left_behind(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check_task(First())
    assert not list(tmp_path.iterdir())
