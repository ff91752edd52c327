"""What every detector promises: images in, boxes out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from astrotl.images import ImageBatch

__all__ = ["Detector", "Found"]


@dataclass(frozen=True, eq=False)
class Found:
    """The boxes that a detector has found in one image, in pixels of that image.

    Parameters
    ----------
    x, y : array_like
        The centres; the centre of the first pixel is 0.
    width, height : array_like
        The full sizes.
    score : array_like
        How sure the detector is, from 0 to 1.
    label : array_like of int
        The number of the class in the detector's ``classes``.
    """

    x: np.ndarray
    y: np.ndarray
    width: np.ndarray
    height: np.ndarray
    score: np.ndarray
    label: np.ndarray

    def __post_init__(self) -> None:
        for field in fields(self):
            kind = np.intp if field.name == "label" else np.float64
            object.__setattr__(self, field.name, np.atleast_1d(np.asarray(getattr(self, field.name), dtype=kind)))
        if len({getattr(self, field.name).shape for field in fields(self)}) > 1:
            raise ValueError("found: every box needs x, y, width, height, score and label")

    def __len__(self) -> int:
        return len(self.x)

    @classmethod
    def none(cls) -> Found:
        """Give no boxes at all."""
        return cls(*(np.empty(0) for _ in fields(cls)))

    @classmethod
    def joined(cls, parts: Sequence[Found]) -> Found:
        """Put the boxes of several searches one after the other."""
        return cls(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(cls)))

    def shifted(self, right: float, up: float) -> Found:
        """Give the boxes another place."""
        return replace(self, x=self.x + right, y=self.y + up)

    def within(self, shape: tuple[int, int]) -> Found:
        """Keep the boxes whose centre lies in an image, whole: cut at its edge they would have another centre."""
        height, width = shape
        across = (self.x >= -0.5) & (self.x <= width - 0.5)
        return self.select(across & (self.y >= -0.5) & (self.y <= height - 0.5) & (self.width > 0) & (self.height > 0))

    def select(self, rows: npt.ArrayLike) -> Found:
        """Keep only these boxes."""
        rows = np.asarray(rows)
        return Found(*(getattr(self, field.name)[rows] for field in fields(self)))


class Detector(ABC):
    """Finds things in images.

    A subclass says which ``classes`` it tells apart and writes `look`. `~astrotl.detection.detect` cuts large images
    into tiles for it and puts together what it finds.

    Examples
    --------
    >>> import numpy as np
    >>> from astrotl.detection import Detector, Found, detect
    >>> from astrotl.sources import ArrayField
    >>> class Brightest(Detector):
    ...     classes = ("peak",)
    ...
    ...     def look(self, images):
    ...         peaks = [np.unravel_index(np.nanargmax(image[0]), image[0].shape) for image in images.data]
    ...         return [Found(x, y, 9, 9, score=0.9, label=0) for y, x in peaks]
    ...
    ...     def signature(self):
    ...         return {"class": "Brightest"}
    >>> detect([ArrayField(np.eye(1, 25, 17).reshape(5, 5), "m31")], Brightest())["image", "x", "y", "class"].pprint()
    image  x   y  class
          pix pix
    ----- --- --- -----
      m31 2.0 3.0  peak
    """

    #: The classes that it tells apart.
    classes: tuple[str, ...]
    #: The width and height in pixels of the largest image that it looks at at once.
    tile: int = 512
    #: By how many pixels two tiles overlap: no less than the size of what it is to find.
    overlap: int = 64
    #: The score from which on it counts on a box.
    threshold: float = 0.5
    #: How many tiles it looks at at once.
    at_once: int = 8

    @abstractmethod
    def look(self, images: ImageBatch) -> list[Found]:
        """Find things in each image, whose pixels are as they were read; NaN is no data."""

    @abstractmethod
    def signature(self) -> dict[str, Any]:
        """Say in JSON what decides the boxes."""
