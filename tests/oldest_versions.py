"""Write the oldest versions that pyproject.toml admits as pins: ``python oldest_versions.py FILE``."""

import re
import sys
import tomllib
from pathlib import Path

project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
pins = [re.sub(r">=\s*([\w.]+).*", r"==\1", requirement) for requirement in project["dependencies"]]
Path(sys.argv[1]).write_text("\n".join(pins) + "\n")
