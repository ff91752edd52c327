"""Transfer learning for astronomical images.

Images become features by a pretrained network, features are kept in a store, and questions are asked of the store.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from astrotl import errors, simulate
    from astrotl.extract import extract_features
    from astrotl.extractors import Concat, Extractor, InputSpec, Profiles
    from astrotl.hookspecs import hookimpl
    from astrotl.images import ImageBatch
    from astrotl.index import AnnoyIndex, ExactIndex, open_index
    from astrotl.prepare import prepare_images
    from astrotl.sources import ImageSource, open_source
    from astrotl.store import FeatureStore, open_store
    from astrotl.tasks import Similar, Task

# Each name is imported when it is first asked for, so that "import astrotl" costs next to nothing.
_HOMES = {
    "AnnoyIndex": "astrotl.index",
    "Concat": "astrotl.extractors",
    "ExactIndex": "astrotl.index",
    "Extractor": "astrotl.extractors",
    "FeatureStore": "astrotl.store",
    "ImageBatch": "astrotl.images",
    "ImageSource": "astrotl.sources",
    "InputSpec": "astrotl.extractors",
    "Profiles": "astrotl.extractors",
    "Similar": "astrotl.tasks",
    "Task": "astrotl.tasks",
    "extract_features": "astrotl.extract",
    "hookimpl": "astrotl.hookspecs",
    "open_index": "astrotl.index",
    "open_source": "astrotl.sources",
    "open_store": "astrotl.store",
    "prepare_images": "astrotl.prepare",
}
_ROOMS = ("errors", "plots", "preprocess", "report", "simulate", "sources", "tables")

__all__ = [
    "AnnoyIndex",
    "Concat",
    "ExactIndex",
    "Extractor",
    "FeatureStore",
    "ImageBatch",
    "ImageSource",
    "InputSpec",
    "Profiles",
    "Similar",
    "Task",
    "errors",
    "extract_features",
    "hookimpl",
    "open_index",
    "open_source",
    "open_store",
    "prepare_images",
    "simulate",
]


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return importlib.import_module(f"astrotl.{name}")
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'astrotl' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES, *_ROOMS})
