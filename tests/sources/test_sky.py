import itertools
import pickle

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.io import fits
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from astrotl import open_source, simulate
from astrotl.errors import ImageError
from astrotl.sources import SkySource


def cutout_of(source, row=0):
    batch = source.read()
    assert not batch.failed
    return batch.data[row]


def test_a_cutout_holds_the_pixels_under_the_position(mosaic, sky, noise):
    image, wcs = noise(160, 200), sky()
    path = mosaic("a.fits", image, wcs)
    source = SkySource([path], wcs.pixel_to_world([50, 120.3], [60, 80.6]), size=11)
    assert source.channels == ("image",)
    batch = source.read()
    assert np.array_equal(batch.data[0, 0], image[55:66, 45:56])
    assert np.array_equal(batch.data[1, 0], image[76:87, 115:126])
    assert batch.ids.tolist() == ["0", "1"]


@pytest.mark.parametrize("size", [20, 21])
@pytest.mark.parametrize(
    ("ra", "dec"), [(150, 2), (0, 0), (359.9999, -30), (10, 89.999), (200, -89.9995), (83.6, 60)], ids=str
)
def test_a_star_lies_in_the_middle_of_every_band(mosaic, sky, paint, positions, centroid, ra, dec, size):
    here = positions(ra, dec)
    grids = {
        "g": sky(ra, dec, pixel=(100.2, 80.9)),
        "r": sky((ra + 0.002 / np.cos(np.radians(dec))) % 360, dec, pixel=(95, 70), turn=17),
        "i": sky(ra, dec, pixel=(60.3, 99.1), turn=-100, scale=0.7),
    }
    files = {band: [mosaic(f"{band}.fits", paint(wcs, here), wcs)] for band, wcs in grids.items()}
    source = SkySource(files, here, size=size, ids=["star"])
    for plane in cutout_of(source):
        assert np.isfinite(plane).all()
        assert np.abs(centroid(plane)).max() <= 0.55
    assert np.ptp([centroid(plane) for plane in cutout_of(source)], axis=0).max() < 0.05


def test_positions_on_both_sides_of_ra_zero(mosaic, sky, paint, positions, centroid):
    stars = positions([359.999, 0.001, -0.0005], [0.001, -0.001, 0])
    wcs = sky(0, 0)
    batch = SkySource([mosaic("a.fits", paint(wcs, stars), wcs)], stars, size=9).read()
    assert not batch.failed
    for image in batch.data[:, 0]:
        assert image.max() > 0.9
        assert np.unravel_index(image.argmax(), image.shape) in {(y, x) for y in (3, 4, 5) for x in (3, 4, 5)}


def test_a_size_may_be_an_angle(mosaic, sky, noise, positions):
    path = mosaic("a.fits", noise(160, 200), sky(scale=0.5))
    here = positions(150, 2)
    for size in ("10 arcsec", 10 * u.arcsec, "10 arcsec ", 20, "20", 20 * u.pix):
        assert SkySource([path], here, size=size).read().data.shape == (1, 1, 20, 20)
    for size in ("wide", "3 kg", 1, "0.1 arcsec", 20.5, None, [3, 4]):
        with pytest.raises(ValueError, match=r"^size: "):
            SkySource([path], here, size=size)


def test_what_reaches_over_the_edge_is_nan_and_what_lies_outside_fails(mosaic, sky, noise):
    image, wcs = noise(160, 200), sky()
    path = mosaic("a.fits", image, wcs)
    r = mosaic("r.fits", image, sky(ra=150.02))
    at = wcs.pixel_to_world([2, 197, 300, 190], [3, 158, 80, 80])
    batch = SkySource({"g": [path]}, at, size=11, ids=list("abcd")).read()
    assert np.array_equal(batch.data[0, 0, 2:, 3:], image[:9, :8])
    assert np.isnan(batch.data[0, 0, :2]).all()
    assert np.isnan(batch.data[0, 0, :, :3]).all()
    assert np.array_equal(batch.data[1, 0, :7, :8], image[153:, 192:])
    assert np.isnan(batch.data[1, 0, 7:]).all()
    assert batch.failed == {"c": "lies outside every image of band g"}
    assert np.isnan(batch.data[2]).all()
    both = SkySource({"g": [path], "r": [r]}, at, size=11, ids=list("abcd")).read()
    assert both.failed["d"] == "lies outside every image of band r"
    assert np.isnan(both.data[3]).all()


