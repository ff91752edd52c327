"""Fluxes are right, their errors too, and neighbours do not count."""

import sys
import tracemalloc
import warnings

import numpy as np
import pytest

from astrotl.detection import measure_flux
from astrotl.detection.table import make_boxes
from astrotl.errors import AstrotlWarning, MissingDependencyError
from astrotl.sources import ArrayField

WIDTH = 1.5


def sky_with(x, y, flux, *, size=(200, 200), sky=20.0, noise=1.0, seed=0):
    """Gaussian stars; each lies in its own corner, so that a window is enough to draw it."""
    image = np.zeros(size)
    for a, b, f in zip(x, y, flux, strict=True):
        left, bottom = round(a) - 15, round(b) - 15
        rows, columns = np.mgrid[max(bottom, 0) : min(bottom + 31, size[0]), max(left, 0) : min(left + 31, size[1])]
        light = np.exp(-((columns - a) ** 2 + (rows - b) ** 2) / 2 / WIDTH**2) / (2 * np.pi * WIDTH**2)
        image[rows, columns] += f * light
    return image + sky + np.random.default_rng(seed).normal(scale=noise, size=size)


def test_fluxes_and_errors_of_many_stars():
    rng = np.random.default_rng(1)
    x, y = (values.ravel() + rng.uniform(-0.5, 0.5, 400) for values in np.meshgrid(*[np.arange(20, 620, 30)] * 2))
    flux = rng.uniform(-20, 2000, 400)
    image = sky_with(x, y, flux, size=(640, 640), noise=2.0)
    table = measure_flux(make_boxes("a", x, y, 12, 12, "star"), [ArrayField(image, "a", channels=("r",))])
    pull = (table["flux_r"] - flux) / table["flux_r_error"]
    assert abs(np.mean(pull)) < 0.15
    assert 0.9 < np.std(pull) < 1.1
    assert np.all(table["aperture"] == 6)


def test_the_light_of_a_circle_is_that_of_the_circle():
    table = measure_flux(
        make_boxes("a", 100.3, 90.6, 20, 20, "star"),
        [ArrayField(sky_with([100.3], [90.6], [5000.0], noise=1e-3), "a", channels=("r",))],
        radius=2.5,
        annulus=(4, 6),
    )
    # A pixel is as wide as its box, which makes the star a little wider.
    assert table["flux_r"][0] == pytest.approx(5000 * (1 - np.exp(-(2.5**2) / 2 / (WIDTH**2 + 1 / 12))), rel=0.01)


def test_neighbours_are_masked():
    x, y = [100, 107, 96, 100], [100, 100, 108, 88]
    flux = np.array([1000.0, 3000.0, 2000.0, 4000.0])
    image = sky_with(x, y, flux, noise=0.5)
    fields = [ArrayField(image, "a", channels=("r",))]
    boxes = make_boxes("a", x, y, 10, 10, "star")
    measured = np.array(measure_flux(boxes, fields)["flux_r"])
    np.testing.assert_allclose(measured, flux, rtol=0.03)
    assert measure_flux(boxes[:1], fields)["flux_r"][0] > 1100


def test_a_touching_neighbour_takes_its_half_only():
    image = sky_with([100, 105], [100, 100], [1000.0, 1000.0], noise=0.1)
    boxes = make_boxes("a", [100, 105], 100, 10, 10, "star")
    measured = measure_flux(boxes, [ArrayField(image, "a", channels=("r",))])["flux_r"]
    np.testing.assert_allclose(measured, 1000, rtol=0.06)


def test_bad_pixels_are_filled_by_the_ring_and_make_it_less_certain():
    image = sky_with([100], [100], [1000.0], noise=0.5)
    holed = image.copy()
    holed[101:103, 99], holed[98, 101] = np.nan, np.nan
    boxes = make_boxes("a", 100, 100, 10, 10, "star")
    whole, filled = (measure_flux(boxes, [ArrayField(one, "a", channels=("r",))]) for one in (image, holed))
    assert filled["flux_r"][0] == pytest.approx(whole["flux_r"][0], rel=0.03)
    assert filled["flux_r_error"][0] > whole["flux_r_error"][0]


