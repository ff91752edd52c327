"""The one style of all figures: colours, sizes and letters, nothing of the user's touched, one rule for all calls."""

import inspect
import itertools
import sys

import matplotlib
import numpy as np
import pytest
from astropy.table import Table
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text

from astrotl import plots, simulate
from astrotl.detection.table import make_boxes
from astrotl.plots._style import COLOURS, UNKNOWN
from astrotl.sources import ArrayField, ArraySource, EpochSource

# Machado, Oliveira and Fernandes (2009, IEEE TVCG 15, 1291), at full severity, for linear RGB.
EYES = {
    "all cones": np.eye(3),
    "no red cones": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "no green cones": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "no blue cones": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}


def seen_by(eye, colours):
    """Give colours in CIELAB, as an eye sees them."""
    rgb = np.array([to_rgb(colour) for colour in colours])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    linear = np.clip(linear @ np.array(EYES[eye]).T, 0, 1)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = linear @ to_xyz.T / (0.9505, 1.0, 1.089)
    root = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    x, y, z = root.T
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=1)


@pytest.mark.parametrize("eye", EYES)
def test_every_eye_tells_the_colours_apart(eye):
    # A difference of 2 is just seen side by side; 20 is another colour at first sight.
    lab = seen_by(eye, [*COLOURS, UNKNOWN])
    assert min(np.linalg.norm(one - other) for one, other in itertools.combinations(lab, 2)) > 20


@pytest.mark.parametrize("eye", EYES)
def test_every_eye_sees_the_colours_on_paper(eye):
    paper, *lab = seen_by(eye, ["white", *COLOURS])
    assert min(np.linalg.norm(colour - paper) for colour in lab) > 50


@pytest.fixture(scope="module")
def drawn():
    """Call every function once; those with one panel also for axes of one's own."""
    batch, truth = simulate.stamps(24, size=24, seed=2)
    images = ArraySource(batch.data, ids=batch.ids, channels=batch.channels)
    rng = np.random.default_rng(0)
    ranked = Table({"id": batch.ids, "rank": np.arange(1, 25), "score": np.linspace(0.9, 0.1, 24)})
    ranked["label"] = np.where(rng.uniform(size=24) < 0.5, "agn", "no")
    ranked.meta["astrotl"] = {"parameters": {"positive": ["agn"], "negative": []}}
    said = Table({"label": ranked["label"], "predicted": ranked["label"], "probability": np.full(24, 0.8)})
    said["p_agn"] = np.where(said["label"] == "agn", 0.8, 0.2)
    said["p_no"] = 1 - said["p_agn"]
    masses = Table({"mass": truth["log_mass"] + 0.1, "mass_true": truth["log_mass"]})
    places = Table({"x": rng.normal(size=24), "y": rng.normal(size=24), "label": ranked["label"]})
    runs = Table(
        {
            "extractor": ["a", "a", "b", "b"],
            "fraction": [0.1, 1, 0.1, 1],
            "seed": [0, 0, 0, 0],
            "f1": [0.5, 0.7, 0.4, 0.8],
        }
    )
    epochs = Table({"id": [f"o/d{n}" for n in range(6)], "object": ["o"] * 6, "epoch": [f"d{n}" for n in range(6)]})
    epochs["distance"], epochs["threshold"], epochs["flagged"], epochs["bad_night"] = 1.0, 2.0, False, False
    epochs["score"] = 0.0
    dates = EpochSource(ArraySource(batch.data[:6], ids=epochs["id"], channels=batch.channels))
    field = ArrayField(batch.data[0], "a", channels=batch.channels)
    true = make_boxes(["a", "a"], [6, 15], [6, 15], 6, 6, "clump")
    found = make_boxes(["a", "a"], [6, 20], [6, 5], 6, 6, "clump", score=[0.9, 0.6])
    history = Table({"epoch": [0, 1], "loss": [1.0, 0.5], "validation_loss": [1.1, 0.7]})
    maps = rng.random((24, 24, 24))
    given = {
        "anomalies": (ranked, images),
        "boxed": ([field], found, true),
        "calibration": (said,),
        "class_scores": (said,),
        "classified": (said,),
        "compared": (runs,),
        "completeness_purity": (found, true),
        "confusion_matrix": (said,),
        "epoch_timelines": (epochs, dates),
        "estimated": (masses,),
        "explained": (maps, batch),
        "feature_map": (places,),
        "gallery": (ranked, images),
        "properties": (masses,),
        "ranking_curves": (ranked,),
        "retrieved": (ranked, images),
        "roc_curves": (said,),
        "score_distribution": (ranked,),
        "training_curves": (history,),
    }
    return {name: (getattr(plots, name), arguments) for name, arguments in given.items()}


