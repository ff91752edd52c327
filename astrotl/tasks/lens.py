"""Strong gravitational lenses, by their arcs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from astrotl.tasks.retrieval import Retrieval

__all__ = ["Lens"]


@dataclass(frozen=True)
class Lens(Retrieval):
    """Find strong lenses, from a few examples or from a table of labels.

    Ten examples are a good start: one lens says little of what another kind of lens looks like. `Retrieval` says how
    the score is made, and what the parameters are.

    References
    ----------
    .. [1] Gavazzi et al. 2014, ApJ 785, 144: lenses by the colour of their arcs
    .. [2] More et al. 2016, MNRAS 455, 1191: lenses graded by eye

    Examples
    --------
    >>> from astrotl import ExactIndex, FeatureStore, Profiles, simulate
    >>> from astrotl.tasks import Lens
    >>> batch, truth = simulate.stamps(200, kinds={"spiral": 0.5, "elliptical": 0.4, "lens": 0.1}, seed=4)
    >>> store = FeatureStore.open_or_create("lens.h5", batch.ids, 28, {})
    >>> store.write(range(200), Profiles().extract(batch))
    >>> lenses = truth["id"][truth["kind"] == "lens"].tolist()
    >>> table = Lens(query=lenses[:5]).run(ExactIndex.build(store))
    >>> sum(name in lenses for name in table["id"][:10].tolist())
    10
    """

    example: ClassVar[str] = "--query J1011+0143,J0921+0214 -o lenses.ecsv --plot lenses.png"
