"""The command line as an astronomer types it, in a process of its own."""

import json
import os
import re
import subprocess
import sys
import tomllib

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from astrotl import FeatureStore, simulate
from astrotl.cli._options import bar


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A small sky in two bands with its catalogue, thirty stamps, and a store of them."""
    folder = tmp_path_factory.mktemp("sky")
    simulate.survey(folder / "sky", objects=100, fields=1, bands=("g", "r"), seed=2)
    batch, _ = simulate.stamps(30, size=32, seed=7)
    (folder / "stamps").mkdir()
    for name, image in zip(batch.ids, batch.data, strict=True):
        fits.writeto(folder / "stamps" / f"{name}.fits", image)
    done = call(folder, "extract", "stamps", "--extractor", "profiles", "-o", "features.h5")
    assert done.returncode == 0, done.stderr
    return folder


def call(folder, *arguments, warnings="error"):
    return subprocess.run(
        [sys.executable, "-W", warnings, "-m", "astrotl", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=folder,
        check=False,
        env={**os.environ, "COLUMNS": "120"},
    )


def fails(folder, *arguments):
    """Run what must fail, and give its one line."""
    done = call(folder, *arguments)
    assert done.returncode == 1, done.stdout + done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("astrotl: error: ")]
    assert len(errors) == 1
    assert "Traceback" not in done.stderr
    return errors[0]


def test_stamps_become_features(folder):
    assert FeatureStore(folder / "features.h5").shape == (30, 28)


def test_a_catalogue_is_cut_out_of_mosaics(folder):
    done = call(
        folder, "extract", "g=sky/*-g.fits", "r=sky/*-r.fits", "--catalog", "sky/catalogue.ecsv", "--bands", "r,g",
        "--size", "8 arcsec", "--extractor", "profiles", "--set", "bands=2", "-o", "cut.h5", "--block", "40",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "100 objects in the bands r, g" in done.stderr
    assert "cut.h5: 100 x 21 features" in done.stdout
    store = FeatureStore(folder / "cut.h5")
    assert store.provenance["source"]["size"] == 32
    assert store.positions.shape == (100, 2)


def test_the_same_command_again_does_nothing(folder):
    before = (folder / "features.h5").read_bytes()
    assert call(folder, "extract", "stamps", "--extractor", "profiles", "-o", "features.h5").returncode == 0
    assert (folder / "features.h5").read_bytes() == before


def test_several_processes_give_the_same_features(folder):
    done = call(folder, "extract", "stamps", "--extractor", "profiles", "-o", "two.h5", "--workers", 2, "--block", 8)
    assert done.returncode == 0, done.stderr
    call(folder, "extract", "stamps", "--extractor", "profiles", "-o", "one.h5", "--block", 8)
    one, two = (FeatureStore(folder / name).features() for name in ("one.h5", "two.h5"))
    np.testing.assert_array_equal(one, two)


def test_steps_and_settings_are_taken(folder):
    done = call(
        folder, "extract", "stamps", "--extractor", "profiles", "--set", "rings=4", "--step", "crop-centre:size=24",
        "--step", "percentile:low=1,high=99", "--step", "asinh:softening=0.05", "-o", "steps.h5",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    made = FeatureStore(folder / "steps.h5").provenance
    assert [step["step"] for step in made["steps"]] == ["crop-centre", "percentile", "asinh", "combine"]
    assert made["extractor"]["parameters"] == {"bands": 3, "rings": 4}


def test_a_config_file_gives_the_options(folder):
    (folder / "run.toml").write_text(
        '[extract]\ninputs = ["stamps"]\nextractor = "profiles"\noutput = "config.h5"\nset = ["rings=3"]\n'
        '[run.similar]\nk = 2\nquery = ["SIM0001", "SIM0002"]\n'
    )
    done = call(folder, "extract", "--config", "run.toml", "--block", 16)
    assert done.returncode == 0, done.stderr
    assert FeatureStore(folder / "config.h5").provenance["extractor"]["parameters"]["rings"] == 3
    done = call(folder, "run", "similar", "config.h5", "--config", "run.toml")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("SIM0002  ") >= 2


def test_an_unknown_option_in_a_config_file_is_said(folder):
    (folder / "bad.toml").write_text('[extract]\nextractr = "profiles"\n')
    assert "extract has no option 'extractr'" in fails(folder, "extract", "stamps", "--config", "bad.toml")


def test_look_alikes_are_printed_written_and_drawn(folder):
    printed = call(folder, "run", "similar", "features.h5", "--query", "SIM0003", "-k", 4)
    assert printed.returncode == 0, printed.stderr
    assert len(printed.stdout.splitlines()) == 6
    written = call(
        folder,
        "run",
        "similar",
        "features.h5",
        "--query",
        "SIM0003,SIM0004",
        "-k",
        4,
        "-o",
        "s.ecsv",
        "--plot",
        "s.png",
    )
    assert written.returncode == 0, written.stderr
    table = Table.read(folder / "s.ecsv")
    assert len(table) == 8
    assert table.meta["astrotl"]["parameters"]["query"] == ["SIM0003", "SIM0004"]
    assert (folder / "s.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("ending", ["csv", "fits", "vot", "parquet"])
def test_the_ending_says_the_format(folder, ending):
    done = call(folder, "run", "similar", "features.h5", "--query", "SIM0003", "-o", f"s.{ending}")
    assert done.returncode == 0, done.stderr
    assert len(Table.read(folder / f"s.{ending}")) == 16


def test_an_index_is_built_and_used(folder):
    done = call(folder, "index", "features.h5", "-o", "other.ann", "--metric", "euclidean", "--trees", 20)
    assert done.returncode == 0, done.stderr
    assert "other.ann: 30 objects, euclidean, finds 100.0% of the true ten nearest" in done.stdout
    done = call(folder, "run", "similar", "features.h5", "--query", "SIM0003", "--index", "other.ann", "-o", "e.ecsv")
    assert Table.read(folder / "e.ecsv").meta["astrotl"]["index"] == {"kind": "annoy", "metric": "euclidean"}


@pytest.mark.parametrize(
    ("file", "said"),
    [
        (
            "features.h5",
            ["feature store", "30, of which 30 done and 0 failed", "Profiles(bands=3, rings=6)", "subtract-background"],
        ),
        ("sky/catalogue.ecsv", ["table of 100 rows", "ra [deg]"]),
        ("sky/field0-g.fits", ["image of", "bands"]),
        ("stamps/SIM0001.fits", ["image of 32 x 32 px", "0, 1, 2"]),
    ],
)
def test_info_knows_every_kind_of_file(folder, file, said):
    done = call(folder, "info", file)
    assert done.returncode == 0, done.stderr
    for words in said:
        assert words in done.stdout


def test_info_tells_what_a_survey_has_and_what_it_lacks(folder):
    extract = ["extract", "stamps", "--extractor", "profiles", "--shard", "2", "-o", "survey"]
    assert call(folder, *extract).returncode == 0
    (folder / "survey" / "shard-00001.h5").unlink()
    with open(folder / "survey" / "shard-00000.h5", "r+b") as file:
        file.truncate(3000)
    said = call(folder, "info", "survey").stdout
    assert re.search(r"shards +\d+, of which 2 missing or damaged", said)
    assert re.search(r"objects +\d+, of which \d+ done\n", said)
    assert "survey/shard-00001.h5: is missing; make it again with: astrotl repair survey\n" in said
    alone = call(folder, "info", "survey/shard-00000.h5")
    assert alone.stderr.startswith(
        "astrotl: error: survey/shard-00000.h5: is damaged and cannot be used (it has 3,000 "
    )
    assert call(folder, "repair", "survey").stdout.count("made again: ") == 2


def test_info_knows_an_index(folder):
    call(folder, "index", "features.h5", "-o", "known.ann")
    done = call(folder, "info", "known.ann")
    assert "index of neighbours" in done.stdout
    assert "angular" in done.stdout


def test_a_bad_stamp_is_listed_at_the_end(folder):
    (folder / "some").mkdir()
    for number in range(5):
        fits.writeto(folder / "some" / f"{number}.fits", np.random.default_rng(number).normal(size=(3, 16, 16)))
    (folder / "some" / "3.fits").write_bytes((folder / "some" / "3.fits").read_bytes()[:3000])
    done = call(folder, "extract", "some", "--extractor", "profiles", "-o", "some.h5", warnings="default")
    assert done.returncode == 0
    assert "astrotl: warning: 1 of 5 objects have no features" in done.stderr
    assert "failed: 3: " in done.stderr
    assert "3.fits: is truncated" in done.stderr
    assert "some.h5: 4 x 28 features" in done.stdout
    assert "failed: 3" in call(folder, "info", "some.h5").stdout


def _mistakes(folder):
    (folder / "text.fits").write_text("this is no FITS file")
    (folder / "cut.fits").write_bytes((folder / "stamps" / "SIM0001.fits").read_bytes()[:3000])
    Table({"name": ["a"], "flux": [1.0]}).write(folder / "nowhere.csv", overwrite=True)
    return {
        "a truncated FITS file": (["extract", "cut.fits"], ["cut.fits: is truncated"]),
        "a text file named .fits": (["extract", "text.fits"], ["text.fits: is not a FITS file"]),
        "no such file": (["extract", "gone.fits"], ["gone.fits: there is no such file"]),
        "a catalogue without positions": (
            ["extract", "sky/field0-g.fits", "--catalog", "nowhere.csv"],
            ["nowhere.csv: has no columns ra and dec", "name, flux"],
        ),
        "no such band": (
            ["extract", "g=sky/*-g.fits", "r=sky/*-r.fits", "--bands", "g,y", "--catalog", "sky/catalogue.ecsv"],
            ["bands: 'y' is not in", "g, r"],
        ),
        "no such id": (
            ["run", "similar", "features.h5", "--query", "SIM9999"],
            ["'SIM9999' is not an id of features.h5"],
        ),
        "other settings": (
            ["extract", "stamps", "--extractor", "profiles", "--set", "rings=5", "-o", "features.h5"],
            ["features.h5: was made with extractor.parameters.rings = 6, not 5", "--overwrite"],
        ),
        "other objects": (
            ["extract", "stamps/SIM000*.fits", "--extractor", "profiles", "-o", "features.h5"],
            ["features.h5: was made"],
        ),
        "no such extractor": (["extract", "stamps", "--extractor", "profile"], ["did you mean 'profiles'"]),
        "no such step": (["extract", "stamps", "--step", "stretsh"], ["did you mean 'stretch'"]),
        "no such parameter": (
            ["extract", "stamps", "--extractor", "profiles", "--set", "ring=2"],
            ["did you mean 'rings'"],
        ),
        "no such option": (["extract", "stamps", "--sise", "3"], ["--sise", "astrotl extract --help"]),
        "no such command": (["extrakt"], ["extrakt"]),
        "no such task": (["run", "simlar", "features.h5"], ["did you mean 'similar'"]),
        "no query": (["run", "similar", "features.h5"], ["--query"]),
        "no such store": (["run", "similar", "gone.h5", "--query", "a"], ["gone.h5: there is no such store"]),
        "not a store": (["index", "text.fits"], ["text.fits: is not a feature store"]),
        "unknown ending": (
            ["run", "similar", "features.h5", "--query", "SIM0001", "-o", "a.docx"],
            ["a.docx", ".ecsv"],
        ),
        "bad size": (["extract", "stamps", "--size", "large"], ["size:", "'large'"]),
        "no config": (["extract", "stamps", "--config", "gone.toml"], ["gone.toml: there is no such file"]),
    }


@pytest.mark.parametrize("mistake", [
    "a truncated FITS file", "a text file named .fits", "no such file", "a catalogue without positions", "no such band",
    "no such id", "other settings", "other objects", "no such extractor", "no such step", "no such parameter",
    "no such option", "no such command", "no such task", "no query", "no such store", "not a store", "unknown ending",
    "bad size", "no config",
])  # fmt: skip
def test_a_mistake_is_one_line_that_names_file_and_remedy(folder, mistake):
    arguments, words = _mistakes(folder)[mistake]
    if arguments[0] == "extract" and "-o" not in arguments:
        arguments = [*arguments, "-o", "mistake.h5"]
    if arguments[0] == "extract" and "--extractor" not in arguments:
        arguments = [*arguments, "--extractor", "profiles"]
    (folder / "mistake.h5").unlink(missing_ok=True)
    line = fails(folder, *arguments)
    for word in words:
        assert word in line


def test_an_index_of_another_store_is_refused(folder):
    call(folder, "extract", "stamps", "--extractor", "profiles", "--set", "rings=2", "-o", "rings2.h5")
    call(folder, "index", "rings2.h5", "-o", "rings2.ann")
    line = fails(folder, "run", "similar", "features.h5", "--query", "SIM0001", "--index", "rings2.ann")
    assert (
        "rings2.ann: belongs to another store than features.h5; build it again with astrotl index features.h5" in line
    )


def test_debug_shows_the_traceback(folder):
    done = call(folder, "run", "similar", "gone.h5", "--query", "a", "--debug")
    assert done.returncode == 1
    assert "Traceback" in done.stderr


@pytest.mark.parametrize("command", [
    (), ("demo",), ("extract",), ("index",), ("run",), ("run", "similar"), ("info",), ("plugins",), ("tasks",),
    ("extractors",), ("plugin", "new"),
])  # fmt: skip
def test_every_command_has_help(folder, command):
    done = call(folder, *command, "--help")
    assert done.returncode == 0
    assert "Usage: " in done.stdout


def test_help_shows_complete_examples(folder):
    assert "astrotl extract i='stamps/*/i.fits' r='stamps/*/r.fits'" in call(folder, "extract", "--help").stdout
    assert "astrotl run similar features.h5 --query M51" in call(folder, "run", "similar", "--help").stdout


def test_the_demo_plants_and_finds(folder):
    done = call(folder, "demo", "-o", "demo", "--objects", 150, "--extractor", "profiles")
    assert done.returncode == 0, done.stderr
    summary = (folder / "demo" / "summary.txt").read_text()
    assert "150 of 150 galaxies have 28 features" in summary
    for kind in simulate.KINDS:
        assert kind in summary
        assert (folder / "demo" / f"similar-{kind}.ecsv").exists()
    assert (folder / "demo" / "gallery.png").stat().st_size > 50_000
    note = json.loads((folder / "demo" / "features.ann.json").read_text())
    assert note["n"] == 150
    assert call(folder, "run", "similar", "demo/features.h5", "--query", "SIM0001", "--plot", "p.png").returncode == 0


def test_progress_is_silent_where_nobody_watches(capsys):
    with bar(total=3, unit="img") as shown:
        shown.update(3)
    assert capsys.readouterr().err == ""


def test_the_version_is_that_of_the_package(folder):
    with open(os.path.join(os.path.dirname(__file__), "..", "..", "pyproject.toml"), "rb") as file:
        version = tomllib.load(file)["project"]["version"]
    assert version in call(folder, "--version").stdout
