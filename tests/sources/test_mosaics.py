"""Sky coordinates as surveys write them, and the way from one grid to another."""

import pickle

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS
from hypothesis import given, settings
from hypothesis import strategies as st

from astrotl.sources import SkySource


def in_the_middle(source, centroid, within=0.55):
    batch = source.read()
    assert not batch.failed
    return all(np.abs(centroid(plane)).max() <= within for image in batch.data for plane in image)


def test_galactic_mosaics_with_an_icrs_catalogue(mosaic, sky, paint, centroid):
    star = SkyCoord(266.4, -28.9, unit="deg")
    wcs = sky(star.galactic.l.deg, star.galactic.b.deg, ctype=("GLON-TAN", "GLAT-TAN"), turn=10)
    galactic = mosaic("w.fits", paint(wcs, star), wcs)
    equatorial_wcs = sky(266.4, -28.9, pixel=(77, 66))
    equatorial = mosaic("g.fits", paint(equatorial_wcs, star), equatorial_wcs)
    assert in_the_middle(SkySource({"w": [galactic]}, star, size=21), centroid)
    assert in_the_middle(SkySource({"w": [galactic], "g": [equatorial]}, star, size=21), centroid)
    assert in_the_middle(SkySource({"g": [equatorial], "w": [galactic]}, star.galactic, size=21), centroid)


@pytest.mark.parametrize("frame", [{"RADESYS": "FK5", "EQUINOX": 2000.0}, {"RADESYS": "FK4", "EQUINOX": 1950.0}, {}])
def test_older_frames(mosaic, sky, paint, centroid, frame):
    wcs = sky()
    if frame:
        wcs.wcs.radesys, wcs.wcs.equinox = frame["RADESYS"], frame["EQUINOX"]
    star = wcs.pixel_to_world(90, 70)
    path = mosaic("a.fits", paint(wcs, star), wcs)
    assert in_the_middle(SkySource([path], star, size=21), centroid)