def test_of_two_mosaics_the_one_with_data_is_taken(mosaic, sky, noise):
    holes, whole = noise(160, 200), noise(160, 200)
    holes[78:84, 98:104] = np.nan
    wcs = sky()
    first = mosaic("holes.fits", holes, wcs)
    second = mosaic("whole.fits", whole, wcs)
    at = wcs.pixel_to_world([100, 30], [80, 30])
    for files in ([first, second], [second, first]):
        data = SkySource(files, at, size=9).read().data
        assert np.array_equal(data[0, 0], whole[76:85, 96:105])
    assert np.isnan(SkySource([first], at, size=9).read().data[0]).sum() == 36
    holes[:] = np.nan
    empty = mosaic("empty.fits", holes, wcs)
    assert SkySource({"g": [empty]}, at, size=9).read().failed == {
        "0": "has no data in band g",
        "1": "has no data in band g",
    }


def test_of_two_mosaics_the_one_that_reaches_farther_is_taken(mosaic, sky, noise):
    left, right = noise(160, 200), noise(160, 200)
    files = [mosaic("left.fits", left, sky()), mosaic("right.fits", right, sky(pixel=(-69.5, 80.5)))]
    at = sky().pixel_to_world([190, 180, 100], [80, 80, 80])
    data = SkySource(files, at, size=21).read().data[:, 0]
    assert np.array_equal(data[0], right[70:91, 10:31])
    assert np.array_equal(data[1], left[70:91, 170:191])
    assert np.array_equal(data[2], left[70:91, 90:111])


@pytest.mark.parametrize("ending", [".fits.gz", ".fits.bz2", ".fits.fz", ".fit", ".FITS"])
def test_packed_mosaics_give_the_same_cutouts(tmp_path, mosaic, sky, ending):
    values = np.arange(160 * 200, dtype=np.int32).reshape(160, 200)
    wcs = sky()
    at = wcs.pixel_to_world([50, 199, 2], [60, 100, 4])
    path = tmp_path / f"b{ending}"
    if ending.endswith("fz"):
        fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(values, wcs.to_header())]).writeto(path)
    else:
        mosaic(path.name, values, wcs)
    expected = SkySource([mosaic("a.fits", values, wcs)], at, size=16).read().data
    assert np.array_equal(SkySource([path], at, size=16).read().data, expected, equal_nan=True)


def test_scaled_blank_and_big_endian_pixels(tmp_path, mosaic, sky):
    wcs = sky()
    values = np.arange(160 * 200, dtype=np.uint16).reshape(160, 200)
    at = wcs.pixel_to_world(50, 60)
    source = SkySource([mosaic("a.fits", values, wcs)], at, size=5)
    assert np.array_equal(cutout_of(source)[0], values[58:63, 48:53])
    blank = mosaic("b.fits", values.astype(np.int32), wcs, BLANK=60 * 200 + 50)
    image = SkySource([blank], at, size=5).read().data[0, 0]
    assert np.isnan(image[2, 2])
    assert np.isnan(image).sum() == 1
    packed = tmp_path / "c.fits.fz"
    hdu = fits.CompImageHDU(values.astype(np.int32), fits.getheader(blank))
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(packed)
    assert np.array_equal(SkySource([packed], at, size=5).read().data[0, 0], image, equal_nan=True)


def write_extensions(path, wcs, images):
    hdus = [fits.ImageHDU(data, wcs[name].to_header(), name=name) for name, data in images.items()]
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(path)
    return str(path)


