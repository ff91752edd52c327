"""Objects side by side, in the order of a table."""

from __future__ import annotations

import numpy as np
from astropy.table import Row, Table
from matplotlib.axes import Axes

from astrotl.plots._style import styled
from astrotl.plots._tiles import Tile, draw_tiles, in_rows, number, pictures_of
from astrotl.sources import ImageSource

__all__ = ["gallery"]


@styled
def gallery(table: Table, images: ImageSource, *, columns: int = 8, most: int = 64, ax: Axes | None = None) -> Axes:
    """Draw the objects of a table, in its order.

    Parameters
    ----------
    table : `~astropy.table.Table`
        A table with the column ``id``. With a column ``query`` each query has rows of its own and stands first, beside
        its neighbours.
    images : `~astrotl.sources.ImageSource`
        Where the images are.
    columns : int, optional
        How many images a row holds.
    most : int, optional
        How many objects are drawn at the most.
    ax : `~matplotlib.axes.Axes`, optional
        Where to draw; by default in a figure of its own.

    Returns
    -------
    `~matplotlib.axes.Axes`
        What was drawn in; ``.figure.savefig(path)`` keeps it.
    """
    for name, value in (("columns", columns), ("most", most)):
        if value < 1:
            raise ValueError(f"{name}: must be 1 or more, got {value}")
    table = table[:most]
    if not len(table):
        raise ValueError("table: has no rows to draw")
    ids = [str(name) for key in ("query", "id") if key in table.colnames for name in table[key]]
    pictures = pictures_of(images, ids, "the table's objects")

    def tile(row: Row) -> Tile:
        name = str(row["id"])
        return Tile(pictures.get(name), name, right=_number(row))

    if "query" not in table.colnames:
        return draw_tiles(in_rows([tile(row) for row in table], columns), ax)
    rows = []
    for query in dict.fromkeys(table["query"].tolist()):
        first = Tile(pictures.get(query), f"query {query}", bold=True)
        rows += in_rows([first, *(tile(row) for row in table[table["query"] == query])], columns)
    return draw_tiles(rows, ax)


def _number(row: Row) -> str:
    name = next((name for name in ("score", "distance") if name in row.colnames), None)
    return "" if name is None or np.ma.is_masked(row[name]) else number(row[name])
