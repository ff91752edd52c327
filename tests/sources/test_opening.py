import json
import os
import pickle

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.table import Table
from PIL import Image

from astrotl import simulate
from astrotl.sources import ArraySource, FileSource, SkySource, StackSource, open_source, parse_inputs


@pytest.fixture
def stamps(tmp_path, stamp, noise):
    """Three objects in two bands; the last one lacks r."""
    images = {}
    for name in ("m31", "m33", "m51"):
        for band in "gr":
            if (name, band) != ("m51", "r"):
                images[name, band] = noise(8, 8)
                stamp(f"stamps/{name}/{band}.fits", images[name, band])
    return tmp_path / "stamps", images


def test_a_pattern_a_band_brings_the_files_of_each_object_together(stamps):
    folder, images = stamps
    source = open_source({"g": f"{folder}/*/g.fits", "r": f"{folder}/*/r.fits"})
    batch = source.read()
    assert batch.ids.tolist() == ["m31", "m33", "m51"]
    assert batch.channels == ("g", "r")
    assert np.array_equal(batch.data[1], [images["m33", "g"], images["m33", "r"]])
    assert batch.failed == {"m51": "there is no file for band r"}
    assert open_source({"g": f"{folder}/*/g.fits", "r": f"{folder}/*/r.fits"}, bands=["r"]).channels == ("r",)


@pytest.mark.parametrize(
    ("pattern", "names", "ids"),
    [
        ("{}-stamp-g.fits", ["a1", "a2"], ["a1", "a2"]),
        ("g/{}.fits.gz", ["a", "b"], ["a", "b"]),
        ("{}/deep/{}/g.fits", ["a", "b"], ["a-a", "b-b"]),
    ],
)
def test_ids_are_what_the_stars_stand_for(tmp_path, stamp, noise, pattern, names, ids):
    for name in names:
        stamp(pattern.replace("{}", name), noise(4, 4))
    assert open_source({"g": str(tmp_path / pattern.replace("{}", "*"))}).ids.tolist() == ids


@pytest.mark.parametrize(
    ("pattern", "ids"),
    [
        ("a?-g.fits", ["1", "2"]),
        ("a[12]-g.fits", ["1", "2"]),
        ("a[!3]-g.fits", ["1", "2"]),
        ("**/a*-g.fits", ["1", "2"]),
    ],
)
def test_every_kind_of_pattern(tmp_path, stamp, noise, pattern, ids):
    for name in ("a1-g.fits", "a2-g.fits"):
        stamp(name, noise(4, 4))
    assert open_source({"g": str(tmp_path / pattern)}).ids.tolist() == ids


def test_folders_below_a_double_star_tell_objects_apart(tmp_path, stamp, noise):
    for name in ("a/g.fits", "b/c/g.fits"):
        stamp(name, noise(4, 4))
    assert open_source({"g": f"{tmp_path}/**/g.fits"}).ids.tolist() == ["a", "b/c"]


def test_patterns_that_never_meet_are_refused(tmp_path, stamp, noise):
    stamp("m31-g.fits", noise(4, 4))
    stamp("m31-r.fits", noise(4, 4))
    with pytest.raises(ValueError, match=r"^inputs: no object has a file in every band; .* are g m31, r s\."):
        open_source({"g": f"{tmp_path}/*-g.fits", "r": f"{tmp_path}/m31-r.fit*"})


def test_lists_of_files_are_paired_in_their_order(stamp, noise):
    g = [stamp(f"{name}-g.fits", noise(4, 4)) for name in ("m33", "m31")]
    r = [stamp(f"{name}-r.fits", noise(4, 4)) for name in ("m33", "m31")]
    source = open_source({"g": g, "r": r})
    assert source.ids.tolist() == ["m33-g", "m31-g"]
    assert not source.read().failed
    assert np.array_equal(open_source(**source.origin).read().data, source.read().data)
    with pytest.raises(ValueError, match=r"^inputs: lists of files need one an object in every band"):
        open_source({"g": g, "r": r[:1]})


