"""What the tests of reports share: a small survey of stamps, results of every kind, and a page read again."""

from html.parser import HTMLParser

import numpy as np
import pytest
from astropy.table import Table

from astrotl import ExactIndex, extract_features, simulate
from astrotl.sources import ArraySource, EpochSource
from astrotl.tasks import Agn, Anomaly, Epochs, Properties, Similar


@pytest.fixture(scope="session")
def hostile():
    """Give text that does something where it is taken for HTML."""
    return '<script>alert(1)</script>"><img src=x onerror=alert(2)>'


class Page(HTMLParser):
    """A page as a list of its elements, each with its attributes and the text in it."""

    def __init__(self, text):
        super().__init__()
        self.elements, self._open = [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self._open.append([tag, dict(attributes), ""])
        self.elements.append(self._open[-1])

    def handle_startendtag(self, tag, attributes):
        self.elements.append([tag, dict(attributes), ""])

    def handle_endtag(self, tag):
        assert self._open.pop()[0] == tag, f"a page of which {tag} is not closed in order"

    def handle_data(self, data):
        for element in self._open:
            element[2] += data

    def all(self, tag, **attributes):
        return [
            (given, text)
            for name, given, text in self.elements
            if name == tag and all(given.get(key.rstrip("_")) == value for key, value in attributes.items())
        ]


@pytest.fixture(scope="session")
def parsed():
    return Page


@pytest.fixture(scope="session")
def page_of():
    return lambda path: Page(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def survey(tmp_path_factory):
    """Make stamps, their store and index, and what is true of them."""
    folder = tmp_path_factory.mktemp("survey")
    batch, truth = simulate.stamps(
        60, size=32, seed=3, bands=("i", "r", "g"), kinds=("spiral", "elliptical", "damaged")
    )
    images = ArraySource(batch.data, ids=batch.ids, channels=batch.channels)
    store = extract_features(images, "profiles", folder / "features.h5")
    return images, store, ExactIndex.build(store), truth


@pytest.fixture(scope="session")
def answers(survey):
    """Ask every task that has an answer for stamps."""
    _, _, index, truth = survey
    seen = Table({"id": truth["id"][:20], "label": np.where(truth["kind"][:20] == "damaged", "artefact", "boring")})
    return {
        "similar": Similar(["SIM0001", "SIM0002"], k=5).run(index),
        "agn": Agn(column="kind", positive="spiral").run(index, labels=truth),
        "anomaly": Anomaly().run(index),
        "steered": Anomaly().run(index, labels=seen),
        "properties": Properties(["log_mass", "log_sfr"]).run(index, labels=truth["id", "log_mass", "log_sfr"]),
    }


@pytest.fixture(scope="session")
def epochs(tmp_path_factory):
    batch, _ = simulate.epochs(4, 12, seed=2)
    images = EpochSource(ArraySource(batch.data, ids=batch.ids))
    store = extract_features(images, "profiles", tmp_path_factory.mktemp("epochs") / "epochs.h5")
    return Epochs().run(ExactIndex.build(store)), store, images
