"""The pixels themselves, for comparison: what is gained by any other features."""

from __future__ import annotations

import numpy as np

from astrotl.extractors.base import Extractor, InputSpec

__all__ = ["Pixels"]


class Pixels(Extractor):
    """Takes the pixels themselves as features, the classic beginning of a principal component analysis.

    Parameters
    ----------
    bands : int, optional
        The number of bands of the images.
    size : int, optional
        The width and height to which images are resized; crop them first to what matters.

    Examples
    --------
    >>> from astrotl import simulate
    >>> from astrotl.extractors import Pixels
    >>> from astrotl.preprocess import FillNoData, Resize, Stretch
    >>> batch, truth = simulate.stamps(4, seed=1)
    >>> Pixels(size=16).extract(Resize(16)(FillNoData()(Stretch()(batch)))).shape
    (4, 768)
    """

    threadsafe = True

    def __init__(self, *, bands: int = 3, size: int = 32) -> None:
        self.bands = bands
        self.size = size

    @property
    def dim(self) -> int:  # type: ignore[override]
        """The number of pixels of all bands."""
        return self.bands * self.size**2

    @property
    def input(self) -> InputSpec:  # type: ignore[override]
        """The bands and the size that were asked for, with values from 0 to 1."""
        return InputSpec(channels=self.bands, size=self.size, value_range=(0, 1))

    def _extract(self, images: np.ndarray) -> np.ndarray:
        return images.reshape(len(images), -1)
