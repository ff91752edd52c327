import gzip
import pickle

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from astrotl.errors import ImageError
from astrotl.sources import FileSource
from astrotl.sources.files import centred, ids_of


def the_only_image(source):
    batch = source.read()
    assert not batch.failed
    assert len(batch) == 1
    return batch.data[0]


def test_a_plane_a_cube_and_their_names(stamp, noise):
    plane, cube = noise(12, 10), noise(3, 12, 10)
    assert np.array_equal(the_only_image(FileSource([stamp("a.fits", plane)])), plane[None])
    assert FileSource([stamp("b.fits", plane)]).channels == ("image",)
    source = FileSource([stamp("c.fits", cube)])
    assert source.channels == ("0", "1", "2")
    assert np.array_equal(the_only_image(source), cube)
    assert FileSource([stamp("d.fits", cube)], bands=["g", "r", "i"]).channels == ("g", "r", "i")


def test_one_path_may_stand_alone(stamp, noise):
    path = stamp("a.fits", noise(4, 4))
    assert len(FileSource(path)) == 1
    assert FileSource({"g": path}, ids=["a"]).read().channels == ("g",)


@pytest.mark.parametrize("bands", [["g"], ["g", "r"], ["g", "r", "r"]])
def test_the_planes_of_a_cube_are_named_all_or_none_and_each_once(stamp, noise, bands):
    with pytest.raises(ValueError, match=r"^bands: "):
        FileSource([stamp("a.fits", noise(3, 5, 5))], bands=bands)


@pytest.mark.parametrize("dtype", ["u1", ">i2", ">u2", "<i4", ">u4", ">i8", ">f4", "<f8", "i1"])
def test_every_kind_of_number_comes_as_native_float32(stamp, dtype):
    values = np.arange(100).reshape(10, 10).astype(dtype)
    data = the_only_image(FileSource([stamp("a.fits", values)]))
    assert data.dtype == np.float32
    assert data.dtype.isnative
    assert np.array_equal(data[0], values.astype(np.float32))


def test_scaled_integers_and_blank_pixels(tmp_path, stamp):
    hdu = fits.PrimaryHDU(np.arange(36, dtype=np.int16).reshape(6, 6))
    hdu.header["BLANK"] = 7
    hdu.header["BSCALE"] = 2.0
    hdu.header["BZERO"] = 10.0
    raw = hdu.data
    with open(tmp_path / "a.fits", "wb") as file:
        file.write(hdu.header.tostring().encode())
        file.write(raw.astype(">i2").tobytes().ljust(2880, b"\0"))
    data = the_only_image(FileSource([tmp_path / "a.fits"]))[0]
    assert np.isnan(data[1, 1])
    assert np.isnan(data).sum() == 1
    assert data[0, 0] == 10
    assert data[5, 5] == 80
    plain = stamp("b.fits", np.arange(36, dtype=np.int16).reshape(6, 6), BLANK=7)
    assert np.isnan(the_only_image(FileSource([plain]))[0, 1, 1])


def test_axes_of_length_one_go_and_a_fourth_real_axis_is_refused(stamp, noise):
    image = noise(8, 9)
    assert np.array_equal(the_only_image(FileSource([stamp("radio.fits", image[None, None])])), image[None])
    cube = noise(1, 3, 8, 9)
    assert np.array_equal(the_only_image(FileSource([stamp("stokes.fits", cube)])), cube[0])
    with pytest.raises(ImageError, match=r"four\.fits: has 4 axes longer than one, \(2, 3, 8, 9\)"):
        FileSource([stamp("four.fits", noise(2, 3, 8, 9))])


@pytest.mark.parametrize("ending", [".fits", ".fit", ".fts", ".FITS", ".fits.gz", ".fit.bz2", ".FITS.GZ"])
def test_endings_and_compression_change_nothing(stamp, noise, ending):
    image = noise(16, 14)
    source = FileSource([stamp(f"ngc.1068{ending}", image)])
    assert source.ids.tolist() == ["ngc.1068"]
    assert np.array_equal(the_only_image(source)[0], image)


@pytest.mark.parametrize("ending", [".fits.fz", ".fz"])
def test_tile_compressed_stamps(tmp_path, ending):
    values = np.arange(400, dtype=np.int16).reshape(20, 20)
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(values)]).writeto(tmp_path / f"m51{ending}")
    source = FileSource([tmp_path / f"m51{ending}"])
    assert source.ids.tolist() == ["m51"]
    assert np.array_equal(the_only_image(source)[0], values)


