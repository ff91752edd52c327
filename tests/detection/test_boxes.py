"""Labels in: what was drawn in images, whatever drew it."""

import json
import warnings

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import MaskedColumn, QTable, Table
from astropy.wcs import WCS
from hypothesis import given, settings
from hypothesis import strategies as st

from astrotl.detection import read_boxes
from astrotl.detection.table import corners
from astrotl.errors import AstrotlWarning
from astrotl.sources import ArrayField, open_fields


def image(name="m31", shape=(80, 100), wcs=None):
    return ArrayField(np.zeros(shape), name, wcs=wcs)


def sky(ra=150.0, dec=60.0, scale=0.5):
    cards = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": ra, "CRVAL2": dec, "CRPIX1": 50.5, "CRPIX2": 40.5}
    return WCS({**cards, "CDELT1": -scale / 3600, "CDELT2": scale / 3600})


def places(boxes):
    return np.stack([boxes[name] for name in ("x", "y", "width", "height")], axis=1).tolist()


@pytest.fixture
def coco(tmp_path):
    """Write a COCO file of one image and one box, of which one value is another one."""

    def write(**changes):
        content = {
            "images": [{"id": 7, "file_name": "stamps/m31.png", "width": 100, "height": 80}],
            "categories": [{"id": 1, "name": "clump"}],
            "annotations": [{"id": 1, "image_id": 7, "category_id": 1, "bbox": [10, 20, 8, 6], "iscrowd": 0}],
        }
        for key, change in changes.items():
            content[key] = content[key] + change if isinstance(change, list) else change
        path = tmp_path / "boxes.json"
        path.write_text(json.dumps(content))
        return path

    return write


def test_coco_counts_from_the_outer_corner_of_the_first_pixel(coco):
    boxes = read_boxes(coco(), [image()])
    assert boxes.colnames == ["image", "x", "y", "width", "height", "class"]
    assert tuple(boxes[0]) == ("m31", 13.5, 22.5, 8, 6, "clump")
    assert boxes["x"].unit == u.pix
    whole = {"id": 2, "image_id": 7, "category_id": 1, "bbox": [0, 0, 100, 80]}
    assert corners(read_boxes(coco(annotations=[whole]), [image()]))[1].tolist() == [-0.5, -0.5, 99.5, 79.5]


def test_scores_of_coco_are_kept(coco):
    scored = {"id": 2, "image_id": 7, "category_id": 1, "bbox": [0, 0, 10, 8], "score": 0.25}
    np.testing.assert_array_equal(read_boxes(coco(annotations=[scored]), [image()])["score"], [np.nan, 0.25])


def test_what_cannot_be_used_is_counted_once(coco):
    def box(bbox, image_id=7, **more):
        return {"id": 9, "image_id": image_id, "category_id": 1, "bbox": bbox, **more}

    other = {"id": 8, "file_name": "m33.png"}
    odd = [
        box([10, 20, 8, 6], image_id=8),
        box([10, 20, 8, 6], iscrowd=1),
        box([10, 20, 0, 6]),
        box([10, 20, 8, -6]),
        box([10, float("nan"), 8, 6]),
        box([10, 20, float("inf"), 6]),
        box([10**400, 20, 8, 6]),
        box([100.5, 20, 8, 6]),
        box([99.5, 20, 8, 6]),
    ]
    with pytest.warns(AstrotlWarning) as said:
        boxes = read_boxes(coco(images=[other], annotations=odd), [image()])
    assert len(boxes) == 1
    (warning,) = said
    assert str(warning.message).endswith(
        "boxes.json: 9 of 10 boxes are left out: 1 crowds, 1 of images that are not given, "
        "3 with values that are no numbers, 2 of no size, 2 outside their image"
    )
    assert warning.filename == __file__


def test_boxes_are_cut_at_the_edge_of_their_image():
    labels = Table({"image": ["m31"] * 3, "x": [-0.5, 98, 50], "y": [10, 79.5, 40], "width": [8, 6, 0.25]})
    labels["height"] = [4, 6, 300]
    boxes = read_boxes(labels, [image()])
    assert corners(boxes).tolist() == [[-0.5, 8, 3.5, 12], [95, 76.5, 99.5, 79.5], [49.875, -0.5, 50.125, 79.5]]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.floats(-300, 300), st.floats(-300, 300), st.floats(-10, 300), st.floats(0, 300)), max_size=20)
)
def test_no_box_reaches_out_of_its_image(drawn):
    labels = Table(rows=[(50, 40, 10, 10), *drawn], names=["x", "y", "width", "height"], dtype=["f8"] * 4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AstrotlWarning)
        boxes = read_boxes(labels, [image()])
    edges = corners(boxes)
    assert (edges[:, :2] >= -0.5).all()
    assert (edges[:, 2:] <= [99.5 + 1e-9, 79.5 + 1e-9]).all()
    assert (edges[:, 2:] > edges[:, :2]).all()
    given_places = labels["x", "y", "width", "height"].as_array().tolist()
    for place, edge in zip(places(boxes), edges.tolist(), strict=True):
        if edge[0] > -0.5 and edge[1] > -0.5 and edge[2] < 99.5 and edge[3] < 79.5:
            assert tuple(place) in given_places