def test_every_band_and_magnitudes_with_zeropoints():
    images = np.stack([sky_with([100], [100], [flux], seed=flux) for flux in (1000, 100, 10000)])
    field = ArrayField(images, "a", channels=("g", "r", "i"))
    boxes = make_boxes("a", 100, 100, 12, 12, "star")
    table = measure_flux(boxes, [field], zeropoint={"g": 25.0, "i": 26.0})
    assert table["mag_g"][0] == pytest.approx(25 - 7.5, abs=0.1)
    assert table["mag_i"][0] == pytest.approx(26 - 10, abs=0.05)
    assert "mag_r" not in table.colnames
    error = table["flux_g_error"][0] / table["flux_g"][0]
    assert table["mag_g_error"][0] == pytest.approx(1.0857 * error, rel=1e-3)
    assert "mag_r" in measure_flux(boxes, [field], zeropoint=25.0).colnames
    assert boxes.colnames == make_boxes("a", 100, 100, 12, 12, "star").colnames


def test_negative_flux_has_no_magnitude():
    image = sky_with([100], [100], [-500.0])
    table = measure_flux(make_boxes("a", 100, 100, 12, 12, "star"), [ArrayField(image, "a")], zeropoint=25.0)
    assert table["flux_0"][0] < 0
    assert np.isnan(table["mag_0"][0])


def test_photons_count_with_a_gain():
    field = ArrayField(sky_with([100], [100], [10000.0], noise=0.1), "a", channels=("r",))
    boxes = make_boxes("a", 100, 100, 12, 12, "star")
    assert measure_flux(boxes, [field], gain=2.0)["flux_r_error"][0] == pytest.approx(np.sqrt(10000 / 2), rel=0.02)


def test_what_cannot_be_measured_is_nan_and_counted():
    image = sky_with([100, 50], [100, 50], [1000.0, 1000.0])
    image[40:60, 40:60] = np.nan
    boxes = make_boxes(
        ["a", "a", "a", "a", "a", "b"],
        [100, 50, np.nan, -100, 150, 100],
        [100, 50, 30, 100, 150, 100],
        [10, 10, 10, 10, 0, 10],
        [10, 10, 10, 10, 0, 10],
        "star",
    )
    with pytest.warns(AstrotlWarning, match="boxes: 5 of 6 have no flux in some band"):
        table = measure_flux(boxes, [ArrayField(image, "a", channels=("r",))])
    assert np.isfinite(table["flux_r"]).tolist() == [True, False, False, False, False, False]


def test_at_the_edge_of_an_image():
    image = sky_with([1], [100], [1000.0], noise=0.5)
    table = measure_flux(make_boxes("a", 1, 100, 10, 10, "star"), [ArrayField(image, "a", channels=("r",))])
    assert table["flux_r"][0] == pytest.approx(1000, rel=0.05)


def test_in_a_crowd_little_that_is_covered_costs_no_flux():
    rng = np.random.default_rng(1)
    turn, away = rng.uniform(0, 2 * np.pi, (40, 5)), rng.uniform(5, 8, (40, 5))
    off = []
    for number in range(40):
        x, y = (
            np.r_[100, 100 + away[number] * np.cos(turn[number])],
            np.r_[100, 100 + away[number] * np.sin(turn[number])],
        )
        image = sky_with(x, y, np.full(6, 1000.0), seed=number)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AstrotlWarning)
            table = measure_flux(make_boxes("a", x, y, 8, 8, "star"), [ArrayField(image, "a", channels=("r",))])
        off.append(table["flux_r"][0] / 1000 - 1)
    assert np.isfinite(off).sum() >= 38
    assert abs(np.nanmedian(off)) < 0.1


