"""Some thirty numbers that mean something: brightness and colours in rings, concentration, asymmetry and the like."""

from __future__ import annotations

import functools

import numpy as np
from scipy import ndimage

from astrotl.extractors.base import Extractor, InputSpec
from astrotl.preprocess import Step, SubtractBackground

__all__ = ["Profiles"]

#: Brightness below this fraction of the brightest ring counts as faint: the softening of the logarithms.
_SOFTENING = 0.01


class Profiles(Extractor):
    """Measures the object in the centre of each image with NumPy alone.

    For each ring around the centre: the brightness against that of the brightest ring, and the colours between
    neighbouring bands, both on a softened logarithmic scale. For the whole: brightness of each band, half-light radius,
    concentration [1]_, asymmetry and clumpiness [1]_, ellipticity from second moments, Gini coefficient and M20 [2]_.

    Parameters
    ----------
    bands : int, optional
        The number of bands of the images.
    rings : int, optional
        The number of rings; the width grows outwards.

    References
    ----------
    .. [1] Conselice 2003, ApJS 147, 1
    .. [2] Lotz, Primack & Madau 2004, AJ 128, 163

    Examples
    --------
    >>> from astrotl import Profiles, simulate
    >>> profiles = Profiles(bands=3)
    >>> batch, truth = simulate.stamps(4, seed=1)
    >>> profiles.extract(batch).shape
    (4, 28)
    >>> profiles.names[:2], profiles.names[-1]
    (('brightness_1', 'brightness_2'), 'm20')
    """

    threadsafe = True

    def __init__(self, *, bands: int = 3, rings: int = 6) -> None:
        self.bands = bands
        self.rings = rings

    @property
    def names(self) -> tuple[str, ...]:
        """The name of each feature."""
        rings = range(1, self.rings + 1)
        colours = [f"colour_{a}{a + 1}_{ring}" for a in range(1, self.bands) for ring in rings]
        totals = [f"total_{band}" for band in range(1, self.bands + 1)]
        shape = ["half_light", "concentration", "asymmetry", "clumpiness", "ellipticity", "gini", "m20"]
        return (*(f"brightness_{ring}" for ring in rings), *colours, *totals, *shape)

    @property
    def dim(self) -> int:  # type: ignore[override]
        """The number of features."""
        return len(self.names)

    @property
    def input(self) -> InputSpec:  # type: ignore[override]
        """Images of any size and value, of this number of bands."""
        return InputSpec(channels=self.bands, missing=True)

    def default_steps(self) -> tuple[Step, ...]:
        """The background is subtracted and nothing else, so that brightness stays brightness."""
        return (SubtractBackground(),)

    def _extract(self, images: np.ndarray) -> np.ndarray:
        n, bands, height, width = images.shape
        rings, radius = _rings(height, width, self.rings)
        known = np.isfinite(images)
        flux = np.where(known, images, 0).reshape(n, bands, -1)
        weight = known.reshape(n, bands, -1).astype(np.float32)
        in_rings = _divide(flux @ rings, weight @ rings)
        mean = flux.sum(axis=1) / bands
        brightness = in_rings.mean(axis=1)
        soft = _SOFTENING * np.abs(in_rings).max(axis=(1, 2), keepdims=True)
        levels = np.arcsinh(_divide(in_rings, soft))
        features = [
            np.arcsinh(_divide(brightness, soft[:, 0])),
            (levels[:, :-1] - levels[:, 1:]).reshape(n, -1),
            _log_brightness(flux, weight),
            _growth(mean, radius),
            _texture(mean.reshape(n, height, width), radius),
            _moments(mean, height, width),
        ]
        return np.concatenate(features, axis=1)


def _divide(top: np.ndarray, bottom: np.ndarray) -> np.ndarray:
    return np.divide(
        top, bottom, out=np.zeros(np.broadcast_shapes(top.shape, bottom.shape), dtype=top.dtype), where=bottom != 0
    )


