"""The catalogue of what was simulated, and which kinds are how frequent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import astropy.units as u
import numpy as np
from astropy.table import Column, Table

__all__ = ["KINDS", "check_kind", "check_seed", "identifiers", "shares_of", "stream", "to_table"]

#: The kinds of objects, with their shares in a survey. A damaged object is a spiral or an elliptical in a bad place.
KINDS: dict[str, float] = {"spiral": 0.55, "elliptical": 0.30, "agn": 0.06, "lens": 0.05, "damaged": 0.04}

_COLUMNS: dict[str, tuple[u.Unit | None, str]] = {
    "id": (None, "Name of the object"),
    "ra": (u.deg, "Right ascension, ICRS"),
    "dec": (u.deg, "Declination, ICRS"),
    "kind": (None, "Kind of object: " + ", ".join(KINDS)),
    "shape": (None, "Shape of the galaxy, or of the host or the lens: spiral or elliptical"),
    "damage": (None, "What spoils the image: trail, columns, block, bleed or none"),
    "redshift": (None, "Redshift"),
    "radius": (u.arcsec, "Effective radius along the major axis, of the disc in spirals"),
    "axis_ratio": (None, "Minor over major axis"),
    "position_angle": (u.deg, "Direction of the major axis, from north through east"),
    "arms": (None, "Number of spiral arms"),
    "nucleus_share": (None, "Share of the r light that comes from the active nucleus"),
    "einstein_radius": (u.arcsec, "Einstein radius of a lens"),
    "log_mass": (None, "Decimal logarithm of the stellar mass in solar masses"),
    "log_sfr": (None, "Decimal logarithm of the star formation rate in solar masses a year"),
}


def to_table(rows: Sequence[Mapping[str, Any]], meta: Mapping[str, Any]) -> Table:
    """Make the catalogue out of the truth about each object."""
    table = Table(meta=dict(meta))
    for name in rows[0]:
        unit, description = _COLUMNS.get(name, (u.mag, f"Total AB magnitude in {name.removeprefix('mag_')}"))
        table[name] = Column([row[name] for row in rows], unit=unit, description=description)
    return table


def identifiers(count: int) -> list[str]:
    """Name the objects SIM0001 and so on; the width of the names does not depend on how many there are."""
    return [f"SIM{number:04d}" for number in range(1, count + 1)]


def shares_of(kinds: Mapping[str, float]) -> dict[str, float]:
    """Check the shares of the kinds and make them add up to one."""
    for kind, share in kinds.items():
        check_kind(kind)
        if not (np.isfinite(share) and share >= 0):
            raise ValueError(f"kinds: the share of {kind!r} must be zero or more, got {share}")
    total = sum(kinds.values())
    if total <= 0:
        raise ValueError(f"kinds: expected at least one share above zero, got {dict(kinds)}")
    return {kind: share / total for kind, share in kinds.items()}


def check_kind(kind: str) -> None:
    """Refuse a kind that cannot be drawn."""
    if kind not in KINDS:
        raise ValueError(f"kinds: {kind!r} is not known; choose from {', '.join(KINDS)}")


def check_seed(seed: int) -> None:
    """Refuse what cannot start the random numbers."""
    if not isinstance(seed, (int, np.integer)) or isinstance(seed, bool) or seed < 0:
        raise ValueError(f"seed: expected an integer of zero or more, got {seed!r}")


def stream(seed: int, *key: int) -> np.random.Generator:
    """Start random numbers that depend on the seed and the key alone, such as an object's number."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))
