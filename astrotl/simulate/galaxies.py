"""A galaxy is a sum of parts; each part has a shape and stars, or a nucleus, of known colours."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from astropy.cosmology import FlatLambdaCDM

from astrotl.simulate.camera import BANDS, PIXEL_SCALE, band_index, expose, flux

__all__ = ["Galaxy", "Part"]

# Magnitudes relative to r in u, g, r, i, z, y.
_COLOURS = {
    "old": np.array([2.55, 0.85, 0.0, -0.38, -0.66, -0.80]),
    "young": np.array([0.75, 0.15, 0.0, -0.02, -0.02, 0.0]),
    "nucleus": np.array([0.05, 0.05, 0.0, -0.10, -0.12, -0.15]),
    "source": np.array([0.25, 0.00, 0.0, 0.05, 0.05, 0.02]),
}
# How one magnitude of extra g - r goes on in the other bands: older or dustier stars.
_REDDENING = np.array([2.0, 1.0, 0.0, -0.6, -1.0, -1.2])
_STELLAR = ("old", "young")


@dataclass(frozen=True)
class Part:
    """A shape on the canvas and its light in r, split over populations: shares of the galaxy's total."""

    paint: Callable[[], np.ndarray]
    shares: Mapping[str, float]


@dataclass(frozen=True)
class Galaxy:
    """A galaxy as drawn by lot, before any camera has seen it."""

    kind: str
    shape: str
    magnitude: float
    redshift: float
    parts: tuple[Part, ...]
    reddening: float
    radius: float
    axis_ratio: float
    angle: float
    scatter: float
    arms: int = 0
    einstein_radius: float = np.nan

    def with_magnitude(self, magnitude: float) -> Galaxy:
        """Make the same galaxy brighter or fainter."""
        return replace(self, magnitude=float(magnitude))

    def share(self, *populations: str) -> float:
        """Give the share of the r light that comes from these populations."""
        return sum(part.shares.get(name, 0.0) for part in self.parts for name in populations)

    def magnitudes(self, populations: Sequence[str] = tuple(_COLOURS)) -> np.ndarray:
        """Give the magnitude of these populations together, in all of `BANDS`."""
        relative = sum(self.share(name) * self._relative_flux(name) for name in populations)
        return self.magnitude - 2.5 * np.log10(relative)

    def canvas(self, bands: Sequence[str]) -> np.ndarray:
        """Paint the galaxy in counts, ``(band, y, x)``."""
        rows = band_index(bands)
        total = flux(self.magnitude)
        maps = np.stack([part.paint() for part in self.parts])
        weights = np.stack(
            [sum(share * self._relative_flux(name) for name, share in part.shares.items()) for part in self.parts],
            axis=1,
        )
        return np.tensordot((total * weights[rows]).astype(np.float32), maps, axes=1)

    def picture(self, bands: Sequence[str], *, size: int, offsets: np.ndarray | None = None) -> np.ndarray:
        """Take a noiseless picture; `~astrotl.simulate.camera.expose` tells of the offsets."""
        return expose(self.canvas(bands), bands, size=size, offsets=offsets)

    def truth(self, bands: Sequence[str]) -> dict[str, float | str]:
        """List what is known about the galaxy, by the names of the catalogue's columns."""
        magnitudes = self.magnitudes()
        log_mass, log_sfr = self._stars()
        return {
            "kind": self.kind,
            "shape": self.shape,
            "redshift": self.redshift,
            **{f"mag_{band}": float(magnitudes[row]) for band, row in zip(bands, band_index(bands), strict=True)},
            "radius": self.radius * PIXEL_SCALE,
            "axis_ratio": self.axis_ratio,
            "position_angle": float(np.degrees(self.angle) - 90) % 180,
            "arms": self.arms,
            "nucleus_share": self.share("nucleus"),
            "einstein_radius": self.einstein_radius * PIXEL_SCALE,
            "log_mass": log_mass,
            "log_sfr": log_sfr,
        }

    def _relative_flux(self, population: str) -> np.ndarray:
        reddening = self.reddening * _REDDENING if population in _STELLAR else 0.0
        return 10 ** (-0.4 * (_COLOURS[population] + reddening))

    def _stars(self) -> tuple[float, float]:
        """Weigh the stars by their light and colour; young light stands for star formation."""
        stellar = self.magnitudes(_STELLAR)
        redshifts, moduli = _distance_moduli()
        luminosity = 0.4 * (4.65 - stellar[BANDS.index("r")] + np.interp(self.redshift, redshifts, moduli))
        colour = stellar[BANDS.index("g")] - stellar[BANDS.index("r")]
        log_mass = luminosity - 0.306 + 1.097 * colour
        log_young = luminosity + np.log10(self.share("young") / self.share(*_STELLAR))
        return float(log_mass), float(log_young - 9.8 + self.scatter)


@lru_cache(maxsize=1)
def _distance_moduli() -> tuple[np.ndarray, np.ndarray]:
    redshifts = np.linspace(0.05, 0.3, 64)
    return redshifts, FlatLambdaCDM(H0=70, Om0=0.3).distmod(redshifts).value
