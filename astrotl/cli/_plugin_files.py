"""The files of a new plugin, as ``astrotl plugin new`` writes them; ``$words`` are filled in."""

from __future__ import annotations

FILES = {
    "pyproject.toml": """\
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "$package"
version = "0.1"
description = "An extractor for astrotl"
readme = "README.md"
requires-python = ">=3.11"
dependencies = ["astrotl", "numpy"]

[project.optional-dependencies]
test = ["pytest"]

[project.entry-points.astrotl]
$name = "$module.hooks"
""",
    "README.md": """\
# $package

The extractor `$name` for astrotl.

```
pip install -e ".[test]"
astrotl extractors $name
astrotl extract stamps/ --extractor $name -o features.h5
pytest
```

What it measures is in `src/$module/extractor.py`. What else the package brings is named in `src/$module/hooks.py`.
""",
    "src/$module/__init__.py": '''\
"""An extractor for astrotl."""
''',
    "src/$module/hooks.py": '''\
"""What this package brings to astrotl, in strings: imported when it is asked for."""

from astrotl import hookimpl


@hookimpl
def astrotl_extractors():
    return {"$name": "$module.extractor:$class"}
''',
    "src/$module/extractor.py": '''\
"""What turns images into features."""

import numpy as np
from astrotl import Extractor, InputSpec


class $class(Extractor):
    """Measures how bright each band is and how unevenly: put your own idea here.

    Parameters
    ----------
    bands : int, optional
        The number of bands of the images.
    """

    # Raise it whenever the same images give other features, lest old and new be mixed.
    version = 1

    def __init__(self, bands=3):
        # Parameters are stored under their own names, and nothing else is done here.
        self.bands = bands

    @property
    def dim(self):
        """How many numbers each image becomes."""
        return 2 * self.bands

    @property
    def input(self):
        """What the images are brought to before they come here."""
        return InputSpec(channels=self.bands)

    def _extract(self, images):
        """Turn images, (n, band, y, x), into features, (n, dim)."""
        mean, spread = images.mean(axis=(2, 3)), images.std(axis=(2, 3))
        return np.concatenate([mean, spread], axis=1)
''',
    "tests/test_extractor.py": '''\
"""The extractor keeps what astrotl asks of every extractor."""

from astrotl.extract import make_extractor
from astrotl.testing import check_extractor

from $module.extractor import $class


def test_it_keeps_its_promises():
    check_extractor($class())


def test_astrotl_finds_it_by_its_name():
    assert isinstance(make_extractor("$name"), $class)
''',
}