def test_tables_of_corners_count_from_the_centre_of_the_first_pixel():
    for names in ("x_min", "y_min", "x_max", "y_max"), ("Xmin", "Ymin", "Xmax", "Ymax"):
        labels = Table([["m31"], [10], [20], [18], [26], [21.5]], names=["image", *names, "mag"])
        boxes = read_boxes(labels, [image()])
        assert places(boxes) == [[14, 23, 8, 6]]
        assert boxes.colnames == ["image", "x", "y", "width", "height", "class", "mag"]
        assert boxes["class"][0] == "object"


def test_points_become_boxes_of_their_radius():
    points = Table({"image": ["m31", "m31"], "x": [30, 60], "y": [20, 30], "radius": [3.0, 4.0]})
    assert places(read_boxes(points, [image()])) == [[30, 20, 6, 6], [60, 30, 8, 8]]
    assert places(read_boxes(points, [image()], radius=5))[0] == [30, 20, 10, 10]
    for radius in "2 arcsec", 2 * u.arcsec:
        np.testing.assert_allclose(places(read_boxes(points, [image(wcs=sky())], radius=radius))[0], [30, 20, 8, 8])
    points["radius"].unit = u.arcsec
    np.testing.assert_allclose(places(read_boxes(points, [image(wcs=sky())]))[1], [60, 30, 16, 16])


def test_points_at_the_edge_of_their_image_keep_their_place():
    points = Table({"x": [1, 99.5, 50, 101], "y": [40, 79, -0.5, 40]})
    with pytest.warns(AstrotlWarning, match="labels: 1 of 4 boxes are left out: 1 outside their image"):
        boxes = read_boxes(points, [image()], radius=6)
    assert places(boxes) == [[1, 40, 12, 12], [99.5, 79, 12, 12], [50, -0.5, 12, 12]]


def test_positions_go_to_every_image_that_holds_them():
    fields = [image("a", wcs=sky()), image("b", wcs=sky(dec=60.005)), image("c", wcs=sky(ra=200))]
    labels = Table({"ra": [150.0, 150.0, 10.0], "dec": [60.002, 60.0, 10.0], "mag": [20.0, 21.0, 22.0]})
    with pytest.warns(AstrotlWarning, match="labels: 1 of 5 boxes are left out: 1 outside every image"):
        boxes = read_boxes(labels, fields, radius="3 arcsec")
    assert boxes["image"].tolist() == ["a", "b", "a", "b"]
    assert boxes["mag"].tolist() == [20, 20, 21, 21]
    np.testing.assert_allclose(boxes["y"], [39.5 + 14.4, 39.5 - 21.6, 39.5, 3.5], atol=1e-3)
    np.testing.assert_allclose(boxes["width"], 12, rtol=1e-5)
    centres = fields[1].sky_of(boxes["x"][1:2], boxes["y"][1:2])
    assert centres.separation(SkyCoord(150, 60.002, unit="deg")).arcsec.max() < 1e-6


def test_positions_need_a_sky():
    labels = Table({"ra": [150.0], "dec": [60.0]})
    with pytest.raises(ValueError, match=r"labels: bare has no sky coordinates \(WCS\)"):
        read_boxes(labels, [image(wcs=sky()), image("bare")], radius=3)
    points = Table({"image": ["bare"], "x": [30], "y": [20]})
    with pytest.raises(ValueError, match="labels: bare has no sky coordinates"):
        read_boxes(points, [image(wcs=sky()), image("bare")], radius="3 arcsec")
    # Other images may be as they like.
    points["image"] = ["m31"]
    assert len(read_boxes(points, [image(wcs=sky()), image("bare")], radius="3 arcsec")) == 1


