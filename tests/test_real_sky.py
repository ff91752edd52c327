"""The whole chain on real survey frames, as an observer runs it: detected positions, three bands, a kill or four."""

import os
import signal
import subprocess
import sys
import time
import warnings

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS
from scipy import ndimage

from astrotl import FeatureStore

pytest.importorskip("timm", reason="timm is not installed: pip install astrotl[torch]")
pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def sky(shared_data, tmp_path_factory):
    """Five hundred positions detected on the r frame, well inside all frames, and the arguments to cut them out."""
    folder = tmp_path_factory.mktemp("sdss")
    frames = shared_data / "fits" / "sdss_frames"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with fits.open(next(frames.glob("frame-r-*"))) as hdus:
            image, wcs = hdus[0].data.astype(float), WCS(hdus[0].header)
    smooth = ndimage.gaussian_filter(image, 1.5)
    y, x = np.nonzero(smooth == ndimage.maximum_filter(smooth, 9))
    inside = (x > 60) & (x < image.shape[1] - 60) & (y > 60) & (y < image.shape[0] - 60)
    x, y = x[inside], y[inside]
    brightest = np.argsort(-smooth[y, x])[:500]
    ra, dec = wcs.all_pix2world(x[brightest], y[brightest], 0)
    Table({"objid": np.arange(500) + 1237000000000000000, "ra": ra, "dec": dec}).write(folder / "detected.csv")
    arguments = [*(f"{band}={frames}/frame-{band}-*.fits.bz2" for band in "gri"), "--catalog", "detected.csv"]
    return folder, [*arguments, "--bands", "g,r,i", "--size", "64", "--block", "32"]


def command(sky, output):
    return {"args": [sys.executable, "-m", "astrotl", "extract", *sky[1], "-o", output], "cwd": sky[0]}


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_killed_and_run_again_the_features_are_the_very_same(sky):
    done = subprocess.run(**command(sky, "whole.h5"), capture_output=True, text=True, check=True)
    assert "whole.h5: 500 x 1,280 features" in done.stdout
    whole = FeatureStore(sky[0] / "whole.h5")
    assert whole.ids[0] == "1237000000000000000"
    assert np.isfinite(whole.features()).all()
    counts = [_done(sky[0] / "killed.h5")]
    for target in (1, 100, 230, 400):
        with subprocess.Popen(**command(sky, "killed.h5"), stderr=subprocess.DEVNULL) as child:
            until = time.monotonic() + 120
            while _done(sky[0] / "killed.h5") < target and time.monotonic() < until:
                time.sleep(0.003)
            child.kill()
        assert child.returncode == -signal.SIGKILL
        counts.append(_done(sky[0] / "killed.h5"))
    assert counts == sorted(set(counts))
    assert counts[-1] < 500
    subprocess.run(**command(sky, "killed.h5"), check=True)
    assert FeatureStore(sky[0] / "killed.h5").features().tobytes() == whole.features().tobytes()


def _done(path):
    return len(FeatureStore(path).done()) if os.path.exists(path) else 0