FIGURES = sorted(set(plots.__all__) - {"style"})


@pytest.mark.parametrize("name", FIGURES)
def test_one_panel_is_axes_and_several_are_a_figure(drawn, name):
    draw, arguments = drawn[name]
    if "ax" in inspect.signature(draw).parameters:
        ax = Figure().add_subplot()
        assert draw(*arguments, ax=ax) is ax
        assert isinstance(draw(*arguments), Axes)
    else:
        assert isinstance(draw(*arguments), Figure)


@pytest.mark.parametrize("name", FIGURES)
def test_it_fits_a_page_and_can_be_read(drawn, name):
    draw, arguments = drawn[name]
    figure = draw(*arguments).figure
    figure.draw_without_rendering()
    assert figure.get_figwidth() <= 7.01
    texts = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]
    assert min(text.get_fontsize() for text in texts) >= 5.5
    drawn_in, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
    assert min(drawn_in.x0, drawn_in.y0, width - drawn_in.x1, height - drawn_in.y1) > -0.02


@pytest.mark.parametrize("name", FIGURES)
def test_what_the_user_has_set_counts_for_nothing_and_stays(drawn, name):
    draw, arguments = drawn[name]
    plain = draw(*arguments).figure._repr_png_()
    mine = {
        "font.size": 20,
        "lines.linewidth": 9,
        "axes.facecolor": "pink",
        "xtick.direction": "out",
        "axes.grid": True,
    }
    with matplotlib.rc_context(mine):
        assert draw(*arguments).figure._repr_png_() == plain
        assert all(matplotlib.rcParams[key] == value for key, value in mine.items())


def test_whoever_draws_a_figure_draws_it_in_its_style(drawn):
    draw, arguments = drawn["feature_map"]
    ax = draw(*arguments)
    with matplotlib.rc_context({"xtick.direction": "out", "xtick.labelsize": 20}):
        FigureCanvasAgg(ax.figure).draw()
    assert {tick.get_tickdir() for tick in ax.xaxis.get_major_ticks()} == {"in"}
    assert {tick.label1.get_fontsize() for tick in ax.xaxis.get_major_ticks()} == {7}


def test_letters_stay_letters_in_vector_files(drawn, tmp_path):
    draw, arguments = drawn["ranking_curves"]
    ax = draw(*arguments)
    ax.figure.savefig(tmp_path / "curves.svg")
    assert ">purity</text>" in (tmp_path / "curves.svg").read_text()
    ax.figure.savefig(tmp_path / "curves.pdf")
    written = (tmp_path / "curves.pdf").read_bytes()
    assert b"/FontFile2" in written
    assert b"/Type3" not in written


def test_a_notebook_shows_what_has_a_figure_of_its_own(drawn):
    draw, arguments = drawn["feature_map"]
    assert draw(*arguments)._repr_png_().startswith(b"\x89PNG")
    draw, arguments = drawn["retrieved"]
    assert draw(*arguments)._repr_png_().startswith(b"\x89PNG")


def test_pyplot_is_left_alone(drawn):
    draw, arguments = drawn["gallery"]
    draw(*arguments)
    assert "matplotlib.pyplot" not in sys.modules or not sys.modules["matplotlib.pyplot"].get_fignums()


def test_figures_of_ones_own_look_alike():
    before = dict(matplotlib.rcParams)
    with plots.style():
        ax = Figure().add_subplot()
        ax.set_xlabel("redshift")
    assert ax.xaxis.label.get_fontsize() == 8
    assert dict(matplotlib.rcParams) == before
