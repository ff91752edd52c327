"""Whether a detector keeps its promises."""

from __future__ import annotations

from dataclasses import fields

import numpy as np

from astrotl.detection import Detector, Found
from astrotl.images import ImageBatch
from astrotl.testing._made import made_images, with_odd_ones
from astrotl.testing._promises import Promises, alike

__all__ = ["check_detector"]

#: By how much two answers may differ, as a share of the largest number.
_TOLERANCE = 1e-2


def check_detector(detector: Detector, images: ImageBatch | None = None) -> None:
    """Check that a detector keeps its promises.

    It must give one `~astrotl.detection.Found` for each image, with boxes that lie in it, and with scores and classes
    that there are; find the same again, whatever else is in the batch; find nothing where there is no data; leave the
    images as they were; and say in JSON what decides the boxes.

    Parameters
    ----------
    detector : `~astrotl.detection.Detector`
        The detector.
    images : `~astrotl.images.ImageBatch`, optional
        Images no larger than its tile, of which four are taken; by default they are made up, with the bands g, r and i.
        A hole, a flat image and a band without data are tried, too.

    Raises
    ------
    AssertionError
        If a promise is broken.

    Examples
    --------
    >>> from astrotl.detection import Classical
    >>> from astrotl.testing import check_detector
    >>> check_detector(Classical(sigma=5))
    """
    promises = Promises.of(detector, "detector", Detector)
    _check_declared(promises, detector)
    signature = detector.signature()
    promises.json(signature, "a signature")
    images = with_odd_ones(made_images(size=min(64, detector.tile)) if images is None else images)
    before = images.data.copy()
    rows = range(len(images))
    with promises.trying("cannot look at images", "look() must take any image no larger than tile, with NaN in it"):
        found = detector.look(images)
        again = detector.look(images)
        alone = [box for row in rows for box in detector.look(images.select([row]))]
        none = detector.look(images.select(slice(0)))
        blank = detector.look(images.with_data(np.full_like(images.data, np.nan)))
    promises.hold(
        np.array_equal(before, images.data, equal_nan=True), "changes the images that it is given", "work on a copy"
    )
    promises.hold(
        isinstance(found, list) and len(found) == len(images) and all(isinstance(one, Found) for one in found),
        "does not give a list with one Found for each image",
        "give Found.none() where there is nothing",
    )
    for boxes in found:
        _check_boxes(promises, detector, boxes, images.data.shape[2:])
    promises.hold(none == [], "finds something in a batch without images", "return an empty list")
    promises.hold(not any(map(len, blank)), "finds something where there is no data", "NaN is no data")
    promises.hold(_same(found, again), "finds other boxes in the same images again", "draw random numbers from a seed")
    promises.hold(
        _same(found, alone), "finds other boxes in an image that is alone in its batch", "look at each by itself"
    )
    promises.hold(detector.signature() == signature, "has another signature after it looked", "change no parameter")


def _check_declared(promises: Promises, detector: Detector) -> None:
    with promises.trying("cannot say classes, tile, overlap, threshold and at_once", "they must need no image"):
        classes, tile, overlap = detector.classes, detector.tile, detector.overlap
        threshold, at_once = detector.threshold, detector.at_once
    promises.hold(
        isinstance(classes, tuple) and classes and all(isinstance(name, str) and name for name in classes),
        f"has the classes {classes!r}",
        "make them a tuple of words",
    )
    promises.hold(len(set(classes)) == len(classes), "has a class that stands twice", "name each once")
    promises.hold(0 <= overlap < tile, f"has the overlap {overlap} and the tile {tile}", "tiles must overlap by less")
    promises.hold(0 <= threshold <= 1, f"has the threshold {threshold}", "scores lie between 0 and 1")
    promises.hold(at_once >= 1, f"looks at {at_once} tiles at once", "say 1 or more")


def _check_boxes(promises: Promises, detector: Detector, boxes: Found, shape: tuple[int, ...]) -> None:
    numbers = [getattr(boxes, field.name) for field in fields(boxes)]
    promises.hold(all(np.isfinite(values).all() for values in numbers), "finds boxes with NaN", "leave those out")
    promises.hold(
        ((boxes.score >= 0) & (boxes.score <= 1)).all(), "gives scores below 0 or above 1", "scale them to 0 to 1"
    )
    promises.hold(
        ((boxes.label >= 0) & (boxes.label < len(detector.classes))).all(),
        "gives a label that is no number of a class",
        "count the classes from 0",
    )
    promises.hold(
        len(boxes.within((shape[0], shape[1]))) == len(boxes),
        "finds boxes without a size, or outside the image",
        "x counts columns and y rows, from the centre of the first pixel, and width and height are more than 0",
    )


def _same(some: list[Found], others: list[Found]) -> bool:
    return len(some) == len(others) and all(
        len(a) == len(b)
        and np.array_equal(a.label, b.label)
        and all(
            alike(getattr(a, name), getattr(b, name), _TOLERANCE) for name in ("x", "y", "width", "height", "score")
        )
        for a, b in zip(some, others, strict=True)
    )
