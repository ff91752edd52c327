"""Active galaxies, whose nuclei show in a few central pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from astrotl.tasks.retrieval import Retrieval

__all__ = ["Agn"]


@dataclass(frozen=True)
class Agn(Retrieval):
    """Find active galaxies, from a few examples or from a table of labels.

    What tells them is in the nucleus, so give the store views of the centre beside the whole: tight crops by the
    network and ring profiles. `Retrieval` says how the score is made, and what
    the parameters are.

    References
    ----------
    .. [1] Doorenbos et al. 2022, A&A 666, A171: active galaxies by look-alikes of one image

    Examples
    --------
    >>> from astrotl import ExactIndex, FeatureStore, Profiles, simulate
    >>> from astrotl.tasks import Agn
    >>> batch, truth = simulate.stamps(120, kinds={"spiral": 0.5, "elliptical": 0.3, "agn": 0.2}, seed=4)
    >>> store = FeatureStore.open_or_create("agn.h5", batch.ids, 28, {})
    >>> store.write(range(120), Profiles().extract(batch))
    >>> task = Agn(column="kind", positive=["agn"])
    >>> measures = task.evaluate(ExactIndex.build(store), labels=truth["id", "kind"])
    >>> bool(measures["value"][measures["measure"] == "area under the curve"][0] > 0.9)
    True
    """

    example: ClassVar[str] = "--labels bpt.csv --column bpt --positive seyfert,liner -o agn.ecsv --plot agn.png"