def test_folders_patterns_files_and_lists(tmp_path, stamp, noise):
    paths = [stamp(f"s/{name}", noise(4, 4)) for name in ("a.fits", "b.FIT.gz", "deep/c.fts")]
    (tmp_path / "s" / "notes.txt").write_text("no image")
    (tmp_path / "s" / "catalogue.csv").write_text("id\n1\n")
    for given in (tmp_path / "s", str(tmp_path / "s"), paths, [tmp_path / "s" / "deep", *paths[:2]]):
        assert sorted(open_source(given).ids.tolist()) == ["a", "b", "c"]
    assert open_source(f"{tmp_path}/s/*.fits").ids.tolist() == ["a"]
    assert open_source(f"{tmp_path}/s/**/*.[fF]*").ids.tolist() == ["a", "b", "c"]
    assert open_source(paths[0]).ids.tolist() == ["a"]


def test_pictures_in_a_folder(tmp_path):
    for name in ("1.jpg", "2.JPEG", "3.png"):
        Image.new("RGB", (6, 6), (9, 9, 9)).save(tmp_path / name)
    source = open_source(tmp_path, bands=["Red"])
    assert source.ids.tolist() == ["1", "2", "3"]
    assert source.read().data.shape == (3, 1, 6, 6)


def test_names_with_brackets_are_names(tmp_path, stamp, noise):
    assert open_source(stamp("ngc[1068].fits", noise(4, 4))).ids.tolist() == ["ngc[1068]"]


def test_what_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nothing\.fits: there is no such file, and no file matches"):
        open_source(tmp_path / "nothing.fits")
    with pytest.raises(FileNotFoundError, match=r"\*\.fits: there is no such file, and no file matches"):
        open_source({"g": f"{tmp_path}/*.fits"})
    with pytest.raises(FileNotFoundError, match="the folder holds no FITS, JPEG or PNG files"):
        open_source(tmp_path)
    with pytest.raises(ValueError, match=r"^bands: 'z' is not in the inputs, which has g"):
        open_source({"g": f"{tmp_path}/*.fits"}, bands=["z"])


def test_a_stack_comes_alone(tmp_path, noise):
    np.save(tmp_path / "a.npy", noise(3, 8, 8))
    np.save(tmp_path / "b.npy", noise(3, 8, 8))
    source = open_source(tmp_path / "a.npy", bands=["r"])
    assert isinstance(source, StackSource)
    assert source.channels == ("r",)
    with pytest.raises(ValueError, match=r"^inputs: a stack of images comes alone, but 2 files"):
        open_source(f"{tmp_path}/*.npy")
    with pytest.raises(ValueError, match=r"^size: the images of a stack have one already"):
        open_source(tmp_path / "a.npy", size=4)


@pytest.mark.parametrize("size", [6, "6", "6 pix"])
def test_stamps_take_their_size_in_pixels(stamps, size):
    folder, _ = stamps
    assert open_source({"g": f"{folder}/*/g.fits"}, size=size).read().data.shape == (3, 1, 6, 6)


@pytest.mark.parametrize("size", ["30 arcsec", 1, -5, "wide", 6.5])
def test_other_sizes_of_stamps_are_refused(stamps, size):
    folder, _ = stamps
    with pytest.raises(ValueError, match=r"^size: stamps take a number of pixels, 2 or more, got"):
        open_source({"g": f"{folder}/*/g.fits"}, size=size)


@pytest.fixture
def survey(tmp_path, mosaic, sky, noise):
    for band in "gr":
        mosaic(f"frame-{band}-1.fits", noise(160, 200), sky())
    Table({"objID": [587722981745295616, 587722981745295617], "ra": [150, 150.001], "dec": [2, 2.001]}).write(
        tmp_path / "galaxies.csv"
    )
    return tmp_path


def test_with_a_catalogue_the_inputs_are_mosaics(survey):
    inputs = {band: f"{survey}/frame-{band}-*.fits" for band in "gr"}
    source = open_source(inputs, catalog=survey / "galaxies.csv", size="10 arcsec")
    assert isinstance(source, SkySource)
    assert source.ids.tolist() == ["587722981745295616", "587722981745295617"]
    assert source.read().data.shape == (2, 2, 20, 20)
    assert open_source(inputs, catalog=survey / "galaxies.csv").read().data.shape == (2, 2, 64, 64)
    named = open_source(inputs, catalog=survey / "galaxies.csv", id_column="ra", bands=["r"])
    assert named.channels == ("r",)
    assert named.ids.tolist() == ["150.0", "150.001"] or named.ids.tolist() == ["150", "150.001"]


