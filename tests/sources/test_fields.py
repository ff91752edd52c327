"""Fields: images of any size, of which windows are read."""

import pickle
import tracemalloc

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from astrotl.errors import AstrotlWarning, ImageError
from astrotl.sources import ArrayField, open_fields


def whole(field):
    height, width = field.shape
    return field.read(0, 0, width, height)


@pytest.fixture
def picture(tmp_path):
    """Write a picture of random colours."""

    def write(name, *shape):
        pixels = np.random.default_rng(1).integers(0, 255, shape).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / name)
        return pixels

    return write


@pytest.fixture
def camera(tmp_path, sky, noise):
    """Write the chips of a camera, extensions that lie side by side."""

    def write(name, names=("N1", "N2"), shift=60):
        hdus = [fits.PrimaryHDU()]
        for number, chip in enumerate(names):
            header = sky(pixel=(25.5 - shift * number, 20.5)).to_header()
            hdus.append(fits.ImageHDU(noise(40, 50), header, name=chip))
        fits.HDUList(hdus).writeto(tmp_path / name)
        return tmp_path / name

    return write


def test_every_file_has_its_own_size(tmp_path, stamp, noise):
    large, small = noise(60, 80), noise(20, 30)
    stamp("large.fits", large)
    stamp("small.fits", small)
    fields = open_fields(tmp_path)
    assert [(field.id, field.shape, field.channels, field.wcs) for field in fields] == [
        ("large", (60, 80), ("image",), None),
        ("small", (20, 30), ("image",), None),
    ]
    np.testing.assert_array_equal(whole(fields[0]), large[None])
    np.testing.assert_array_equal(fields[0].read(10, 5, 3, 2), large[None, 5:7, 10:13])


def test_the_sky_of_an_image_comes_with_it(mosaic, sky, noise):
    wcs = sky(turn=20)
    (field,) = open_fields(mosaic("a.fits", noise(160, 200), wcs))
    np.testing.assert_allclose(
        field.wcs.pixel_to_world_values(3.0, 4.0), wcs.pixel_to_world_values(3.0, 4.0), rtol=0, atol=1e-10
    )


@pytest.fixture(scope="module")
def kept_in_many_ways(tmp_path_factory):
    """Write the same whole numbers as every kind of file."""
    folder = tmp_path_factory.mktemp("ways")
    pixels = np.random.default_rng(3).integers(0, 255, (90, 130)).astype(np.int16)
    scaled = fits.ImageHDU(pixels.copy())
    scaled.scale("int16", bzero=32768)
    fits.writeto(folder / "plain.fits", pixels.astype(np.float32))
    fits.HDUList([fits.PrimaryHDU(), scaled]).writeto(folder / "scaled.fits")
    fits.writeto(folder / "zipped.fits.gz", pixels)
    fits.writeto(folder / "cube.fits", np.stack([pixels, pixels])[None])
    packed = fits.CompImageHDU(pixels, compression_type="RICE_1", tile_shape=(16, 32))
    fits.HDUList([fits.PrimaryHDU(), packed]).writeto(folder / "tiles.fits.fz")
    Image.fromarray(pixels.astype(np.uint8)).save(folder / "picture.png")
    return folder, ArrayField(pixels)


@pytest.mark.parametrize(
    "name", ["plain.fits", "scaled.fits", "zipped.fits.gz", "cube.fits", "tiles.fits.fz", "picture.png"]
)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(left=st.integers(-40, 140), bottom=st.integers(-40, 100), width=st.integers(1, 99), height=st.integers(1, 99))
def test_a_window_is_the_same_however_the_image_is_kept(kept_in_many_ways, name, left, bottom, width, height):
    folder, truth = kept_in_many_ways
    (field,) = open_fields(folder / name)
    window = field.read(left, bottom, width, height)
    assert window.dtype == np.float32
    for plane in window:
        np.testing.assert_array_equal(plane[None], truth.read(left, bottom, width, height))


def test_pictures_keep_their_colours_and_range(tmp_path, picture):
    colours = picture("a.png", 20, 30, 3)
    picture("b.png", 10, 40, 3)
    fields = open_fields(tmp_path / "*.png", bands=("Blue", "red"))
    assert [field.shape for field in fields] == [(20, 30), (10, 40)]
    assert fields[0].channels == ("Blue", "red")
    assert fields[0].value_range == (0, 255)
    np.testing.assert_array_equal(whole(fields[0]), np.moveaxis(colours[..., [2, 0]], -1, 0))


def test_bands_in_files_of_their_own(tmp_path, mosaic, sky, noise):
    data = {name: noise(160, 200) for name in ("m31-g", "m31-r", "m33-g", "m33-r")}
    for name, pixels in data.items():
        mosaic(f"{name}.fits", pixels, sky())
    fields = open_fields({band: f"{tmp_path}/*-{band}.fits" for band in "gr"}, bands=("r", "g"))
    assert [(field.id, field.channels) for field in fields] == [("m31", ("r", "g")), ("m33", ("r", "g"))]
    np.testing.assert_array_equal(whole(fields[1]), [data["m33-r"], data["m33-g"]])