@functools.lru_cache(maxsize=8)
def _rings(height: int, width: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Give which pixel lies in which ring, ``(pixel, ring)``, and the pixels' radii, 1 being the shorter half side."""
    y, x = np.indices((height, width), dtype=np.float32)
    half = min(height, width) / 2
    radius = (np.hypot(y - (height - 1) / 2, x - (width - 1) / 2) / half).ravel()
    edges = np.linspace(0, 1, count + 1) ** 1.5
    ring = np.searchsorted(edges[1:], radius)
    return (ring[:, None] == np.arange(count)).astype(np.float32), radius


def _log_brightness(flux: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Take the logarithm of each band's mean, not below a thousandth of its own scatter."""
    mean = _divide(flux.sum(axis=2), weight.sum(axis=2))
    scatter = np.sqrt(_divide((flux**2).sum(axis=2), weight.sum(axis=2)))
    floor = np.where(scatter > 0, 1e-3 * scatter, 1e-12)
    return np.log10(np.maximum(mean, floor))


def _growth(mean: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """Measure the half-light radius and the concentration ``log10(r80 / r20)`` on the curve of growth."""
    bins = np.minimum((radius * 32).astype(int), 32)
    steps = (bins[:, None] == np.arange(32)).astype(np.float32)
    light = np.maximum.accumulate((mean @ steps).cumsum(axis=1), axis=1)
    fraction = _divide(light, light[:, -1:])
    r20, r50, r80 = (((fraction < part).sum(axis=1) + 0.5) / 32 for part in (0.2, 0.5, 0.8))
    return np.stack([r50, np.log10(r80 / r20)], axis=1)


def _texture(mean: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """Measure asymmetry under half a turn, and clumpiness against a smoothed self, less what noise alone gives."""
    width = max(3, min(mean.shape[1:]) // 12)
    smooth = ndimage.uniform_filter(mean, size=(0, width, width), mode="nearest")
    turned = np.abs(mean - mean[:, ::-1, ::-1]).reshape(len(mean), -1) / 2
    rough = np.maximum(mean - smooth, 0).reshape(len(mean), -1)
    inside, outskirts = radius <= 0.7, radius > 0.85
    light = np.abs(mean).sum(axis=(1, 2))
    # The centre of a cuspy galaxy stands out of its smoothed self without being a clump.
    parts = ((turned, inside), (rough, inside & (radius > 0.1)))
    noise = [
        _divide(values[:, outskirts].sum(axis=1), np.array(outskirts.sum(), dtype=np.float32)) for values, _ in parts
    ]
    excess = [
        values[:, where].sum(axis=1) - where.sum() * level for (values, where), level in zip(parts, noise, strict=True)
    ]
    return np.stack([_divide(values, light) for values in excess], axis=1)


def _moments(mean: np.ndarray, height: int, width: int) -> np.ndarray:
    """Measure ellipticity, the Gini coefficient, and M20 of the positive light."""
    light = np.maximum(mean, 0)
    total = light.sum(axis=1)
    y, x = (axis.ravel().astype(np.float32) for axis in np.indices((height, width)))
    x0, y0 = _divide(light @ x, total)[:, None], _divide(light @ y, total)[:, None]
    xx = _divide((light * (x - x0) ** 2).sum(axis=1), total)
    yy = _divide((light * (y - y0) ** 2).sum(axis=1), total)
    xy = _divide((light * (x - x0) * (y - y0)).sum(axis=1), total)
    ellipticity = _divide(np.hypot(xx - yy, 2 * xy), xx + yy)
    order = np.argsort(light, axis=1)
    rising = np.take_along_axis(light, order, axis=1)
    pixels = np.arange(1, light.shape[1] + 1, dtype=np.float32)
    gini = _divide((rising * (2 * pixels - len(pixels) - 1)).sum(axis=1), total * (len(pixels) - 1 or 1))
    spread = light * ((x - x0) ** 2 + (y - y0) ** 2)
    from_top = rising[:, ::-1].cumsum(axis=1)
    brightest = from_top <= 0.2 * total[:, None]
    top_spread = (np.take_along_axis(spread, order[:, ::-1], axis=1) * brightest).sum(axis=1)
    m20 = np.log10(np.maximum(_divide(top_spread, spread.sum(axis=1)), 1e-4))
    return np.stack([ellipticity, gini, m20], axis=1)
