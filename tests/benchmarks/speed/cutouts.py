"""D: cutouts at the positions of a catalogue out of a large mosaic, stretched and resized."""

import time

import numpy as np
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS

from astrotl import simulate
from tests.benchmarks.speed.rounds import CORES, Contender, Ratio
from tests.benchmarks.speed.stamps import compared

#: A peer gets as many positions as keep it busy for some seconds.
FULL = {
    "rounds": 5,
    "mosaic": 6000,
    "positions": 10_000,
    "cutana": 3000,
    "cutana_streaming": 10_000,
    "loop": 2000,
    "cutout": 64,
    "side": 224,
}
QUICK = {**FULL, "rounds": 1, "mosaic": 600, "positions": 60, "cutana": 60, "cutana_streaming": 60, "loop": 60}
_CUTANA = ("cutana, direct", "cutana, streaming")
_LOOP = "astropy Cutout2D"
_SHOWN = 50


def contenders(sizes):
    return [
        Contender("astrotl", "astrotl"),
        Contender(_CUTANA[0], "cutana_direct", needs=("cutana",)),
        Contender(_CUTANA[1], "cutana_streaming", needs=("cutana",)),
        Contender(_LOOP, "cutout2d", needs=("opencv-python-headless",)),
        Contender("NumPy slices", "slices", needs=("opencv-python-headless",)),
    ]


def ratios(sizes):
    return [
        Ratio("cutouts/s", "astrotl", _CUTANA, at_least=3),
        Ratio("cutouts/s", "astrotl", (_LOOP,), at_least=5),
        Ratio("cutouts/s", "astrotl", ("NumPy slices",)),
    ]


