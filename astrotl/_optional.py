"""Which packages are installed, and what to say when an optional one is missing.

Which extra brings a package is read from astrotl's own metadata, so the advice cannot go stale.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib import metadata

from astrotl.errors import MissingDependencyError

_REQUIREMENT = re.compile(r"^([A-Za-z0-9._-]+).*extra == ['\"]([\w-]+)['\"]")

#: Where a distribution is not called like the package that it brings.
_DISTRIBUTIONS = {"hats": "lsdb", "sklearn": "scikit-learn", "umap": "umap-learn"}


def extra_of(package: str) -> str | None:
    """Name the extra of astrotl that brings ``package``; None if none does."""
    for line in metadata.requires("astrotl") or ():
        match = _REQUIREMENT.match(line)
        if match and match[1].replace("-", "_").lower() == package.replace("-", "_").lower():
            return match[2]
    return None


def missing_dependency(error: ModuleNotFoundError, who: str) -> MissingDependencyError:
    """Turn a failed import into advice on what to install."""
    package = (error.name or "").partition(".")[0]
    package = _DISTRIBUTIONS.get(package, package)
    extra = extra_of(package)
    remedy = f'pip install "astrotl[{extra}]"' if extra else f"pip install {package}"
    return MissingDependencyError(f"{who} needs the package {package}, which is not installed: {remedy}", name=package)


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Give the versions of those packages that are installed."""
    installed = {}
    for package in packages:
        try:
            installed[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return installed
