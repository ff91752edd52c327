"""Boxes out: COCO for other tools, regions for DS9."""

import json
import os

import numpy as np
import pytest
from astropy import units as u
from astropy.wcs import WCS
from faster_coco_eval import COCO
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from regions import Regions

from astrotl.detection import read_boxes, write_coco, write_regions
from astrotl.detection.table import corners, make_boxes
from astrotl.sources import ArrayField


def image(name="m31", wcs=None):
    return ArrayField(np.zeros((80, 100)), name, wcs=wcs)


def sky(turn=30.0, dec=60.0, frame=("RA---TAN", "DEC--TAN"), scale=0.2):
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = frame
    wcs.wcs.crval = 150.0, dec
    wcs.wcs.crpix = 50.5, 40.5
    cos, sin = np.cos(np.radians(turn)), np.sin(np.radians(turn))
    wcs.wcs.cd = np.array([[-cos, sin], [sin, cos]]) * scale / 3600
    return wcs


boxes_in = st.lists(
    st.tuples(
        st.sampled_from(["m31", "night/m33"]), st.floats(5, 94), st.floats(5, 74), st.floats(1e-3, 10),
        st.floats(1e-3, 10), st.text(min_size=1).filter(lambda text: text.strip() == text), st.floats(0, 1),
    ),
    min_size=1, max_size=8,
)  # fmt: skip


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(boxes_in, st.booleans())
def test_what_is_written_as_coco_is_read_as_it_was(tmp_path, rows, scored):
    *columns, scores = zip(*rows, strict=True)
    boxes = make_boxes(*columns, scores if scored else None)
    fields = [image(), image("night/m33"), image("empty")]
    write_coco(boxes, fields, tmp_path / "boxes.json")
    back = read_boxes(tmp_path / "boxes.json", fields)
    assert back.colnames == boxes.colnames
    np.testing.assert_allclose(corners(back), corners(boxes), rtol=0, atol=1e-12)
    for name in set(boxes.colnames) & {"image", "class", "score"}:
        assert back[name].tolist() == boxes[name].tolist()


def test_coco_ends_where_the_image_ends(tmp_path):
    boxes = make_boxes("m31", [1, 98, 50], [40, 78, 0.25], 12, 6, "clump")
    write_coco(boxes, [image()], tmp_path / "boxes.json")
    written = json.loads((tmp_path / "boxes.json").read_text())["annotations"]
    assert [one["bbox"] for one in written] == [[0, 37.5, 7.5, 6], [92.5, 75.5, 7.5, 4.5], [44.5, 0, 12, 3.75]]
    assert written[1]["area"] == 7.5 * 4.5
    back = read_boxes(tmp_path / "boxes.json", [image()])
    assert corners(back).tolist() == [[-0.5, 37, 7, 43], [92, 75, 99.5, 79.5], [44, -0.5, 56, 3.25]]


def test_other_tools_read_the_coco_file(tmp_path):
    boxes = make_boxes(["m31", "m31"], [10, 20], [10, 30], 8, 6, ["clump", "star"])
    write_coco(boxes, [image(), image("m33")], tmp_path / "boxes.json")
    content = json.loads((tmp_path / "boxes.json").read_text())
    assert content["images"] == [
        {"id": 1, "file_name": "m31", "width": 100, "height": 80},
        {"id": 2, "file_name": "m33", "width": 100, "height": 80},
    ]
    assert content["annotations"][0]["bbox"] == [6.5, 7.5, 8, 6]
    coco = COCO(str(tmp_path / "boxes.json"))
    assert len(coco.getAnnIds(imgIds=[1], catIds=coco.getCatIds(catNms=["star"]))) == 1


def equatorial(radesys, equinox, **how):
    wcs = sky(**how)
    wcs.wcs.radesys, wcs.wcs.equinox = radesys, equinox
    return wcs


FRAMES = [
    sky(),
    sky(dec=-89.99),
    sky(frame=("GLON-TAN", "GLAT-TAN"), turn=200),
    equatorial("FK4", 1900.0),
    equatorial("FK5", 1975.0, dec=20),
]


@pytest.mark.parametrize("wcs", FRAMES)
def test_regions_cover_on_the_sky_what_the_boxes_cover(tmp_path, wcs):
    rng = np.random.default_rng(5)
    x, y, width, height = rng.uniform(5, 75, (4, 12))
    field = image(wcs=wcs)
    write_regions(make_boxes("m31", x, y, width, height, "clump"), [field], tmp_path / "a.reg")
    regions = Regions.read(tmp_path / "a.reg", format="ds9")
    for row, region in enumerate(regions):
        assert region.center.frame.name == "icrs"
        np.testing.assert_allclose(np.ravel(field.pixels_of(region.center)), [x[row], y[row]], rtol=0, atol=1e-3)
        # The angle of a box is that from the circle of declination, to the east.
        end = region.center.directional_offset_by(region.angle - 90 * u.deg, region.width / 2)
        expected = [x[row] + width[row] / 2, y[row]]
        np.testing.assert_allclose(wcs.world_to_pixel(end), expected, rtol=0, atol=3e-3)
        assert region.height.to_value("arcsec") == pytest.approx(0.2 * height[row], rel=1e-3)


