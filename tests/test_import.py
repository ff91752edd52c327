"""``import astrotl`` costs next to nothing and loads nothing heavy."""

import re
import subprocess
import sys

HEAVY = ("torch", "timm", "openvino", "matplotlib", "sklearn", "dask", "scipy", "h5py", "annoy", "PIL")


def _run(*arguments):
    return subprocess.run([sys.executable, *arguments], check=True, capture_output=True, text=True)


def test_nothing_heavy_is_loaded():
    loaded = _run("-c", "import sys, astrotl; print(*sys.modules)").stdout.split()
    assert "astrotl" in loaded
    assert not {*HEAVY, "astrotl.testing"} & set(loaded)


def test_import_takes_a_moment_beyond_astropy():
    listing = _run("-X", "importtime", "-c", "import astropy, astrotl").stderr
    cumulative = re.search(r"\|\s+(\d+) \|\s+astrotl$", listing, re.MULTILINE)
    assert int(cumulative[1]) < 300_000


def test_help_loads_nothing_heavy():
    loaded = _run("-X", "importtime", "-m", "astrotl", "--help").stderr.split()
    assert "astrotl.cli.run" in loaded
    assert not set(HEAVY) & set(loaded)


def test_every_public_name_is_there():
    import astrotl

    for name in astrotl.__all__:
        assert getattr(astrotl, name) is not None
    assert set(astrotl.__all__) <= set(dir(astrotl))
