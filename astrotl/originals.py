"""The images that a store was made from, opened again; and images about boxes, which are recorded and opened alike."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from astrotl.detection import BoxSource, read_boxes
from astrotl.sources import ImageSource, open_fields, open_source
from astrotl.sources.opening import recorded
from astrotl.store import FeatureStore

__all__ = ["about_boxes", "images_of", "reopened"]


def images_of(store: FeatureStore) -> ImageSource:
    """Open the images again that a store was made from, to show them.

    Parameters
    ----------
    store : `~astrotl.FeatureStore`
        A store that was made from files. If these are no longer the same objects, that is a `ValueError`.

    Examples
    --------
    >>> from astrotl import extract_features, open_source, simulate
    >>> from astrotl.originals import images_of
    >>> truth = simulate.survey("sky", objects=20)
    >>> source = open_source({"i": "sky/*-i.fits", "g": "sky/*-g.fits"}, catalog="sky/catalogue.ecsv", size=32)
    >>> images_of(extract_features(source, "profiles", "features.h5"))
    <SkySource: 20 objects, channels i, g>
    """
    source, origin = reopened(store), store.provenance["origin"]
    # The number of a box in its image says nothing of where it is.
    moved = "boxes" in origin and source.signature() != store.provenance["source"]
    if moved or len(source) != len(store) or (source.ids != store.ids).any():
        where = origin["boxes"] if moved else origin["inputs"]
        raise ValueError(f"images: those in {where} are no longer those that {store.path} was made from")
    return source


def reopened(store: FeatureStore) -> ImageSource:
    """Open what lies where the images lay that a store was made from, whether or not it is still the same.

    Parameters
    ----------
    store : `~astrotl.FeatureStore`
        A store that was made from files.
    """
    origin = store.provenance.get("origin")
    if "sharded" in store.provenance:
        raise ValueError(f"images: {store.path} is one shard, which does not know where they are; name its folder")
    if origin is None:
        raise ValueError(f"images: those of {store.path} were in memory, so they cannot be read again")
    return about_boxes(**origin) if "boxes" in origin else open_source(**origin)


def about_boxes(
    inputs: Any, boxes: str, bands: Sequence[str] | None = None, size: int | str | None = None, **others: Any
) -> ImageSource:
    """Cut boxes out of images of any size, so that a store knows how to open them again.

    Parameters
    ----------
    inputs : path, sequence of path, or mapping of str to path
        The images, as `~astrotl.sources.open_fields` takes them.
    boxes : path
        The boxes.
    bands : sequence of str, optional
        The bands to read.
    size : int or str, optional
        The number of pixels across.
    **others
        What does not go with boxes is refused, unless it is None.
    """
    for name, value in others.items():
        if value is not None:
            raise ValueError(f"{name}: does not go with boxes")
    try:
        pixels = None if size is None else int(size)
    except ValueError as error:
        raise ValueError(f"size: with boxes it is a number of pixels, got {size!r}") from error
    fields = open_fields(inputs, bands=bands)
    source = BoxSource(fields, read_boxes(boxes, fields), size=pixels)
    names = bands and list(bands)
    source.origin = {"inputs": recorded(inputs), "boxes": os.path.abspath(boxes), "bands": names, "size": pixels}
    return source
