"""The classical detector, which needs no labels: sky off, smooth, cut at so many times the noise, part what touches.

photutils does it, which belongs to the family of astropy, rather than sep.
"""

from __future__ import annotations

import numbers
import warnings
from typing import Any

import numpy as np
from scipy import ndimage

from astrotl._optional import missing_dependency
from astrotl._params import parameters, plain
from astrotl.detection._deblending import deblend as part
from astrotl.detection._significance import noise_of_sums, significance, smoothed
from astrotl.detection.base import Detector, Found
from astrotl.images import ImageBatch
from astrotl.preprocess import Choose

__all__ = ["Classical"]


class Classical(Detector):
    """Finds what stands out of the sky, without labels.

    From each band the sky is taken, the bands are summed in units of their noise and smoothed, and what is connected
    above ``sigma`` is a source. Its score is S / (S + 5), where S is the signal of all its pixels over the noise of
    their sum: 0.5 where that is five. The noise of neighbouring pixels is taken to be independent before they are
    smoothed; in an image that was resampled it is not, and S is too high.

    For clumps in galaxies take the bluest band, a ``structure`` of two or three times the size of a clump and
    ``deblend=0.3``, and keep what is `~astrotl.detection.on_host`: all that is smoother is taken from the image first,
    as Guo et al. [1]_ do. For extended radio sources take ``deblend=None``, so that two lobes may stay one.

    Parameters
    ----------
    sigma : float, optional
        How many times the noise a pixel of a source must have.
    pixels : int, optional
        How many such pixels must touch.
    smooth : float, optional
        The standard deviation of the Gaussian that smooths, in pixels: that of the point spread function, which is its
        FWHM over 2.35, is best.
    background : int, optional
        The side of the meshes in which the sky is measured, in pixels; larger than the largest source.
    structure : float, optional
        The standard deviation of a Gaussian, in pixels: what is smoother is taken from the image instead of the sky.
    deblend : float, optional
        How high a peak must stand above the saddle to a higher one to be a source of its own, in units of the noise;
        None leaves what touches together.
    bands : str or sequence of str, optional
        The bands to search; by default all.
    box : float, optional
        The side of the boxes, in pixels; by default a box holds all pixels of its source above ``sigma``.
    label : str, optional
        The class of what is found.
    tile : int, optional
        The side of the tiles that a large image is cut into, in pixels.
    overlap : int, optional
        By how many pixels tiles overlap.

    References
    ----------
    .. [1] Guo et al. 2015, ApJ 800, 39

    Examples
    --------
    >>> import numpy as np
    >>> from astrotl import ImageBatch
    >>> from astrotl.detection import Classical
    >>> y, x = np.mgrid[:64, :64]
    >>> star = 30 * np.exp(-((x - 40) ** 2 + (y - 20) ** 2) / 8) + np.random.default_rng(1).normal(size=x.shape)
    >>> found, = Classical().look(ImageBatch(star[None, None], ["m31"], ("r",)))
    >>> found.x.round().tolist(), found.y.round().tolist()
    ([40.0], [20.0])
    """

    def __init__(
        self,
        *,
        sigma: float = 3.0,
        pixels: int = 5,
        smooth: float = 1.5,
        background: int = 64,
        structure: float | None = None,
        deblend: float | None = 1.0,
        bands: str | tuple[str, ...] | None = None,
        box: float | None = None,
        label: str = "object",
        tile: int = 1024,
        overlap: int = 64,
    ) -> None:
        for name, value in (("sigma", sigma), ("structure", structure), ("box", box)):
            if not _is_number(value, optional=name != "sigma") or value == 0:
                raise ValueError(f"{name}: must be a number above 0, got {value!r}")
        for name, value in (("smooth", smooth), ("deblend", deblend)):
            if not _is_number(value, optional=name == "deblend"):
                raise ValueError(f"{name}: must be a number, 0 or more, got {value!r}")
        for name, count in (("pixels", pixels), ("background", background), ("tile", tile)):
            if not _is_number(count, whole=True) or count == 0:
                raise ValueError(f"{name}: must be a whole number, 1 or more, got {count!r}")
        if not _is_number(overlap, whole=True) or overlap >= tile:
            raise ValueError(
                f"overlap: must be a whole number, 0 or more and less than the tile of {tile} pixels, got {overlap!r}"
            )
        chosen: Any = (bands,) if isinstance(bands, str) else bands
        if chosen is not None and not (isinstance(chosen, list | tuple) and chosen and all(map(_is_word, chosen))):
            raise ValueError(f"bands: expected names of bands, got {bands!r}")
        if not _is_word(label):
            raise ValueError(f"label: expected a word, got {label!r}")
        self.sigma = sigma
        self.pixels = pixels
        self.smooth = smooth
        self.background = background
        self.structure = structure
        self.deblend = deblend
        self.bands = None if chosen is None else tuple(chosen)
        self.box = box
        self.label = label
        self.tile = tile
        self.overlap = overlap

    @property
    def classes(self) -> tuple[str, ...]:  # type: ignore[override]
        """The one class of all that is found."""
        return (self.label,)

    def look(self, images: ImageBatch) -> list[Found]:
        """Find what stands out of the sky of each image."""
        chosen = images if self.bands is None else Choose(self.bands)(images)
        step = 0.0 if images.value_range is None else (images.value_range[1] - images.value_range[0]) / 255
        return [self._look(data, step) for data in chosen.data]

    def signature(self) -> dict[str, Any]:
        """Say in JSON what decides the boxes."""
        cls = type(self)
        return {"class": f"{cls.__module__}:{cls.__qualname__}", "parameters": plain(parameters(self))}

    def _look(self, data: np.ndarray, step: float) -> Found:
        known = np.isfinite(data).any(axis=0)
        if not known.any():
            return Found.none()
        # A tile may reach far over the edge of the image.
        window = ndimage.find_objects(known.astype(np.int8))[0]
        image = significance(data[:, *window], self.smooth, self._flatten, step)
        segments = self._segments(image)
        labels = np.arange(1, segments.max() + 1)
        if not len(labels):
            return Found.none()
        signal = ndimage.sum_labels(image, segments, labels)
        score = signal / (signal + 5 * noise_of_sums(segments, self.smooth, self.structure))
        if self.box is not None:
            y, x = np.array(ndimage.maximum_position(image, segments, labels)).T
            width = height = np.full(len(labels), self.box)
        else:
            edges = np.array([[(one.start, one.stop) for one in found] for found in ndimage.find_objects(segments)])
            y, x = (edges.sum(axis=2).T - 1) / 2
            height, width = np.diff(edges, axis=2)[..., 0].T
        bottom, left = (along.start for along in window)
        return Found(x + left, y + bottom, width, height, score, np.zeros(len(labels)))

    def _segments(self, image: np.ndarray) -> np.ndarray:
        try:
            from photutils.segmentation import detect_sources
        except ModuleNotFoundError as error:
            raise missing_dependency(error, "the classical detector") from error
        with warnings.catch_warnings():
            # photutils warns where nothing is found.
            warnings.simplefilter("ignore")
            segments = detect_sources(image, self.sigma, self.pixels)
        if segments is None:
            return np.zeros(image.shape, dtype=int)
        return segments.data if self.deblend is None else part(image, segments.data, self.deblend)

    def _flatten(self, band: np.ndarray) -> np.ndarray:
        """Take the sky from a band, or all that is smooth."""
        if self.structure is not None:
            return band - smoothed(band, self.structure)
        from photutils.background import Background2D

        sides = [min(self.background, side) for side in band.shape]
        unknown = ~np.isfinite(band)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            sky = Background2D(band, sides, mask=unknown, exclude_percentile=90).background
        return band - sky


def _is_number(value: Any, *, whole: bool = False, optional: bool = False) -> bool:
    """Say whether a setting is a number from 0 on; what is typed may be anything."""
    if value is None:
        return optional
    if not isinstance(value, numbers.Integral if whole else numbers.Real) or isinstance(value, bool):
        return False
    return 0 <= float(value) < np.inf


def _is_word(value: Any) -> bool:
    return isinstance(value, str) and bool(value)
