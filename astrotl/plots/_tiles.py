"""Images side by side in one panel, with what is said of each above and within it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from astrotl.pictures import rgb
from astrotl.plots._style import INK, PAGE, QUIET, SMALLEST, Sheet, panel, sheet, shorten, width_of
from astrotl.sources import ImageSource

#: In widths of a tile; a title stands in the gap above it.
_GAP = 0.06
#: A tile of a new figure is so many inches wide, and less where a page holds no row of them.
_WIDTH = 0.85
_POINTS = 72.0
#: The mean width of a letter, in its height.
_LETTER = 0.58
_KEY = 0.2


@dataclass(frozen=True)
class Tile:
    """One image and what is said of it; without a picture its place stays empty."""

    picture: np.ndarray | None
    title: str = ""
    left: str = ""
    right: str = ""
    frame: str | None = None
    bold: bool = False


def pictures_of(images: ImageSource, ids: Iterable[str], which: str) -> dict[str, np.ndarray]:
    """Read the pictures of some objects, of those that there are."""
    known = set(images.ids.tolist())
    shown = list(dict.fromkeys(name for name in ids if name in known))
    if not shown:
        raise ValueError(f"images: hold none of {which}")
    return dict(zip(shown, rgb(images[images.rows_of(shown)].read()), strict=True))


def in_rows(tiles: Sequence[Tile], columns: int) -> list[list[Tile]]:
    """Break a list into rows."""
    return [list(tiles[start : start + columns]) for start in range(0, len(tiles), columns)]


def size_of(rows: Sequence[Sequence[Tile]], largest: float = _WIDTH) -> tuple[float, float]:
    """Give the width and height in inches that suit the tiles, none of them wider than the largest."""
    wide = max(map(len, rows)) * (1 + _GAP)
    inches = min(largest, PAGE / wide)
    return inches * wide, inches * _tall(rows, inches)


def number(value: float) -> str:
    """Write a number with three digits, so that those of a row are equally long: 0.0464, 0.960 and 1.00."""
    return f"{value:#.3g}".rstrip(".")


def draw_tiles(rows: Sequence[Sequence[Tile]], ax: Axes | None, largest: float = _WIDTH) -> Axes:
    """Draw rows of tiles, the first one at the top."""
    across = max(map(len, rows))
    ax = panel(ax, *size_of(rows, largest))
    inches = width_of(ax) / (across * (1 + _GAP))
    shape, title = _shape(rows), _title(rows, inches)
    letters = int(1.04 * inches * _POINTS / (SMALLEST * _LETTER))
    for line, row in enumerate(rows):
        bottom = -(line + 1) * (shape + title)
        for column, tile in enumerate(row):
            _draw(ax, tile, column * (1 + _GAP), bottom, shape, letters)
    ax.set_axis_off()
    ax.set(xlim=(-_GAP / 2, across * (1 + _GAP) - _GAP / 2), ylim=(-_tall(rows, inches) + _GAP / 2, _GAP / 2))
    ax.set_aspect("equal")
    return ax


def _draw(ax: Axes, tile: Tile, left: float, bottom: float, shape: float, letters: int) -> None:
    place = (left, left + 1, bottom, bottom + shape)
    if tile.picture is not None:
        ax.imshow(tile.picture, extent=place)
    else:
        ax.add_patch(Rectangle((left, bottom), 1, shape, facecolor="0.93", edgecolor="0.8", hatch="////"))
    if tile.frame is not None:
        ax.add_patch(Rectangle((left, bottom), 1, shape, fill=False, edgecolor=tile.frame, linewidth=1.8, zorder=4))
    ax.text(
        left + 0.5, bottom + shape + 0.02, shorten(tile.title, letters), ha="center", va="bottom", fontsize=SMALLEST,
        color=INK if tile.bold else QUIET, fontweight="bold" if tile.bold else "normal",
    )  # fmt: skip
    for text, side in ((tile.left, "left"), (tile.right, "right")):
        if text:
            ax.text(
                left + (0.03 if side == "left" else 0.97), bottom + 0.03, text, ha=side, va="bottom", fontsize=SMALLEST,
                color="white", zorder=5, bbox={"facecolor": "black", "alpha": 0.55, "linewidth": 0, "pad": 0.8},
            )  # fmt: skip


def _shape(rows: Sequence[Sequence[Tile]]) -> float:
    """Give the height of a picture in its width."""
    drawn = next((tile.picture for row in rows for tile in row if tile.picture is not None), np.ones((1, 1)))
    return float(drawn.shape[0] / drawn.shape[1])


def _title(rows: Sequence[Sequence[Tile]], inches: float) -> float:
    """Give the room of a title above its tile, in widths of a tile."""
    if any(tile.title for row in rows for tile in row):
        return 1.6 * SMALLEST / (_POINTS * inches)
    return _GAP


def _tall(rows: Sequence[Sequence[Tile]], inches: float) -> float:
    return len(rows) * (_shape(rows) + _title(rows, inches)) + _GAP


def sheet_below(
    rows: Sequence[Sequence[Tile]], below: float, frames: Mapping[str, str] | None = None
) -> tuple[Sheet, Axes]:
    """Draw tiles, and what the colours of their frames mean; give the figure, and axes so many inches high below."""
    width, height = size_of(rows)
    height += _KEY if frames else 0
    figure = sheet(max(width, PAGE), height + below)
    grid = figure.add_gridspec(2, 1, height_ratios=(height, below))
    parts = [figure.add_subfigure(grid[number]) for number in (0, 1)]
    ax = draw_tiles(rows, parts[0].subplots())
    if frames:
        looks: dict[str, Any] = {"fill": False, "linewidth": 1.8}
        handles = [Rectangle((0, 0), 1, 1, edgecolor=colour, **looks) for colour in frames.values()]
        ax.legend(
            handles, list(frames), loc="upper center", bbox_to_anchor=(0.5, 0), ncols=len(frames), handlelength=1,
            handleheight=1,
        )  # fmt: skip
    return figure, parts[1].subplots()
