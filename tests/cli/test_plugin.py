"""``astrotl plugin new`` writes a package that works as it is written."""

import os
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner

from astrotl.cli import cli


def new(*arguments):
    return CliRunner().invoke(cli, ["plugin", "new", *map(str, arguments)])


def test_what_it_writes_installs_tests_itself_and_is_found(tmp_path, install):
    done = new("Astrotl.Radio_Lobes", "--folder", tmp_path / "plugins")
    assert done.exit_code == 0, done.output
    package = tmp_path / "plugins" / "astrotl-radio-lobes"
    written = {str(path.relative_to(package)) for path in package.rglob("*") if path.is_file()}
    assert written == {
        "pyproject.toml",
        "README.md",
        "src/astrotl_radio_lobes/__init__.py",
        "src/astrotl_radio_lobes/hooks.py",
        "src/astrotl_radio_lobes/extractor.py",
        "tests/test_extractor.py",
    }
    assert all(str(package / path) in done.output for path in written)
    assert not [path for path in written if "$" in (package / path).read_text()]

    environment = {**os.environ, "PYTHONPATH": str(install(package)), "ASTROTL_STRICT_PLUGINS": "1"}

    def run(*words):
        done = subprocess.run(
            [sys.executable, "-m", *words], capture_output=True, text=True, check=False, cwd=tmp_path, env=environment
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    np.save(tmp_path / "stack.npy", np.random.default_rng(1).normal(size=(9, 16, 16)).astype("f4"))
    assert "2 passed" in run("pytest", "-W", "error", "-p", "no:cacheprovider", package)
    assert "radio-lobes (astrotl-radio-lobes 0.1)\n  extractors  radio-lobes\n" in run("astrotl", "plugins")
    out = run("astrotl", "extract", "stack.npy", "--extractor", "radio-lobes", "--set", "bands=1", "-o", "f.h5")
    assert "f.h5: 9 x 2 features" in out


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("my plugin", "must be letters, digits and single hyphens, such as astrotl-texture, got 'my plugin'"),
        ("../up", "must be letters"),
        ("spectra-", "must be letters"),
        ("lumière", "must be letters"),
        ("astrotl-profiles", r"astrotl 0\S+ has an extractor 'profiles' already"),
        ("Profiles", r"astrotl 0\S+ has an extractor 'profiles' already"),
        ("NumPy", "there is a package numpy already"),
        ("astrotl", "there is a package astrotl already"),
        ("2mass", "gives the name '2mass', which Python does not take"),
        ("astrotl-2mass", "gives the name '2Mass', which Python does not take"),
        ("class", "gives the name 'class', which Python does not take"),
        ("astrotl-none", "gives the name 'None', which Python does not take"),
        ("astrotl-extractor", "Extractor is astrotl's own"),
    ],
)
def test_a_name_that_would_not_work_is_refused_before_anything_is_written(name, said, tmp_path):
    done = new(name, "--folder", tmp_path)
    assert isinstance(done.exception, ValueError)
    with pytest.raises(ValueError, match=f"^name: .*{said}"):
        raise done.exception
    assert not list(tmp_path.iterdir())


def test_what_is_there_is_not_touched(tmp_path):
    (tmp_path / "astrotl-texture").mkdir()
    done = new("astrotl-texture", "--folder", tmp_path)
    assert str(done.exception).startswith(f"name: {tmp_path / 'astrotl-texture'} is there already")
    assert not list((tmp_path / "astrotl-texture").iterdir())
