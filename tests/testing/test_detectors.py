"""The detector that ships keeps its promises; whatever breaks one is told which."""

import re

import numpy as np
import pytest

from astrotl.detection import Classical, Detector, Found
from astrotl.testing import check_detector


@pytest.mark.parametrize(
    "detector", [Classical(), Classical(structure=3, box=7, deblend=None, bands="g")], ids=["", "clumps"]
)
def test_what_ships_keeps_every_promise(detector):
    check_detector(detector)


class Peaks(Detector):
    """Finds the brightest pixel."""

    classes = ("peak", "other")

    def look(self, images):
        return [self.found(image) for image in images.data]

    def found(self, image):
        if not np.isfinite(image).any():
            return Found.none()
        _, y, x = np.unravel_index(np.nanargmax(image), image.shape)
        return Found(x, y, 5, 5, 0.9, 0)

    def signature(self):
        return {"class": "Peaks"}


def test_ones_own_detector_passes():
    check_detector(Peaks())


class Unnamed(Peaks):
    classes = ()


class Twofold(Peaks):
    classes = ("peak", "peak")


class Overlapping(Peaks):
    overlap = 512


class Sure(Peaks):
    threshold = 1.5


class Idle(Peaks):
    at_once = 0


class Unwritten(Peaks):
    def signature(self):
        return {"classes": self.classes}


class Failing(Peaks):
    def look(self, images):
        return [Found(1, 1, 2, 2, 0.5, int(np.argmax(image))) for image in images.data[:, :, :500]] + [1 / 0]


class InPlace(Peaks):
    def look(self, images):
        images.data[...] = np.nan_to_num(images.data)
        return super().look(images)


class Joining(Peaks):
    def look(self, images):
        return [Found.joined(super().look(images))] if len(images) else []


class Blind(Peaks):
    def found(self, image):
        return Found(np.nan, 3, 5, 5, 0.9, 0)


class Boasting(Peaks):
    def found(self, image):
        return Found(3, 3, 5, 5, 9.9, 0)


class Miscounting(Peaks):
    def found(self, image):
        return Found(3, 3, 5, 5, 0.9, 2)


class Astray(Peaks):
    def found(self, image):
        return Found(3, 3000, 5, 5, 0.9, 1)


class Ghostly(Peaks):
    def look(self, images):
        return super().look(images) or [Found.none()]


class Everywhere(Peaks):
    def found(self, image):
        return Found(3, 3, 5, 5, 0.9, 1)


class Guessing(Peaks):
    def found(self, image):
        found = super().found(image)
        return found.shifted(np.random.default_rng().uniform(1, 2), 0)


class Comparing(Peaks):
    def look(self, images):
        found = super().look(images)
        return [one.select(one.x > 3) if len(images) == 1 else one.shifted(-0.5, 0.5) for one in found]


class Learning(Peaks):
    seen = 0

    def look(self, images):
        self.seen += 1
        return super().look(images)

    def signature(self):
        return {"seen": self.seen}


BROKEN = [
    (Unnamed, r"has the classes \(\)"),
    (Twofold, "has a class that stands twice"),
    (Overlapping, "has the overlap 512 and the tile 512"),
    (Sure, "has the threshold 1.5"),
    (Idle, "looks at 0 tiles at once"),
    (Unwritten, "a signature that JSON changes"),
    (Failing, r"cannot look at images \(ZeroDivisionError"),
    (InPlace, "changes the images that it is given"),
    (Joining, "does not give a list with one Found for each image"),
    (Blind, "finds boxes with NaN"),
    (Boasting, "gives scores below 0 or above 1"),
    (Miscounting, "gives a label that is no number of a class"),
    (Astray, "finds boxes without a size, or outside the image"),
    (Ghostly, "finds something in a batch without images"),
    (Everywhere, "finds something where there is no data"),
    (Guessing, "finds other boxes in the same images again"),
    (Comparing, "finds other boxes in an image that is alone in its batch"),
    (Learning, "has another signature after it looked"),
]


@pytest.mark.parametrize(("cls", "words"), BROKEN, ids=[cls.__name__ for cls, _ in BROKEN])
def test_a_broken_promise_is_named(broken, cls, words):
    assert re.search(words, broken(check_detector, cls()))
