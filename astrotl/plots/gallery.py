"""Objects side by side, in the order of a table."""

from __future__ import annotations

import numpy as np
from astropy.table import Table
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from astrotl.pictures import rgb
from astrotl.plots._style import INK, PAPER, QUIET
from astrotl.sources import ImageSource

__all__ = ["gallery"]


def gallery(table: Table, images: ImageSource, *, columns: int = 8, most: int = 64) -> Figure:
    """Draw the objects of a task's table, in its order.

    Parameters
    ----------
    table : `~astropy.table.Table`
        A table with the column ``id``. With a column ``query`` each query has its own row, itself first.
    images : `~astrotl.sources.ImageSource`
        Where the images are.
    columns : int, optional
        How many images a row holds.
    most : int, optional
        How many objects are drawn at the most.

    Returns
    -------
    `~matplotlib.figure.Figure`
        The figure; ``figure.savefig(path)`` keeps it.
    """
    table = table[:most]
    if not len(table):
        raise ValueError("table: has no rows to draw")
    tiles = _tiles(table)
    known = set(images.ids.tolist())
    shown = sorted({name for row in tiles for name, _ in row if name in known})
    if not shown:
        raise ValueError("images: hold none of the table's objects")
    pictures = dict(zip(shown, rgb(images[images.rows_of(shown)].read()), strict=True))
    rows = [row[start : start + columns] for row in tiles for start in range(0, len(row), columns)]
    across = max(len(row) for row in rows)
    figure = Figure(
        figsize=(1.35 * across + 0.3, 1.55 * len(rows) + 0.2), facecolor=PAPER, dpi=150, layout="constrained"
    )
    grid = figure.subplots(len(rows), across, squeeze=False)
    for axes, row in zip(grid, rows, strict=True):
        for number, ax in enumerate(axes):
            ax.set_axis_off()
            if number < len(row):
                _draw_tile(
                    ax, pictures.get(row[number][0]), row[number][1], is_query=row[number][1].startswith("query")
                )
    return figure


def _tiles(table: Table) -> list[list[tuple[str, str]]]:
    """Group the objects into rows of (id, caption)."""
    if "query" not in table.colnames:
        return [[(str(row["id"]), _caption(row, table.colnames)) for row in table]]
    tiles = []
    for query in dict.fromkeys(table["query"].tolist()):
        answers = table[table["query"] == query]
        tiles.append([(query, f"query {query}"), *((str(row["id"]), _caption(row, table.colnames)) for row in answers)])
    return tiles


def _caption(row: Table.Row, names: list[str]) -> str:
    number = next((name for name in ("score", "distance") if name in names), None)
    return f"{row['id']}\n{row[number]:.3g}" if number else str(row["id"])


def _draw_tile(ax: Axes, picture: np.ndarray | None, caption: str, *, is_query: bool) -> None:
    if picture is None:
        picture = np.full((2, 2, 3), 0.15)
    ax.imshow(picture, origin="lower", interpolation="nearest")
    name, _, number = caption.partition("\n")
    ax.set_title(
        _short(name), fontsize=6, color=INK if is_query else QUIET, pad=2, fontweight="bold" if is_query else "normal"
    )
    if number:
        ax.text(0.97, 0.03, number, transform=ax.transAxes, ha="right", va="bottom", fontsize=6, color=INK)


def _short(name: str) -> str:
    return name if len(name) <= 22 else f"{name[:10]}...{name[-9:]}"
