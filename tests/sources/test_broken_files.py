import os

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from astrotl.errors import ImageError
from astrotl.sources import FileSource


def write_text(path):
    path.write_text("id,ra,dec\n1,2,3\n")


def write_nothing(path):
    path.write_bytes(b"")


def write_complex(path):
    # FITS has no complex images; a table holds complex numbers.
    fits.BinTableHDU.from_columns([fits.Column("z", "C", array=np.ones(3, complex))]).writeto(path)


def write_spectrum(path):
    fits.PrimaryHDU(np.arange(50.0)).writeto(path)


def write_header_only(path):
    fits.PrimaryHDU().writeto(path)


def write_truncated(path):
    fits.PrimaryHDU(np.ones((64, 64))).writeto(path)
    os.truncate(path, 2880 + 5000)


def write_header_cut(path):
    fits.PrimaryHDU(np.ones((4, 4))).writeto(path)
    os.truncate(path, 1000)


def write_pointer(path):
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n")


def write_folder(path):
    path.mkdir()


def leave_missing(path):
    pass


BROKEN = [
    (write_text, "is not a FITS file"),
    (write_nothing, "is not a FITS file"),
    (write_pointer, "is not a FITS file"),
    (write_header_cut, "is not a FITS file, or is damaged or cut short"),
    (write_truncated, "is truncated; download it again"),
    (write_complex, "holds no image, only PRIMARY (Primary), BinTable (BinTable)"),
    (write_spectrum, "holds no image, only PRIMARY (Primary)"),
    (write_header_only, "holds no image"),
    (write_folder, "IsADirectoryError"),
    (leave_missing, "there is no such file"),
]


@pytest.mark.parametrize(("write", "reason"), BROKEN)
def test_a_file_that_is_no_image_is_named_on_one_line(tmp_path, write, reason):
    path = tmp_path / "odd.fits"
    write(path)
    with pytest.raises(ImageError) as caught:
        FileSource([path])
    assert str(caught.value).startswith(f"{path}: ")
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("write", "reason"), BROKEN)
def test_among_others_it_is_a_failed_row(tmp_path, stamp, noise, write, reason):
    path = tmp_path / "odd.fits"
    write(path)
    good = [stamp("a.fits", noise(6, 6)), stamp("b.fits", noise(6, 6))]
    batch = FileSource([path, *good]).read()
    assert list(batch.failed) == ["odd"]
    assert reason in batch.failed["odd"]
    assert np.isnan(batch.data[0]).all()
    assert np.isfinite(batch.data[1:]).all()


def test_a_truncated_archive_says_so(tmp_path, stamp, noise):
    for ending in ("gz", "bz2"):
        whole = stamp(f"a.fits.{ending}", noise(1000, 1000))
        cut = tmp_path / f"cut.fits.{ending}"
        with open(whole, "rb") as file:
            cut.write_bytes(file.read()[:-30_000])
        with pytest.raises(ImageError, match=rf"cut\.fits\.{ending}: is .*(truncated|cut short); download it again"):
            FileSource([cut])


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=6000), st.sampled_from([".fits", ".fits.gz", ".fits.bz2", ".fz", ".png", ".jpg", ".h5"]))
def test_rubbish_is_an_image_error_whatever_it_is_called(tmp_path_factory, rubbish, ending):
    path = tmp_path_factory.mktemp("rubbish") / f"a{ending}"
    path.write_bytes(b"SIMPLE  =                    T".ljust(80) + rubbish if ending == ".fits" else rubbish)
    with pytest.raises(ImageError) as caught:
        FileSource([path])
    assert str(caught.value).startswith(f"{path}: ")
    assert len(str(caught.value).splitlines()) == 1
