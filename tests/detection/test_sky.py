"""Where boxes lie on the sky, and how large they are there."""

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.wcs import WCS
from hypothesis import given, settings
from hypothesis import strategies as st

from astrotl.detection import add_sky, read_boxes
from astrotl.detection.table import corners, make_boxes
from astrotl.errors import AstrotlWarning
from astrotl.sources import ArrayField, open_fields


def field(name="m31", scale=(0.5, 0.5), turn=0.0, frame=("RA---TAN", "DEC--TAN"), dec=60.0):
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = frame
    wcs.wcs.crval = 150.0, dec
    wcs.wcs.crpix = 50.5, 40.5
    cos, sin = np.cos(np.radians(turn)), np.sin(np.radians(turn))
    wcs.wcs.cd = np.array([[-cos, sin], [sin, cos]]) * scale / np.array(3600.0)
    return ArrayField(np.zeros((80, 100)), name, wcs=wcs)


def test_boxes_get_positions_and_the_size_of_their_longer_side():
    boxes = add_sky(make_boxes("m31", [49.5, 49.5], [39.5, 59.5], [10, 4], [6, 8], "clump", 0.5), [field()])
    assert boxes.colnames[-4:] == ["score", "ra", "dec", "size"]
    assert [boxes[name].unit for name in ("ra", "dec", "size")] == [u.deg, u.deg, u.arcsec]
    np.testing.assert_allclose(boxes["ra"], 150)
    np.testing.assert_allclose(boxes["dec"], [60, 60 + 10 / 3600])
    np.testing.assert_allclose(boxes["size"], [5, 4], rtol=1e-6)


def test_pixels_need_not_be_square():
    boxes = add_sky(make_boxes("m31", 49.5, 39.5, 10, 6, "clump"), [field(scale=(0.5, 2.0))])
    np.testing.assert_allclose(boxes["size"], 12, rtol=1e-6)


def test_positions_are_icrs_whatever_the_frame_of_the_image():
    boxes = add_sky(make_boxes("m31", 49.5, 39.5, 10, 6, "clump"), [field(frame=("GLON-TAN", "GLAT-TAN"))])
    truth = SkyCoord(150, 60, unit="deg", frame="galactic").icrs
    np.testing.assert_allclose([boxes["ra"][0], boxes["dec"][0]], [truth.ra.deg, truth.dec.deg])


def test_images_without_a_sky_are_counted():
    boxes = make_boxes(["a", "m31", "b", "a"], 49.5, 39.5, 10, 6, "clump")
    fields = [ArrayField(np.zeros((80, 100)), name) for name in "abc"]
    with pytest.warns(AstrotlWarning, match="boxes: 2 of 4 images have no sky coordinates") as said:
        placed = add_sky(boxes, [*fields, field()])
    assert len(said) == 1
    assert np.isfinite(placed["ra"]).tolist() == [False, True, False, False]
    assert "ra" not in boxes.colnames


def test_every_image_must_be_there_once():
    with pytest.raises(ValueError, match="fields: the image 'm33' of the boxes is not among them"):
        add_sky(make_boxes("m33", 49.5, 39.5, 10, 6, "clump"), [field()])
    with pytest.raises(ValueError, match="fields: every image needs an id of its own"):
        add_sky(make_boxes("m31", 49.5, 39.5, 10, 6, "clump"), [field(), field()])


@settings(max_examples=40, deadline=None)
@given(
    x=st.floats(0, 99),
    y=st.floats(0, 79),
    turn=st.floats(0, 360),
    dec=st.floats(-89.9, 89.9),
    galactic=st.booleans(),
)
def test_what_went_to_the_sky_comes_back(x, y, turn, dec, galactic):
    frame = ("GLON-TAN", "GLAT-TAN") if galactic else ("RA---TAN", "DEC--TAN")
    image = field(turn=turn, dec=dec, frame=frame)
    drawn = make_boxes("m31", x, y, 6, 6, "clump")
    boxes = read_boxes(add_sky(drawn, [image])["ra", "dec"], [image], radius="1.5 arcsec")
    np.testing.assert_allclose(corners(boxes), corners(drawn), atol=1e-5)


def test_frames_of_the_sloan_survey(shared_data):
    (frame,) = open_fields(shared_data / "fits" / "sdss_frames" / "frame-r-*.bz2")
    boxes = add_sky(make_boxes(frame.id, [10, 2000], [20, 1400], 10, 10, "star"), [frame])
    truth = frame.wcs.pixel_to_world([10, 2000], [20, 1400])
    assert truth.separation(SkyCoord(boxes["ra"], boxes["dec"])).arcsec.max() < 1e-3
    np.testing.assert_allclose(boxes["size"], 3.96, rtol=0.01)
