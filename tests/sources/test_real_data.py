"""Files as surveys really publish them."""

import contextlib
import warnings

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.nddata import Cutout2D
from astropy.table import Table
from astropy.wcs import WCS
from scipy import ndimage

from astrotl.errors import ImageError
from astrotl.sources import FileSource, SkySource, StackSource, open_source


@contextlib.contextmanager
def opened(path):
    """Open a file for comparison; its header's small sins are not what is tested here."""
    with warnings.catch_warnings(), fits.open(path) as hdus:
        warnings.simplefilter("ignore")
        yield hdus


def test_sdss_frames_at_positions(shared_data):
    folder = shared_data / "fits" / "sdss_frames"
    frames = {band: [folder / f"frame-{band}-008162-6-0080.fits.bz2"] for band in "gri"}
    with opened(frames["g"][0]) as hdus:
        g, wcs = hdus[0].data, WCS(hdus[0].header)
    # Stars that are bright, not saturated, and the brightest for fifteen pixels around.
    inner = g[100:-100, 100:-100]
    stars = (inner == ndimage.maximum_filter(inner, 31)) & (inner > 2) & (inner < 20)
    y, x = np.argwhere(stars)[:15].T
    at = wcs.pixel_to_world(x + 100, y + 100)
    source = SkySource(frames, at, size="12.3 arcsec")
    batch = source.read()
    assert not batch.failed
    assert batch.data.shape == (15, 3, 31, 31)
    for row in range(15):
        expected = Cutout2D(g, (x[row] + 100, y[row] + 100), 31).data
        assert np.array_equal(batch.data[row, 0], expected.astype(np.float32))
        light = batch.data[row] - np.median(batch.data[row], axis=(1, 2), keepdims=True)
        cores = [np.where(core > 0.2 * core.max(), core, 0) for core in light[:, 11:20, 11:20]]
        assert np.ptp([ndimage.center_of_mass(core) for core in cores], axis=0).max() < 0.5


def test_pan_starrs_stamps_of_lenses_and_their_draft_keywords(shared_data):
    folder = shared_data / "stamps_gri"
    source = open_source({band: f"{folder}/*/{band}.fits.gz" for band in "gri"})
    batch = source.read()
    assert not batch.failed
    assert batch.ids.tolist() == sorted(stamp.name for stamp in folder.iterdir())
    assert np.isfinite(batch.data).any(axis=(2, 3)).all()
    # The names say where the lenses are, and the stamps are cut around them.
    for name, place in (
        ("ACSJ001426_26-302255_9", "00:14:26.26 -30:22:55.9"),
        ("ACSJ103751_40-124327_5", "10:37:51.40 -12:43:27.5"),
        ("ACSJ140237_11_542716_4", "14:02:37.11 +54:27:16.4"),
    ):
        (row,) = np.flatnonzero(batch.ids == name)
        at = SkyCoord(place, unit=("hourangle", "deg"))
        paths = {band: [folder / name / f"{band}.fits.gz"] for band in "gri"}
        cut = SkySource(paths, at, size=21).read()
        assert not cut.failed
        near = [batch.data[row, :, y : y + 21, x : x + 21] for y in (48, 49, 50, 51) for x in (48, 49, 50, 51)]
        assert sum(np.array_equal(cut.data[0], other, equal_nan=True) for other in near) == 1


def test_jpegs_named_by_sdss_ids(shared_data):
    table = Table.read(shared_data / "agn_mass" / "efigi.csv")[:40]
    source = FileSource([shared_data / "agn_mass" / path for path in table["path"]])
    assert source.ids.tolist() == [str(number) for number in table["dr7objid"]]
    batch = source.read()
    assert not batch.failed
    assert batch.data.shape == (40, 3, 88, 88)
    assert batch.value_range == (0, 255)
    assert batch.data.max() > 100