def test_the_chips_of_a_camera_are_one_band(tmp_path, sky, noise):
    images = {"N1": noise(50, 60), "N2": noise(50, 60), "MASK": noise(50, 60)}
    wcs = {"N1": sky(pixel=(30, 25)), "N2": sky(pixel=(-40, 25)), "MASK": sky(pixel=(30, 25))}
    path = write_extensions(tmp_path / "camera.fits", wcs, images)
    at = [wcs[name].pixel_to_world(20, 22) for name in ("N2", "N1")]
    for source in (SkySource({"g": [path]}, SkyCoord(at), size=7), SkySource(path, SkyCoord(at), size=7, bands=["g"])):
        assert source.channels == ("g",)
        data = source.read().data
        assert np.array_equal(data[0, 0], images["N2"][19:26, 17:24])
        assert np.array_equal(data[1, 0], images["N1"][19:26, 17:24])


def test_extensions_on_one_sky_are_bands(tmp_path, sky, noise):
    images = {name: noise(50, 60) for name in ("G", "R", "WHT")}
    path = write_extensions(tmp_path / "a.fits", dict.fromkeys(images, sky(pixel=(30, 25))), images)
    at = sky(pixel=(30, 25)).pixel_to_world(20, 22)
    assert SkySource(path, at, size=7).channels == ("G", "R")
    cutout = cutout_of(SkySource(path, at, size=7, bands=["r", "g"]))
    assert np.array_equal(cutout, [images["R"][19:26, 17:24], images["G"][19:26, 17:24]])
    assert np.array_equal(cutout_of(SkySource({"g": path}, at, size=7))[0], images["G"][19:26, 17:24])
    for wrong in ({"z": path}, path):
        with pytest.raises(
            ImageError, match=r"its extensions G, R cover the same sky; name those that are bands, got z"
        ):
            SkySource(wrong, at, bands=["z"])


def test_the_planes_of_a_cube_are_bands(mosaic, sky, noise):
    image, wcs = noise(3, 160, 200), sky()
    at = wcs.pixel_to_world(50, 60)
    path = mosaic("cube.fits", image, wcs)
    assert SkySource([path], at).channels == ("0", "1", "2")
    source = SkySource([path], at, size=5, bands=["g", "r", "i"])
    assert source.channels == ("g", "r", "i")
    assert np.array_equal(cutout_of(source), image[:, 58:63, 48:53])
    with pytest.raises(ImageError, match=r"cube\.fits: has 3 planes, so as many bands must be named; got g$"):
        SkySource({"g": [path]}, at)
    radio = mosaic("radio.fits", image[None, :1], wcs)
    assert np.array_equal(cutout_of(SkySource([radio], at, size=5))[0], image[0, 58:63, 48:53])


def test_without_sky_coordinates_one_line_says_what_to_do(stamp, noise, positions):
    path = stamp("a.fits", noise(9, 9))
    with pytest.raises(
        ImageError, match=r"a\.fits: has no sky coordinates \(WCS\), .*; give stamps without --catalog$"
    ):
        SkySource([path], positions(1, 2))
    spectral = stamp("b.fits", noise(9, 9), CTYPE1="WAVE", CTYPE2="OFFSET")
    with pytest.raises(ImageError, match="has no sky coordinates"):
        SkySource([spectral], positions(1, 2))
    axes = {"CTYPE1": "FREQ", "CTYPE2": "RA---TAN", "CTYPE3": "DEC--TAN", "CRVAL1": 1e9}
    with pytest.raises(ImageError, match="has no sky coordinates"):
        SkySource([stamp("d.fits", noise(9, 9, 9), **axes)], positions(1, 2))
    solar = stamp("c.fits", noise(9, 9), CTYPE1="HPLN-TAN", CTYPE2="HPLT-TAN", CUNIT1="arcsec", CUNIT2="arcsec")
    with pytest.raises(ImageError, match="has no sky coordinates"):
        SkySource([solar], positions(1, 2))


