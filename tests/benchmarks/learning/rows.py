"""A row of the table: a figure, its reference and goal, and what three seeds reached."""

from dataclasses import dataclass

import numpy as np
from astropy.table import Table

from astrotl.learn import scores

SEEDS = (0, 1, 2)
#: What stands above rows.
HEAD = f"{'macro F1':45} {'goal':>4}  mean (range) of three"
#: Whatever is chosen is chosen by these.
CHOOSING = (10, 11, 12)


@dataclass
class Row:
    """A figure that was measured once a seed."""

    figure: str
    values: list[float]
    goal: str = ""

    def __str__(self) -> str:
        reached = f"{np.mean(self.values):.3f}"
        if len(self.values) > 1:
            reached += f" ({min(self.values):.3f}-{max(self.values):.3f})"
        return f"{self.figure:45} {self.goal:>4}  {reached}"


def measured(table, measure="f1"):
    """Take one measure over all classes of the objects kept for the test."""
    found = scores(table, samples=0)
    return float(found["value"][(found["measure"] == measure) & (found["class"] == "")][0])


def together(one, other):
    """Average the probabilities that two tables give to the same objects."""
    names = [name for name in one.colnames if name.startswith("p_")]
    row_of = {name: row for row, name in enumerate(other["id"].tolist())}
    rows = [row_of[name] for name in one["id"].tolist()]
    mean = {name: (np.asarray(one[name]) + np.asarray(other[name])[rows]) / 2 for name in names}
    best = np.stack(list(mean.values())).argmax(axis=0)
    classes = np.array([name.removeprefix("p_") for name in names])
    return Table({"id": one["id"], "label": np.asarray(one["label"]), "predicted": classes[best], **mean})