def test_a_field_without_a_file_in_one_band_is_left_out(tmp_path, stamp, noise):
    for name in ("a-g", "a-r", "b-g"):
        stamp(f"{name}.fits", noise(20, 30))
    with pytest.warns(AstrotlWarning, match="1 of 2 images are left out: there is no file for band r"):
        fields = open_fields({band: f"{tmp_path}/*-{band}.fits" for band in "gr"})
    assert [field.id for field in fields] == ["a"]


def test_extensions_on_the_same_sky_are_bands(tmp_path, sky, noise):
    header = sky().to_header()
    hdus = [fits.ImageHDU(noise(40, 50), header, name=band) for band in ("G", "R")]
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(tmp_path / "a.fits")
    (field,) = open_fields(tmp_path / "a.fits", bands=["r", "g"])
    assert field.channels == ("r", "g")
    np.testing.assert_array_equal(whole(field), [hdus[1].data, hdus[0].data])


def test_the_chips_of_a_camera_are_fields_of_their_own(camera):
    path = camera("night.fits")
    fields = open_fields(path)
    assert [(field.id, field.shape) for field in fields] == [("night-N1", (40, 50)), ("night-N2", (40, 50))]
    with fits.open(path) as hdus:
        np.testing.assert_array_equal(whole(fields[1])[0], hdus["N2"].data)
    assert fields[0].wcs.wcs.crpix[0] - fields[1].wcs.wcs.crpix[0] == 60


def test_a_camera_may_come_in_several_bands(camera, tmp_path):
    for band in "gr":
        camera(f"night-{band}.fits")
    fields = open_fields({band: f"{tmp_path}/*-{band}.fits" for band in "gr"})
    assert [(field.id, field.channels) for field in fields] == [("night-N1", ("g", "r")), ("night-N2", ("g", "r"))]
    camera("odd-g.fits")
    camera("odd-r.fits", names=("N1", "N3"))
    with pytest.raises(ImageError, match=r"odd-r\.fits: holds other images than .*odd-g\.fits"):
        open_fields({band: str(tmp_path / f"odd-{band}.fits") for band in "gr"})


def test_bands_on_different_grids_are_refused(tmp_path, mosaic, stamp, sky, noise):
    mosaic("g.fits", noise(160, 200), sky())
    mosaic("r.fits", noise(160, 200), sky(pixel=(103.5, 80.5)))
    with pytest.raises(ImageError, match=r"r\.fits: bands g and r lie 3 px apart; bring them to one grid first"):
        open_fields({band: f"{tmp_path}/{band}.fits" for band in "gr"})
    stamp("i.fits", noise(10, 12))
    with pytest.raises(ImageError, match=r"differ in size \(200 x 160 and 12 x 10 px\); bring them to one grid"):
        open_fields({band: f"{tmp_path}/{band}.fits" for band in "gi"})


def test_one_plane_a_band(tmp_path, stamp, noise):
    for band in "gr":
        stamp(f"{band}.fits", noise(3, 10, 12))
    with pytest.raises(ImageError, match=r"g\.fits: has 3 planes, but was given as the single band g"):
        open_fields({band: f"{tmp_path}/{band}.fits" for band in "gr"})


def test_broken_files_are_left_out_and_said_once(tmp_path, stamp, noise):
    stamp("good.fits", noise(10, 12))
    for name in ("a", "b", "c", "d"):
        (tmp_path / f"{name}.fits").write_bytes(b"nothing")
    with pytest.warns(AstrotlWarning) as said:
        fields = open_fields(tmp_path)
    assert [field.id for field in fields] == ["good"]
    (warning,) = said
    text = str(warning.message)
    assert text.startswith("4 of 5 images are left out: ")
    assert text.endswith("; ...")
    assert "c.fits" in text
    assert "d.fits" not in text


def test_images_of_another_kind_are_left_out(tmp_path, picture):
    picture("a.png", 10, 10, 3)
    picture("b.png", 10, 10)
    with pytest.warns(AstrotlWarning, match=r"b\.png: has the channels grey, but the first image red, green, blue"):
        assert [field.id for field in open_fields(tmp_path)] == ["a"]


def test_nothing_that_can_be_opened(tmp_path, stamp, noise):
    (tmp_path / "a.fits").write_bytes(b"nothing")
    with pytest.raises(ImageError, match=r"a\.fits: is not a FITS file"):
        open_fields(tmp_path)
    with pytest.raises(FileNotFoundError, match="no file matches"):
        open_fields(tmp_path / "*.png")
    with pytest.raises(ValueError, match="inputs: there are none"):
        open_fields([])
    with pytest.raises(ValueError, match=r"bands: .* has 2 unnamed planes"):
        open_fields(stamp("cube.fits", noise(2, 8, 9)), bands=["g"])


