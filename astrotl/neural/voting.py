"""What a detector finds in the eight ways in which an image can lie, put together by vote."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from astrotl.detection import Found
from astrotl.detection.table import overlaps

__all__ = ["voted", "ways"]

#: Boxes of two ways that overlap by more than this are the same.
_SAME = 0.5
_WAYS = 8


def ways(images: np.ndarray) -> Iterator[np.ndarray]:
    """Turn images by quarters, and mirror them, ``(n, channel, y, x)``."""
    for mirrored in (images, images[..., ::-1]):
        for quarters in range(4):
            yield np.ascontiguousarray(np.rot90(mirrored, quarters, (2, 3)))


def voted(found: Sequence[Found], side: int) -> Found:
    """Bring what was found in the eight ways of one image back, and have each way vote on each box.

    A box is the mean, by their scores, of those that overlap with the surest of them. Its score is the mean of the
    eight ways, of which those that have no such box give 0.
    """
    back = [_turned_back(some, number % 4, number >= 4, side) for number, some in enumerate(found)]
    boxes = Found.joined(back)
    way = np.repeat(np.arange(_WAYS), [len(some) for some in back])
    order = np.argsort(-boxes.score, kind="stable")
    boxes, way = boxes.select(order), way[order]
    edges = np.stack(
        [
            boxes.x - boxes.width / 2,
            boxes.y - boxes.height / 2,
            boxes.x + boxes.width / 2,
            boxes.y + boxes.height / 2,
        ],
        axis=1,
    )
    free = np.ones(len(boxes), dtype=bool)
    rows = []
    for row in range(len(boxes)):
        if not free[row]:
            continue
        near = np.flatnonzero(free & (boxes.label == boxes.label[row]))
        near = near[overlaps(edges[row : row + 1], edges[near])[0] > _SAME]
        # One vote a way, its surest.
        members = near[np.unique(way[near], return_index=True)[1]]
        free[near] = False
        score = boxes.score[members]
        mean = [np.average(part[members], weights=score) for part in (boxes.x, boxes.y, boxes.width, boxes.height)]
        rows.append((*mean, score.sum() / _WAYS, boxes.label[row]))
    return Found(*np.array(rows, dtype=np.float64).reshape(-1, 6).T)


def _turned_back(found: Found, quarters: int, mirrored: bool, side: int) -> Found:
    for _ in range(quarters):
        found = replace(found, x=side - 1 - found.y, y=found.x, width=found.height, height=found.width)
    return replace(found, x=side - 1 - found.x) if mirrored else found
