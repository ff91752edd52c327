"""Stars of our own galaxy: points with a colour."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from astrotl.simulate.camera import band_index, expose, flux
from astrotl.simulate.profiles import point

__all__ = ["star"]

# Magnitudes in u, g, r, i, z, y that a star is fainter than in r, for each magnitude of its g - r.
_COLOURS = np.array([2.1, 1.0, 0.0, -0.45, -0.7, -0.8])


def star(magnitude: float, colour: float, bands: Sequence[str], *, size: int, offsets: np.ndarray) -> np.ndarray:
    """Take a noiseless picture of a star of this r magnitude and g - r colour, ``(band, y, x)``.

    Examples
    --------
    >>> import numpy as np
    >>> from astrotl.simulate.stars import star
    >>> image = star(22.0, 0.5, ("g", "r"), size=65, offsets=np.zeros((2, 2)))
    >>> image.sum(axis=(1, 2)).round().tolist()
    [63.0, 100.0]
    """
    counts = flux(magnitude + colour * _COLOURS[band_index(bands)]).astype(np.float32)
    return expose(counts[:, np.newaxis, np.newaxis] * point(), bands, size=size, offsets=offsets)
