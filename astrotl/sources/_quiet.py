"""Silence for astropy's warnings, in the thread that asks for it and in no other."""

from __future__ import annotations

import contextlib
import threading
import warnings
from collections.abc import Iterator

from astropy.utils.exceptions import AstropyWarning

from astrotl.errors import AstrotlWarning


class _Here(threading.local):
    quiet = False


_here = _Here()


class _OnlyHere(type):
    def __subclasscheck__(cls, category: type) -> bool:
        return _here.quiet and issubclass(category, AstropyWarning) and not issubclass(category, AstrotlWarning)


class _AstropyWarningHere(Warning, metaclass=_OnlyHere):
    """Whatever astropy warns of, as long as this thread wants to hear nothing of it."""


@contextlib.contextmanager
def quiet_astropy() -> Iterator[None]:
    """Keep astropy from warning once a file about the small sins of headers.

    `warnings.catch_warnings` swaps the filters of all threads, and two threads that overlap in it leave the wrong ones
    behind. This filter stays, and matches nothing outside of here.
    """
    if not warnings.filters or warnings.filters[0][2] is not _AstropyWarningHere:
        warnings.simplefilter("ignore", _AstropyWarningHere)
    before, _here.quiet = _here.quiet, True
    try:
        yield
    finally:
        _here.quiet = before