def test_radio_images(shared_data):
    paths = sorted((shared_data / "radio_fits").glob("*.fits.gz"))
    batch = FileSource(paths).read()
    assert not batch.failed
    assert batch.data.shape == (12, 1, 300, 300)
    with opened(paths[0]) as hdus:
        first = hdus[0].data.squeeze()
        at = WCS(hdus[0].header).celestial.pixel_to_world(120, 170)
    assert np.array_equal(batch.data[0, 0], first.astype(np.float32), equal_nan=True)
    cutout = SkySource([paths[0]], at, size=31).read().data[0, 0]
    assert np.array_equal(cutout, first[155:186, 105:136].astype(np.float32), equal_nan=True)


def test_radio_stack(shared_data):
    source = StackSource(shared_data / "radio_fr.npz")
    assert len(source) == len(Table.read(shared_data / "radio_fr.csv"))
    part = source[[5, 2]].read()
    assert part.data.shape == (2, 1, 110, 110)
    assert np.array_equal(part.data[1], source[2:3].read().data[0], equal_nan=True)


def test_hsc_cubes(shared_data):
    folder = shared_data / "fits" / "hsc_hst_scarlet"
    source = FileSource([folder / "Cut_HSC.fits", folder / "Cut_HSC1.fits"], bands=["g", "r", "i", "z", "y"])
    batch = source.read()
    assert not batch.failed
    assert np.array_equal(batch.data[1], fits.getdata(folder / "Cut_HSC1.fits").astype(np.float32))
    with opened(folder / "Cut_HSC1.fits") as hdus:
        wcs = WCS(hdus[0].header).celestial
    cut = SkySource([folder / "Cut_HSC1.fits"], wcs.pixel_to_world(20, 22), size=9, bands=list("grizy")).read()
    assert np.array_equal(cut.data[0], batch.data[1, :, 18:27, 16:25])


def test_decam_epochs_with_their_distortion(shared_data):
    folder = shared_data / "fits" / "legacy_multi_epoch" / "testcase3"
    paths = {band: sorted(folder.glob(f"*_ooi_{band}_*.fits")) for band in "grz"}
    with opened(paths["g"][0]) as hdus:
        number = next(n for n, hdu in enumerate(hdus) if hdu.is_image and hdu.data is not None)
        image, wcs = hdus[number].data, WCS(hdus[number].header)
    y, x = np.array(image.shape) // 2
    batch = SkySource(paths, wcs.pixel_to_world(x, y), size=15).read()
    assert not batch.failed
    candidates = [Cutout2D(image, (x, y), 15).data.astype(np.float32)]
    assert len(paths["g"]) > 1 or np.array_equal(batch.data[0, 0], candidates[0])
    assert np.isfinite(batch.data).mean() > 0.9


@pytest.mark.parametrize(
    "name", ["astropy__nddata__tests__data__sip-wcs.fits", "reproject__reproject__tests__data__galactic_2d.fits"]
)
def test_odd_sky_coordinates(shared_data, name):
    with opened(shared_data / "fits_odd" / name) as hdus:
        image, wcs = hdus[0].data, WCS(hdus[0].header, relax=True)
    x, y = [10, 30, 25], [12, 20, 36]
    batch = SkySource([shared_data / "fits_odd" / name], wcs.pixel_to_world(x, y), size=5).read()
    assert not batch.failed
    for row in range(3):
        assert np.array_equal(batch.data[row, 0], Cutout2D(image, (x[row], y[row]), 5).data.astype(np.float32))


def test_distortion_kept_in_tables(shared_data):
    path = shared_data / "fits_odd" / "astropy__wcs__tests__data__dist_lookup.fits.gz"
    with opened(path) as hdus:
        image, wcs = hdus[1].data, WCS(hdus[1].header, hdus)
        at = wcs.pixel_to_world(40, 60)
    assert np.array_equal(SkySource([path], at, size=5).read().data[0, 0], image[58:63, 38:43].astype(np.float32))


def test_no_strange_file_does_more_than_one_line(shared_data):
    read, refused = 0, []
    for path in sorted((shared_data / "fits_odd").iterdir()):
        try:
            batch = FileSource([path]).read()
        except ImageError as error:
            refused.append(str(error))
        else:
            assert not batch.failed
            read += 1
    assert read >= 30
    assert len(refused) >= 20
    assert all(line.startswith(str(shared_data)) and "\n" not in line for line in refused)
