"""The labelled sets that networks are taught on: real images and published labels."""

import zipfile

from astropy.table import Table

from astrotl import open_source
from tests.benchmarks.science.stores import DATA
from tests.benchmarks.science.stores import KEPT as _BESIDE

KEPT = _BESIDE.parent / "learning"
WEIGHTS = DATA.parent / "weights"

_SPIRALS = ("spiral_cw", "spiral_acw")


def galaxies():
    """957 galaxies with the votes of Galaxy Zoo, spirals of both senses taken together."""
    labels = Table.read(DATA / "gz1_morphology.csv")
    kinds = ["spiral" if kind in _SPIRALS else "" if kind == "dont_know" else kind for kind in labels["class"]]
    return open_source(_unpacked("gz1_morphology")), Table({"id": labels["objid"].astype(str), "kind": kinds}), "kind"


def spectra():
    """900 objects of SDSS with the class of their spectrum."""
    labels = Table.read(DATA / "spec_class.csv")
    return open_source(_unpacked("spec_class")), Table({"id": labels["path"], "kind": labels["spec_class"]}), "kind"


def radio():
    """274 radio galaxies of FIRST by Fanaroff and Riley's classes, the hybrids left out."""
    labels = Table.read(DATA / "radio_fr.csv")
    kinds = ["" if kind == "hybrid" else kind for kind in labels["fr"]]
    rows = [str(row) for row in range(len(labels))]
    return open_source(DATA / "radio_fr.npz"), Table({"id": rows, "kind": kinds}), "kind"


def alerts():
    """213 alerts of ZTF, three stamps each: known asteroids, and what ZTF's own network says."""
    labels = Table.read(DATA / "real_bogus.csv")
    kinds = ["bogus" if label == "bogus_drb" else "real" for label in labels["label"]]
    rows = [str(row) for row in range(len(labels))]
    return open_source(DATA / "real_bogus.npz"), Table({"id": rows, "kind": kinds}), "kind"


def _unpacked(name):
    folder = KEPT / name
    if not folder.is_dir():
        with zipfile.ZipFile(DATA / f"{name}.zip") as archive:
            archive.extractall(folder)
    return folder