def test_files_that_cannot_be_opened_are_named(tmp_path, positions):
    with pytest.raises(ImageError, match=r"gone\.fits: there is no such file"):
        SkySource({"g": [tmp_path / "gone.fits"]}, positions(1, 2))
    with pytest.raises(ValueError, match=r"^mosaics: there are none"):
        SkySource([], positions(1, 2))


@pytest.mark.parametrize("ending", ["fits", "fits.bz2", "fits.fz"])
def test_a_mosaic_that_is_cut_short_gives_failed_rows(tmp_path, mosaic, sky, noise, ending):
    wcs = sky()
    good = mosaic("good.fits", noise(160, 200), wcs)
    whole = tmp_path / f"whole.{ending}"
    if ending.endswith("fz"):
        # Numbers that barely compress, so that the cut goes through the pixels.
        hdu = fits.CompImageHDU(noise(160, 200), wcs.to_header(), quantize_level=0, compression_type="GZIP_1")
        fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(whole)
    else:
        mosaic(whole.name, noise(1600, 2000), wcs)
    cut = tmp_path / f"cut.{ending}"
    content = whole.read_bytes()
    source_bytes = content[: len(content) * 2 // 3]
    cut.write_bytes(content)
    source = SkySource({"g": [good], "r": [cut]}, wcs.pixel_to_world([50, 60, 70], [120, 130, 140]), size=9)
    assert not source.read().failed
    cut.write_bytes(source_bytes[:6000] if ending.endswith("fz") else source_bytes)
    batch = source.read()
    assert list(batch.failed) == ["0", "1", "2"]
    assert np.isnan(batch.data).all()
    for reason in batch.failed.values():
        assert reason.startswith(f"{cut}: ")
        assert len(reason.splitlines()) == 1
    cut.unlink()
    assert all(reason.endswith("there is no such file") for reason in source.read().failed.values())


def test_a_broken_mosaic_is_stood_in_for_by_another(tmp_path, mosaic, sky, noise):
    image, wcs = noise(160, 200), sky()
    good, other = mosaic("good.fits", image, wcs), mosaic("other.fits", noise(160, 200), wcs)
    source = SkySource([other, good], wcs.pixel_to_world(50, 60), size=9)
    (tmp_path / "other.fits").write_bytes(b"")
    assert np.array_equal(cutout_of(source)[0], image[56:65, 46:55])


def test_mosaics_of_the_first_band_share_their_pixel_scale(mosaic, sky, noise, positions):
    fine, coarse = mosaic("fine.fits", noise(20, 20), sky()), mosaic("coarse.fits", noise(20, 20), sky(scale=0.7))
    with pytest.raises(ValueError, match=r"^mosaics: .* differ in pixel scale \(0\.5 to 0\.7 arcsec\)"):
        SkySource({"g": [fine, coarse]}, positions(150, 2))
    assert SkySource({"g": [fine], "r": [fine, coarse]}, positions(150, 2)).channels == ("g", "r")


@pytest.fixture
def survey(mosaic, sky, noise):
    """Two bands of three overlapping mosaics each, turned against each other, some of them with holes."""
    files = {"g": [], "r": []}
    for band, turn in (("g", 0), ("r", 30)):
        for number in range(3):
            image = noise(160, 200)
            image[number * 40 : number * 40 + 20, 50:90] = np.nan
            wcs = sky(ra=150 + number * 0.015, turn=turn)
            files[band].append(mosaic(f"{band}{number}.fits", image, wcs))
    rng = np.random.default_rng(5)
    at = SkyCoord(rng.uniform(149.98, 150.05, 60), rng.uniform(1.99, 2.01, 60), unit="deg")
    return SkySource(files, at, size=15)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.sets(st.integers(1, 59), max_size=6))
