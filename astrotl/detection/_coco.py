"""COCO, the JSON that most tools for drawing boxes write: read with suspicion, written whole."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from astropy.table import Table

from astrotl.detection.table import COLUMNS, make_boxes
from astrotl.errors import first_line

_LISTS = ("images", "categories", "annotations")
_NUMBER = (int, float)
_WORDS = {str: "text", dict: "an object", list: "a list", (int, str): "a number or text", _NUMBER: "a number"}


@dataclass(frozen=True, eq=False)
class Coco:
    """What a file holds: boxes by the names of their images, the sizes of these if told, and how many are crowds."""

    boxes: Table
    shapes: dict[str, tuple[float, float]]
    crowds: int


def read_coco(path: str | os.PathLike[str]) -> Coco:
    """Read a file; whatever is wrong with it becomes one line that names the file and the key."""
    content = _Content(path)
    names: dict[int | str, str] = {}
    shapes: dict[str, tuple[float, float]] = {}
    for image in content.entries("images"):
        name = names[image.new_id(names)] = image.take("file_name", str)
        if image.has("height") and image.has("width"):
            shapes[name] = image.take("height", _NUMBER), image.take("width", _NUMBER)
    classes: dict[int | str, str] = {}
    for category in content.entries("categories"):
        classes[category.new_id(classes)] = category.take("name", str)
    rows = []
    crowds = 0
    for box in content.entries("annotations"):
        image_name, label = box.known("image_id", names), box.known("category_id", classes)
        if box.has("iscrowd") and box.take("iscrowd", _NUMBER):
            crowds += 1
            continue
        left, bottom, width, height = box.numbers("bbox", 4)
        score = _as_float(box.take("score", _NUMBER)) if box.has("score") else np.nan
        # COCO counts from the outer corner of the first pixel.
        rows.append((image_name, left + width / 2 - 0.5, bottom + height / 2 - 0.5, width, height, label, score))
    columns: list[Any] = list(zip(*rows, strict=True)) or [()] * 7
    boxes = make_boxes(*columns)
    if not np.isfinite(boxes["score"]).any():
        boxes.remove_column("score")
    return Coco(boxes, shapes, crowds)


def coco_of(boxes: Table, images: Sequence[tuple[str, tuple[int, int]]]) -> str:
    """Write the boxes of images, given by name and by height and width."""
    number_of = {name: number for number, (name, _) in enumerate(images, start=1)}
    class_of = {name: number for number, name in enumerate(sorted(set(boxes["class"].tolist())), start=1)}
    scored = ("score",) if "score" in boxes.colnames else ()
    shapes = dict(images)
    annotations = []
    for number, row in enumerate(boxes.iterrows(*COLUMNS, *scored), start=1):
        left, width = _cut(float(row[1]), float(row[3]), shapes[row[0]][1])
        bottom, height = _cut(float(row[2]), float(row[4]), shapes[row[0]][0])
        if not (width > 0 and height > 0):
            raise ValueError(f"boxes: the one in row {number - 1} lies outside its image, {row[0]}")
        annotation = {
            "id": number,
            "image_id": number_of[row[0]],
            "category_id": class_of[row[5]],
            "bbox": [left, bottom, width, height],
            "area": width * height,
            "iscrowd": 0,
        }
        if scored and np.isfinite(row[6]):
            annotation["score"] = float(row[6])
        annotations.append(annotation)
    content = {
        "images": [
            {"id": number, "file_name": name, "width": shapes[name][1], "height": shapes[name][0]}
            for name, number in number_of.items()
        ],
        "categories": [{"id": number, "name": name} for name, number in class_of.items()],
        "annotations": annotations,
    }
    return json.dumps(content, allow_nan=False)


def _cut(centre: float, size: float, length: int) -> tuple[float, float]:
    """Give where a box begins, from the outer corner of the first pixel, and its size, within an image so long."""
    start, stop = centre - size / 2 + 0.5, centre + size / 2 + 0.5
    # What is not cut keeps its last digit.
    return (start, size) if start >= 0 and stop <= length else (max(start, 0.0), min(stop, length) - max(start, 0.0))


class _Content:
    """The three lists of a file."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = os.fspath(path)
        try:
            with open(path, encoding="utf-8") as file:
                content = json.load(file)
        except FileNotFoundError as error:
            raise FileNotFoundError(f"{self._path}: there is no such file") from error
        except (OSError, ValueError, RecursionError) as error:
            raise ValueError(f"{self._path}: cannot be read as JSON ({first_line(error)})") from error
        if not isinstance(content, dict):
            raise ValueError(f"{self._path}: is not COCO, which is an object with the keys {', '.join(_LISTS)}")
        self._content = _Entry(self._path, "", content)

    def entries(self, key: str) -> Iterator[_Entry]:
        """Go through one of the lists."""
        for number, entry in enumerate(self._content.take(key, list)):
            where = f"{key}[{number}]"
            if not isinstance(entry, dict):
                raise ValueError(f"{self._path}: {where} is {_short(entry)}, expected an object")
            yield _Entry(self._path, where, entry)


@dataclass(frozen=True, slots=True)
class _Entry:
    """One object of the file, of which no value is trusted."""

    path: str
    where: str
    values: dict[str, Any]

    def has(self, key: str) -> bool:
        return self.values.get(key) is not None

    def take(self, key: str, kinds: Any) -> Any:
        value = self.values.get(key)
        if not isinstance(value, kinds) or isinstance(value, bool):
            found = f"is {_short(value)}" if key in self.values else "is missing"
            raise ValueError(f"{self.path}: {self._named(key)} {found}, expected {_WORDS[kinds]}")
        return value

    def new_id(self, known: dict[int | str, str]) -> int | str:
        value: int | str = self.take("id", (int, str))
        if value in known:
            raise ValueError(f"{self.path}: {self._named('id')} is {_short(value)}, which another one has too")
        return value

    def known(self, key: str, known: dict[int | str, str]) -> str:
        value = self.take(key, (int, str))
        if value not in known:
            raise ValueError(f"{self.path}: {self._named(key)} is {_short(value)}, which the file does not explain")
        return known[value]

    def numbers(self, key: str, count: int) -> list[float]:
        values = self.take(key, list)
        if len(values) != count or any(isinstance(v, bool) or not isinstance(v, _NUMBER) for v in values):
            raise ValueError(f"{self.path}: {self._named(key)} is {_short(values)}, expected {count} numbers")
        return [_as_float(value) for value in values]

    def _named(self, key: str) -> str:
        return f"{self.where}.{key}" if self.where else key


def _as_float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf")


def _short(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:40]}..."
