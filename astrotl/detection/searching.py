"""The search: fields of any size and a detector in, a table of boxes out."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from importlib import metadata
from typing import Any

import numpy as np
from astropy.table import Table, vstack

from astrotl.detection.base import Detector, Found
from astrotl.detection.sky import add_sky
from astrotl.detection.table import make_boxes, overlaps
from astrotl.detection.tiles import Tile, read_tiles, tiles_of
from astrotl.errors import AstrotlWarning, ImageError
from astrotl.sources import Field

__all__ = ["detect"]

#: Two tiles that show the same thing may differ on where its middle is by so much of their overlap.
_SLACK = 0.25
#: Boxes of two tiles show the same thing if they overlap by more than this where both tiles look.
_SAME = 0.3


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

    Examples
    --------
    >>> import numpy as np
    >>> from astrotl.detection import Classical, detect
    >>> from astrotl.sources import ArrayField
    >>> y, x = np.mgrid[:64, :64]
    >>> star = 30 * np.exp(-((x - 40) ** 2 + (y - 20) ** 2) / 8) + np.random.default_rng(1).normal(size=x.shape)
    >>> found = detect([ArrayField(star, "m31", channels=("r",))], Classical(label="star", box=8))
    >>> found["image", "x", "y", "width", "class"].pprint()
    image  x    y   width class
          pix  pix   pix
    ----- ---- ---- ----- -----
      m31 40.0 20.0   8.0  star
    """
    least = detector.threshold if threshold is None else threshold
    if not 0 <= least <= 1:
        raise ValueError(f"threshold: must lie between 0 and 1, got {least}")
    if len({field.id for field in fields}) < len(fields):
        raise ValueError("fields: every field needs an id of its own")
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
        many = f"{len(failed):,} of {len(fields):,} fields could not be searched"
        warnings.warn(f"{many}; {name}: {why}", AstrotlWarning, stacklevel=2)
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
    parts: list[Found] = []
    for some, batch in read_tiles(field, tiles, detector.at_once):
        for tile, found in zip(some, detector.look(batch), strict=True):
            there = found.shifted(tile.left, tile.bottom).within(field.shape)
            parts.append(_own(there, tile, detector.overlap))
            if bar is not None:
                bar.update(1)
    return Found.joined(parts).select(_once(parts, tiles))


def _own(found: Found, tile: Tile, overlap: int) -> Found:
    """Keep what has its middle in the tile's own part, or nearly."""
    slack = _SLACK * overlap
    left, bottom, right, top = tile.own
    across = (found.x >= left - slack) & (found.x <= right + slack)
    return found.select(across & (found.y >= bottom - slack) & (found.y <= top + slack))


def _once(parts: list[Found], tiles: list[Tile]) -> np.ndarray:
    """Choose rows so that what two tiles show is there once, as the surer of them has it."""
    score = np.concatenate([part.score for part in parts])
    twins: dict[int, list[int]] = {}
    for one, other in _pairs(parts, tiles):
        twins.setdefault(one, []).append(other)
        twins.setdefault(other, []).append(one)
    kept = np.zeros(len(score), dtype=bool)
    for row in np.argsort(-score, kind="stable").tolist():
        kept[row] = not kept[twins.get(row, [])].any()
    return np.flatnonzero(kept)


def _pairs(parts: list[Found], tiles: list[Tile]) -> Iterator[tuple[int, int]]:
    """Find the rows of two tiles that show the same thing: of all boxes there they are most like each other."""
    starts = np.cumsum([0, *map(len, parts)]).tolist()
    low = np.array([(tile.left, tile.bottom) for tile in tiles]) - 0.5
    size = tiles[0].size
    for first in (number for number, part in enumerate(parts) if len(part)):
        beside = np.flatnonzero((np.abs(low - low[first]) < size).all(axis=1))
        for second in beside[beside > first].tolist():
            # Of what reaches out of a tile it shows a part only.
            window = [*np.maximum(low[first], low[second]), *(np.minimum(low[first], low[second]) + size)]
            alike = overlaps(*(_edges(parts[number], window) for number in (first, second)))
            if not alike.size:
                continue
            best = alike.argmax(axis=1)
            mutual = alike.argmax(axis=0)[best] == np.arange(len(alike))
            for row in np.flatnonzero(mutual & (alike.max(axis=1) > _SAME)).tolist():
                yield starts[first] + row, starts[second] + int(best[row])


def _edges(found: Found, window: list[float]) -> np.ndarray:
    """Give the left, bottom, right and top of what of each box lies in a window."""
    sides = np.stack([found.x, found.y]), np.stack([found.width, found.height]) / 2
    left, bottom, right, top = window
    edges = np.concatenate([sides[0] - sides[1], sides[0] + sides[1]]).T
    return edges.clip([left, bottom, left, bottom], [right, top, right, top])
