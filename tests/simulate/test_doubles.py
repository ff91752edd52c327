"""Radio images: do the sources look like their class, and do the boxes hold them?"""

from __future__ import annotations

import numpy as np
import pytest

from astrotl import simulate
from astrotl.detection.table import corners, overlaps

NOISE = 1.5e-4


@pytest.fixture(scope="module")
def drawn():
    return simulate.doubles(60, seed=2)


def pixels(field):
    return field.read(0, 0, *field.shape[::-1])[0]


def cut(image, edges):
    left, bottom, right, top = np.rint(edges + 0.5).astype(int)
    return image[bottom:top, left:right]


def test_the_first_images_do_not_depend_on_how_many_there_are(drawn):
    fields, boxes = drawn
    few, of_few = simulate.doubles(3, seed=2)
    for one, other in zip(few, fields, strict=False):
        np.testing.assert_array_equal(pixels(one), pixels(other))
    same = boxes[np.isin(boxes["image"], [field.id for field in few])]
    assert all(np.array_equal(of_few[name], same[name]) for name in boxes.colnames)
    assert not np.array_equal(pixels(simulate.doubles(1, seed=3)[0][0]), pixels(fields[0]))


def test_every_image_has_one_to_four_sources_of_all_classes(drawn):
    fields, boxes = drawn
    assert boxes.colnames == ["image", "x", "y", "width", "height", "class", "flux"]
    counts = [int(np.sum(boxes["image"] == field.id)) for field in fields]
    assert set(counts) == {1, 2, 3, 4}
    assert set(boxes["class"].tolist()) == {"FR-I", "FR-II", "compact"}


@pytest.mark.parametrize("size", [64, 128])
def test_the_boxes_are_in_the_images_and_apart(size):
    fields, boxes = simulate.doubles(40, seed=5, size=size)
    edges = corners(boxes)
    assert edges.min() >= -0.5
    assert edges.max() <= size - 0.5
    for field in fields:
        here = edges[boxes["image"] == field.id]
        assert overlaps(here, here)[np.triu_indices(len(here), 1)].max(initial=0) == 0


def test_the_noise_is_that_of_the_survey_and_has_the_beams_shape(drawn):
    image = np.concatenate([pixels(field) for field in drawn[0]])
    quiet = np.abs(image) < 4 * NOISE
    assert 1.4826 * np.median(np.abs(image[quiet])) == pytest.approx(NOISE, rel=0.05)
    # Two pixels side by side have much in common where a beam is three pixels wide.
    both = quiet[:, 1:] & quiet[:, :-1]
    assert np.corrcoef(image[:, 1:][both], image[:, :-1][both])[0, 1] == pytest.approx(
        np.exp(-1 / (4 * (5.4 / 2.3548 / 1.8) ** 2)), abs=0.03
    )


def test_all_that_shines_is_in_a_box(drawn):
    """Six times the noise is seen in boxes only, and in every one of them."""
    fields, boxes = drawn
    edges = corners(boxes)
    for field in fields:
        image = pixels(field)
        for one in edges[boxes["image"] == field.id]:
            assert cut(image, one).max() > 6 * NOISE
        for one in edges[boxes["image"] == field.id]:
            cut(image, one)[:] = 0
        assert image.max() < 6 * NOISE


def test_the_flux_adds_up(drawn):
    fields, boxes = drawn
    images = {field.id: pixels(field) for field in fields}
    beam = 2 * np.pi * (5.4 / 2.3548 / 1.8) ** 2
    bright = np.flatnonzero(boxes["flux"] > 0.02)
    ratio = [cut(images[boxes["image"][row]], corners(boxes)[row]).sum() / beam / boxes["flux"][row] for row in bright]
    assert len(ratio) > 20
    assert np.median(ratio) == pytest.approx(1.0, abs=0.1)


def test_jets_are_bright_in_the_middle_and_lobes_at_the_ends(drawn):
    fields, boxes = drawn
    images = {field.id: pixels(field) for field in fields}
    places = {"FR-I": [], "FR-II": []}
    for row, edges in zip(boxes, corners(boxes), strict=True):
        if row["class"] in places and max(row["width"], row["height"]) > 14:
            part = cut(images[row["image"]], edges)
            y, x = np.unravel_index(part.argmax(), part.shape)
            far = np.hypot(y - (part.shape[0] - 1) / 2, x - (part.shape[1] - 1) / 2)
            places[row["class"]].append(far / np.hypot(*part.shape) * 2)
    # Fanaroff and Riley's own criterion: less or more than half the way out.
    assert np.mean(np.array(places["FR-I"]) < 0.5) > 0.9
    assert np.mean(np.array(places["FR-II"]) > 0.5) > 0.9


def test_the_sky_has_its_scale(drawn):
    _, dec = drawn[0][0].wcs.pixel_to_world_values([60, 60], [60, 70])
    assert np.ptp(dec) * 3600 == pytest.approx(18, rel=1e-3)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"n": 0}, r"^n: expected one image or more"),
        ({"n": 1, "size": 32}, r"^size: expected 64 to 512"),
        ({"n": 1, "seed": 0.5}, r"^seed: expected an integer"),
    ],
)
def test_what_cannot_be_drawn_is_refused(given, message):
    with pytest.raises(ValueError, match=message):
        simulate.doubles(**given)