def test_what_neighbours_cover_is_said():
    turn = np.linspace(0, 2 * np.pi, 9)[:-1]
    boxes = make_boxes("a", [100, *(100 + 4 * np.cos(turn))], [100, *(100 + 4 * np.sin(turn))], 10, 10, "star")
    image = sky_with([100], [100], [1000.0])
    with pytest.warns(AstrotlWarning, match="have no flux in some band: .* covered by neighbours"):
        table = measure_flux(boxes, [ArrayField(image, "a", channels=("r",))])
    assert np.isnan(table["flux_r"][0])
    image[100, 100] = np.nan
    with pytest.warns(AstrotlWarning, match="1 of 1 have no flux"):
        table = measure_flux(boxes[:1], [ArrayField(image, "a", channels=("r",))])
    assert np.isnan(table["flux_r"][0])


def test_a_star_before_a_galaxy_has_the_galaxy_for_its_sky():
    rows, columns = np.mgrid[:200, :200]
    image = sky_with([110], [100], [1000.0]) + 50 * np.exp(-((columns - 100) ** 2 + (rows - 100) ** 2) / 2 / 60**2)
    boxes = make_boxes("a", [110, 100], 100, [10, 120], [10, 120], "star")
    table = measure_flux(boxes, [ArrayField(image, "a", channels=("r",))], annulus=(1.2, 2))
    assert table["flux_r"][0] == pytest.approx(1000, rel=0.05)


def test_neighbours_of_any_size_are_no_trouble():
    image = sky_with([100], [100], [1000.0])
    boxes = make_boxes(
        "a", [100, 102, 100, 1e300, np.nan, 1e8], 100, [12, 0, 1e8, 12, 12, 12], [12, 0, 1e8, 12, 12, 12], "star"
    )
    with pytest.warns(AstrotlWarning, match="5 of 6 have no flux"):
        table = measure_flux(boxes, [ArrayField(image, "a", channels=("r",))])
    assert table["flux_r"][0] == pytest.approx(1000, rel=0.05)


def test_a_large_box_takes_no_more_memory_than_its_field():
    field = ArrayField(np.random.default_rng(1).normal(size=(600, 600)).astype(np.float32), "a")
    tracemalloc.start()
    table = measure_flux(make_boxes("a", 300, 300, 500, 500, "galaxy"), [field])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert np.isfinite(table["flux_0"][0])
    # Some arrays of eight bytes a pixel, not of the annulus, which is six times as large.
    assert peak < 20 * 8 * 600**2


def test_the_table_says_how_it_was_measured():
    boxes = make_boxes("a", 100, 100, 12, 12, "star")
    boxes.meta["astrotl"] = {"threshold": 0.5}
    field = ArrayField(sky_with([100], [100], [1000.0]), "a", channels=("r",))
    known = measure_flux(boxes, [field], zeropoint=27, annulus=(2, 4)).meta["astrotl"]
    assert known["threshold"] == 0.5
    assert known["flux"] == {"radius": None, "annulus": [2, 4], "zeropoint": {"r": 27.0}, "gain": None}
    assert boxes.meta["astrotl"] == {"threshold": 0.5}


def test_no_boxes_at_all():
    table = measure_flux(make_boxes([], [], [], [], [], []), [ArrayField(np.ones((50, 50)), "a", channels=("r",))])
    assert "flux_r_error" in table.colnames


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"radius": 0}, "radius: must be more than 0"),
        ({"annulus": (3, 2)}, "annulus: expected an inner"),
        ({"gain": -1}, "gain: must be more than 0"),
        ({"zeropoint": {"R": 25.0}}, "zeropoint: there is no 'R'"),
        ({"zeropoint": {"r": "27"}}, "zeropoint: expected a magnitude, got '27'"),
        ({"zeropoint": np.nan}, "zeropoint: expected a magnitude, got nan"),
    ],
)
def test_what_is_wrong_is_refused(wrong, said):
    boxes = make_boxes("a", 25, 25, 6, 6, "star")
    with pytest.raises(ValueError, match=said):
        measure_flux(boxes, [ArrayField(np.random.default_rng(0).normal(size=(50, 50)), "a", channels=("r",))], **wrong)


def test_without_photutils_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "photutils.aperture", None)
    with pytest.raises(MissingDependencyError, match="photometry needs the package photutils"):
        measure_flux(make_boxes("a", 25, 25, 6, 6, "star"), [ArrayField(np.ones((50, 50)), "a")])
