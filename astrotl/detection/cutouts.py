"""Cutouts about boxes, so that what was found flows on to features, look-alikes and anomalies."""

from __future__ import annotations

import hashlib
import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np
from astropy.table import Table

from astrotl.detection.sky import fields_of
from astrotl.detection.table import check_boxes, rows_by_image
from astrotl.errors import ImageError
from astrotl.images import ImageBatch
from astrotl.sources import Field, ImageSource

__all__ = ["BoxSource"]

#: No cutout is smaller by default, in pixels: networks see nothing in less.
_SMALLEST = 8
#: Boxes within so many lines of each other are read from left to right.
_LINES = 64
#: What lies farther away, in pixels, is no place in any image.
_FARTHEST = 2**31


class BoxSource(ImageSource):
    """Cutouts about boxes, each box an object.

    All are squares of the same size, whatever the size of their box, so that they are seen at the scale of the image.
    What lies outside the image is NaN.

    Parameters
    ----------
    fields : sequence of `~astrotl.sources.Field`
        The images, all with the same channels.
    boxes : `~astropy.table.Table`
        Boxes, drawn or found. Their ids are the image's and a number that counts them there, ``m31:0``.
    size : int, optional
        Width and height in pixels.
    grow : float, optional
        Without a size, how many times as large as the median box a cutout is, by its longer side.

    Examples
    --------
    >>> import numpy as np
    >>> from astropy.table import Table
    >>> from astrotl.detection import BoxSource, read_boxes
    >>> from astrotl.sources import ArrayField
    >>> fields = [ArrayField(np.zeros((100, 100)), "m31", channels=("r",))]
    >>> boxes = read_boxes(Table({"x": [50, 20], "y": [60, 30]}), fields, radius=10)
    >>> source = BoxSource(fields, boxes)
    >>> source.ids.tolist(), source.read().data.shape
    (['m31:0', 'm31:1'], (2, 1, 30, 30))
    """

    def __init__(self, fields: Sequence[Field], boxes: Table, *, size: int | None = None, grow: float = 1.5) -> None:
        check_boxes(boxes)
        if not len(boxes):
            raise ValueError("boxes: there are none")
        by_id = fields_of(boxes, fields)
        rows = rows_by_image(boxes)
        self._fields = [by_id[image] for image in rows]
        self.channels = self._fields[0].channels
        self._value_range = self._fields[0].value_range
        self._field = np.empty(len(boxes), dtype=np.intp)
        ids = np.empty(len(boxes), dtype=object)
        for number, (image, mine) in enumerate(rows.items()):
            _check_kind(self._fields[number], self._fields[0])
            self._field[mine] = number
            ids[mine] = [f"{image}:{count}" for count in range(len(mine))]
        self.ids = ids.astype(np.str_)
        self._boxes = boxes.copy()
        self._boxes.meta.clear()
        if size is not None and not (isinstance(size, numbers.Integral) and size >= 2):
            raise ValueError(f"size: expected a whole number of pixels, 2 or more, got {size!r}")
        self._size = _size_of(boxes, grow) if size is None else int(size)
        centres = np.stack([np.asarray(boxes[name], dtype=np.float64) for name in ("x", "y")], axis=1)
        if not (np.abs(centres) < _FARTHEST).all():
            raise ValueError("boxes: some have no position; read_boxes leaves such out")
        # A centre between two pixels goes the same way whatever its last digits.
        self._corners = np.floor(centres - (self._size - 1) / 2 + 0.5 + 1e-6).astype(np.intp)

    def _take(self, rows: slice | np.ndarray) -> BoxSource:
        part = object.__new__(BoxSource)
        needed, field = np.unique(self._field[rows], return_inverse=True)
        part.__dict__.update(
            self.__dict__,
            ids=self.ids[rows],
            _fields=[self._fields[number] for number in needed.tolist()],
            _field=field,
            _boxes=self._boxes[rows],
            _corners=self._corners[rows],
        )
        return part

    def order(self) -> np.ndarray:
        left, bottom = self._corners.T
        return np.lexsort((left, bottom // _LINES, self._field))

    def read(self) -> ImageBatch:
        data = np.full((len(self), len(self.channels), self._size, self._size), np.nan, dtype=np.float32)
        failed: dict[str, str] = {}
        for row, (number, (left, bottom)) in enumerate(zip(self._field.tolist(), self._corners.tolist(), strict=True)):
            try:
                data[row] = self._fields[number].read(left, bottom, self._size, self._size)
            except ImageError as error:
                failed[str(self.ids[row])] = str(error)
                continue
            if not np.isfinite(data[row]).any():
                failed[str(self.ids[row])] = f"there is no data in {self._fields[number].id} about this box"
        return ImageBatch(data, self.ids, self.channels, self._value_range, failed)

    def table(self) -> Table:
        table = super().table()
        for name in self._boxes.colnames:
            if name != "id":
                table[name] = self._boxes[name]
        return table

    def signature(self) -> dict[str, Any]:
        images = np.array([field.id for field in self._fields], dtype=np.str_)[self._field].tolist()
        places = "\n".join(f"{image} {x} {y}" for image, (x, y) in zip(images, self._corners.tolist(), strict=True))
        return {
            "kind": "boxes",
            "channels": list(self.channels),
            "size": self._size,
            "places_sha256": hashlib.sha256(places.encode()).hexdigest(),
        }


def _size_of(boxes: Table, grow: float) -> int:
    if not 0 < grow < np.inf:
        raise ValueError(f"grow: expected more than 0, got {grow!r}")
    longer = np.maximum(np.asarray(boxes["width"]), np.asarray(boxes["height"]))
    return max(_SMALLEST, round(grow * float(np.median(longer))))


def _check_kind(field: Field, first: Field) -> None:
    if field.channels != first.channels:
        raise ValueError(
            f"fields: {field.id} has the channels {', '.join(field.channels)}, but {first.id} has "
            f"{', '.join(first.channels)}"
        )
    if field.value_range != first.value_range:
        raise ValueError(f"fields: the values of {field.id} fill another range than those of {first.id}")
