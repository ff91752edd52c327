"""Cutouts about boxes: what was found flows on to features."""

import pickle

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from PIL import Image

from astrotl import extract_features
from astrotl.detection import BoxSource, add_sky, read_boxes
from astrotl.detection.table import make_boxes
from astrotl.extractors import Profiles
from astrotl.sources import ArrayField, open_fields


def image(name="m31", channels=("g", "r"), **keywords):
    pixels = np.random.default_rng(len(name)).normal(100, 10, (len(channels), 80, 100))
    return ArrayField(pixels, name, channels=channels, **keywords)


@pytest.fixture
def night(tmp_path):
    """Write two images of different sizes to files, and draw boxes in them."""
    rng = np.random.default_rng(4)
    for name, shape in ("a", (80, 100)), ("b", (120, 90)):
        fits.writeto(tmp_path / f"{name}.fits", rng.normal(100, 10, shape).astype(np.float32))
    boxes = make_boxes(list("baabbab"), [10, 20, 30, 40, 50, 60, 70], 40, [10, 8, 6, 6, 6, 6, 6], 6, "clump", 0.5)
    return open_fields(tmp_path / "*.fits"), boxes


def test_each_box_is_an_object_at_the_middle_of_its_cutout(night):
    fields, boxes = night
    source = BoxSource(fields, boxes, size=9)
    assert source.ids.tolist() == ["b:0", "a:0", "a:1", "b:1", "b:2", "a:2", "b:3"]
    assert source.channels == ("image",)
    batch = source.read()
    np.testing.assert_array_equal(batch.data[1], fields[0].read(16, 36, 9, 9))
    np.testing.assert_array_equal(batch.data[6], fields[1].read(66, 36, 9, 9))
    assert not batch.failed


@pytest.mark.parametrize(("size", "left"), [(9, [6, 7]), (8, [7, 7])])
def test_centres_lie_within_half_a_pixel_of_the_middle(size, left):
    field = image()
    source = BoxSource([field], make_boxes("m31", [10.4999, 10.5000001], 40, 6, 6, "clump"), size=size)
    for cutout, at in zip(source.read().data, left, strict=True):
        np.testing.assert_array_equal(cutout, field.read(at, 36 if size == 9 else 37, size, size))


def test_the_size_follows_the_median_box(night):
    fields, boxes = night
    assert BoxSource(fields, boxes).read().data.shape[2:] == (9, 9)
    assert BoxSource(fields, boxes, grow=4).read().data.shape[2:] == (24, 24)
    assert BoxSource(fields, boxes, grow=0.5).read().data.shape[2:] == (8, 8)


def test_what_lies_outside_the_image_has_no_data():
    source = BoxSource([image()], make_boxes("m31", [0, 500], 40, 6, 6, "clump"), size=8)
    batch = source.read()
    assert np.isnan(batch.data[0, :, :, :3]).all()
    assert np.isfinite(batch.data[0, :, :, 4:]).all()
    assert dict(batch.failed) == {"m31:1": "there is no data in m31 about this box"}


def test_parts_give_the_same_cutouts_and_travel_light(night):
    fields, boxes = night
    source = BoxSource(fields, boxes, size=9)
    whole = source.read().data
    for rows in slice(1, 3), np.array([6, 0, 2]), source.order():
        part = pickle.loads(pickle.dumps(source[rows]))
        assert part.ids.tolist() == source.ids[rows].tolist()
        np.testing.assert_array_equal(part.read().data, whole[rows])
    assert [name[0] for name in source.ids[source.order()]] == list("aaabbbb")
    many = BoxSource(fields, make_boxes("a", np.arange(20_000) % 90, 40, 6, 6, "clump"), size=9)
    assert len(pickle.dumps(many[:256])) < 60_000
    assert len(many[:0].read()) == 0


