"""Fields with stars and the boxes around them, which small detectors learn to find."""

import numpy as np

from astrotl.detection.table import make_boxes
from astrotl.sources import ArrayField


def starry(count=12, shape=(64, 64), bands=3, first=0, seed=3, stars=3, scale=1.0):
    """Fields with a few bright stars each, and a box around every one."""
    rng = np.random.default_rng([seed, first])
    y, x = np.mgrid[: shape[0], : shape[1]]
    fields, rows = [], []
    for number in range(first, first + count):
        image = rng.normal(size=(bands, *shape))
        for _ in range(stars):
            at, sigma = rng.uniform(8 * scale, np.array(shape)[::-1] - 8 * scale), scale * rng.uniform(2, 3)
            image += 30 * np.exp(-((x - at[0]) ** 2 + (y - at[1]) ** 2) / (2 * sigma**2))
            rows.append((f"f{number:02}", *at, 5 * sigma, 5 * sigma))
        fields.append(ArrayField(image, f"f{number:02}", channels=tuple("ugriz"[:bands])))
    return fields, make_boxes(*(zip(*rows, strict=True) if rows else [[]] * 5), "star")
