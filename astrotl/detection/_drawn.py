"""Tables of boxes or points as people keep them: whatever the columns are called, as boxes by image."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from astropy import units as u
from astropy.table import Column, Table

from astrotl import tables
from astrotl.detection.sky import pixel_scales
from astrotl.detection.table import COLUMNS, make_boxes
from astrotl.labels import find_column, numbers, stems, words
from astrotl.sources import Field

_CORNERS = (("x_min", "y_min", "x_max", "y_max"), ("xmin", "ymin", "xmax", "ymax"))
_SIDES = ("x", "y", "width", "height")
_CLASSES = ("class", "label")


class Images:
    """The images, found by the names that files and tables give them: ids, or files' names, folders and endings too."""

    def __init__(self, fields: Sequence[Field]) -> None:
        self.fields = list(fields)
        if not self.fields:
            raise ValueError("fields: there are none")
        self._number_of = {field.id: number for number, field in enumerate(self.fields)}
        if len(self._number_of) < len(self.fields):
            raise ValueError("fields: every image needs an id of its own")
        short = stems(np.array(list(self._number_of), dtype=np.str_)).tolist()
        alone = Counter(short)
        self._by_stem = {name: number for number, name in enumerate(short) if alone[name] == 1}

    def find(self, names: np.ndarray) -> np.ndarray:
        """Give the number of each image, -1 for those that are not there."""
        unique, place = np.unique(np.asarray(names, dtype=np.str_), return_inverse=True)
        return np.array([self._find(name) for name in unique.tolist()], dtype=np.intp)[place]

    def _find(self, name: str) -> int:
        if name in self._number_of:
            return self._number_of[name]
        *folders, last = name.replace("\\", "/").split("/")
        parts = [*folders, str(stems(np.array([last]))[0])]
        tails = ("/".join(parts[start:]) for start in range(len(parts)))
        found = next((self._number_of[tail] for tail in tails if tail in self._number_of), None)
        return self._by_stem.get(parts[-1], -1) if found is None else found


@dataclass(frozen=True, eq=False)
class Drawn:
    """Boxes as they were drawn, the number of the image of each, -1 for none, and what has been left out already.

    Of points with a radius the middle is what was drawn.
    """

    boxes: Table
    image: np.ndarray
    points: bool = False
    absent: str = "of images that are not given"
    left_out: dict[str, int] = dataclasses.field(default_factory=dict)


def read_drawn(
    table: Table, images: Images, *, radius: float | str | u.Quantity | None, image_column: str | None
) -> Drawn:
    """Find out what the columns are, boxes, corners, or points of a radius, and make boxes of them."""
    names = {name.lower(): name for name in reversed(table.colnames)}
    corners = next((four for four in _CORNERS if all(name in names for name in four)), None)
    drawn_with = corners or (_SIDES if all(name in names for name in _SIDES) else None)
    if drawn_with is not None and radius is not None:
        raise ValueError("radius: goes with points, but the labels are boxes")
    sides = tuple(names[name] for name in drawn_with or ("x", "y") if name in names)
    label = next((names[name] for name in _CLASSES if name in names), None)
    used = {*sides, *([label] if label else [])}
    absent = "of images that are not given"
    rows = np.arange(len(table))
    if len(sides) >= 2:
        column = image_column or _column_of_images(table, names, images, used)
        image = np.zeros(len(table), dtype=np.intp)
        if column is not None:
            find_column(table, column, "image_column")
            image = images.find(words(table, column))
            used.add(column)
        first, second, *more = (numbers(table, name) for name in sides)
    else:
        if image_column is not None:
            raise ValueError("image_column: positions on the sky are looked for in every image")
        rows, image, first, second = _on_sky(table, images)
        more, absent = [], "outside every image"
    if drawn_with is None:
        width, height = _size_of_points(table, names.get("radius"), radius, images, rows, image, first, second)
    elif corners:
        first, second, width, height = (
            (first + more[0]) / 2, (second + more[1]) / 2, more[0] - first, more[1] - second,
        )  # fmt: skip
    else:
        width, height = more
    ids = np.array([*(field.id for field in images.fields), ""])[image]
    boxes = make_boxes(ids, first, second, width, height, words(table, label)[rows] if label else "object")
    for name in table.colnames:
        if name not in used and name not in COLUMNS:
            boxes[name] = table[name][rows]
    return Drawn(boxes, image, drawn_with is None, absent)