def test_the_table_says_what_is_known_of_each_box(shared_data):
    (frame,) = open_fields(shared_data / "fits" / "sdss_frames" / "frame-r-*.bz2")
    boxes = make_boxes(frame.id, [500, 1000], [700, 800], 10, [8, 12], "star", [0.9, 0.8])
    source = BoxSource([frame], add_sky(boxes, [frame]))
    table = source[1:].table()
    assert table.colnames[:9] == ["id", "image", "x", "y", "width", "height", "class", "score", "ra"]
    assert table["id"].tolist() == [f"{frame.id}:1"]
    assert abs(table["ra"][0] - frame.sky_of(1000, 800).ra.deg) < 1e-9
    np.testing.assert_array_equal(source.read().data[1], frame.read(993, 793, 16, 16))


def test_the_signature_says_what_decides_the_pixels(night):
    fields, boxes = night
    signature = BoxSource(fields, boxes, size=9).signature()
    assert signature == BoxSource(fields[::-1], boxes, size=9).signature()
    assert signature != BoxSource(fields, boxes, size=10).signature()
    assert signature != BoxSource(fields, boxes[::-1], size=9).signature()
    moved = boxes.copy()
    moved["x"][3] += 1
    assert signature != BoxSource(fields, moved, size=9).signature()


def test_boxes_become_features(night, tmp_path):
    fields, boxes = night
    source = BoxSource(fields, boxes, size=16)
    store = extract_features(source, Profiles(), tmp_path / "boxes.h5")
    assert store.ids.tolist() == source.ids.tolist()
    assert np.isfinite(store.features(slice(None))).all()


def test_an_image_that_breaks_fails_its_boxes_alone(tmp_path):
    for name in "ab":
        pixels = np.random.default_rng(1).integers(0, 255, (200, 300)).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{name}.jpg")
    content = (tmp_path / "a.jpg").read_bytes()
    (tmp_path / "a.jpg").write_bytes(content[: len(content) // 2])
    batch = BoxSource(open_fields(tmp_path), make_boxes(["a", "b"], 50, 50, 10, 10, "clump")).read()
    assert batch.value_range == (0, 255)
    assert list(batch.failed) == ["a:0"]
    assert "cannot be read as a picture" in batch.failed["a:0"]
    assert np.isfinite(batch.data[1]).all()


@pytest.mark.parametrize(
    ("fields", "boxes", "keywords", "message"),
    [
        ([image()], make_boxes([], [], [], [], [], []), {}, "boxes: there are none"),
        ([image()], Table({"x": [1]}), {}, "boxes: has no column 'image'"),
        ([image()], make_boxes("m33", 1, 1, 1, 1, "a"), {}, "fields: the image 'm33' of the boxes"),
        ([image()], make_boxes("m31", np.nan, 1, 1, 1, "a"), {}, "boxes: some have no position"),
        (
            [image()],
            make_boxes("m31", 1, 1, 1, 1, "a"),
            {"size": 1},
            "size: expected a whole number of pixels, 2 or more, got 1",
        ),
        ([image()], make_boxes("m31", 1, 1, 1, 1, "a"), {"size": 10.0}, "size: expected a whole number of pixels"),
        ([image()], make_boxes("m31", 1e300, 1, 1, 1, "a"), {}, "boxes: some have no position"),
        ([image()], make_boxes("m31", 1, 1, 1, 1, "a"), {"grow": 0}, "grow: expected more than 0, got 0"),
        (
            [image(), image("m3", channels=("g",))],
            make_boxes(["m3", "m31"], 1, 1, 1, 1, "a"),
            {},
            "fields: m31 has the channels g, r, but m3 has g",
        ),
        (
            [image(), image("m3", value_range=(0, 255))],
            make_boxes(["m3", "m31"], 1, 1, 1, 1, "a"),
            {},
            "fields: the values of m31 fill another range than those of m3",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(fields, boxes, keywords, message):
    with pytest.raises(ValueError, match=message):
        BoxSource(fields, boxes, **keywords)


def test_clumps_of_real_galaxies(shared_data):
    fields = open_fields(shared_data / "clumps")
    source = BoxSource(fields, read_boxes(shared_data / "clumps.json", fields))
    assert len(source) == 409
    batch = source[:20].read()
    assert batch.channels == ("red", "green", "blue")
    assert not batch.failed
