"""The packages beside this file, really installed, each into a folder of its own."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

collect_ignore_glob = ["astrotl-*"]


@pytest.fixture(scope="session")
def example(install):
    return install(Path(__file__).parent / "astrotl-example")


@pytest.fixture(scope="session")
def broken(install):
    return install(Path(__file__).parent / "astrotl-broken")


@pytest.fixture(scope="session")
def images(tmp_path_factory):
    """A folder with a stack of images to extract."""
    folder = tmp_path_factory.mktemp("images")
    np.save(folder / "stack.npy", np.random.default_rng(1).normal(size=(12, 32, 32)).astype("f4"))
    return folder


@pytest.fixture(scope="session")
def python(images):
    """Run Python with installed packages on the path, among the images."""

    def run(*arguments, packages=(), strict=False):
        path = os.pathsep.join(map(str, packages))
        environment = {**os.environ, "PYTHONPATH": path, "ASTROTL_STRICT_PLUGINS": str(int(strict)), "COLUMNS": "120"}
        return subprocess.run(
            [sys.executable, *map(str, arguments)],
            capture_output=True,
            text=True,
            env=environment,
            cwd=images,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def astrotl(python):
    """Run the command line with installed packages on the path."""

    def run(command, *packages, **settings):
        return python("-m", "astrotl", *command.split(), packages=packages, **settings)

    return run
