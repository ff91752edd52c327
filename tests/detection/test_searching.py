"""A search through fields of any size: nothing is lost on the seams of tiles, and nothing is there twice."""

import json
import tracemalloc
import zlib

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage

from astrotl.detection import Classical, Detector, Found, detect
from astrotl.errors import AstrotlWarning
from astrotl.sources import ArrayField, open_fields

SIDE = 150


class Blobs(Detector):
    """Boxes what is above each of these levels, as much of it as the tile shows; how sure it is differs by the tile."""

    tile = 64
    overlap = 16
    at_once = 4

    def __init__(self, *levels, **settings):
        self.levels = levels or (0.1,)
        self.classes = tuple(f"above {level}" for level in self.levels)
        self.__dict__ |= settings

    def look(self, images):
        return [self._boxes(*each) for each in zip(images.ids, images.data[:, 0], strict=True)]

    def signature(self):
        return {"class": "Blobs", "levels": list(self.levels)}

    def _boxes(self, name, image):
        rows = []
        for label, level in enumerate(self.levels):
            for y, x in ndimage.find_objects(ndimage.label(np.nan_to_num(image) > level)[0]):
                score = 0.6 + (zlib.crc32(f"{name} {label}".encode()) % 100) / 300
                width, height = x.stop - x.start, y.stop - y.start
                rows.append((x.start + (width - 1) / 2, y.start + (height - 1) / 2, width, height, score, label))
        return Found(*np.array(rows).reshape(-1, 6).T)


def blobs(*places, sigma=2.0, peak=1.0, shape=(SIDE, SIDE)):
    y, x = np.mgrid[: shape[0], : shape[1]]
    return sum(peak * np.exp(-((x - at[0]) ** 2 + (y - at[1]) ** 2) / (2 * sigma**2)) for at in places)


def search(image, detector=None, **settings):
    return detect([ArrayField(image, "m31")], detector or Blobs(), **settings)


# The borders of tiles are at 53 and 96 in each direction, the tiles' own edges at 43, 64, 86 and 107.
@pytest.mark.parametrize("y", [20.0, 42.5, 53.0, 53.5, 58.0, 64.0, 96.0, 148.0])
def test_what_lies_on_a_seam_is_there_once_and_where_it_is(y):
    for x in np.arange(30, 120, 1.3):
        table = search(blobs((x, y)))
        assert len(table) == 1, (x, y)
        assert table["x"][0] == pytest.approx(x, abs=1)
        assert table["y"][0] == pytest.approx(min(y, 147), abs=1)


@settings(deadline=None, max_examples=60)
@given(st.tuples(st.floats(0, SIDE - 1), st.floats(0, SIDE - 1)), st.integers(40, 100), st.integers(12, 20))
def test_what_lies_anywhere_is_there_once(place, tile, overlap):
    table = search(blobs(place), Blobs(tile=tile, overlap=overlap))
    assert len(table) == 1
    # Of what reaches out of the field a part is left.
    assert abs(table["x"][0] - place[0]) < 3
    assert abs(table["y"][0] - place[1]) < 3


def test_what_is_larger_than_the_overlap_is_there_once():
    for x in range(30, 120, 3):
        assert len(search(blobs((x, x / 2 + 20), sigma=6))) == 1


@pytest.mark.parametrize("direction", [(1, 0), (0, 1), (0.7, 0.7)])
def test_two_on_a_seam_stay_two(direction):
    for at in np.arange(35, 110, 1.7):
        first = np.array([at, at])
        second = first + 11.5 * np.array(direction)
        table = search(blobs(first, second))
        table.sort(["x", "y"])
        assert len(table) == 2, at
        np.testing.assert_allclose([*table["x"]], sorted([first[0], second[0]]), atol=1)


@pytest.mark.parametrize("aside", [0, 3, 6])
def test_what_lies_within_something_larger_stays_beside_it(aside):
    for x in range(30, 120):
        image = 0.3 * blobs((x, 70), sigma=4) + blobs((x + aside, 70), sigma=1)
        table = search(image, Blobs(0.1, 0.5))
        assert sorted(table["class"]) == ["above 0.1", "above 0.5"], x


def test_the_surest_comes_first_and_the_threshold_is_the_detectors():
    image = blobs((20, 20), (120, 30), (30, 130), (128, 128))
    table = search(image)
    assert len(table) == 4
    assert (np.diff(table["score"]) <= 0).all()
    sure = float(table["score"][1])
    assert len(search(image, threshold=sure)) == 2
    assert len(search(image, Blobs(threshold=sure))) == 2
    assert len(search(image, Blobs(threshold=sure), threshold=0)) == 4
    assert len(search(image, threshold=1)) == 0


@pytest.mark.parametrize("detector", [Classical(box=12), Classical(box=12, tile=64, overlap=24)])
def test_a_box_at_the_edge_keeps_its_place_and_its_size(detector):
    noise = np.random.default_rng(1).normal(size=(SIDE, SIDE))
    places = [(0, 50), (SIDE - 1, 75), (60, 1), (90, SIDE - 3)]
    table = search(noise + 200 * blobs(*places), detector)
    table.sort("x")
    # The peak of what is smoothed may be a pixel off at an edge.
    np.testing.assert_allclose(np.stack([table["x"], table["y"]], axis=1), sorted(places), atol=1)
    assert set(table["width"]) == set(table["height"]) == {12}