def test_a_catalogue_without_positions_says_what_it_has(survey):
    Table({"id": [1], "mag": [20.0]}).write(survey / "bare.csv")
    with pytest.raises(ValueError, match=r"bare\.csv: has no columns ra and dec .*; it has id, mag$"):
        open_source(f"{survey}/*.fits", catalog=survey / "bare.csv")
    with pytest.raises(ValueError, match=r"^id_column: .* has no column 'objld' \(did you mean 'objID'\?\)"):
        open_source(f"{survey}/*.fits", catalog=survey / "galaxies.csv", id_column="objld")


def test_the_origin_opens_the_same_images_from_any_folder(survey, stamps, tmp_path, monkeypatch, noise):
    np.save(tmp_path / "a.npy", noise(3, 8, 8))
    monkeypatch.chdir(survey)
    unsorted = [f"stamps/{name}/g.fits" for name in ("m51", "m31", "m33")]
    sources = [
        open_source({"g": "stamps/*/g.fits", "r": "stamps/*/r.fits"}, size=6),
        open_source(
            {band: f"frame-{band}-*.fits" for band in "gr"}, catalog="galaxies.csv", size="8 arcsec", bands=["r"]
        ),
        open_source(unsorted),
        open_source("stamps/m31"),
        open_source("a.npy", bands=["g"]),
    ]
    monkeypatch.chdir("/")
    for source in sources:
        origin = json.loads(json.dumps(source.origin))
        again = open_source(**origin)
        assert again.signature() == source.signature()
        assert again.ids.tolist() == source.ids.tolist()


def test_a_spelt_out_pattern_is_recorded_as_the_pattern(tmp_path, stamp, noise):
    paths = sorted(stamp(f"{number}.fits", noise(4, 4)) for number in range(20))
    assert open_source(paths).origin["inputs"] == str(tmp_path / "*.fits")
    assert open_source(paths[::-1]).origin["inputs"] == paths[::-1]


def test_a_slice_does_not_claim_the_origin_of_the_whole(stamps):
    folder, _ = stamps
    source = open_source({"g": f"{folder}/*/g.fits"})
    assert source.origin is not None
    assert source[:1].origin is None
    assert ArraySource(np.zeros((2, 3, 3))).origin is None


def test_inputs_as_they_are_typed(tmp_path, stamp, noise, monkeypatch):
    assert parse_inputs(["a.fits", "b.fits"]) == ["a.fits", "b.fits"]
    assert parse_inputs(["g=x/*.fits", "r=y=z.fits"]) == {"g": "x/*.fits", "r": "y=z.fits"}
    assert parse_inputs(["F606W=a.fits"]) == {"F606W": "a.fits"}
    monkeypatch.chdir(tmp_path)
    stamp("z=0.5.fits", noise(4, 4))
    assert parse_inputs(["z=0.5.fits"]) == ["z=0.5.fits"]
    with pytest.raises(ValueError, match=r"^inputs: b\.fits names no band, while others are given as BAND=PATTERN"):
        parse_inputs(["g=a.fits", "b.fits"])
    with pytest.raises(ValueError, match=r"^inputs: a band is named twice in g, g; put its pattern in quotes"):
        parse_inputs(["g=a.fits", "g=b.fits"])


def test_the_home_folder(tmp_path, stamp, noise, monkeypatch):
    stamp("g.fits", noise(4, 4))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert open_source("~/g.fits").ids.tolist() == ["g"]
    assert os.path.isabs(open_source("~/*.fits").origin["inputs"])
    assert isinstance(open_source({"g": "~/*.fits"}), FileSource)


@pytest.mark.parametrize("kind", ["stamps", "stack", "mosaic"])
def test_a_process_in_another_folder_reads_the_same_files(tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)
    truth = simulate.survey("sky", objects=20, seed=1)
    np.save("stack.npy", np.random.default_rng(1).normal(size=(20, 8, 8)))
    source = {
        "stamps": lambda: open_source({"r": "sky/*-r.fits"}, size=16),
        "stack": lambda: open_source("stack.npy"),
        "mosaic": lambda: SkySource({"r": ["sky/field0-r.fits"]}, SkyCoord(truth["ra"], truth["dec"]), size=16),
    }[kind]()
    here, travelling = source.read(), pickle.dumps(source)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    there = pickle.loads(travelling).read()
    assert there.failed == here.failed
    assert len(there.failed) < 20
    np.testing.assert_array_equal(there.data, here.data)
