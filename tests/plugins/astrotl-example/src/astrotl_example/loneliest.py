"""Objects that have no near neighbour."""

from dataclasses import dataclass

import numpy as np
from astropy.table import Table

from astrotl.tasks import Column, Task


@dataclass(frozen=True)
class Loneliest(Task):
    """Find the objects that are farthest from their nearest neighbour.

    Parameters
    ----------
    n : int, optional
        How many.
    """

    n: int = 10

    columns = (
        Column("id", "str", "the object"),
        Column("distance", "float", "how far away its nearest neighbour is"),
    )

    def _run(self, index, labels):
        rows = index.rows
        distance = index.query(index.store.features(rows), k=2)[1][:, 1]
        farthest = np.argsort(-distance)[: self.n]
        return Table({"id": index.store.ids[rows[farthest]], "distance": distance[farthest]})
