"""A: stamps of three bands in FITS files, stretched and resized to what a network sees."""

import time

import numpy as np

from tests.benchmarks.speed.made import write_stamps
from tests.benchmarks.speed.rounds import CORES, Contender, Ratio

FULL = {"rounds": 5, "files": 2000, "side": 224}
QUICK = {"rounds": 1, "files": 40, "side": 224}
_SHOWN = 100
_FITSBOLT = ("fitsbolt, threads", "fitsbolt, processes")


def contenders(sizes):
    return [
        Contender("astrotl", "astrotl"),
        Contender(_FITSBOLT[0], "fitsbolt", (False,), needs=("fitsbolt",)),
        Contender(_FITSBOLT[1], "fitsbolt", (True,), needs=("fitsbolt",)),
    ]


def ratios(sizes):
    return [Ratio("images/s", "astrotl", _FITSBOLT, at_least=2.5)]


def make(folder, sizes):
    write_stamps(folder / "stamps", sizes["files"])


def astrotl(folder, sizes):
    from astrotl import open_source, prepare_images
    from astrotl.preprocess import Asinh, Percentile, Resize

    steps = (Percentile(0.1, 99.9), Asinh(0.7), Resize(sizes["side"], "bilinear"))
    for _ in prepare_images(open_source(folder / "stamps")[:20], steps, workers=CORES):
        pass
    started = time.perf_counter()
    source = open_source(folder / "stamps")
    images = np.empty((len(source), 3, sizes["side"], sizes["side"]), dtype=np.uint8)
    done = 0
    for batch in prepare_images(source, steps, workers=CORES):
        np.multiply(batch.data, 255, out=images[done : done + len(batch)], casting="unsafe")
        done += len(batch)
    seconds = time.perf_counter() - started
    np.save(folder / "astrotl.npy", images[:_SHOWN])
    return {"images/s": done / seconds}


def fitsbolt(folder, sizes, processes):
    from fitsbolt import NormalisationMethod, load_and_process_images

    def load(paths):
        return load_and_process_images(
            paths,
            output_dtype=np.uint8,
            size=[sizes["side"], sizes["side"]],
            fits_extension=[0, 1, 2],
            normalisation_method=NormalisationMethod.ASINH,
            num_workers=CORES,
            use_multiprocessing=processes,
            show_progress=False,
        )

    paths = sorted(str(path) for path in (folder / "stamps").iterdir())
    load(paths[:20])
    started = time.perf_counter()
    images = load(paths)
    seconds = time.perf_counter() - started
    np.save(folder / "fitsbolt.npy", np.moveaxis(np.stack(images[:_SHOWN]), -1, 1))
    return {"images/s": len(images) / seconds}


def notes(folder, results):
    return compared(folder / "astrotl.npy", folder / "fitsbolt.npy", "fitsbolt")


def compared(ours, theirs, peer):
    """Say how alike the images of both are, if both are there."""
    if not (ours.exists() and theirs.exists()):
        return []
    ours, theirs = np.load(ours), np.load(theirs)
    number = min(len(ours), len(theirs))
    alike = [np.corrcoef(ours[row].ravel(), theirs[row].ravel())[0, 1] for row in range(number)]
    apart = np.abs(ours[:number].astype(int) - theirs[:number])
    return [
        f"The same images from astrotl and {peer}, both {ours.dtype} of {ours.shape[1:]}: they correlate by "
        f"{np.median(alike):.4f} (least {min(alike):.4f}), and differ by {apart.mean():.2f} of 255 levels on average."
    ]