def test_regions_of_an_image_without_a_sky_are_the_boxes(tmp_path):
    x, y, width, height = np.random.default_rng(5).uniform(5, 75, (4, 12))
    write_regions(make_boxes("m31", x, y, width, height, "clump"), [image()], tmp_path / "a.reg")
    regions = Regions.read(tmp_path / "a.reg", format="ds9")
    back = [(region.center.x, region.center.y, region.width, region.height) for region in regions]
    np.testing.assert_allclose(back, np.stack([x, y, width, height], axis=1), rtol=0, atol=1e-6)
    assert {region.angle.value for region in regions} == {0}


def test_no_box_is_a_file_that_ds9_opens(tmp_path):
    write_regions(make_boxes(*[[]] * 6), [image(wcs=sky())], tmp_path / "a.reg")
    assert (tmp_path / "a.reg").read_text() == "# Region file format: DS9\n"
    assert len(Regions.read(tmp_path / "a.reg", format="ds9")) == 0


def test_regions_say_class_and_score(tmp_path):
    boxes = make_boxes("m31", [30, 40, 50], 20, 8, 6, ["clump", "odd {clump}", "star"], [0.914, 0.5, np.nan])
    write_regions(boxes, [image()], tmp_path / "a.reg")
    texts = [region.meta["text"] for region in Regions.read(tmp_path / "a.reg", format="ds9")]
    assert texts == ["clump 0.91", "odd (clump) 0.50", "star"]


def test_images_on_the_sky_share_a_file(tmp_path):
    boxes = make_boxes(["m31", "m33"], 30, 20, 8, 6, "clump")
    fields = [image(wcs=sky()), image("m33", wcs=sky(dec=10))]
    write_regions(boxes, fields, tmp_path / "a.reg")
    assert [round(region.center.dec.deg) for region in Regions.read(tmp_path / "a.reg", format="ds9")] == [60, 10]


def test_images_without_a_sky_have_files_of_their_own(tmp_path):
    boxes = make_boxes(["m31", "night/m33"], [30, 50], 20, 8, 6, "clump")
    fields = [image(), image("night/m33"), image("empty")]
    with pytest.raises(ValueError, match=r"path: m31 has no sky coordinates \(WCS\), .* write '\{image\}'"):
        write_regions(boxes, fields, tmp_path / "a.reg")
    write_regions(boxes, fields, tmp_path / "found-{image}.reg")
    assert sorted(os.listdir(tmp_path)) == ["found-empty.reg", "found-m31.reg", "found-night-m33.reg"]
    (region,) = Regions.read(tmp_path / "found-night-m33.reg", format="ds9")
    assert region.center.x == 50
    with pytest.raises(ValueError, match="fields: two images would go to the same file"):
        write_regions(boxes, [*fields, image("night-m33")], tmp_path / "{image}.reg")


@pytest.mark.parametrize("write", [write_coco, write_regions])
def test_a_file_appears_whole_or_not_at_all(tmp_path, write):
    boxes = make_boxes("m31", 30, 20, 8, 6, "clump")
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        write(boxes, [image()], tmp_path / "none" / "a")
    with pytest.raises(ValueError, match="fields: the image 'm31' of the boxes is not among them"):
        write(boxes, [image("m33")], tmp_path / "a")
    with pytest.raises(ValueError, match="boxes: has no column 'image'"):
        write(boxes["x", "y"], [image()], tmp_path / "a")
    assert os.listdir(tmp_path) == []
    write(boxes, [image()], tmp_path / "a")
    write(boxes, [image()], tmp_path / "a")
    assert os.listdir(tmp_path) == ["a"]


@pytest.mark.parametrize("write", [write_coco, write_regions])
def test_boxes_that_cannot_be_drawn_are_named(tmp_path, write):
    boxes = make_boxes("m31", [30, np.nan, 30], 20, [8, 8, 0], 6, "clump")
    with pytest.raises(ValueError, match=r"^boxes: 2 of 3, the first in row 1, have no place or no size; read_boxes"):
        write(boxes, [image()], tmp_path / "a")
    assert os.listdir(tmp_path) == []


def test_coco_has_no_box_outside_its_image(tmp_path):
    with pytest.raises(ValueError, match=r"^boxes: the one in row 1 lies outside its image, m31"):
        write_coco(make_boxes("m31", [30, 200], 20, 8, 6, "clump"), [image()], tmp_path / "a.json")
    assert os.listdir(tmp_path) == []
