"""Write the oldest versions that pyproject.toml admits as pins: ``python oldest_versions.py FILE``."""

import re
import sys
import tomllib
from pathlib import Path


def pins(pyproject):
    """List the core's requirements, each at its lowest version."""
    project = tomllib.loads(pyproject.read_text())["project"]
    return [re.sub(r">=\s*([\w.]+).*", r"==\1", requirement) for requirement in project["dependencies"]]


if __name__ == "__main__":
    Path(sys.argv[1]).write_text("\n".join(pins(Path(__file__).parents[1] / "pyproject.toml")) + "\n")