def test_any_blocks_give_the_cutouts_of_the_whole(survey, cuts):
    whole = survey.read()
    edges = [0, *sorted(cuts), 60]
    parts = [survey[a:b].read() for a, b in itertools.pairwise(edges)]
    assert np.array_equal(np.concatenate([part.data for part in parts]), whole.data, equal_nan=True)
    assert {name: why for part in parts for name, why in part.failed.items()} == dict(whole.failed)
    assert 0 < len(whole.failed) < 60


def test_a_pickled_slice_is_small_and_reads_equal(survey):
    part = survey[np.array([7, 3, 50, 11])]
    pickled = pickle.dumps(part)
    assert len(pickled) < 4_500 * 6 + 2_000
    again = pickle.loads(pickled).read()
    assert np.array_equal(again.data, part.read().data, equal_nan=True)
    assert again.ids.tolist() == ["7", "3", "50", "11"]


def test_a_position_between_two_pixels_is_cut_alike_in_every_process(mosaic, sky, noise):
    wcs = sky(ra=150.123456789, dec=2.345678912345)
    at = wcs.pixel_to_world(np.arange(20, 140), np.arange(20, 140))
    source = SkySource([mosaic("a.fits", noise(160, 200), wcs)], at, size=16)
    assert np.array_equal(pickle.loads(pickle.dumps(source)).read().data, source.read().data)
    assert np.array_equal(cutout_of(source, 0)[0, 1:, 1:], cutout_of(source, 1)[0, :-1, :-1])


def test_the_table_says_where_and_the_signature_what(survey):
    table = survey[5:7].table()
    assert table.colnames == ["id", "ra", "dec"]
    assert table["ra"].unit == u.deg
    assert survey[5:7].signature()["positions_sha256"] != survey.signature()["positions_sha256"]
    assert survey.signature()["files"] == ["g0.fits", "g1.fits", "g2.fits", "r0.fits", "r1.fits", "r2.fits"]


def test_ids_one_a_position(mosaic, sky, noise, positions):
    path = mosaic("a.fits", noise(20, 20), sky())
    with pytest.raises(ValueError, match=r"^ids: expected 1 of them, got 2"):
        SkySource([path], positions(150, 2), ids=["a", "b"])
    assert len(SkySource([path], SkyCoord(150, 2, unit="deg"))) == 1


def test_objects_are_ordered_by_healpix_pixels_which_are_its_parts(tmp_path):
    pytest.importorskip("hats", reason="needs the extra hats")
    from hats.pixel_math.healpix_shim import radec2pix

    simulate.survey(tmp_path / "sky", objects=100, seed=1)
    inputs, catalog = {"r": tmp_path / "sky" / "*-r.fits"}, tmp_path / "sky" / "catalogue.ecsv"
    plain = open_source(inputs, catalog=catalog, size=16)
    source = open_source(inputs, catalog=catalog, size=16, healpix=12)
    assert sorted(source.ids) == sorted(plain.ids)
    table = source.table()
    pixels = radec2pix(12, np.asarray(table["ra"]), np.asarray(table["dec"]))
    parts = source.parts()
    assert len(parts) > 3
    assert sum(part.rows.stop - part.rows.start for part in parts) == 100
    for part in parts:
        assert part.healpix == (12, int(pixels[part.rows][0]))
        assert np.ptp(pixels[part.rows]) == 0
    assert len({part.healpix for part in parts}) == len(parts)
    assert [part.rows for part in source[:7].parts()] == [slice(0, 7)]
    again = open_source(**source.origin)
    assert again.ids.tolist() == source.ids.tolist()


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"healpix": 14}, "healpix: must be an order from 0 to 13, got 14"),
        ({"catalog": None}, "healpix: goes with a cat"),
    ],
)
def test_a_healpix_order_that_makes_no_sense_is_refused(tmp_path, asked, said):
    simulate.survey(tmp_path / "sky", objects=10, seed=1)
    how = {"catalog": tmp_path / "sky" / "catalogue.ecsv", "size": 16, "healpix": 5} | asked
    with pytest.raises(ValueError, match=said):
        open_source({"r": tmp_path / "sky" / "*-r.fits"}, **how)
