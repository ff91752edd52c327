"""Real files for the tests of sources: stamps of random noise, mosaics with stars where the sky says."""

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS


@pytest.fixture
def noise():
    """Noise that differs from call to call and is the same in every run."""
    rng = np.random.default_rng(20)
    return lambda *shape: rng.normal(100, 10, shape).astype(np.float32)


@pytest.fixture
def stamp(tmp_path):
    """Write an array as the only image of a FITS file."""

    def write(name, data, **cards):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        fits.PrimaryHDU(np.asarray(data), fits.Header(cards)).writeto(path)
        return str(path)

    return write


@pytest.fixture
def sky():
    """Make the sky coordinates of an image."""

    def make(ra=150.0, dec=2.0, pixel=(100.5, 80.5), scale=0.5, turn=0.0, ctype=("RA---TAN", "DEC--TAN")):
        wcs = WCS(naxis=2)
        wcs.wcs.ctype = ctype
        wcs.wcs.crval = ra, dec
        wcs.wcs.crpix = pixel
        cos, sin = np.cos(np.radians(turn)), np.sin(np.radians(turn))
        wcs.wcs.cd = np.array([[-cos, sin], [sin, cos]]) * scale / 3600
        return wcs

    return make


@pytest.fixture
def paint():
    """Paint Gaussian stars at positions on the sky."""

    def draw(wcs, positions, shape=(160, 200), sigma=2.0):
        y, x = np.indices(shape)
        image = np.zeros(shape, dtype=np.float32)
        for at_x, at_y in zip(*wcs.world_to_pixel(np.atleast_1d(positions)), strict=True):
            image += np.exp(-((x - at_x) ** 2 + (y - at_y) ** 2) / (2 * sigma**2)).astype(np.float32)
        return image

    return draw


@pytest.fixture
def mosaic(tmp_path):
    """Write an image with sky coordinates."""

    def write(name, data, wcs, **cards):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        header = wcs.to_header(relax=True)
        header.update(cards)
        fits.PrimaryHDU(data, header).writeto(path)
        return str(path)

    return write


@pytest.fixture
def centroid():
    """Measure how far the light's centre lies from the middle of the image, in pixels."""

    def measure(image):
        y, x = np.indices(image.shape)
        weight = np.where(np.isfinite(image) & (image > 0.02), image, 0)
        middle = (np.array(image.shape) - 1) / 2
        return np.array([(weight * y).sum(), (weight * x).sum()]) / weight.sum() - middle

    return measure


@pytest.fixture
def positions():
    """Make positions out of degrees."""
    return lambda ra, dec: SkyCoord(np.atleast_1d(ra), np.atleast_1d(dec), unit="deg")
