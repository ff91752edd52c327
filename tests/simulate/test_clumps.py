"""Galaxies with clumps: every box holds a clump that can be seen, and the rest of the image none."""

from __future__ import annotations

import numpy as np
import pytest

from astrotl import simulate
from astrotl.detection.table import corners


@pytest.fixture(scope="module")
def drawn():
    return simulate.clumpy(30, seed=2)


@pytest.fixture(scope="module")
def noiseless():
    return simulate.clumpy(30, seed=2, noise=0)


def pixels(field):
    return field.read(0, 0, *field.shape[::-1])


def test_the_first_images_do_not_depend_on_how_many_there_are(drawn):
    fields, boxes = drawn
    few, of_few = simulate.clumpy(4, seed=2)
    for one, other in zip(few, fields, strict=False):
        np.testing.assert_array_equal(pixels(one), pixels(other))
        assert one.id == other.id
        assert one.wcs.to_header() == other.wcs.to_header()
    same = boxes[np.isin(boxes["image"], [field.id for field in few])]
    assert all(np.array_equal(of_few[name], same[name]) for name in boxes.colnames)
    others, _ = simulate.clumpy(4, seed=3)
    assert not np.array_equal(pixels(others[0]), pixels(fields[0]))


def test_the_boxes_are_in_the_images_and_say_what_they_hold(drawn):
    fields, boxes = drawn
    assert boxes.colnames == ["image", "x", "y", "width", "height", "class", "flux_ratio", "mag"]
    assert set(boxes["image"].tolist()) <= {field.id for field in fields}
    edges = corners(boxes)
    assert edges.min() >= -0.5
    assert edges.max() <= 95.5
    counts = [np.sum(boxes["image"] == field.id) for field in fields]
    assert min(counts) == 0
    assert 4 < max(counts) <= 10
    assert 0.01 <= boxes["flux_ratio"].min() < boxes["flux_ratio"].max() <= 0.25
    # A luminosity function that falls: the fainter half of the range holds most of the clumps.
    assert np.mean(boxes["flux_ratio"] < 0.13) > 0.8


def test_a_clump_is_the_brightest_spot_of_its_box(noiseless):
    """What is left above the light around the box peaks within a pixel of the box's middle, with the flux promised."""
    fields, boxes = noiseless
    images = {field.id: pixels(field)[0] for field in fields}
    off, faint = [], []
    for row in boxes:
        x, y = round(row["x"]), round(row["y"])
        part = images[row["image"]][y - 3 : y + 4, x - 3 : x + 4]
        rim = np.median(np.concatenate([part[0], part[-1], part[:, 0], part[:, -1]]))
        peak = np.unravel_index(np.argmax(part[1:-1, 1:-1]), (5, 5))
        off.append(np.hypot(peak[0] - 2 - (row["y"] - y), peak[1] - 2 - (row["x"] - x)))
        faint.append(-2.5 * np.log10(max(np.sum(part - rim), 1e-3)) + 27 - row["mag"])
    assert np.mean(np.array(off) < 1) > 0.85
    # The wings of the point spread function are in what was taken away; a disc that bends adds some of its light.
    assert abs(np.median(faint)) < 0.4


def test_clumps_are_bluer_than_the_stars_and_the_galaxies(noiseless):
    fields, boxes = noiseless
    images = {field.id: pixels(field) for field in fields}
    bright = boxes[boxes["flux_ratio"] > 0.04]
    at = [images[row["image"]][:, round(row["y"]), round(row["x"])] for row in bright]
    centre = [image[:, 45:51, 45:51].mean(axis=(1, 2)) for image in images.values()]
    colours = [np.median([-2.5 * np.log10(spot[0] / spot[1]) for spot in spots]) for spots in (at, centre)]
    assert colours[0] < colours[1] - 0.2


def test_noise_hides_faint_clumps_and_nothing_else(drawn, noiseless):
    seen, all_of_them = ({(row["image"], row["x"]) for row in boxes} for _, boxes in (drawn, noiseless))
    assert seen < all_of_them
    _, few = simulate.clumpy(30, seed=2, noise=4)
    assert {(row["image"], row["x"]) for row in few} < seen
    assert np.median(few["mag"]) < np.median(drawn[1]["mag"])


def test_size_and_bands(noiseless):
    fields, boxes = simulate.clumpy(3, seed=2, size=128, bands=("i", "g"), noise=0)
    assert fields[0].shape == (128, 128)
    assert fields[0].channels == ("i", "g")
    # The galaxy is the same, 16 pixels from where it was in both directions.
    small = noiseless[1][noiseless[1]["image"] == "SIM0003"]
    np.testing.assert_allclose(boxes["x"][boxes["image"] == "SIM0003"][: len(small)], small["x"] + 16)
    large, little = pixels(fields[2])[1, 56:72, 56:72], pixels(noiseless[0][2])[0, 40:56, 40:56]
    np.testing.assert_allclose(np.median(large), np.median(little), rtol=0.02)


def test_the_sky_has_its_scale(drawn):
    ra, dec = drawn[0][0].wcs.pixel_to_world_values([40, 40], [40, 50])
    assert np.ptp(dec) * 3600 == pytest.approx(2.5, rel=1e-3)
    assert np.ptp(ra) * 3600 < 0.01


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"n": 0}, r"^n: expected one image or more"),
        ({"n": 1, "size": 48}, r"^size: expected 64 to 512"),
        ({"n": 1, "noise": -1}, r"^noise: expected zero"),
        ({"n": 1, "bands": ("q",)}, r"^bands: 'q' is not known"),
        ({"n": 1, "seed": -1}, r"^seed: expected an integer"),
    ],
)
def test_what_cannot_be_drawn_is_refused(given, message):
    with pytest.raises(ValueError, match=message):
        simulate.clumpy(**given)
