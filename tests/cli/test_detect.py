"""``astrotl detect`` as an astronomer types it: teach, search, measure, and go on with what was found."""

import contextlib
import io
import json
import sys
import warnings
from dataclasses import dataclass
from unittest import mock

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from PIL import Image
from regions import Regions

from astrotl import FeatureStore, cli, simulate
from astrotl.detection import completeness_curve, detection_scores, read_boxes, write_coco
from astrotl.detection import detect as search
from astrotl.sources import open_fields
from astrotl.tables import read_table

GRI = ("g=sky/*-g.fits", "r=sky/*-r.fits", "i=sky/*-i.fits")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Twelve small galaxies in three bands and the boxes around their clumps, as COCO and as a table."""
    folder = tmp_path_factory.mktemp("clumps")
    (folder / "sky").mkdir()
    fields, boxes = simulate.clumpy(12, size=64, seed=1)
    for field in fields:
        for band, plane in zip(field.channels, field.read(0, 0, 64, 64), strict=True):
            fits.writeto(folder / "sky" / f"{field.id}-{band}.fits", plane, field.wcs.to_header())
    boxes.write(folder / "clumps.ecsv")
    write_coco(boxes, fields, folder / "clumps.json")
    return folder


@pytest.fixture(scope="module")
def found(folder):
    """What the classical detector finds, down to the lowest scores."""
    done = call(
        folder, "detect", "run", "classical", *GRI, "--set", "label=clump", "--threshold", 0, "-o", "found.ecsv",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return "found.ecsv"


@pytest.fixture(scope="module")
def pictures(folder):
    """Three pictures without a sky, of which the second is cut short; and a folder that is named like a table."""
    (folder / "dir.ecsv").mkdir()
    (folder / "pictures").mkdir()
    star = 200 * np.exp(-np.sum((np.mgrid[:60, :60] - 30) ** 2, axis=0) / 8)
    for name in "abc":
        noise = np.random.default_rng(1).integers(0, 50, (60, 60))
        Image.fromarray((noise + star).astype(np.uint8)).save(folder / "pictures" / f"{name}.jpg")
    whole = (folder / "pictures" / "b.jpg").read_bytes()
    (folder / "pictures" / "b.jpg").write_bytes(whole[: len(whole) // 2])
    return "pictures"


@dataclass(frozen=True)
class Done:
    returncode: int
    stdout: str
    stderr: str


def call(folder, *arguments, warn="error"):
    """Run a command here, for a process of its own would import everything anew each time."""
    said, told, code = io.StringIO(), io.StringIO(), 0
    with (
        contextlib.chdir(folder),
        contextlib.redirect_stdout(said),
        contextlib.redirect_stderr(told),
        warnings.catch_warnings(),
        mock.patch.object(sys, "argv", ["astrotl", *map(str, arguments)]),
    ):
        warnings.simplefilter(warn)
        try:
            cli.main()
        except SystemExit as stop:
            code = stop.code
    return Done(code, said.getvalue(), told.getvalue())


def fails(folder, *arguments):
    """Run what must fail, and give its one line."""
    done = call(folder, *arguments)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    (error,) = (line for line in done.stderr.splitlines() if line.startswith("astrotl: error: "))
    return error.removeprefix("astrotl: error: ")


def shown(scores):
    """Write a table of scores as the commands print it."""
    for name in ("value", "low", "high"):
        scores[name].info.format = ".3f"
    return "\n".join(scores.pformat(max_lines=-1, max_width=-1))


@pytest.mark.torch
def test_teach_search_and_measure(folder):
    torch = pytest.importorskip("torch", reason="torch is not installed: pip install astrotl[torch]")
    for package in ("lightning", "torchvision"):
        pytest.importorskip(package, reason=f"{package} is not installed: pip install astrotl[torch]")
    timm = pytest.importorskip("timm", reason="timm is not installed: pip install astrotl[torch]")
    from safetensors.torch import save_file

    torch.manual_seed(0)
    save_file(timm.create_model("test_resnet", num_classes=0).state_dict(), folder / "resnet.safetensors")
    taught = call(
        folder, "detect", "train", *GRI, "--boxes", "clumps.json", "--extractor", "timm", "--set", "model=test_resnet",
        "--set", "weights=resnet.safetensors", "--epochs", 1, "--box-pixels", 12, "-o", "clumps.safetensors",
    )  # fmt: skip
    assert taught.returncode == 0, taught.stderr
    said = taught.stderr.splitlines()
    assert said[0] == "12 images in the bands g, r, i"
    assert [line.split(",")[0] for line in said[1:]] == ["epoch 0", "epoch 1"]
    assert "clumps.safetensors: finds clump; at the score" in taught.stdout

    from astrotl.neural import FasterRCNN

    detector = FasterRCNN(folder / "clumps.safetensors")
    aside = [str(name) for name in detector.checked.meta["images"]]
    fields = open_fields({"g": f"{folder}/sky/*-g.fits", "r": f"{folder}/sky/*-r.fits", "i": f"{folder}/sky/*-i.fits"})
    kept = [field for field in fields if field.id in aside]
    boxes = Table.read(folder / "clumps.ecsv")
    (at,) = completeness_curve(
        search(kept, detector, threshold=0), boxes[np.isin(boxes["image"], aside)], thresholds=[detector.threshold]
    )
    assert detector.checked["value"].tolist() == pytest.approx([at["completeness"], at["purity"]], abs=1e-6)
    assert shown(detector.checked) in taught.stdout

    ran = call(folder, "detect", "run", "clumps.safetensors", *GRI, "--threshold", 0, "-o", "network.ecsv")
    assert ran.returncode == 0, ran.stderr
    table = read_table(folder / "network.ecsv")
    assert f"network.ecsv: {len(table):,} boxes in 12 of 12 images" in ran.stdout
    assert table.meta["astrotl"]["counts_from"] == detector.threshold
    assert len(table) == len(search(fields, detector, threshold=0))

    told = call(folder, "info", "clumps.safetensors")
    assert told.returncode == 0, told.stderr
    assert "clumps.safetensors: detector that was taught clump" in told.stdout
    swapped = fails(folder, "detect", "run", "clumps.safetensors", GRI[1], GRI[0], GRI[2], "-o", "x.ecsv")
    assert swapped == "bands: clumps.safetensors was taught with g, r, i in this order, got r, g, i"


def test_a_search_leaves_what_was_asked_for(folder):
    done = call(
        folder, "detect", "run", "classical", *GRI, "--set", "sigma=5", "--set", "bands=g", "--suppress", 0.2,
        "--merge", 2, "--on-host", "--flux", "--zeropoint", "g=27,r=26.5", "-o", "bright.fits", "--regions", "all.reg",
        "--coco", "all.json", "--plot", "all.png", warn="default",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    table = read_table(folder / "bright.fits")
    number = len(set(np.asarray(table["image"], dtype=str)))
    assert f"bright.fits: {len(table):,} boxes in {number} of 12 images" in done.stdout
    assert {"ra", "dec", "size", "flux_i", "mag_g", "mag_r"} <= set(table.colnames)
    assert "mag_i" not in table.colnames
    assert len(Regions.read(folder / "all.reg")) == len(table)
    fields = open_fields({"g": f"{folder}/sky/*-g.fits", "r": f"{folder}/sky/*-r.fits"})
    assert len(read_boxes(folder / "all.json", fields)) == len(table)
    assert (folder / "all.png").stat().st_size > 10_000
    known = table.meta["astrotl"]
    assert known["refined"] == {"suppress": 0.2, "merge": 2.0, "on_host": True}
    assert known["detector"]["parameters"]["bands"] == ["g"]
    assert len(known["searched"]) == 12


def test_a_picture_that_cannot_be_read_costs_no_other(folder, pictures):
    done = call(
        folder, "detect", "run", "classical", pictures, "-o", "some.ecsv", "--coco", "some.json", "--plot", "some.png",
        "--regions", "some-{image}.reg", warn="default",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "1 of 3 fields could not be searched; b: " in done.stderr
    assert "some.png: drawn" in done.stdout
    # An image without a box says that nothing is there.
    named = [image["file_name"] for image in json.loads((folder / "some.json").read_text())["images"]]
    assert named == ["a", "c"]
    assert sorted(path.name for path in folder.glob("some-*.reg")) == ["some-a.reg", "some-c.reg"]


def test_the_flux_is_that_of_what_counts(folder):
    words = ("detect", "run", "classical", *GRI, "--set", "bands=g", "--set", "label=clump", "--flux")
    done = call(folder, *words, "--zeropoint", 27, "--threshold", 0, "-o", "all.ecsv", warn="ignore")
    assert done.returncode == 0, done.stderr
    table = read_table(folder / "all.ecsv")
    sure = table["score"] >= 0.5
    assert 0 < sure.sum() < len(table)
    assert f"flux: measured of the {sure.sum()} boxes from the score 0.500 on, which alone mask others" in done.stdout
    assert not np.isfinite(np.ma.filled(table["flux_g"][~sure], np.nan)).any()
    assert call(folder, *words, "-o", "sure.ecsv", warn="ignore").returncode == 0
    alone = read_table(folder / "sure.ecsv")
    np.testing.assert_allclose(np.ma.filled(table["flux_g"][sure], np.nan), np.ma.filled(alone["flux_g"], np.nan))
    assert table["mag_g"].unit == "mag"
    assert table.meta["astrotl"]["flux"]["zeropoint"] == {"g": 27.0, "r": 27.0, "i": 27.0}
    assert table.meta["astrotl"]["flux"]["annulus"] == [1.5, 3.0]


def test_the_scores_are_those_of_python(folder, found):
    done = call(
        folder, "detect", "evaluate", found, "--boxes", "clumps.ecsv", "--within", 4, "--by", "mag", "-o",
        "scores.ecsv", "--plot", "boxes.png", "--curve", "curve.png",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == "12 images in the bands g, r, i\n"
    boxes, true = read_table(folder / found), read_table(folder / "clumps.ecsv")
    images = [f"SIM{number:04}" for number in range(1, 13)]
    scores = detection_scores(boxes, true, images=images, radius=4)
    assert shown(scores) in done.stdout
    assert f"{found}: {len(true)} true boxes in 12 images; counted from the score 0.500 on; boxes match" in done.stdout
    assert done.stdout.count("boxes match whatever their class") == 1
    assert read_table(folder / "scores.ecsv")["value"].tolist() == pytest.approx(scores["value"].tolist())
    assert min((folder / name).stat().st_size for name in ("boxes.png", "curve.png")) > 10_000


def test_some_of_the_images_that_were_searched(folder, found):
    true = read_table(folder / "clumps.ecsv")
    true["image"] = [f"{name}-g" for name in true["image"]]
    true.write(folder / "g.ecsv")
    done = call(folder, "detect", "run", "classical", "sky/*-g.fits", "-o", "g-found.ecsv", "--threshold", 0)
    assert done.returncode == 0, done.stderr
    done = call(folder, "detect", "evaluate", "g-found.ecsv", "sky/SIM000*-g.fits", "--boxes", "g.ecsv", warn="default")
    assert done.returncode == 0, done.stderr
    assert "g.ecsv: 11 of 37 boxes are left out: 11 of images that are not given" in done.stderr
    assert "26 true boxes in 9 images" in done.stdout
    other = fails(folder, "detect", "evaluate", found, "sky/*-g.fits", "--boxes", "g.ecsv")
    assert other == "inputs: found.ecsv is of other images, such as SIM0001, and of none of these, such as SIM0001-g"


def test_what_begins_at_a_score_has_no_precision(folder):
    done = call(folder, "detect", "run", "classical", *GRI, "--threshold", 0.9, "-o", "sure.ecsv")
    assert done.returncode == 0, done.stderr
    asked = call(folder, "detect", "evaluate", "sure.ecsv", "--boxes", "clumps.json", "--classes", "clump",
                 warn="default")  # fmt: skip
    assert asked.returncode == 0, asked.stderr
    assert "sure.ecsv: holds no box below a score of 0.9, so that ap50 and map are too low" in asked.stderr
    assert "counted from the score 0.900 on" in asked.stdout
    below = fails(folder, "detect", "evaluate", "sure.ecsv", "--boxes", "clumps.json", "--threshold", 0.5)
    assert below == "threshold: sure.ecsv holds no box below a score of 0.9; search again with --threshold 0"


def test_some_of_the_classes_are_those_of_both_tables(folder):
    (folder / "two").mkdir()
    for name in "ab":
        pixels = np.random.default_rng(0).normal(size=(80, 80)).astype(np.float32)
        fits.writeto(folder / "two" / f"{name}.fits", pixels)
    places = [
        (name, *place, 10, 10, label) for name in "ab" for place, label in (((20, 20), "odd"), ((60, 60), "plain"))
    ]
    true = Table(rows=places, names=("image", "x", "y", "width", "height", "class"))
    true.write(folder / "two.ecsv")
    found = true.copy()
    found["score"] = 0.9
    # One of four has the wrong name.
    found["class"] = ["odd", "odd", "odd", "plain"]
    found.write(folder / "named.ecsv")

    def evaluated(*words):
        done = call(folder, "detect", "evaluate", "named.ecsv", "two", "--boxes", "two.ecsv", *words, warn="ignore")
        assert done.returncode == 0, done.stderr
        values = {line.split()[0]: line.split()[1] for line in done.stdout.splitlines()[2:7]}
        return values["completeness"], values["purity"], done.stdout.splitlines()[-1]

    completeness, purity, said = evaluated()
    assert (completeness, purity) == ("0.750", "0.750")
    assert said.endswith("4 true boxes in 2 images; counted from the score 0.500 on; boxes of the same class match")
    assert evaluated("--classes", "plain")[:2] == ("0.500", "1.000")
    found["class"] = ["object"] * 4
    found.write(folder / "named.ecsv", overwrite=True)
    words = ("detect", "evaluate", "named.ecsv", "two", "--boxes", "two.ecsv", "--classes", "odd")
    asked = call(folder, *words, warn="default")
    assert asked.returncode == 0, asked.stderr
    assert "classes: no box of named.ecsv is of odd, only of object" in asked.stderr


def test_a_table_that_forgot_its_search(folder, found):
    Table.read(folder / found).write(folder / "plain.csv")
    lost = fails(folder, "detect", "evaluate", "plain.csv", "--boxes", "clumps.json")
    assert lost == "inputs: plain.csv does not say which images were searched; name them after it"
    one, other = (
        call(folder, "detect", "evaluate", *words, "--boxes", "clumps.json").stdout.splitlines()[:-1]
        for words in ((found,), ("plain.csv", *GRI))
    )
    assert one == other


def test_boxes_become_objects(folder, found):
    made = call(
        folder, "extract", *GRI, "--boxes", found, "--size", 16, "--extractor", "profiles", "-o", "objects.h5"
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    table = read_table(folder / found)
    assert len(FeatureStore(folder / "objects.h5")) == len(table)
    asked = ("run", "similar", "objects.h5", "--query", "SIM0001:0", "-k", 3, "--plot", "alike.png")
    done = call(folder, *asked)
    assert done.returncode == 0, done.stderr
    assert (folder / "alike.png").stat().st_size > 10_000
    whole = (folder / found).read_bytes()
    table["x"] += 5
    table.write(folder / found, overwrite=True)
    assert "are no longer those that objects.h5 was made from" in fails(folder, *asked)
    (folder / found).write_bytes(whole)


@pytest.mark.parametrize(
    ("command", "line"),
    [
        (
            "run clasical sky -o x.ecsv",
            "detector: expected classical or a file with the ending .safetensors, got clasical",
        ),
        ("run classical sky -o x.txt", "x.txt: the ending says the format, one of"),
        ("run classical sky -o x.ecsv --regions gone/x.reg", "gone/x.reg: there is no folder gone"),
        ("run classical sky -o x.ecsv --set sigm=5", "sigm: classical has no such parameter (did you mean 'sigma'?)"),
        ("run classical sky -o x.ecsv --set sigma=high", "sigma: must be a number above 0, got 'high'"),
        ("run classical sky -o x.ecsv --zeropoint g", "zeropoint: expected a magnitude, or one a band"),
        ("run classical sky -o x.ecsv --threshold 2", "threshold: must lie between 0 and 1, got 2.0"),
        ("run classical nothing -o x.ecsv", "nothing: there is no such file"),
        ("run classical sky -o x.ecsv --regions x.json", "regions: x.json needs the ending .reg"),
        ("run classical sky -o x.ecsv --coco x.ecsv", "coco: x.ecsv needs the ending .json"),
        ("run classical sky -o x.ecsv --plot x.pgn", "plot: x.pgn needs the ending .png or .pdf or .svg"),
        ("run classical sky -o dir.ecsv", "output: dir.ecsv is a folder"),
        (
            "run classical sky/SIM0001-g.fits -o sky/SIM0001-g.fits",
            "output: sky/SIM0001-g.fits is what INPUT names, too",
        ),
        ("run classical sky -o x.ecsv --suppress 2", "overlap: must be more than 0 and at most 1, got 2.0"),
        ("run classical sky -o x.ecsv --merge 0", "radius: must be more than 0 pixels, got 0.0"),
        ("run classical sky -o x.ecsv --zeropoint g=27", "zeropoint: there is no 'g'"),
        ("run classical sky -o x.ecsv --zeropoint nan", "zeropoint: expected a magnitude, got nan"),
        ("run classical pictures -o x.ecsv --regions x.reg", "path: a has no sky coordinates (WCS)"),
        ("evaluate found.ecsv --boxes clumps.ecsv -o found.ecsv", "output: found.ecsv is what FOUND names, too"),
        ("evaluate found.ecsv --boxes clumps.ecsv -o ./clumps.ecsv", "output: ./clumps.ecsv is what boxes names, too"),
        ("evaluate found.ecsv --boxes clumps.ecsv --plot x.png --curve x.png", "curve: x.png is what plot names, too"),
        ("evaluate found.ecsv --boxes clumps.ecsv -o x.ecsv --curve x.png --by magg", "column: true has no 'magg'"),
        ("evaluate found.ecsv --boxes clumps.ecsv -o x.ecsv --threshold nan", "threshold: expected a number, got nan"),
        ("evaluate clumps.ecsv --boxes clumps.json", "clumps.ecsv: has no column 'score'"),
        ("evaluate gone.ecsv --boxes clumps.json", "gone.ecsv: there is no such file"),
        ("train sky -o x.safetensors --boxes clumps.json", "clumps.json: of 37 boxes none is left: 37 of images"),
        ("train sky -o x.safetensors --boxes clumps.json --method lora", "Invalid value for '--method': 'lora' is not"),
    ],
)
def test_mistakes_are_one_line_and_told_before_the_search(folder, found, pictures, monkeypatch, command, line):
    monkeypatch.setattr("astrotl.detection.searching._search", lambda *_: pytest.fail("it has been searched"))
    assert fails(folder, "detect", *command.split()).startswith(line)
    assert not (folder / "x.ecsv").exists()


def test_no_command_at_all_shows_what_there_is(folder):
    done = call(folder, "detect")
    assert done.returncode == 1
    assert "astrotl detect train galaxies/" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_real_frame(folder, shared_data):
    frame = shared_data / "fits" / "sdss_frames" / "frame-r-008162-6-0080.fits.bz2"
    if not frame.exists():
        pytest.skip("the SDSS frames are not among the real data")
    done = call(
        folder, "detect", "run", "classical", frame, "--set", "sigma=5", "-o", "frame.ecsv", "--regions", "r.reg"
    )
    assert done.returncode == 0, done.stderr
    table = read_table(folder / "frame.ecsv")
    assert len(table) > 300
    assert np.ptp(table["ra"]) < 0.4
    assert len(Regions.read(folder / "r.reg")) == len(table)
