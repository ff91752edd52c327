"""Every error and warning that is astrotl's own.

A wrong argument is a plain ``ValueError`` or ``TypeError``; these classes are for what goes wrong beyond the arguments.
"""

from __future__ import annotations

from astropy.utils.exceptions import AstropyUserWarning

__all__ = [
    "AstrotlError",
    "AstrotlWarning",
    "ContractError",
    "ImageError",
    "IndexMismatchError",
    "MissingDependencyError",
    "PluginError",
    "PluginWarning",
    "StoreError",
    "StoreMismatchError",
    "WeightsError",
]


class AstrotlError(Exception):
    """The base of all of astrotl's own errors."""


class PluginError(AstrotlError):
    """A plugin is broken, unknown, or claims a name that another one owns."""


class MissingDependencyError(AstrotlError, ImportError):
    """An optional package is not installed; the message says which extra brings it."""


class ImageError(AstrotlError):
    """An image file cannot be read as an image; the message names the file."""


class StoreError(AstrotlError):
    """A feature store cannot be opened or used as asked."""


class StoreMismatchError(StoreError):
    """A store was made with other settings; the message names the one that differs."""


class IndexMismatchError(AstrotlError):
    """An index does not belong to the store it is used with."""


class ContractError(AstrotlError):
    """A plugin broke its promise: which one, what was expected, what came."""


class WeightsError(AstrotlError):
    """Pretrained weights cannot be had or do not fit; the message says how to get them and where to put them."""


class AstrotlWarning(AstropyUserWarning):
    """The base of all of astrotl's own warnings."""


class PluginWarning(AstrotlWarning):
    """A plugin was left out because it is broken."""


def first_line(error: BaseException) -> str:
    """Give what an error says on one line."""
    return ((str(error) or type(error).__name__).strip().splitlines() or [type(error).__name__])[0]
