"""What tests of several rooms share."""

import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_data():
    """The folder of real survey data that may lie beside the repository."""
    folder = Path(__file__).parents[1].parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"the real data are not here: {folder.parent.name}/{folder.name} beside the repository")
    return folder


@pytest.fixture(scope="session")
def chromium():
    """Start the browser that there is, once: playwright runs only once in a process."""
    playwright = pytest.importorskip("playwright.sync_api")
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("there is no chromium on this machine")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
        )
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def install(tmp_path_factory):
    """Have pip build and install the package in a folder, without a network; give the folder to put on the path."""
    for needed in ("pip", "setuptools"):
        # To look for the module itself would have setuptools step back for pip in the whole process.
        try:
            metadata.version(needed)
        except metadata.PackageNotFoundError:
            pytest.skip(f"{needed} is not installed, so no package can be")

    def installed(package):
        work = tmp_path_factory.mktemp("installed")
        # A build leaves its traces beside the sources.
        sources = shutil.copytree(package, work / "sources")
        options = ("--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check")
        subprocess.run(
            [sys.executable, "-m", "pip", "install", *options, "--target", work / "site", sources], check=True
        )
        return work / "site"

    return installed