@pytest.mark.parametrize(
    "name", ["m31", "m31.fits", "m31.fits.fz", "stamps/m31.png", "/data/m31.jpg", "c:\\stamps\\m31.PNG"]
)
def test_images_go_by_ids_or_files(name):
    labels = Table({"picture": [name], "x": [30], "y": [20], "width": [8], "height": [6]})
    assert read_boxes(labels, [image("m33"), image("m31")])["image"].tolist() == ["m31"]


def test_images_of_one_name_go_by_their_folders():
    labels = Table({"image": ["day2/a.png", "x/day1/a.png"], "x": [30, 30], "y": [20, 20]})
    fields = [image("day1/a"), image("day2/a")]
    assert read_boxes(labels, fields, radius=3)["image"].tolist() == ["day2/a", "day1/a"]
    labels["image"] = ["a.png", "day1/a"]
    with pytest.warns(AstrotlWarning, match="1 of images that are not given"):
        assert read_boxes(labels, fields, radius=3)["image"].tolist() == ["day1/a"]


def test_the_column_of_images_may_be_named():
    labels = Table({"a": ["m31"], "b": ["m33"], "x": [30], "y": [20], "width": [8], "height": [6]})
    fields = [image("m33"), image("m31")]
    assert read_boxes(labels, fields, image_column="b")["image"].tolist() == ["m33"]
    with pytest.raises(ValueError, match=r"image_column: the labels have no 'c'"):
        read_boxes(labels, fields, image_column="c")
    labels.remove_columns(["a", "b"])
    with pytest.raises(ValueError, match="labels: no column holds names of the images, such as 'm33'"):
        read_boxes(labels, fields)
    assert read_boxes(labels, fields[:1])["image"].tolist() == ["m33"]


def test_numbers_may_be_names():
    labels = Table({"class": [1, 2], "frame": [2, 1], "x": [30, 40], "y": [20, 20]})
    boxes = read_boxes(labels, [image("1"), image("2")], radius=3)
    assert boxes["image"].tolist() == ["2", "1"]
    assert boxes["class"].tolist() == ["1", "2"]


def test_classes_are_chosen_by_name():
    labels = Table({"x": [30, 40], "y": [20, 20], "label": ["clump", "star"]})
    assert read_boxes(labels, [image()], radius=3, classes=["star"])["class"].tolist() == ["star"]
    with pytest.raises(ValueError, match=r"classes: no box is a 'stars' \(did you mean 'star'\?\); there are clump"):
        read_boxes(labels, [image()], radius=3, classes=["stars"])


def test_masked_rows_are_counted():
    labels = Table({"x": MaskedColumn([30.0, 40, 50], mask=[False, True, False]), "y": [20, 20, 20]})
    labels["class"] = MaskedColumn(["clump", "star", "star"], mask=[False, False, True])
    with pytest.warns(AstrotlWarning, match="1 with values that are no numbers, 1 without a class"):
        assert read_boxes(labels, [image()], radius=3)["class"].tolist() == ["clump"]


def test_tables_may_be_files_or_have_units(tmp_path):
    labels = Table({"file": ["m31.png"], "x": [30], "y": [20], "width": [8], "height": [6]})
    labels.write(tmp_path / "boxes.csv")
    assert places(read_boxes(tmp_path / "boxes.csv", [image()])) == [[30, 20, 8, 6]]
    units = QTable({"x": [30] * u.pix, "y": [20] * u.pix, "radius": [2] * u.arcsec, "flux": [3] * u.Jy})
    boxes = read_boxes(units, [image(wcs=sky())])
    np.testing.assert_allclose(places(boxes), [[30, 20, 8, 8]])
    assert boxes["flux"].unit == u.Jy


@pytest.mark.parametrize(
    ("labels", "keywords", "message"),
    [
        ({"x": [1]}, {}, "labels: need the columns x, y, width, height, or x_min"),
        ({"x": [1], "y": [1]}, {}, "radius: points need one"),
        ({"x": [1], "y": [1]}, {"radius": "3 kg"}, "radius: expected pixels or an angle such as '3 arcsec', got kg"),
        ({"x": [1], "y": [1]}, {"radius": "much"}, "radius: expected pixels or an angle"),
        ({"x": [1], "y": [1]}, {"radius": -3}, "radius: expected more than 0, got -3"),
        ({"x": [1], "y": [1], "width": [1], "height": [1]}, {"radius": 3}, "radius: goes with points"),
        ({"x": ["a"], "y": [1]}, {"radius": 3}, "column: 'x' of the labels does not hold numbers"),
        ({"ra": [1], "dec": [1]}, {"radius": 3, "image_column": "ra"}, "image_column: positions on the sky"),
        ({"x": [1000], "y": [1]}, {"radius": 3}, "labels: of 1 boxes none is left: 1 outside their image"),
        ({"x": [], "y": []}, {"radius": 3}, "labels: of 0 boxes none is left"),
    ],
)
def test_what_makes_no_sense_is_refused(labels, keywords, message):
    with pytest.raises(ValueError, match=message):
        read_boxes(Table(labels), [image(wcs=sky())], **keywords)