def test_a_box_whose_middle_lies_outside_is_left_out():
    edges = Found([-0.6, -0.5, 30], [9, 9, 49.6], [20] * 3, [20] * 3, [0.9] * 3, [0] * 3)
    assert edges.within((50, 40)).x.tolist() == [-0.5]


def test_what_reaches_beyond_the_field_costs_no_other_box():
    class Beyond(Blobs):
        def look(self, images):
            nowhere = Found([40], [60], [4], [4], [0.9], [0])
            return [Found.joined([nowhere, found]) for found in super().look(images)]

    # Most of the field's last tile is no field.
    image = blobs((20, 20), (46, 20), (90, 20), shape=(50, 120))
    assert len(search(image, Beyond())) == 3


@pytest.mark.parametrize("shape", [(1, 1), (5, 9), (3, 400), (64, 64), (65, 20), (63, 200)])
def test_fields_of_any_shape(shape):
    middle = ((shape[1] - 1) / 2, (shape[0] - 1) / 2)
    table = search(blobs(middle, shape=shape))
    assert len(table) == 1
    assert (table["x"][0], table["y"][0]) == pytest.approx(middle, abs=0.5)


@pytest.mark.parametrize(
    "fields", [[], [ArrayField(np.zeros((90, 80)), "a"), ArrayField(np.full((9, 9), np.nan), "b")]]
)
def test_nothing_found_is_an_empty_table(fields):
    table = detect(fields, Blobs())
    assert table.colnames == ["image", "x", "y", "width", "height", "class", "score"]
    assert len(table) == 0
    assert table.meta["astrotl"]["searched"] == [field.id for field in fields]


def test_fields_with_sky_coordinates_give_positions():
    wcs = WCS({"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 150, "CRVAL2": 2, "CRPIX1": 31, "CRPIX2": 61})
    wcs.wcs.cdelt = [-0.0001, 0.0001]
    there = ArrayField(blobs((30, 60)), "there", wcs=wcs)
    nowhere = ArrayField(blobs((30, 60)), "nowhere")
    table = detect([nowhere, there], Blobs())
    assert table["image"].tolist() == ["nowhere", "there"]
    assert (table["ra"][1], table["dec"][1]) == pytest.approx((150, 2), abs=0.0001)
    assert not np.isfinite(table["ra"][0])
    assert len(detect([ArrayField(np.zeros((9, 9)), wcs=wcs)], Blobs())) == 0


def test_the_table_says_where_it_comes_from():
    note = search(blobs((30, 60)), threshold=0.2).meta["astrotl"]
    assert note["detector"] == {"class": "Blobs", "levels": [0.1]}
    assert (note["threshold"], note["searched"], note["failed"]) == (0.2, ["m31"], {})
    json.dumps(note)


def test_a_picture_cut_short_is_counted_and_the_others_are_searched(tmp_path):
    noise = np.random.default_rng(1).integers(0, 50, (SIDE, SIDE))
    for name in ("a", "b", "c"):
        Image.fromarray((noise + 200 * blobs((60, 80))).astype(np.uint8)).save(tmp_path / f"{name}.jpg")
    whole = (tmp_path / "b.jpg").read_bytes()
    (tmp_path / "b.jpg").write_bytes(whole[: len(whole) // 2])
    fields = open_fields(tmp_path)
    with pytest.warns(AstrotlWarning, match=r"1 of 3 fields could not be searched; b: .*b\.jpg"):
        table = detect(fields, Blobs(100))
    assert table["image"].tolist() == ["a", "c"]
    assert table.meta["astrotl"]["searched"] == ["a", "c"]
    assert list(table.meta["astrotl"]["failed"]) == ["b"]


class Bar:
    def __call__(self, *, total, unit):
        self.total, self.unit, self.done, self.closed = total, unit, 0, False
        return self

    def update(self, count):
        self.done += count

    def close(self):
        self.closed = True


def test_the_bar_counts_tiles():
    bar = Bar()
    detect([ArrayField(np.zeros((SIDE, SIDE)), "a"), ArrayField(np.zeros((64, 20)), "b")], Blobs(), progress=bar)
    assert (bar.total, bar.unit, bar.done, bar.closed) == (10, "tile", 10, True)


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match=r"threshold: must lie between 0 and 1, got 1\.5"):
        search(np.zeros((9, 9)), threshold=1.5)
    with pytest.raises(ValueError, match="fields: every field needs an id of its own"):
        detect([ArrayField(np.zeros((9, 9))), ArrayField(np.zeros((9, 9)))], Blobs())


def test_a_large_field_is_searched_in_little_memory(tmp_path):
    rng = np.random.default_rng(1)
    image = rng.normal(size=(4000, 4000)).astype(np.float32)
    places = rng.integers(20, 3980, (300, 2))
    for x, y in places:
        image[y - 10 : y + 11, x - 10 : x + 11] += blobs((10, 10), peak=80, shape=(21, 21))
    fits.writeto(tmp_path / "mosaic.fits", image)
    del image
    fields = open_fields(tmp_path)
    tracemalloc.start()
    table = detect(fields, Classical(sigma=10, tile=512))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # The image takes 64 MB.
    assert peak < 48e6
    assert 290 < len(table) <= 300
