"""Extractors made by name, and made again as they made a store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from astrotl import plugins
from astrotl._params import construct
from astrotl.errors import ImageError, StoreMismatchError
from astrotl.extract._work import extract_block
from astrotl.extractors import Extractor
from astrotl.preprocess import step_from_signature
from astrotl.sources import ImageSource
from astrotl.store import FeatureStore

__all__ = ["extractor_of", "features_like", "make_extractor", "remade"]


def make_extractor(name: str, parameters: Mapping[str, Any] | None = None) -> Extractor:
    """Make the extractor of this name, as plugins or astrotl itself bring it."""
    made: Extractor = construct(plugins.load_extractor(name), name, parameters or {})
    return made


def extractor_of(store: FeatureStore) -> Extractor:
    """Make the extractor again that a store was made with."""
    signature = store.provenance["extractor"]
    made: Extractor = remade(signature)
    if made.signature() != signature:
        raise StoreMismatchError(
            f"{store.path}: was made with other weights or another version of {type(made).__name__}; extract it again"
        )
    return made


def remade(value: Any, also: type | None = None) -> Any:
    """Turn signatures back into extractors, of the classes that plugins bring, one more if named, and no others."""
    if isinstance(value, list):
        return tuple(remade(item) for item in value)
    if not (isinstance(value, dict) and {"class", "parameters"} <= value.keys()):
        return value
    given = {key: remade(item) for key, item in value["parameters"].items()}
    if also is not None and value["class"] == f"{also.__module__}:{also.__qualname__}":
        return construct(also, also.__name__, given)
    for plugin in plugins.plugins():
        for name, target in plugin.extractors.items():
            if target == value["class"]:
                return make_extractor(name, given)
    raise StoreMismatchError(
        f"the extractor {value['class']} is brought by no installed plugin; install the one it came with"
    )


def features_like(store: FeatureStore, source: ImageSource) -> np.ndarray:
    """Turn new images into features by the steps and the extractor of a store.

    Parameters
    ----------
    store : `~astrotl.FeatureStore`
        The store to follow.
    source : `~astrotl.sources.ImageSource`
        The new images, with the same bands in the same order.

    Returns
    -------
    `~numpy.ndarray`
        ``(n, dim)`` float32.
    """
    bands = store.provenance["source"]["channels"]
    if len(source.channels) != len(bands):
        raise ValueError(
            f"query: has {len(source.channels)} bands ({', '.join(source.channels)}), but {store.path} was made from "
            f"{len(bands)} ({', '.join(bands)})"
        )
    steps = tuple(step_from_signature(signature) for signature in store.provenance["steps"])
    features, failed = extract_block(source, steps, extractor_of(store))
    if failed:
        raise ImageError(next(iter(failed.values())))
    return features
