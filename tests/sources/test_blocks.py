"""How mosaics are read block by block: in which order, by several threads, again after a change."""

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from astrotl.sources import ArraySource, FileSource, SkySource, _kept

KINDS = ["scaled", "plain", "gz", "rows", "tiles"]


@pytest.fixture
def write(tmp_path):
    """Write a mosaic of whole numbers in any of the ways in which surveys keep them."""

    def write(kind, data, wcs, name="a"):
        header = wcs.to_header()
        path = tmp_path / (f"{name}.fits" + {"gz": ".gz", "rows": ".fz", "tiles": ".fz"}.get(kind, ""))
        if kind in ("rows", "tiles"):
            tiles = {"tile_shape": (30, 45)} if kind == "tiles" else {}
            hdu = fits.CompImageHDU(data.astype(np.int32), header, **tiles)
            fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path, overwrite=True)
        else:
            fits.writeto(path, data.astype(np.uint16 if kind == "scaled" else np.float32), header, overwrite=True)
        return path

    return write


@pytest.fixture
def values():
    """Make the pixels of a mosaic, all different."""
    return lambda first=0: first + np.arange(160 * 200).reshape(160, 200)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_however_a_mosaic_is_kept_its_cutouts_are_its_pixels(write, values, sky, kind, data):
    image, wcs, size = values(), sky(), data.draw(st.integers(2, 150), label="size")
    x = data.draw(st.lists(st.integers(0, 199), min_size=1, max_size=5), label="x")
    y = data.draw(st.lists(st.integers(0, 159), min_size=len(x), max_size=len(x)), label="y")
    batch = SkySource([write(kind, image, wcs)], wcs.pixel_to_world(x, y), size=size).read()
    padded = np.pad(image.astype(np.float32), 200, constant_values=np.nan)
    for cutout, at_x, at_y in zip(batch.data[:, 0], x, y, strict=True):
        left, bottom = (int(np.floor(at - (size - 1) / 2 + 0.5)) + 200 for at in (at_x, at_y))
        assert np.array_equal(cutout, padded[bottom : bottom + size, left : left + size], equal_nan=True)


@pytest.mark.parametrize("kind", KINDS)
def test_a_mosaic_that_is_written_anew_is_read_anew(write, values, sky, kind):
    wcs = sky()
    path = write(kind, values(), wcs)
    source = SkySource([path], wcs.pixel_to_world(50, 60), size=9)
    before = source.read().data
    write(kind, values(1000), wcs)
    os.utime(path, ns=(1, 1))
    assert np.array_equal(source.read().data, before + 1000)
    path.unlink()
    assert source.read().failed == {"0": f"{path}: there is no such file"}


@pytest.fixture
def mosaics(write, values, sky):
    """Five mosaics in a row, one of each kind, that overlap by ten pixels."""
    grids = [sky(pixel=(100.5 - 190 * number, 80.5)) for number in range(5)]
    kinds = zip(KINDS, grids, strict=True)
    return [write(kind, values(100_000 * n), wcs, f"{n}-{kind}") for n, (kind, wcs) in enumerate(kinds)]


@pytest.fixture
def at(sky):
    """Positions all over the five mosaics, and some beside them."""
    rng = np.random.default_rng(4)
    return sky().pixel_to_world(rng.uniform(-20, 980, 400), rng.uniform(-5, 165, 400))


def test_several_threads_read_what_one_reads(write, values, sky, mosaics, at):
    # The second band lies between the pixels of the first.
    source = SkySource({"g": mosaics, "r": [write("tiles", values(), sky(turn=8, scale=4), "wide")]}, at, size=20)
    alone = source.read()
    assert 0 < len(alone.failed) < 100
    assert np.isfinite(alone.data).mean(axis=(0, 2, 3)).min() > 0.7
    parts = [source[start : start + 25] for start in range(0, 400, 25)]
    for _ in range(3):
        _kept.kept.__init__()
        with ThreadPoolExecutor(8) as pool:
            batches = list(pool.map(SkySource.read, parts))
        assert np.array_equal(np.concatenate([batch.data for batch in batches]), alone.data, equal_nan=True)
        assert {name: why for batch in batches for name, why in batch.failed.items()} == dict(alone.failed)


def test_the_order_goes_from_mosaic_to_mosaic_and_from_line_to_line(mosaics, at):
    source = SkySource({"g": mosaics}, at, size=20)
    order = source.order()
    assert sorted(order.tolist()) == list(range(400))
    batch = source[order].read()
    outside = [name in batch.failed for name in batch.ids.tolist()]
    assert outside == sorted(outside)
    assert 0 < sum(outside) < 50
    pixel = np.nanmin(batch.data[: -sum(outside), 0, 9:11, 9:11], axis=(1, 2)).astype(int)
    number, y, x = pixel // 100_000, pixel % 100_000 // 200, pixel % 200
    assert set(number.tolist()) == set(range(5))
    assert (np.diff(number) >= 0).all()
    # In each it goes along strips of 64 lines: from left to right, and back to the left once a strip.
    back = np.diff(x) < -1
    assert back.sum() == 5 * 3 - 1
    assert all(np.ptp(strip) < 64 + 1 for strip in np.split(y, np.flatnonzero(back) + 1))


def test_where_the_order_makes_no_difference_there_is_none(stamp):
    assert ArraySource(np.zeros((3, 4, 4))).order() is None
    assert FileSource([stamp("a.fits", np.zeros((4, 4)))]).order() is None


def test_of_a_camera_that_is_cut_short_the_whole_chips_are_read(tmp_path, values, sky):
    wcs = [sky(), sky(pixel=(-109.5, 80.5))]
    hdus = [fits.ImageHDU(values(n).astype(np.float32), grid.to_header(), name=f"N{n}") for n, grid in enumerate(wcs)]
    path = tmp_path / "camera.fits"
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(path)
    at = [grid.pixel_to_world(50, 60) for grid in wcs]
    source = SkySource({"g": [path]}, SkyCoord(at), size=9)
    whole = source.read()
    assert not whole.failed
    os.truncate(path, os.path.getsize(path) - 20_000)
    batch = source.read()
    assert np.array_equal(batch.data[0], whole.data[0])
    assert list(batch.failed) == ["1"]
    assert "camera.fits: is truncated; download it again" in batch.failed["1"]


@pytest.mark.parametrize("kind", ["scaled", "rows"])
def test_of_a_mosaic_that_is_damaged_the_sound_lines_are_read(write, sky, kind):
    wcs = sky()
    # Numbers that hardly compress: every line takes its share of the file.
    path = write(kind, np.random.default_rng(3).integers(0, 60_000, (160, 200)), wcs)
    source = SkySource([path], wcs.pixel_to_world([100, 100, 100], [10, 130, 150]), size=9)
    whole = source.read()
    assert not whole.failed
    content = bytearray(path.read_bytes())
    if kind == "scaled":
        del content[2880 + 2 * 200 * 140 :]
    else:
        spoilt = len(content) // 8
        content[-spoilt:] = b"\xff" * spoilt
    path.write_bytes(content)
    batch = source.read()
    assert np.array_equal(batch.data[:2], whole.data[:2])
    assert not np.array_equal(batch.data[2], whole.data[2])
