"""Blue light around a red centre: numbers made for gravitational lenses."""

from __future__ import annotations

import functools
import itertools

import numpy as np
from scipy import ndimage

from astrotl.extractors.base import Extractor, InputSpec
from astrotl.preprocess import Step, SubtractBackground

__all__ = ["Arcs"]

#: The centre whose light is taken away, and the edges of the rings, against half the image's side.
_CENTRE = 0.08
_EDGES = (0.08, 0.16, 0.23, 0.31, 0.44, 0.63, 0.94)


class Arcs(Extractor):
    """Measures what is left of the blue band once the red one, scaled to the same centre, is taken away.

    Arcs around a red galaxy stand out in this difference [1]_. For each ring, against the noise of the corners: the
    mean, the brightest and the darkest spot, the share of the ring that is bright, and how one-sided and how two-sided
    its light is. All on a logarithmic scale where they are not shares. And the colour of the centre.

    Parameters
    ----------
    bands : int, optional
        The number of bands of the images.
    blue : int, optional
        The place of the bluest band; by default the last one, as in colour pictures.
    red : int, optional
        The place of the reddest band.

    References
    ----------
    .. [1] Gavazzi et al. 2014, ApJ 785, 144

    Examples
    --------
    >>> from astrotl import simulate
    >>> from astrotl.extractors import Arcs
    >>> arcs = Arcs()
    >>> batch, truth = simulate.stamps(4, bands=("i", "r", "g"), seed=1)
    >>> arcs.extract(batch).shape
    (4, 37)
    """

    threadsafe = True

    def __init__(self, *, bands: int = 3, blue: int = -1, red: int = 0) -> None:
        self.bands = bands
        self.blue = blue
        self.red = red

    @property
    def names(self) -> tuple[str, ...]:
        """The name of each feature."""
        what = ("mean", "brightest", "darkest", "share", "one_sided", "two_sided")
        return (*(f"{name}_{ring}" for ring in range(1, len(_EDGES)) for name in what), "colour")

    @property
    def dim(self) -> int:  # type: ignore[override]
        """The number of features."""
        return len(self.names)

    @property
    def input(self) -> InputSpec:  # type: ignore[override]
        """Images of any size and value, of this number of bands."""
        return InputSpec(channels=self.bands, missing=True)

    def default_steps(self) -> tuple[Step, ...]:
        """The background is subtracted and nothing else, so that the bands can be compared."""
        return (SubtractBackground(),)

    def _extract(self, images: np.ndarray) -> np.ndarray:
        blue, red = (np.nan_to_num(images[:, band].astype(np.float32)) for band in (self.blue, self.red))
        rings, turned, corners = _rings(*images.shape[2:])
        centre = rings[:, 0] > 0
        ratio = _central_light(blue, centre) / _central_light(red, centre)
        left = blue - ratio[:, None, None] * red
        flat = left.reshape(len(left), -1)
        smooth = ndimage.gaussian_filter(left, (0, 1, 1)).reshape(len(left), -1)
        flat = flat / _noise(flat[:, corners])
        smooth = smooth / _noise(smooth[:, corners])
        features = []
        for number in range(1, len(_EDGES)):
            inside = rings[:, number] > 0
            if not inside.any():
                features += [np.zeros(len(images), dtype=np.float32)] * 6
                continue
            light = np.maximum(flat[:, inside], 0)
            sides = [np.abs(light @ turned[times, inside]) / _positive(light.sum(axis=1)) for times in (0, 1)]
            features += [
                np.arcsinh(flat[:, inside].mean(axis=1) * np.sqrt(inside.sum()) / 3),
                np.arcsinh(smooth[:, inside].max(axis=1) / 3),
                np.arcsinh(-smooth[:, inside].min(axis=1) / 3),
                (smooth[:, inside] > 3).mean(axis=1),
                *sides,
            ]
        features.append(np.log10(np.clip(ratio, 1e-3, 1e3)))
        return np.stack(features, axis=1).astype(np.float32)


def _central_light(plane: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Add up the light of the centre; where there is none to speak of, a thousandth of all light stands for it."""
    flat = plane.reshape(len(plane), -1)
    least = 1e-3 * np.abs(flat).sum(axis=1) + np.finfo(np.float32).tiny
    return np.asarray(np.maximum(flat[:, centre].sum(axis=1), least))


def _positive(values: np.ndarray) -> np.ndarray:
    # These are in units of the noise already.
    return np.maximum(values, 1e-6)


def _noise(corners: np.ndarray) -> np.ndarray:
    """Give the scatter of the pixels that hold no object, one an image; robust against a neighbour in a corner."""
    spread = 1.4826 * np.median(np.abs(corners - np.median(corners, axis=1, keepdims=True)), axis=1, keepdims=True)
    return np.where(spread > 0, spread, np.maximum(np.abs(corners).max(axis=1, keepdims=True), 1e-30))


@functools.lru_cache(maxsize=8)
def _rings(height: int, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give the centre and the rings, the waves of one and two turns around the centre, and the corners."""
    y, x = np.indices((height, width), dtype=np.float32)
    y, x = (y - (height - 1) / 2).ravel(), (x - (width - 1) / 2).ravel()
    radius = np.hypot(y, x) / (min(height, width) / 2)
    # However small the image, the pixels nearest to the middle are its centre.
    radius[radius <= radius.min() + 1e-6] = 0
    edges = [0.0, *_EDGES]
    rings = np.stack([(radius >= low) & (radius < high) for low, high in itertools.pairwise(edges)], axis=1)
    angle = np.arctan2(y, x)
    return rings, np.exp(1j * np.outer([1, 2], angle)), radius >= min(0.85, radius.max())
