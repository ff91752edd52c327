"""Series of one galaxy on many dates, with the nights' weather and with damaged dates among them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from astropy.table import Table
from scipy import fft

from astrotl.images import ImageBatch
from astrotl.simulate.camera import GAIN, PIXEL_SCALE, READ_NOISE, SEEING, SKY, ZERO_POINT, add_noise, band_index
from astrotl.simulate.catalogue import check_seed, identifiers, stream
from astrotl.simulate.damage import Damage
from astrotl.simulate.kinds import check_size, draw

__all__ = ["EPOCH_DAMAGES", "epochs"]

#: What may spoil an epoch.
EPOCH_DAMAGES = ("trail", "ghost", "seeing", "shifted", "columns")

_KINDS = ("spiral", "elliptical", "agn")
#: Empty pixels around a stamp, so that what is shifted or blurred over an edge does not come back at the other one.
_MARGIN = 24
_SIGMA_TO_FWHM = 2.3548


def epochs(
    objects: int,
    dates: int,
    *,
    damaged: float = 0.08,
    bad_nights: int = 0,
    size: int = 64,
    bands: tuple[str, ...] = ("r",),
    seed: int = 1,
    noise: float = 1.0,
) -> tuple[ImageBatch, Table]:
    """Make images of some galaxies on many dates.

    A galaxy stays as it is. What differs from date to date is the noise, the pointing by a fraction of a pixel, and
    what a night has in common for all galaxies: seeing, clouds and moonlight, each of them mild. Some epochs are
    damaged, all by something that crosses the galaxy: the trail of a satellite, the ghost of a bright star, seeing of
    two to three times the usual width, a shift of 3 to 8 pixels, or dead columns.

    Parameters
    ----------
    objects, dates : int
        How many galaxies, and on how many dates each.
    damaged : float
        The share of damaged epochs; every kind of damage is as likely as the others.
    bad_nights : int
        On how many dates the seeing is bad for all galaxies.
    size : int
        The side of a stamp in pixels of 0.25 arcsec.
    bands : tuple of str
        Bands out of u, g, r, i, z, y.
    seed : int
        Where the random numbers start.
    noise : float
        The noise of one date relative to that of a survey.

    Returns
    -------
    batch : `~astrotl.images.ImageBatch`
        The images, with the ids ``OBJECT/DATE``.
    truth : `~astropy.table.Table`
        For each of them ``id``, ``object``, ``epoch``, ``damage`` (none, or one of trail, ghost, seeing, shifted and
        columns), ``seeing``, the width of a star in the first band in arcsec, and ``snr``, the signal to noise of the
        undamaged galaxy in that band as the best filter would measure it.

    Examples
    --------
    >>> from astrotl import simulate
    >>> batch, truth = simulate.epochs(2, 5, seed=3)
    >>> batch.data.shape
    (10, 1, 64, 64)
    >>> batch.ids[:2].tolist()
    ['SIM0001/D01', 'SIM0001/D02']
    """
    for name, count in (("objects", objects), ("dates", dates)):
        if count < 1:
            raise ValueError(f"{name}: expected one or more, got {count}")
    if not 0 <= damaged <= 1:
        raise ValueError(f"damaged: expected a share from 0 to 1, got {damaged}")
    if not 0 <= bad_nights <= dates:
        raise ValueError(f"bad_nights: expected 0 to {dates}, got {bad_nights}")
    check_size(size)
    check_seed(seed)
    band_index(bands)
    names = identifiers(objects)
    width = len(str(dates))
    days = [f"D{number:0{max(width, 2)}d}" for number in range(1, dates + 1)]
    data = np.empty((objects * dates, len(bands), size, size), dtype=np.float32)
    nights = _Nights(dates, bad_nights, stream(seed, 0))
    rows = []
    for number, name in enumerate(names):
        rng = stream(seed, 1, number)
        light = _Light(draw(str(rng.choice(_KINDS)), rng).picture(bands, size=size + 2 * _MARGIN))
        for date, day in enumerate(days):
            kind = str(rng.choice(EPOCH_DAMAGES)) if rng.uniform() < damaged else "none"
            if nights.bad[date]:
                kind = "seeing"
            blur = _worse(rng) if kind == "seeing" and not nights.bad[date] else nights.blur[date]
            shift = rng.normal(0, 0.2, 2) + (_displacement(rng) if kind == "shifted" else 0)
            image = nights.clear[date] * light.seen(blur, shift)
            snr = _signal_to_noise(image[0], bands[0], noise * nights.bright[date])
            data[number * dates + date] = _spoilt(image, kind, bands, rng, noise * nights.bright[date])
            fwhm = PIXEL_SCALE * float(np.hypot(SEEING[bands[0]], _SIGMA_TO_FWHM * blur))
            rows.append((f"{name}/{day}", name, day, kind, fwhm, snr))
    truth = Table(rows=rows, names=("id", "object", "epoch", "damage", "seeing", "snr"))
    truth.meta = {"seed": seed, "pixel_scale": PIXEL_SCALE, "zero_point": ZERO_POINT}
    truth["seeing"].unit = "arcsec"
    return ImageBatch(data, np.array(truth["id"]), tuple(bands)), truth


class _Nights:
    """What each night is like for all galaxies; a blur is the Gaussian that widens a star, in pixels."""

    def __init__(self, count: int, bad: int, rng: np.random.Generator) -> None:
        self.blur = rng.uniform(0.2, 0.8, count)
        self.clear = rng.uniform(0.94, 1.0, count)
        self.bright = rng.uniform(0.9, 1.2, count)
        self.bad = np.zeros(count, dtype=bool)
        self.bad[rng.choice(count, bad, replace=False)] = True
        self.blur[self.bad] = [_worse(rng) for _ in range(bad)]


class _Light:
    """The noiseless light of a galaxy, to be blurred and shifted."""

    def __init__(self, picture: np.ndarray) -> None:
        self.size = picture.shape[-1]
        self.spectrum = fft.rfft2(picture)
        self.y, self.x = np.meshgrid(fft.fftfreq(self.size), fft.rfftfreq(self.size), indexing="ij")

    def seen(self, blur: float, shift: np.ndarray) -> np.ndarray:
        softer = np.exp(-2 * (np.pi * blur) ** 2 * (self.y**2 + self.x**2))
        moved = np.exp(-2j * np.pi * (shift[0] * self.y + shift[1] * self.x))
        image = fft.irfft2(self.spectrum * softer * moved, s=(self.size, self.size))
        return image[:, _MARGIN:-_MARGIN, _MARGIN:-_MARGIN].astype(np.float32)


def _signal_to_noise(image: np.ndarray, band: str, noise: float) -> float:
    variance = noise**2 * (np.maximum(image + SKY[band], 0) / GAIN + READ_NOISE**2)
    return float(np.sqrt((image**2 / variance).sum())) if noise else np.inf


def _worse(rng: np.random.Generator) -> float:
    """Draw the blur of a bad night: stars of two to three times the usual width."""
    return float(rng.uniform(1.9, 3.0))


def _displacement(rng: np.random.Generator) -> np.ndarray:
    angle, length = rng.uniform(0, 2 * np.pi), rng.uniform(3, 8)
    return length * np.array([np.sin(angle), np.cos(angle)])


def _spoilt(image: np.ndarray, kind: str, bands: Sequence[str], rng: np.random.Generator, noise: float) -> np.ndarray:
    """Add the light that does not belong there, the noise, and the pixels that are lost."""
    damage = None
    if kind == "trail":
        y, x = rng.uniform(-7, 7, 2)
        size, angle = (rng.uniform(0.9, 1.6), rng.uniform(60, 85)), rng.uniform(0, np.pi)
        damage = Damage(kind, y, x, *size, angle, rng.uniform(20.6, 22.4), np.nan, rng.uniform())
        damage.add_light(image, bands)
    if kind == "ghost":
        image += _ghost(image.shape[-1], bands, rng)
    if kind == "columns":
        x, width = rng.uniform(-6, 6), rng.uniform(2, 6.5)
        damage = Damage(kind, 0.0, x, width, np.inf, 0.0, np.nan, np.nan, 0.0)
    image = add_noise(image, bands, rng, noise)
    if damage is not None:
        damage.spoil(image, bands)
    return image


def _ghost(size: int, bands: Sequence[str], rng: np.random.Generator) -> np.ndarray:
    """Paint the light of a star that the optics mirror out of focus: the mirror's round shape with its hole."""
    y, x = np.indices((size, size)) - (size - 1) / 2
    radius = rng.uniform(10, 22)
    angle, away = rng.uniform(0, 2 * np.pi), radius * rng.uniform(0.3, 1.0)
    distance = np.hypot(y - away * np.sin(angle), x - away * np.cos(angle)) / radius
    shape = np.clip((1 - distance) * radius, 0, 1) * np.clip((distance - 0.35) * radius, 0, 1)
    level = rng.uniform(0.05, 0.15) * np.array([SKY[band] for band in bands])
    return (level[:, None, None] * shape).astype(np.float32)
