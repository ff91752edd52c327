"""E: how time and memory grow from a thousand objects to a million, step by step."""

import statistics
import time

import numpy as np
from numpy.lib.format import open_memmap

from astrotl import simulate
from tests.benchmarks.speed.rounds import CORES, Contender

FULL = {
    "rounds": 3,
    "counts": (1_000, 10_000, 100_000, 1_000_000),
    "side": 10,
    "queries": 1000,
    # It takes a minute, in which noise evens out.
    "rounds_of": {"extract, 1,000,000": 1},
}
QUICK = {"rounds": 1, "counts": (200, 2_000), "side": 10, "queries": 50}
_STEPS = ("extract", "index", "query")


def contenders(sizes):
    return [Contender(f"{step}, {count:,}", f"{step}_step", (count,)) for count in sizes["counts"] for step in _STEPS]


def ratios(sizes):
    return []


def make(folder, sizes):
    """Write a stack of small stamps for each count: simulated galaxies, each with noise of its own."""
    side, rng = sizes["side"], np.random.default_rng(1)
    drawn = simulate.stamps(500, kinds=("spiral", "elliptical"), size=40, bands=("r",), seed=1, noise=0)[0].data
    # Binned, so that a galaxy and some sky fit on ten pixels.
    small = drawn.reshape(500, 1, side, 40 // side, side, 40 // side).mean(axis=(3, 5))
    for count in sizes["counts"]:
        stack = open_memmap(folder / f"{count}.npy", "w+", np.float32, (count, 1, side, side))
        for first in range(0, count, 50_000):
            part = stack[first : first + 50_000]
            part[:] = small[rng.integers(0, len(small), len(part))]
            part *= rng.uniform(0.5, 2, size=(len(part), 1, 1, 1)).astype(np.float32)
            part += rng.normal(size=part.shape).astype(np.float32)
        stack.flush()


def extract_step(folder, sizes, count):
    from astrotl import extract_features
    from astrotl.sources import StackSource

    started = time.perf_counter()
    source = StackSource(folder / f"{count}.npy")
    extract_features(source, "profiles", folder / f"{count}.h5", workers=CORES, overwrite=True)
    return _took(count, time.perf_counter() - started)


def index_step(folder, sizes, count):
    from astrotl import AnnoyIndex, FeatureStore

    store = FeatureStore(folder / f"{count}.h5")
    started = time.perf_counter()
    AnnoyIndex.build(store, jobs=CORES)
    return _took(count, time.perf_counter() - started)


def query_step(folder, sizes, count):
    from astrotl import FeatureStore, open_index

    index = open_index(FeatureStore(folder / f"{count}.h5"))
    queries = index.store.features(np.random.default_rng(1).choice(count, min(sizes["queries"], count), replace=False))
    index.query(queries[:1], 10)
    started = time.perf_counter()
    index.query(queries, 10)
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "ms per object": seconds / len(queries) * 1e3}


def _took(count, seconds):
    return {"seconds": seconds, "ms per object": seconds / count * 1e3}


def notes(folder, results):
    """Compare the largest with a tenth of it, and memory with that of the smallest."""
    lines = []
    for step in _STEPS:
        measured = {
            int(name.partition(", ")[2].replace(",", "")): rounds
            for name, rounds in results.items()
            if name.startswith(f"{step}, ") and not isinstance(rounds, str)
        }
        if len(measured) < 2:
            continue
        small, *_, large = sorted(measured)
        seconds, memory = (
            {n: statistics.median(one[figure] for one in rounds) for n, rounds in measured.items()}
            for figure in ("seconds", "peak MB")
        )
        tenth = sorted(measured)[-2]
        time_line = (
            f"{step}, {tenth:,} to {large:,} objects: {seconds[large] / seconds[tenth]:.2f} times the time"
            f"{_beside(step, tenth, large, seconds)}; peak memory {memory[small]:.0f} MB at {small:,}, "
            f"{memory[large]:.0f} MB at {large:,}."
        )
        lines.append(time_line)
    return lines


def _beside(step, tenth, large, seconds):
    """Set the growth beside that of n, or of n log n for an index."""
    if step == "query":
        return " for the same number of queries"
    linear = large / tenth
    if step == "extract":
        return f", {seconds[large] / seconds[tenth] / linear:.2f} of what n says"
    law = linear * np.log(large) / np.log(tenth)
    return f", {seconds[large] / seconds[tenth] / law:.2f} of what n log n says (goal 1.15 at most)"
