"""Real galaxies, quasars and stars are told apart by what can be measured on their images."""

import zipfile

import pytest

from astrotl import extract_features, open_source
from astrotl.learn import compare, probe, scores
from astrotl.tables import read_table


@pytest.fixture(scope="module")
def sky(shared_data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("spectra")
    with zipfile.ZipFile(shared_data / "spec_class.zip") as packed:
        packed.extractall(folder)
    return open_source(folder), read_table(shared_data / "spec_class.csv"), folder


def test_spectral_classes_are_learned_from_images(sky):
    source, labels, folder = sky
    store = extract_features(source, "profiles", folder / "features.h5")
    table = probe(store, labels, "spec_class", id_column="path")
    found = {row["measure"]: row for row in scores(table, samples=100) if row["class"] == ""}
    assert table.meta["astrotl"]["tested"] == 225
    assert found["f1"]["low"] > 0.65
    assert found["auc"]["value"] > 0.87
    assert found["calibration error"]["value"] < 0.1
    # With a tenth of the labels it is worse, and still far better than chance.
    few = scores(probe(store, labels, "spec_class", id_column="path", fraction=0.1), samples=0)["value"][3]
    assert 0.5 < few < found["f1"]["value"]


def test_more_labels_are_better_than_few(sky, tmp_path):
    source, labels, _ = sky
    options = {"extractors": ["profiles"], "fractions": [0.1, 1.0], "id_column": "path"}
    runs = compare(source, labels, "spec_class", tmp_path, **options)
    few, all_ = (runs["f1"][runs["fraction"] == fraction].mean() for fraction in (0.1, 1.0))
    assert few < all_