def _column_of_images(table: Table, names: dict[str, str], images: Images, used: set[str]) -> str | None:
    """Find the column that names the images, by its own name or by what it holds; one image needs none."""
    if "image" in names:
        return names["image"]
    matches = {
        name: int((images.find(words(table, name)) >= 0).sum())
        for name in table.colnames
        if name not in used and isinstance(table[name], Column) and table[name].ndim == 1
        if table[name].dtype.kind in "USOiu"
    }
    best = max(matches, key=lambda name: matches[name], default=None)
    if best is not None and matches[best]:
        return best
    if len(images.fields) == 1:
        return None
    raise ValueError(
        f"labels: no column holds names of the images, such as {images.fields[0].id!r}; the columns are "
        f"{', '.join(table.colnames)}"
    )


def _on_sky(table: Table, images: Images) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Find the images that hold each position: rows of the table, numbers of images, and pixels."""
    positions = tables.find_positions(table, "labels")
    if positions is None:
        raise ValueError(
            f"labels: need the columns {', '.join(_SIDES)}, or {', '.join(_CORNERS[0])}, or x, y and a radius, or ra, "
            f"dec and a radius; they have {', '.join(table.colnames)}"
        )
    _need_sky(images.fields)
    found = []
    lost = np.ones(len(table), dtype=bool)
    for number, field in enumerate(images.fields):
        x, y = field.pixels_of(positions)
        height, width = field.shape
        rows = np.flatnonzero((x > -0.5) & (x < width - 0.5) & (y > -0.5) & (y < height - 0.5))
        lost[rows] = False
        found.append((rows, np.full(len(rows), number), x[rows], y[rows]))
    rows = np.flatnonzero(lost)
    found.append((rows, np.full(len(rows), -1), *np.full((2, len(rows)), np.nan)))
    rows, image, x, y = (np.concatenate(column) for column in zip(*found, strict=True))
    order = np.lexsort((image, rows))
    return rows[order], image[order], x[order], y[order]


def _size_of_points(
    table: Table,
    column: str | None,
    radius: float | str | u.Quantity | None,
    images: Images,
    rows: np.ndarray,
    image: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Give the width and height in pixels of boxes about points."""
    if radius is not None:
        value, unit = _radius(radius)
        values = np.full(len(rows), value)
    elif column is not None:
        values, unit = numbers(table, column)[rows], table[column].unit or u.pix
    else:
        raise ValueError("radius: points need one, in pixels or as an angle such as '3 arcsec', or a column radius")
    if unit == u.pix:
        return 2 * values, 2 * values
    try:
        values = (values * unit).to_value(u.arcsec)
    except u.UnitsError as error:
        raise ValueError(f"radius: expected pixels or an angle such as '3 arcsec', got {unit}") from error
    sizes = np.full((2, len(rows)), np.nan)
    numbers_of_images = np.unique(image[image >= 0]).tolist()
    _need_sky([images.fields[number] for number in numbers_of_images])
    for number in numbers_of_images:
        mine = image == number
        sizes[:, mine] = 2 * values[mine] / np.stack(pixel_scales(images.fields[number], x[mine], y[mine]))
    return sizes[0], sizes[1]


def _radius(radius: float | str | u.Quantity) -> tuple[float, u.UnitBase]:
    try:
        quantity = u.Quantity(radius)
        value = float(quantity.value)
    except (TypeError, ValueError) as error:
        raise ValueError(f"radius: expected pixels or an angle such as '3 arcsec', got {radius!r}") from error
    if not 0 < value < np.inf:
        raise ValueError(f"radius: expected more than 0, got {radius!r}")
    return value, u.pix if quantity.unit == u.dimensionless_unscaled else quantity.unit


def _need_sky(fields: Sequence[Field]) -> None:
    bare = next((field.id for field in fields if field.wcs is None), None)
    if bare is not None:
        raise ValueError(f"labels: {bare} has no sky coordinates (WCS); give positions and radius in pixels")
