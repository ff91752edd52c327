"""Peak memory of ``astrotl extract`` over FITS stamps: ``python -m tests.benchmarks.memory [COUNT ...]``.

Each count is run in a process of its own, on stamps of three bands and 32 px, with the extractor ``profiles``.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from astropy.io import fits

from astrotl import simulate

_EXTRACT = """
import resource, sys, time
from astrotl import FeatureStore, extract_features, open_source
started = time.perf_counter()
store = extract_features(open_source(sys.argv[1]), "profiles", sys.argv[2])
assert len(store.done()) == len(store)
print(len(store), time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def main(counts):
    print(f"{'stamps':>8} {'seconds':>8} {'stamps/s':>9} {'peak MB':>8}")
    for count in counts:
        with tempfile.TemporaryDirectory() as folder:
            stamps = Path(folder) / "stamps"
            stamps.mkdir()
            images = simulate.stamps(200, size=32, seed=1)[0].data
            for number in range(count):
                fits.PrimaryHDU(images[number % 200]).writeto(stamps / f"{number:07}.fits")
            command = [sys.executable, "-c", _EXTRACT, stamps, Path(folder) / "features.h5"]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
        rows, seconds, peak = map(float, done.stdout.split())
        print(f"{rows:8.0f} {seconds:8.1f} {rows / seconds:9.0f} {peak:8.0f}", flush=True)


if __name__ == "__main__":
    main([int(count) for count in sys.argv[1:]] or [1_000, 10_000, 100_000])
