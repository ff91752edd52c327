"""What spoils an image: satellite trails, dead pixels, stars that saturate and bleed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from astrotl.simulate.camera import SATURATION, SKY, flux
from astrotl.simulate.stars import star

__all__ = ["DAMAGES", "Damage", "draw_damage"]

#: The kinds of damage.
DAMAGES = ("trail", "columns", "block", "bleed")


@dataclass(frozen=True)
class Damage:
    """Damage around a galaxy, as drawn by lot.

    Parameters
    ----------
    kind : str
        One of `DAMAGES`.
    y, x : float
        Where its middle lies, in pixels from the galaxy.
    width, length : float
        Its size in pixels.
    angle : float
        The direction of a trail, in radians anticlockwise from the x axis.
    magnitude : float
        The r magnitude of a star, or of a pixel's length of a trail.
    colour : float
        The g - r colour of a star.
    place : float
        Which of the bands a trail crosses: 0 is the first, 1 is beyond the last.
    """

    kind: str
    y: float
    x: float
    width: float
    length: float
    angle: float
    magnitude: float
    colour: float
    place: float

    def add_light(self, image: np.ndarray, bands: Sequence[str], offsets: np.ndarray | None = None) -> None:
        """Add what shines, before there is noise, to images ``(band, y, x)`` with the galaxy in the middle.

        ``offsets`` says in pixels, as ``(band, 2)``, how far from the middle the galaxy really is.
        """
        offsets = np.zeros((len(bands), 2)) if offsets is None else offsets
        if self.kind == "trail":
            hit = int(self.place * len(bands))
            image[hit] += self._trail(image.shape[-1], offsets[hit])
        if self.kind == "bleed":
            place = np.add(offsets, (self.y, self.x))
            image += star(self.magnitude, self.colour, bands, size=image.shape[-1], offsets=place)

    def spoil(self, image: np.ndarray, bands: Sequence[str], offsets: np.ndarray | None = None) -> None:
        """Take the pixels that are lost, after the noise; a pixel that is full holds what is left above the sky."""
        offsets = np.zeros((len(bands), 2)) if offsets is None else offsets
        middle = (image.shape[-1] - 1) / 2
        for number, band in enumerate(bands):
            y, x = middle + offsets[number] + (self.y, self.x)
            if self.kind == "columns":
                image[number][:, _span(x, self.width)] = np.nan
            if self.kind == "block":
                image[number][_span(y, self.length), _span(x, self.width)] = np.nan
            if self.kind == "bleed":
                full = SATURATION - SKY[band]
                np.minimum(image[number], full, out=image[number])
                image[number][_span(y, self.length), _span(x, self.width)] = full

    def _trail(self, size: int, offset: np.ndarray) -> np.ndarray:
        y, x = np.indices((size, size)) - (size - 1) / 2
        y, x = y - offset[0] - self.y, x - offset[1] - self.x
        along, across = x * np.cos(self.angle) + y * np.sin(self.angle), y * np.cos(self.angle) - x * np.sin(self.angle)
        profile = np.exp(-0.5 * (across / self.width) ** 2) / (self.width * np.sqrt(2 * np.pi))
        # A tumbling satellite glints for a while: the trail's ends are soft.
        glint = expit((self.length / 2 - np.abs(along)) / 2)
        return flux(self.magnitude) * profile * glint


def draw_damage(rng: np.random.Generator) -> Damage:
    """Draw damage by lot: every kind is as likely as the others."""
    kind = DAMAGES[rng.integers(len(DAMAGES))]
    angle, place, colour = rng.uniform(0, np.pi), rng.uniform(), rng.uniform(0.3, 1.3)
    if kind == "trail":
        y, x = rng.uniform(-7, 7, 2)
        size = rng.uniform(0.9, 1.6), rng.uniform(60, 85)
        return Damage(kind, y, x, *size, angle, rng.uniform(20.6, 22.4), np.nan, place)
    if kind == "columns":
        return Damage(kind, 0.0, rng.uniform(-9, 9), rng.uniform(1.5, 6.5), np.inf, 0.0, np.nan, np.nan, place)
    if kind == "block":
        y, x = rng.uniform(-10, 10, 2)
        return Damage(kind, y, x, rng.uniform(9, 22), rng.uniform(9, 22), 0.0, np.nan, np.nan, place)
    distance = rng.uniform(11, 22)
    y, x = distance * np.sin(2 * angle), distance * np.cos(2 * angle)
    return Damage(kind, y, x, rng.uniform(1.5, 3.5), rng.uniform(24, 60), 0.0, rng.uniform(11.5, 13.5), colour, place)


def _span(middle: float, width: float) -> slice:
    """Give the pixels whose middle lies within; at least one."""
    start = int(np.ceil(middle - width / 2))
    return slice(max(start, 0), max(int(np.floor(middle + width / 2)) + 1, start + 1, 0))
