"""Stamps in memory, one object each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from astropy.table import Table

from astrotl.images import ImageBatch
from astrotl.simulate.camera import PIXEL_SCALE, ZERO_POINT, add_noise, band_index
from astrotl.simulate.catalogue import KINDS, check_kind, check_seed, identifiers, shares_of, stream, to_table
from astrotl.simulate.kinds import check_size
from astrotl.simulate.sightings import Sighting, draw_sighting

__all__ = ["stamps"]


def stamps(
    n: int,
    *,
    kinds: str | Sequence[str] | Mapping[str, float] | None = None,
    size: int = 64,
    bands: tuple[str, ...] = ("g", "r", "i"),
    seed: int = 1,
    noise: float = 1.0,
) -> tuple[ImageBatch, Table]:
    """Make stamps of simulated objects in memory.

    Object number i depends on the seed, on i and on ``kinds``, never on ``n``. The sky background is subtracted.

    Parameters
    ----------
    n : int
        How many stamps.
    kinds : str, sequence of str, or mapping of str to float, optional
        One kind for all; several kinds, taken in turn; or the share of each kind, drawn by lot. By default the shares
        `~astrotl.simulate.KINDS` of a survey.
    size : int
        The side of a stamp in pixels of 0.25 arcsec; the galaxy is in the middle.
    bands : tuple of str
        Bands out of u, g, r, i, z, y.
    seed : int
        Where the random numbers start.
    noise : float
        The noise relative to that of a survey: 0 leaves it out.

    Returns
    -------
    batch : `~astrotl.images.ImageBatch`
        The stamps in counts; magnitude 27 is one count, and NaN is a dead pixel.
    truth : `~astropy.table.Table`
        What is known about each object, with the columns of `~astrotl.simulate.survey` but for the positions.

    Raises
    ------
    ValueError
        If an argument is not among those allowed; the message says which are.

    Examples
    --------
    >>> from astrotl import simulate
    >>> batch, truth = simulate.stamps(4, kinds=("spiral", "lens"), seed=7)
    >>> batch.data.shape
    (4, 3, 64, 64)
    >>> truth["kind"].tolist()
    ['spiral', 'lens', 'spiral', 'lens']
    """
    if n < 1:
        raise ValueError(f"n: expected one stamp or more, got {n}")
    if not noise >= 0:
        raise ValueError(f"noise: expected zero or more, got {noise}")
    check_size(size)
    check_seed(seed)
    band_index(bands)
    in_turn, shares = _wanted(kinds)
    data = np.empty((n, len(bands), size, size), dtype=np.float32)
    names = identifiers(n)
    rows = []
    for number, name in enumerate(names):
        rng = stream(seed, number)
        kind = in_turn[number % len(in_turn)] if in_turn else str(rng.choice(list(shares), p=list(shares.values())))
        sighting = draw_sighting(kind, rng)
        data[number] = _stamp(sighting, bands, size, noise, rng)
        rows.append({"id": name, **sighting.truth(bands)})
    meta = {"seed": seed, "pixel_scale": PIXEL_SCALE, "zero_point": ZERO_POINT}
    return ImageBatch(data, np.array(names), tuple(bands)), to_table(rows, meta)


def _stamp(sighting: Sighting, bands: Sequence[str], size: int, noise: float, rng: np.random.Generator) -> np.ndarray:
    image = sighting.galaxy.picture(bands, size=size)
    if sighting.damage:
        sighting.damage.add_light(image, bands)
    image = add_noise(image, bands, rng, noise)
    if sighting.damage:
        sighting.damage.spoil(image, bands)
    return image


def _wanted(kinds: str | Sequence[str] | Mapping[str, float] | None) -> tuple[tuple[str, ...], dict[str, float]]:
    """Sort out the ways to ask for kinds: kinds to be taken in turn, or else shares to be drawn from."""
    if kinds is None or isinstance(kinds, Mapping):
        return (), shares_of(KINDS if kinds is None else kinds)
    in_turn = (kinds,) if isinstance(kinds, str) else tuple(kinds)
    if not in_turn:
        raise ValueError(f"kinds: expected one or more out of {', '.join(KINDS)}, got none")
    for kind in in_turn:
        check_kind(kind)
    return in_turn, {}