def make(folder, sizes):
    """Write a mosaic of noise and simulated galaxies, and a catalogue of positions in it, in no order."""
    side, cutout, rng = sizes["mosaic"], sizes["cutout"], np.random.default_rng(1)
    mosaic = rng.normal(scale=3, size=(side, side)).astype(np.float32)
    galaxies = simulate.stamps(100, size=cutout, bands=("r",), seed=1, noise=0)[0].data[:, 0]
    corners = rng.integers(0, side - cutout, size=(side * side // cutout**2, 2))
    for number, (y, x) in enumerate(corners):
        mosaic[y : y + cutout, x : x + cutout] += np.nan_to_num(galaxies[number % len(galaxies)])
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = "RA---TAN", "DEC--TAN"
    wcs.wcs.crval = 150.0, 2.0
    wcs.wcs.crpix = (side + 1) / 2, (side + 1) / 2
    wcs.wcs.cdelt = -0.25 / 3600, 0.25 / 3600
    fits.PrimaryHDU(mosaic, wcs.to_header()).writeto(folder / "mosaic.fits")
    centres = rng.uniform(cutout, side - cutout, size=(sizes["positions"], 2))
    ra, dec = wcs.wcs_pix2world(centres, 0).T
    # cutana lays a cutout of even size a pixel lower and further left than Cutout2D and astrotl do.
    ra_cutana, dec_cutana = wcs.wcs_pix2world(centres + 1, 0).T
    table = Table({"ra": ra, "dec": dec, "ra_cutana": ra_cutana, "dec_cutana": dec_cutana})
    table.write(folder / "catalogue.fits")


def astrotl(folder, sizes):
    from astropy.coordinates import SkyCoord

    from astrotl import prepare_images
    from astrotl.preprocess import Asinh, Percentile, Resize
    from astrotl.sources import SkySource

    steps = (Percentile(0.1, 99.9), Asinh(0.7), Resize(sizes["side"], "bilinear"))
    catalogue = Table.read(folder / "catalogue.fits")
    positions = SkyCoord(catalogue["ra"], catalogue["dec"], unit="deg")

    def source(number):
        return SkySource({"r": [folder / "mosaic.fits"]}, positions[:number], size=sizes["cutout"])

    for _ in prepare_images(source(20), steps, workers=CORES):
        pass
    started = time.perf_counter()
    shown, done = [], 0
    for batch in prepare_images(source(len(positions)), steps, workers=CORES):
        images = np.empty(batch.data.shape, dtype=np.uint8)
        np.multiply(batch.data, 255, out=images, casting="unsafe")
        shown = images[:_SHOWN] if not done else shown
        done += len(images)
    seconds = time.perf_counter() - started
    np.save(folder / "astrotl.npy", shown)
    return {"cutouts/s": done / seconds}


def cutana_direct(folder, sizes):
    """Cut by thousands, as its guide advises for this way of calling it."""
    from cutana import create_cutouts_direct

    catalogue, settings = _for_cutana(folder, sizes, sizes["cutana"])
    create_cutouts_direct(catalogue[:20], settings)
    started = time.perf_counter()
    shown, done = [], 0
    for first in range(0, len(catalogue), 1000):
        for part in create_cutouts_direct(catalogue[first : first + 1000], settings):
            shown = part["cutouts"][:_SHOWN] if not done else shown
            done += len(part["cutouts"])
    seconds = time.perf_counter() - started
    np.save(folder / "cutana.npy", np.moveaxis(shown, -1, 1))
    return {"cutouts/s": done / seconds}


def cutana_streaming(folder, sizes):
    from cutana import StreamingOrchestrator

    catalogue, settings = _for_cutana(folder, sizes, sizes["cutana_streaming"])
    settings.source_catalogue = str(folder / "catalogue.csv")
    catalogue.to_csv(settings.source_catalogue)
    stream = StreamingOrchestrator(settings)
    started = time.perf_counter()
    try:
        stream.init_streaming(batch_size=500, write_to_disk=False, max_workers=CORES, min_workers=CORES)
        done = sum(len(stream.next_batch()["cutouts"]) for _ in range(stream.get_batch_count()))
        seconds = time.perf_counter() - started
    finally:
        stream.cleanup()
    return {"cutouts/s": done / seconds}


def _for_cutana(folder, sizes, number):
    import pandas as pd
    from cutana import get_default_config

    positions = Table.read(folder / "catalogue.fits")[:number]
    catalogue = pd.DataFrame(
        {
            "SourceID": [f"s{row}" for row in range(len(positions))],
            "RA": np.asarray(positions["ra_cutana"]),
            "Dec": np.asarray(positions["dec_cutana"]),
            "diameter_pixel": sizes["cutout"],
            "fits_file_paths": str([str(folder / "mosaic.fits")]),
        }
    )
    settings = get_default_config()
    settings.target_resolution = sizes["side"]
    settings.data_type = "uint8"
    settings.normalisation_method = "asinh"
    settings.apply_flux_conversion = False
    settings.skip_fits_check = True
    settings.selected_extensions = [{"name": "PRIMARY", "ext": "PrimaryHDU"}]
    settings.channel_weights = {"PRIMARY": [1.0]}
    settings.max_workers = CORES
    settings.output_dir = str(folder / "cutana")
    return catalogue, settings


def cutout2d(folder, sizes):
    from astropy.coordinates import SkyCoord
    from astropy.nddata import Cutout2D

    def cut(mosaic, wcs, positions):
        for position in positions:
            yield Cutout2D(mosaic, position, sizes["cutout"], wcs=wcs, mode="partial").data

    return _one_by_one(folder, sizes, cut, lambda ra, dec, _: SkyCoord(ra, dec, unit="deg"))


def slices(folder, sizes):
    """Slice the mosaic by hand at known pixels: no sky, no edges; what is left when all else costs nothing."""
    half = sizes["cutout"] // 2

    def cut(mosaic, _, positions):
        for x, y in positions:
            yield mosaic[y - half : y + half, x - half : x + half]

    return _one_by_one(
        folder, sizes, cut, lambda ra, dec, wcs: np.round(wcs.wcs_world2pix(ra, dec, 0)).astype(int).T.tolist()
    )


def _one_by_one(folder, sizes, cut, place):
    import cv2

    catalogue = Table.read(folder / "catalogue.fits")[: sizes["loop"]]
    with fits.open(folder / "mosaic.fits") as hdus:
        mosaic, wcs = hdus[0].data, WCS(hdus[0].header)
        started = time.perf_counter()
        positions = place(np.asarray(catalogue["ra"]), np.asarray(catalogue["dec"]), wcs)
        done = 0
        for pixels in cut(mosaic, wcs, positions):
            low, high = np.percentile(pixels, [0.1, 99.9])
            stretched = np.arcsinh(np.clip((pixels - low) / (high - low), 0, 1) / 0.7) / np.arcsinh(1 / 0.7)
            image = cv2.resize(stretched.astype(np.float32), (sizes["side"],) * 2, interpolation=cv2.INTER_LINEAR)
            done += len((image * 255).astype(np.uint8)) == sizes["side"]
        seconds = time.perf_counter() - started
    return {"cutouts/s": done / seconds}


def notes(folder, results):
    return compared(folder / "astrotl.npy", folder / "cutana.npy", "cutana")
