"""One object of a survey: a galaxy, and what spoils its image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from astrotl.simulate.damage import Damage, draw_damage
from astrotl.simulate.kinds import draw

if TYPE_CHECKING:
    from astrotl.simulate.galaxies import Galaxy

__all__ = ["Sighting", "draw_sighting"]


@dataclass(frozen=True)
class Sighting:
    """A galaxy and what spoils its image, if anything."""

    galaxy: Galaxy
    damage: Damage | None

    def truth(self, bands: Sequence[str]) -> dict[str, float | str]:
        """List what is known about the object, by the names of the catalogue's columns."""
        truth = self.galaxy.truth(bands)
        kind, shape = truth.pop("kind"), truth.pop("shape")
        if self.damage is None:
            return {"kind": kind, "shape": shape, "damage": "none", **truth}
        return {"kind": "damaged", "shape": shape, "damage": self.damage.kind, **truth}


def draw_sighting(kind: str, rng: np.random.Generator) -> Sighting:
    """Draw an object of any kind in `~astrotl.simulate.KINDS` by lot."""
    if kind != "damaged":
        return Sighting(draw(kind, rng), None)
    damage = draw_damage(rng)
    return Sighting(draw("spiral" if rng.uniform() < 0.65 else "elliptical", rng), damage)
