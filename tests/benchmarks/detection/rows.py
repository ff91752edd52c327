"""A row of the table: what a way of searching reaches on images that it has not learned from."""

from typing import NamedTuple

import numpy as np
from astropy.table import Table, vstack

from astrotl.detection import detect, detection_scores

HEAD = f"{'':34} {'completeness':20} {'purity':20} {'AP at 0.5':20}"


class Searched(NamedTuple):
    """What was found in some images, what is there, the ids of the images, and the score from which on it counts."""

    found: Table
    true: Table
    images: list[str]
    threshold: float


def reached(name, parts, radius=None):
    """Put parts together, each at its own threshold, and measure; in brackets what redrawn images give (95 %).

    Average precision is the mean over the classes; completeness and purity are of boxes of whatever class.
    """
    found, true = (vstack([each[which] for each in parts], metadata_conflicts="silent") for which in (0, 1))
    sure = np.concatenate([part.found["score"] >= part.threshold for part in parts])
    asked = {"images": [name for part in parts for name in part.images], "radius": radius, "classes": False}
    rows = [*detection_scores(found, true, **asked)[:1], *detection_scores(found[sure], true, threshold=0, **asked)[2:]]
    told = {row["measure"]: f"{row['value']:.2f} ({row['low']:.2f}-{row['high']:.2f})" for row in rows}
    return f"{name:34} {told['completeness']:20} {told['purity']:20} {told['ap50']:20}"


def searched(detector, fields, boxes, threshold=None, refine=None):
    """Have a detector search fields, and take all that it has."""
    found = detect(fields, detector, threshold=0)
    found = found if refine is None else refine(found, fields)
    least = detector.threshold if threshold is None else threshold
    return Searched(found, boxes, [field.id for field in fields], least)