def test_a_picture_cut_short_says_so_when_it_is_read(tmp_path, picture):
    picture("a.jpg", 200, 300, 3)
    content = (tmp_path / "a.jpg").read_bytes()
    (tmp_path / "a.jpg").write_bytes(content[: len(content) // 2])
    (field,) = open_fields(tmp_path / "a.jpg")
    with pytest.raises(ImageError, match=r"a\.jpg: cannot be read as a picture"):
        field.read(0, 0, 10, 10)


def test_fields_travel_to_other_processes(mosaic, camera, sky, noise):
    for path in mosaic("a.fits", noise(160, 200), sky()), camera("night.fits"):
        field = open_fields(path)[0]
        letter = pickle.dumps(field)
        assert len(letter) < 10_000
        there = pickle.loads(letter)
        np.testing.assert_array_equal(whole(there), whole(field))
        assert there.wcs.to_header() == field.wcs.to_header()


def test_a_large_image_is_searched_in_little_memory(tmp_path, noise):
    fits.writeto(tmp_path / "large.fits", np.broadcast_to(noise(1, 2000), (2000, 2000)))
    tracemalloc.start()
    (field,) = open_fields(tmp_path / "large.fits")
    total = 0.0
    for bottom in range(0, 2000, 250):
        for left in range(0, 2000, 250):
            total += float(field.read(left, bottom, 250, 250).sum())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert total == pytest.approx(100 * 2000**2, rel=0.01)
    assert peak < 4 * 2**20


def test_pixels_and_positions_of_a_field(sky, positions):
    field = ArrayField(np.zeros((160, 200)), wcs=sky(turn=20))
    x, y = field.pixels_of(field.sky_of([0.0, 199.0], [3.0, 150.0]))
    np.testing.assert_allclose([x, y], [[0, 199], [3, 150]], atol=1e-6)
    # The far side of the sky, and positions far from the image.
    assert np.isnan(field.pixels_of(positions([330.0, 151.0], [-2.0, 2.0]))).all()


def ecliptic(sky):
    wcs = sky()
    wcs.wcs.ctype = "ELON-TAN", "ELAT-TAN"
    return wcs


def test_a_sky_that_astropy_mistakes_for_another_is_none(mosaic, sky, noise):
    with pytest.warns(AstrotlWarning, match="sky coordinates along the ecliptic are not known here"):
        (field,) = open_fields(mosaic("a.fits", noise(20, 30), ecliptic(sky)))
    assert field.wcs is None
    with pytest.raises(ValueError, match="wcs: astropy knows no frame of the sky with ELON-TAN and ELAT-TAN"):
        ArrayField(np.zeros((8, 9)), wcs=ecliptic(sky))


def test_a_field_without_a_sky_has_no_positions(positions):
    with pytest.raises(ValueError, match=r"field: m31 has no sky coordinates \(WCS\)"):
        ArrayField(np.zeros((8, 9)), "m31").sky_of(1, 1)


def test_arrays_must_be_images(sky):
    with pytest.raises(ValueError, match=r"data: expected \(channel, y, x\), got the shape \(3,\)"):
        ArrayField(np.zeros(3))
    with pytest.raises(ValueError, match="channels: expected 2 names"):
        ArrayField(np.zeros((2, 8, 9)), channels=("g",))
    with pytest.raises(ValueError, match="wcs: expected two axes, both on the sky"):
        ArrayField(np.zeros((8, 9)), wcs=WCS(naxis=2))


def test_frames_of_the_sloan_survey(shared_data):
    frames = sorted((shared_data / "fits" / "sdss_frames").glob("*-r-*.bz2"))
    if not frames:
        pytest.skip("no frames of the Sloan survey here")
    (field,) = open_fields(frames[0])
    assert field.shape == (1489, 2048)
    assert field.wcs is not None
    window = field.read(2000, 1400, 100, 100)
    assert np.isfinite(window[0, :89, :48]).all()
    assert np.isnan(window[0, 89:]).all()


def test_bands_of_the_sloan_survey_need_one_grid(shared_data):
    with pytest.raises(ImageError, match="bring them to one grid first"):
        open_fields({band: f"{shared_data}/fits/sdss_frames/frame-{band}-*.bz2" for band in "gr"})
    (field,) = open_fields({band: f"{shared_data}/fits/lupton_sdss_gri/*_{band}.fits.bz2" for band in "gri"})
    assert field.channels == ("g", "r", "i")


def test_pictures_of_galaxies(shared_data):
    fields = open_fields(shared_data / "clumps")
    assert len(fields) == 69
    assert {(field.shape, field.channels) for field in fields} == {((424, 424), ("red", "green", "blue"))}
