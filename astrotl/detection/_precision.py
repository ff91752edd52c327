"""Average precision: by the library that measures it for COCO, and again for images that are drawn with replacement."""

from __future__ import annotations

import contextlib
import io
import warnings

import numpy as np
from astropy.table import Table

from astrotl._optional import missing_dependency
from astrotl.detection.matching import match
from astrotl.detection.table import corners
from astrotl.errors import AstrotlWarning

__all__ = ["Ranked", "of_library"]

#: At how many completenesses COCO reads the purity.
_RECALLS = np.linspace(0, 1, 101)


def of_library(found: Table, true: Table, overlaps: np.ndarray) -> np.ndarray:
    """Give the average precision at each overlap, as the mean over the classes of the true boxes; NaN without any."""
    try:
        from faster_coco_eval import COCO, COCOeval_faster
    except ModuleNotFoundError as error:
        raise missing_dependency(error, "average precision") from error
    classes, images = (sorted({str(value) for value in true[name]}) for name in ("class", "image"))
    images = sorted({*images, *(str(value) for value in found["image"])})
    if not len(true):
        return np.full(len(overlaps), np.nan)
    of_them = found[[str(label) in classes for label in found["class"]]]
    if not len(of_them):
        if len(found):
            warnings.warn(
                f"found: no box is of a class of the true ones ({', '.join(classes)}), so average precision is 0",
                AstrotlWarning,
                stacklevel=4,
            )
        return np.zeros(len(overlaps))
    whole = {
        "images": [{"id": number} for number in range(1, len(images) + 1)],
        "categories": [{"id": number, "name": name} for number, name in enumerate(classes, 1)],
    }
    # The library prints as it goes.
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO({**whole, "annotations": _annotations(true, images, classes)})
        given = truth.loadRes(_annotations(of_them, images, classes))
        judge = COCOeval_faster(truth, given, "bbox", print_function=lambda *_: None)
        judge.params.iouThrs = overlaps
        judge.params.maxDets = [len(of_them)]
        judge.params.areaRng, judge.params.areaRngLbl = [[0, np.inf]], ["all"]
        judge.evaluate()
        judge.accumulate()
    precision = np.asarray(judge.eval["precision"])[..., 0, 0]
    return precision.mean(axis=(1, 2))


def _annotations(boxes: Table, images: list[str], classes: list[str]) -> list[dict]:
    image_number = {name: number for number, name in enumerate(images, 1)}
    class_number = {name: number for number, name in enumerate(classes, 1)}
    edges = corners(boxes)
    scores = np.asarray(boxes["score"], dtype=np.float64).tolist() if "score" in boxes.colnames else [1.0] * len(boxes)
    return [
        {
            "id": row,
            "image_id": image_number[str(image)],
            "category_id": class_number[str(label)],
            "bbox": [left, bottom, right - left, top - bottom],
            "area": (right - left) * (top - bottom),
            "iscrowd": 0,
            "score": score,
        }
        for row, (image, label, (left, bottom, right, top), score) in enumerate(
            zip(boxes["image"], boxes["class"], edges.tolist(), scores, strict=True), 1
        )
    ]


class Ranked:
    """Found boxes of each class in the order of falling score, and which of them are right at each overlap.

    Images are drawn by weighing their boxes, so that nothing need be matched again.
    """

    def __init__(self, found: Table, true: Table, images: np.ndarray, overlaps: np.ndarray) -> None:
        self._classes: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        label = np.asarray(found["class"], dtype=np.str_)
        image, image_true = (
            np.searchsorted(images, np.asarray(boxes["image"], dtype=np.str_)) for boxes in (found, true)
        )
        label_true = np.asarray(true["class"], dtype=np.str_)
        right = [match(found, true, overlap=overlap, classes=True).true >= 0 for overlap in overlaps]
        # Of equal scores those of the first image come first, as in the library.
        ranking = np.lexsort((image, -np.asarray(found["score"], dtype=np.float64)))
        for one in np.unique(label_true):
            order = ranking[label[ranking] == one]
            number = np.bincount(image_true[label_true == one], minlength=len(images))
            self._classes.append((image[order], np.stack([each[order] for each in right]), number))

    def precision(self, weights: np.ndarray, chosen: list[int]) -> float:
        """Give the mean of the chosen overlaps and of all classes, each image counted so many times."""
        values = [
            _area(weights[image], right[chosen], int(weights @ number))
            for image, right, number in self._classes
            if weights @ number
        ]
        return float(np.mean(values)) if values else np.nan


def _area(weight: np.ndarray, right: np.ndarray, true: int) -> np.ndarray:
    """Give the mean purity at 101 completenesses, where purity is the highest at that completeness or beyond."""
    hits = np.cumsum(weight * right, axis=1)
    purity = hits / np.maximum(np.cumsum(weight), 1)
    purity = np.maximum.accumulate(purity[:, ::-1], axis=1)[:, ::-1]
    purity = np.pad(purity, [(0, 0), (0, 1)])
    reached = [np.searchsorted(row, _RECALLS, side="left") for row in hits / true]
    return np.array([row[place].mean() for row, place in zip(purity, reached, strict=True)])
