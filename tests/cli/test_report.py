"""The command that writes a result as a page."""

import shutil
import subprocess
import sys

import numpy as np
import pytest
from astropy.io import fits

from astrotl import extract_features, open_index, open_source, simulate
from astrotl.tables import write_table
from astrotl.tasks import Anomaly


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Make a survey, its store, a result with measures, and a field in which something is found."""
    folder = tmp_path_factory.mktemp("report")
    truth = simulate.survey(folder / "sky", objects=40, seed=2)
    source = open_source(
        {"i": str(folder / "sky/*-i.fits"), "g": str(folder / "sky/*-g.fits")},
        catalog=folder / "sky" / "catalogue.ecsv",
        size=32,
    )
    store = extract_features(source, "profiles", folder / "features.h5")
    write_table(Anomaly().run(open_index(store)), folder / "odd.ecsv")
    (folder / "odd.json").write_text('{"measures": {"AUC": {"value": 0.9, "low": 0.8, "high": 0.95}}}')
    write_table(truth["id", "kind"], folder / "truth.csv")
    return folder


def call(folder, *arguments, warnings="error"):
    return subprocess.run(
        [sys.executable, "-W", warnings, "-m", "astrotl", *arguments],
        capture_output=True, text=True, cwd=folder, check=False,
    )  # fmt: skip


def test_a_result_finds_its_store_its_images_and_its_measures(folder):
    done = call(folder, "report", "odd.ecsv")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("odd.html: 40 of 40 rows, ")
    page = (folder / "odd.html").read_text()
    assert page.count("data:image/jpeg") == 40
    assert "<title>odd.ecsv: 40 rows</title>" in page
    assert all(part in page for part in ('id="map"', 'id="measures"', ">AUC<", "astrotl run anomaly features.h5"))
    assert str(folder) not in page


def test_rows_name_and_store_are_as_asked_for(folder, tmp_path):
    shutil.copy(folder / "odd.ecsv", tmp_path / "odd.ecsv")
    options = ("-o", "mine.html", "--store", str(folder / "features.h5"), "--rows", "5", "--title", "A <b>few</b>")
    done = call(tmp_path, "report", "odd.ecsv", *options)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "mine.html").read_text()
    assert page.count("data:image/jpeg") == 5
    assert "<h1>A &lt;b&gt;few&lt;/b&gt;</h1>" in page
    assert 'id="measures"' not in page


def test_another_store_of_the_same_name_is_not_taken_for_its_own(folder, tmp_path):
    shutil.copy(folder / "odd.ecsv", tmp_path / "odd.ecsv")
    source = open_source({"i": str(folder / "sky/*-i.fits")}, catalog=folder / "sky" / "catalogue.ecsv", size=32)
    extract_features(source, "pixels", tmp_path / "features.h5")
    done = call(tmp_path, "report", "odd.ecsv")
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "odd.html").read_text()
    assert 'id="map"' not in page
    assert "data:image/jpeg" not in page


def test_images_that_have_gone_are_missed_and_the_rest_is_there(folder, tmp_path):
    for name in ("odd.ecsv", "features.h5"):
        shutil.copy(folder / name, tmp_path / name)
    moved = folder / "sky"
    moved.rename(folder / "elsewhere")
    try:
        done = call(tmp_path, "report", "odd.ecsv", warnings="default")
    finally:
        (folder / "elsewhere").rename(moved)
    assert done.returncode == 0, done.stderr
    assert "astrotl: warning: the page has no pictures: " in done.stderr
    page = (tmp_path / "odd.html").read_text()
    assert 'id="map"' in page
    assert str(folder) not in page


def test_what_was_found_is_cut_out_of_the_images_it_was_found_in(tmp_path):
    y, x = np.mgrid[:64, :64]
    star = 300 * np.exp(-((x - 40) ** 2 + (y - 20) ** 2) / 8) + np.random.default_rng(1).normal(size=x.shape)
    fits.writeto(tmp_path / "m31.fits", star.astype(np.float32))
    assert call(tmp_path, "detect", "run", "classical", "m31.fits", "-o", "found.ecsv").returncode == 0
    done = call(tmp_path, "report", "found.ecsv")
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "found.html").read_text()
    assert page.count("data:image/jpeg") == 1
    assert 'id="figures"' in page
    assert str(tmp_path) not in page


def test_a_mistake_is_one_line(folder):
    done = call(folder, "report", "none.ecsv")
    assert (done.returncode, done.stderr) == (1, "astrotl: error: none.ecsv: there is no such file\n")
    done = call(folder, "report", "odd.ecsv", "-o", "odd.pdf")
    assert (done.returncode, done.stderr) == (1, "astrotl: error: path: odd.pdf needs the ending .html\n")
