"""Extractors and tasks that each break one promise."""

from dataclasses import dataclass

import numpy as np
from astropy.table import Table

from astrotl import Extractor, InputSpec, Profiles, hookimpl  # noqa: F401
from astrotl.tasks import Column, Task


@hookimpl
def astrotl_extractors():
    return {
        "no-class": "astrotl_broken.classes:Absent",
        "no-module": "astrotl_broken.abset:Mean",
        "leaving-module": "astrotl_broken.leaving:Mean",
        "needs-package": "astrotl_broken.needs_package:Mean",
        "no-extractor": "astrotl_broken.classes:Mean",
        "elsewhere": "astrotl_broken.classes:Profiles",
        "wrong-shape": "astrotl_broken.classes:WrongShape",
        "no-number": "astrotl_broken.classes:NoNumber",
        "words": "astrotl_broken.classes:Words",
        "no-extract": "astrotl_broken.classes:NoExtract",
        "falling": "astrotl_broken.classes:Falling",
    }


@hookimpl
def astrotl_tasks():
    return {
        "no-task": "astrotl_broken.classes:Absent",
        "no-dataclass": "astrotl_broken.classes:NoDataclass",
        "no-column": "astrotl_broken.classes:NoColumn",
        "falling": "astrotl_broken.classes:FallingTask",
    }


class Mean:
    """Is no extractor."""


class _OneNumber(Extractor):
    dim = 1
    input = InputSpec()


class WrongShape(_OneNumber):
    """Gives two numbers and promised one."""

    def _extract(self, images):
        return np.ones((len(images), 2))


class NoNumber(_OneNumber):
    """Gives NaN."""

    def _extract(self, images):
        return np.full((len(images), 1), np.nan)


class Words(_OneNumber):
    """Gives words."""

    def _extract(self, images):
        return np.full((len(images), 1), "bright")


class NoExtract(_OneNumber):
    """Has no method that extracts."""


class Falling(_OneNumber):
    """Has a mistake in its own code."""

    def _extract(self, images):
        raise ZeroDivisionError("no light")


class NoDataclass(Task):
    """Forgot to be a dataclass."""

    columns = (Column("id", "str", "the object"),)

    def _run(self, index, labels):
        return Table({"id": index.store.ids})


@dataclass(frozen=True)
class NoColumn(Task):
    """Gives other columns than it promised."""

    columns = (Column("id", "str", "the object"),)

    def _run(self, index, labels):
        return Table({"name": index.store.ids})


@dataclass(frozen=True)
class FallingTask(Task):
    """Has a mistake in its own code."""

    columns = (Column("id", "str", "the object"),)

    def _run(self, index, labels):
        raise ZeroDivisionError("no answer")