def test_fields_need_ids_of_their_own(coco):
    with pytest.raises(ValueError, match="fields: every image needs an id of its own"):
        read_boxes(coco(), [image(), image()])
    with pytest.raises(ValueError, match="fields: there are none"):
        read_boxes(coco(), [])


def test_coco_of_images_of_another_size_is_refused(coco):
    with pytest.raises(ValueError, match=r"the image stamps/m31\.png is 100 x 80 px there, but 50 x 40 here"):
        read_boxes(coco(), [image(shape=(40, 50))])


def test_coco_takes_no_radius(coco):
    with pytest.raises(ValueError, match="radius: goes with a table"):
        read_boxes(coco(), [image()], radius=3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": None}, "images is null, expected a list"),
        ({"annotations": [3]}, r"annotations\[1\] is 3, expected an object"),
        ({"images": [{"id": 8}]}, r"images\[1\]\.file_name is missing, expected text"),
        ({"images": [{"id": 8, "file_name": 3}]}, r"images\[1\]\.file_name is 3, expected text"),
        ({"images": [{"id": 7, "file_name": "a"}]}, r"images\[1\]\.id is 7, which another one has too"),
        ({"images": [{"id": [7], "file_name": "a"}]}, r"images\[1\]\.id is \[7\], expected a number or text"),
        (
            {"images": [{"id": 8, "file_name": "a", "width": "1", "height": 1}]},
            r"images\[1\]\.width is \"1\", expected",
        ),
        ({"categories": [{"id": 2}]}, r"categories\[1\]\.name is missing"),
        ({"annotations": [{"image_id": 9}]}, r"annotations\[1\]\.image_id is 9, which the file does not explain"),
        ({"annotations": [{"image_id": 7, "category_id": "x"}]}, r"annotations\[1\]\.category_id is \"x\", which"),
        ({"annotations": [{"image_id": 7, "category_id": 1}]}, r"annotations\[1\]\.bbox is missing, expected a list"),
        (
            {"annotations": [{"image_id": 7, "category_id": 1, "bbox": [1, 2, True, "3"]}]},
            r"annotations\[1\]\.bbox is \[1, 2, true, \"3\"\], expected 4 numbers",
        ),
        (
            {"annotations": [{"image_id": 7, "category_id": 1, "bbox": [1, 2, 3, 4], "score": "high"}]},
            r"annotations\[1\]\.score is \"high\", expected a number",
        ),
    ],
)
def test_what_is_wrong_with_a_coco_file_is_said(coco, change, message):
    with pytest.raises(ValueError, match=rf"boxes\.json: {message}"):
        read_boxes(coco(**change), [image()])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "cannot be read as JSON"),
        (b"\xff\xfe", "cannot be read as JSON"),
        (b"[" * 100_000, "cannot be read as JSON"),
        (b"[]", "is not COCO, which is an object with the keys images, categories, annotations"),
        (b"{}", "images is missing, expected a list"),
    ],
)
def test_what_is_no_coco_file_is_refused(tmp_path, content, message):
    path = tmp_path / "boxes.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"boxes\.json: {message}"):
        read_boxes(path, [image()])
    with pytest.raises(FileNotFoundError, match=r"none\.json: there is no such file"):
        read_boxes(tmp_path / "none.json", [image()])


def test_clumps_that_people_drew(shared_data):
    boxes = read_boxes(shared_data / "clumps.json", open_fields(shared_data / "clumps"))
    assert len(boxes) == 409
    assert len(set(boxes["image"])) == 69
    # One of them reaches over the edge.
    assert (corners(boxes)[:, 0] == -0.5).sum() == 1


def test_radio_sources_of_four_classes(shared_data):
    fields = open_fields(shared_data / "radio_boxes" / "val")
    boxes = read_boxes(shared_data / "radio_boxes_val.json", fields)
    assert len(boxes) == 54
    assert sorted(set(boxes["class"])) == ["FR-I", "FR-II", "FR-X", "R"]