@pytest.fixture
def extensions(tmp_path, noise):
    def write(name, *names, shape=(9, 9), **odd):
        images = {extension: noise(*odd.get(extension, shape)) for extension in names}
        hdus = [fits.ImageHDU(data, name=extension) for extension, data in images.items()]
        fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(tmp_path / name)
        return str(tmp_path / name), images

    return write


def test_named_extensions_are_bands_and_companions_are_not(extensions):
    path, images = extensions("a.fits", "G", "R", "WHT", "DQ", "MASK")
    source = FileSource([path])
    assert source.channels == ("G", "R")
    assert np.array_equal(the_only_image(source), [images["G"], images["R"]])
    swapped = FileSource([path], bands=["r", "g"])
    assert swapped.channels == ("r", "g")
    assert np.array_equal(the_only_image(swapped), [images["R"], images["G"]])


def test_a_companion_is_read_when_it_is_asked_for_or_alone(extensions):
    path, images = extensions("a.fits", "SCI", "WHT")
    assert np.array_equal(the_only_image(FileSource([path])), images["SCI"][None])
    assert np.array_equal(the_only_image(FileSource([path], bands=["WHT"])), images["WHT"][None])
    alone, images = extensions("b.fits", "MASK")
    assert np.array_equal(the_only_image(FileSource([alone])), images["MASK"][None])


def test_naming_the_bands_leaves_extensions_of_another_size_alone(extensions):
    path, images = extensions("a.fits", "SCI", "PSF", PSF=(5, 5))
    with pytest.raises(ImageError, match=r"differ in size \(SCI 9 x 9, PSF 5 x 5\); name those that are bands"):
        FileSource([path])
    assert np.array_equal(the_only_image(FileSource([path], bands=["SCI"])), images["SCI"][None])


def test_an_unknown_band_is_answered_with_those_that_are_there(extensions):
    path, _ = extensions("a.fits", "G", "R")
    with pytest.raises(ValueError, match=r"^bands: 'z' is not in .*a\.fits, which has G, R$"):
        FileSource([path], bands=["g", "z"])
    with pytest.raises(ValueError, match=r"^bands: 'z' is not in the inputs, which has g, r$"):
        FileSource({"g": [path], "r": [path]}, bands=["z"])


def test_bands_go_by_their_names_in_every_file(extensions):
    first, _ = extensions("a.fits", "G", "R")
    second, images = extensions("b.fits", "R", "G")
    third, _ = extensions("c.fits", "R", "Z")
    batch = FileSource([first, second, third]).read()
    assert np.array_equal(batch.data[1], [images["G"], images["R"]])
    assert list(batch.failed) == ["c"]
    assert batch.failed["c"].endswith("c.fits: has the planes R, Z, but the first file has G, R")


def test_a_file_with_another_number_of_planes_fails_alone(stamp, noise):
    source = FileSource(
        [stamp("a.fits", noise(3, 6, 6)), stamp("b.fits", noise(5, 6, 6)), stamp("c.fits", noise(6, 6))]
    )
    failed = source.read().failed
    assert failed["b"].endswith("has 5 planes, but the first file has 3 unnamed ones")
    assert failed["c"].endswith("has 1 planes, but the first file has 3 unnamed ones")


def test_one_file_a_band_and_an_object_that_lacks_one(stamp, noise):
    g, r = noise(2, 7, 7), noise(7, 7)
    files = {"g": [stamp("1/g.fits", g[0]), stamp("2/g.fits", g[1])], "r": [stamp("1/r.fits", r), ""]}
    batch = FileSource(files, ids=["one", "two"], bands=["r", "g"]).read()
    assert batch.channels == ("r", "g")
    assert np.array_equal(batch.data[0], [r, g[0]])
    assert np.isnan(batch.data[1]).all()
    assert batch.failed == {"two": "there is no file for band r"}


def test_the_first_objects_may_lack_the_first_band(stamp, noise):
    g, r = stamp("g.fits", noise(5, 5)), stamp("r.fits", noise(5, 5))
    batch = FileSource({"g": [""] * 150 + [g], "r": [r] * 151}, ids=range(151)).read()
    assert len(batch.failed) == 150


def test_a_cube_is_not_a_single_band(stamp, noise):
    with pytest.raises(ValueError, match=r"cube\.fits has 3 planes, but was given as the single band g"):
        FileSource({"g": [stamp("cube.fits", noise(3, 5, 5))]}, ids=["a"])


