"""The features of a store as the views that they were put together from."""

from __future__ import annotations

import numpy as np

from astrotl.store import FeatureStore


def views_of(store: FeatureStore) -> list[slice]:
    """Find which features belong to which view; one slice unless the extractor is a ``Concat``."""
    dims = store.provenance.get("extractor", {}).get("dims", [store.shape[1]])
    ends = np.cumsum(dims).tolist()
    return [slice(end - dim, end) for dim, end in zip(dims, ends, strict=True)]
