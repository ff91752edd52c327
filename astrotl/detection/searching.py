"""The search: fields of any size and a detector in, a table of boxes out."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib import metadata
from typing import Any

import numpy as np
from astropy.table import Table, vstack

from astrotl.detection.base import Detector, Found
from astrotl.detection.sky import add_sky
from astrotl.detection.table import make_boxes
from astrotl.detection.tiles import Tile, read_tiles, tiles_of
from astrotl.errors import AstrotlWarning, ImageError
from astrotl.sources import Field

__all__ = ["detect"]

#: Two tiles that show the same thing may differ on where its middle is by so much of their overlap.
_SLACK = 0.25
#: Boxes of two tiles show the same thing if they share more than this of the smaller one.
_SAME = 0.5


def detect(
    fields: Sequence[Field],
    detector: Detector,
    *,
    threshold: float | None = None,
    progress: Callable[..., Any] | None = None,
) -> Table:
    """Find things in fields of any size.

    What is larger than the detector's tile is looked at in tiles that overlap, a few at a time, so that memory does not
    grow with the field; what lies on a seam is reported once.

    Parameters
    ----------
    fields : sequence of `~astrotl.sources.Field`
        The fields.
    detector : `Detector`
        What looks at them, such as `Classical` or `~astrotl.neural.FasterRCNN`.
    threshold : float, optional
        The least score of a box; by default that on which the detector counts. With 0 there are all that it has, as
        the measures want them.
    progress : callable, optional
        Something like ``tqdm``.

    Returns
    -------
    `~astropy.table.Table`
        A row for each box: ``image``, ``x``, ``y``, ``width``, ``height``, ``class`` and ``score``, the surest of each
        image first; and, where fields have sky coordinates, ``ra``, ``dec`` and ``size``. Fields that cannot be read
        are left out; ``meta["astrotl"]["failed"]`` says why.
    """
    least = detector.threshold if threshold is None else threshold
    if not 0 <= least <= 1:
        raise ValueError(f"threshold: must lie between 0 and 1, got {least}")
    plans = [_tiles(field, detector) for field in fields]
    bar = progress(total=sum(map(len, plans)), unit="tile") if progress else None
    parts, failed = [], {}
    for field, tiles in zip(fields, plans, strict=True):
        try:
            found = _search(field, tiles, detector, bar)
        except ImageError as error:
            failed[field.id] = str(error)
            continue
        kept = found.select(np.argsort(-found.score, kind="stable"))
        kept = kept.select(kept.score >= least)
        names = np.array([*detector.classes, ""])[kept.label]
        parts.append(make_boxes(field.id, kept.x, kept.y, kept.width, kept.height, names, kept.score))
    if bar is not None:
        bar.close()
    if failed:
        name, why = next(iter(failed.items()))
        warnings.warn(f"{len(failed):,} fields could not be searched; {name}: {why}", AstrotlWarning, stacklevel=2)
    empty = make_boxes(*[[]] * 7)
    table = vstack(parts, metadata_conflicts="silent") if sum(map(len, parts)) else empty
    if any(field.wcs is not None for field in fields):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AstrotlWarning)
            table = add_sky(table, fields)
    table.meta["astrotl"] = {
        "detector": detector.signature(),
        "threshold": float(least),
        "searched": [field.id for field in fields if field.id not in failed],
        "failed": failed,
        "version": metadata.version("astrotl"),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    return table


def _tiles(field: Field, detector: Detector) -> list[Tile]:
    size = min(detector.tile, max(field.shape))
    return tiles_of(field.shape, size, min(detector.overlap, size // 2))


def _search(field: Field, tiles: list[Tile], detector: Detector, bar: Any) -> Found:
    """Look at all tiles of a field, and put together what they show, in pixels of the field."""
    parts, origins = [Found.none()], [np.empty(0, dtype=np.intp)]
    for some, batch in read_tiles(field, tiles, detector.at_once):
        for tile, found in zip(some, detector.look(batch), strict=True):
            mine = _own(found.shifted(tile.left, tile.bottom), tile, detector.overlap)
            parts.append(mine)
            origins.append(np.full(len(mine), len(origins)))
            if bar is not None:
                bar.update(1)
    found = Found.joined(parts).within(field.shape)
    return found.select(_once(found, np.concatenate(origins)))


def _own(found: Found, tile: Tile, overlap: int) -> Found:
    """Keep what has its middle in the tile's own part, or nearly."""
    slack = _SLACK * overlap
    left, bottom, right, top = tile.own
    across = (found.x >= left - slack) & (found.x <= right + slack)
    return found.select(across & (found.y >= bottom - slack) & (found.y <= top + slack))


def _once(found: Found, origin: np.ndarray) -> np.ndarray:
    """Choose rows so that what two tiles show is there once, as the surer of them has it."""
    if len(np.unique(origin)) < 2:
        return np.arange(len(found))
    left, right = found.x - found.width / 2, found.x + found.width / 2
    bottom, top = found.y - found.height / 2, found.y + found.height / 2
    areas = found.width * found.height
    kept: list[int] = []
    for row in np.argsort(-found.score, kind="stable").tolist():
        others = np.array(kept, dtype=np.intp)
        others = others[origin[others] != origin[row]]
        across = np.minimum(right[row], right[others]) - np.maximum(left[row], left[others])
        up = np.minimum(top[row], top[others]) - np.maximum(bottom[row], bottom[others])
        shared = across.clip(0) * up.clip(0)
        if not (shared > _SAME * np.minimum(areas[row], areas[others])).any():
            kept.append(row)
    return np.array(kept, dtype=np.intp)