def test_bands_of_one_object_that_differ_in_size_fail_with_their_sizes(stamp, noise):
    files = {"g": [stamp("g.fits", noise(5, 6))], "r": [stamp("r.fits", noise(7, 7))]}
    assert "(g 6 x 5, r 7 x 7)" in FileSource(files, ids=["a"]).read().failed["a"]


def test_a_packed_file_may_lack_the_ending(tmp_path, noise):
    image = noise(8, 8)
    fits.PrimaryHDU(image).writeto(tmp_path / "a.fits")
    (tmp_path / "b.fits").write_bytes(gzip.compress((tmp_path / "a.fits").read_bytes()))
    assert np.array_equal(the_only_image(FileSource([tmp_path / "b.fits"]))[0], image)


def test_a_stamp_of_another_size_fails_unless_a_size_is_given(stamp, noise):
    large, small = noise(9, 9), noise(5, 7)
    paths = [stamp("large.fits", large), stamp("small.fits", small)]
    batch = FileSource(paths).read()
    assert batch.failed["small"].endswith("is 7 x 5 px, the first one 9 x 9; give --size to crop or pad all")
    batch = FileSource(paths, size=7).read()
    assert not batch.failed
    assert np.array_equal(batch.data[0, 0], large[1:8, 1:8])
    assert np.array_equal(batch.data[1, 0, 1:6], small)
    assert np.isnan(batch.data[1, 0, [0, 6]]).all()
    with pytest.raises(ValueError, match=r"^size: "):
        FileSource(paths, size=1)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(have=st.integers(1, 20), want=st.integers(1, 20))
def test_cropping_and_padding_keep_the_centre(have, want):
    image = np.arange(have * have, dtype=np.float32).reshape(1, have, have)
    fitted = centred(image, (want, want))[0]
    assert fitted.shape == (want, want)
    inside = np.argwhere(np.isfinite(fitted))
    y, x = inside[0]
    here_y, here_x = divmod(int(fitted[y, x]), have)
    assert abs((here_y - (have - 1) / 2) - (y - (want - 1) / 2)) <= 0.5
    assert abs((here_x - (have - 1) / 2) - (x - (want - 1) / 2)) <= 0.5
    assert len(inside) == min(have, want) ** 2


def test_ids_are_given_once(stamp, noise):
    path = stamp("a.fits", noise(4, 4))
    with pytest.raises(ValueError, match=r"^ids: every object needs its own, but these stand more than once: a$"):
        FileSource([path, path])
    with pytest.raises(ValueError, match=r"^ids: expected 1 of them, got 2"):
        FileSource([path], ids=["a", "b"])
    with pytest.raises(ValueError, match=r"^files: there are none"):
        FileSource([])
    with pytest.raises(ValueError, match=r"^files: every band needs one path an object"):
        FileSource({"g": [path, path], "r": [path]})


def test_equal_names_in_several_folders_are_told_apart(tmp_path, monkeypatch):
    assert ids_of(["/s/a.fits", "/s/b.fits.gz"]) == ["a", "b"]
    assert ids_of(["/s/m31/g.fits", "/s/m33/g.fits"]) == ["m31/g", "m33/g"]
    assert ids_of(["/s/a.fits", "/s/deep/a.fits"]) == ["a", "deep/a"]
    monkeypatch.chdir(tmp_path)
    assert ids_of(["x/a.fits", str(tmp_path / "y" / "a.fits")]) == ["x/a", "y/a"]


def test_slices_are_sources_that_read_the_same(stamp, noise):
    source = FileSource([stamp(f"{name}.fits", noise(4, 4)) for name in "abcdef"])
    whole = source.read()
    everything = (slice(1, 4), slice(None, None, -2), [5, 0, 2], np.array([-1, 3]), np.arange(6) % 2 == 0, slice(0, 0))
    for rows in everything:
        batch = source[rows].read()
        assert batch.ids.tolist() == whole.ids[rows].tolist()
        assert np.array_equal(batch.data, whole.data[rows])
    assert len(source[[]].read()) == 0
    assert source.table()["file"][0].endswith("a.fits")


def test_a_pickled_slice_is_small_and_reads_equal(stamp, noise):
    source = FileSource([stamp("a.fits", noise(4, 4)), *(f"/nowhere/{n}.fits" for n in range(20_000))])
    part = source[:10]
    assert len(pickle.dumps(part)) < 10_000
    again = pickle.loads(pickle.dumps(part)).read()
    assert np.array_equal(again.data, part.read().data, equal_nan=True)
    assert len(again.failed) == 9
