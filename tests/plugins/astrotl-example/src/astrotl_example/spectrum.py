"""Texture, by the power on each scale."""

import numpy as np

from astrotl import Extractor, InputSpec


class PowerSpectrum(Extractor):
    """Measures how much of an image's structure is on which scale.

    Parameters
    ----------
    scales : int, optional
        The number of scales.
    """

    input = InputSpec(channels=1, size=64, value_range=(0, 1))

    def __init__(self, scales=12):
        self.scales = scales

    @property
    def dim(self):
        return self.scales

    def _extract(self, images):
        power = np.abs(np.fft.fft2(images[:, 0])).reshape(len(images), -1)
        along = np.fft.fftfreq(64)
        frequency = np.hypot(along[:, None], along).ravel()
        scale = np.minimum(frequency * 2 * self.scales, self.scales - 1)
        rings = scale.astype(int)[:, None] == np.arange(self.scales)
        return np.log10(power @ rings / rings.sum(axis=0) + 1e-6)