def test_the_draft_keywords_of_pan_starrs(tmp_path, sky, paint, centroid):
    wcs = sky(turn=25)
    star = wcs.pixel_to_world(90, 70)
    header = fits.Header({"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 150.0, "CRVAL2": 2.0})
    header.update({"CRPIX1": 100.5, "CRPIX2": 80.5, "CDELT1": 0.5 / 3600, "CDELT2": 0.5 / 3600})
    for i in (1, 2):
        for j in (1, 2):
            header[f"PC{i:03d}{j:03d}"] = wcs.wcs.cd[i - 1, j - 1] * 7200
    fits.PrimaryHDU(paint(wcs, star), header).writeto(tmp_path / "ps1.fits")
    assert in_the_middle(SkySource([tmp_path / "ps1.fits"], star, size=21), centroid)


def test_declination_may_come_first(mosaic, sky, paint, centroid):
    wcs = sky()
    star = wcs.pixel_to_world(90, 70)
    turned = WCS(naxis=2)
    turned.wcs.ctype = "DEC--TAN", "RA---TAN"
    turned.wcs.crval = 2.0, 150.0
    turned.wcs.crpix = 100.5, 80.5
    turned.wcs.cd = wcs.wcs.cd[::-1]
    path = mosaic("a.fits", paint(turned, star), turned)
    assert in_the_middle(SkySource([path], star, size=21), centroid)


@pytest.fixture
def distorted(sky):
    """Sky coordinates bent by several pixels, as SIP and as TPV."""

    def make(kind):
        wcs = sky()
        header = wcs.to_header()
        for key in ("PC1_1", "PC1_2", "PC2_1", "PC2_2", "CDELT1", "CDELT2"):
            header.pop(key, None)
        for i in (1, 2):
            for j in (1, 2):
                header[f"CD{i}_{j}"] = wcs.wcs.cd[i - 1, j - 1]
        if kind == "SIP":
            header.update({"CTYPE1": "RA---TAN-SIP", "CTYPE2": "DEC--TAN-SIP", "A_ORDER": 3, "B_ORDER": 3})
            header.update({"A_2_0": 4e-4, "A_1_1": -2e-4, "B_0_2": 5e-4, "B_3_0": 1e-6})
        else:
            header.update({"CTYPE1": "RA---TPV", "CTYPE2": "DEC--TPV"})
            header.update({"PV1_0": 1e-4, "PV1_1": 1.01, "PV1_2": 0.003, "PV1_4": 3.0, "PV2_1": 0.99, "PV2_5": -2.0})
        return header

    return make


@pytest.mark.parametrize("kind", ["SIP", "TPV"])
def test_distortion_is_followed_also_by_pickled_sources(tmp_path, sky, distorted, paint, centroid, kind):
    header = distorted(kind)
    wcs = WCS(header)
    stars = wcs.pixel_to_world([20, 180, 100], [30, 120, 80])
    bent = np.hypot(*np.subtract(sky().world_to_pixel(stars), [[20, 180, 100], [30, 120, 80]]))
    assert bent.max() > 2
    fits.PrimaryHDU(paint(wcs, stars), header).writeto(tmp_path / "bent.fits")
    straight = fits.PrimaryHDU(paint(sky(turn=40), stars, (260, 260)), sky(turn=40).to_header())
    straight.writeto(tmp_path / "straight.fits")
    for order in (("bent", "straight"), ("straight", "bent")):
        source = SkySource({band: [tmp_path / f"{band}.fits"] for band in order}, stars, size=21)
        assert in_the_middle(source, centroid)
        again = pickle.loads(pickle.dumps(source)).read()
        assert np.allclose(again.data, source.read().data, atol=1e-6, rtol=0, equal_nan=True)


def test_an_all_sky_map_holds_every_position(mosaic):
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = "GLON-CAR", "GLAT-CAR"
    wcs.wcs.crpix = 180.5, 90.5
    wcs.wcs.cdelt = -1, 1
    image = np.arange(180 * 360, dtype=np.float32).reshape(180, 360)
    y, x = np.meshgrid(np.arange(10, 171, 20), np.arange(5, 356, 50), indexing="ij")
    at = wcs.pixel_to_world(x.ravel(), y.ravel())
    batch = SkySource([mosaic("a.fits", image, wcs)], at, size=3).read()
    assert not batch.failed
    assert np.array_equal(batch.data[:, 0, 1, 1], image[y, x].ravel())


@settings(max_examples=40, deadline=None)
@given(
    lon=st.floats(0, 360, exclude_max=True),
    lat=st.floats(-90, 90),
    turn=st.floats(-180, 180),
    x=st.floats(5, 194),
    y=st.floats(5, 154),
)
def test_anywhere_on_the_sky_the_brightest_pixel_is_the_middle_one(tmp_path_factory, lon, lat, turn, x, y):
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = "RA---TAN", "DEC--TAN"
    wcs.wcs.crval = lon, lat
    wcs.wcs.crpix = 100, 80
    wcs.wcs.cd = np.array([[-np.cos(turn), np.sin(turn)], [np.sin(turn), np.cos(turn)]]) * 0.4 / 3600
    rows, columns = np.indices((160, 200))
    image = -np.maximum(np.abs(columns - x), np.abs(rows - y)).astype(np.float32)
    path = tmp_path_factory.mktemp("sky") / "a.fits"
    fits.PrimaryHDU(image, wcs.to_header()).writeto(path)
    batch = SkySource([path], wcs.pixel_to_world(x, y), size=7).read()
    assert not batch.failed
    # The position itself is known to a rounding error of the sky coordinates.
    assert batch.data[0, 0, 3, 3] >= -0.5 - 1e-3


@pytest.mark.parametrize("size", [16, 61])
@pytest.mark.parametrize("kind", ["SIP", "TPV", "TAN"])
def test_another_grid_is_met_as_reproject_meets_it(tmp_path, mosaic, sky, distorted, kind, size):
    reproject = pytest.importorskip("reproject", reason="reproject is not installed")
    grid = sky(pixel=(99.3, 81.2), scale=0.45)
    header = distorted(kind) if kind != "TAN" else sky(turn=33).to_header()
    y, x = np.indices((160, 200))
    smooth = (np.sin(x / 15) * np.cos(y / 12) + x / 100).astype(np.float32)
    fits.PrimaryHDU(smooth, header).writeto(tmp_path / "r.fits")
    at = grid.pixel_to_world(100.2, 80.2)
    source = SkySource({"g": [mosaic("g.fits", smooth, grid)], "r": [tmp_path / "r.fits"]}, at, size=size)
    left, bottom = round(100.2 - (size - 1) / 2), round(80.2 - (size - 1) / 2)
    expected, _ = reproject.reproject_interp((smooth, WCS(header)), grid, shape_out=(160, 200))
    cutout = source.read().data[0, 1]
    truth = expected[bottom : bottom + size, left : left + size]
    assert np.isfinite(truth).all()
    assert np.abs(cutout - truth).max() < 1e-3


def test_grids_that_are_the_same_but_for_whole_pixels_are_not_interpolated(mosaic, sky, noise):
    g, r = noise(160, 200), noise(160, 200)
    files = {"g": [mosaic("g.fits", g, sky())], "r": [mosaic("r.fits", r, sky(pixel=(107.5, 75.5)))]}
    data = SkySource(files, sky().pixel_to_world(50, 60), size=9).read().data[0]
    assert np.array_equal(data[0], g[56:65, 46:55])
    assert np.array_equal(data[1], r[51:60, 53:62])


def test_a_missing_pixel_stays_one_pixel_on_a_grid_that_is_the_same(mosaic, sky, noise):
    image = noise(160, 200)
    image[60, 50] = np.nan
    files = {
        "g": [mosaic("g.fits", noise(160, 200), sky())],
        "r": [mosaic("r.fits", image, sky(pixel=(100.503, 80.5)))],
    }
    data = SkySource(files, sky().pixel_to_world(50, 60), size=9).read().data[0]
    assert np.argwhere(np.isnan(data)).tolist() == [[1, 4, 4]]


def test_missing_pixels_stay_missing_on_another_grid(mosaic, sky):
    image = np.ones((160, 200), np.float32)
    image[70:80, 90:100] = np.nan
    wcs = sky(turn=45)
    files = {"g": [mosaic("g.fits", np.ones_like(image), sky())], "r": [mosaic("r.fits", image, wcs)]}
    data = SkySource(files, wcs.pixel_to_world(94.5, 74.5), size=31).read().data[0, 1]
    assert np.isnan(data[12:19, 12:19]).all()
    assert np.nanmin(data) == np.nanmax(data) == 1
    assert 100 <= np.isnan(data).sum() <= 200
