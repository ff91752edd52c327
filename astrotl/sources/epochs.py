"""One object on many dates: each image as its own row, and for each object a stack of its images."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from astropy.table import Table

from astrotl.images import ImageBatch
from astrotl.sources.base import ImageSource, unique_ids

__all__ = ["EpochSource", "split_epoch"]

#: The epoch of a stack.
STACK = "stack"
_MADE = ("median", "mean")
#: No more epochs than these, evenly spread, make a stack: a median needs all of its images in memory.
_MOST = 256
_CLIP, _ROUNDS = 3.0, 5


class EpochSource(ImageSource):
    """Images of objects on many dates, with a stack of each object.

    Every image is a row with the id ``OBJECT/EPOCH``, and every object has one more, ``OBJECT/stack``, after its
    images. A stack that is not among the images is made of them when it is read; where an object has more than 256
    images, 256 of them, spread evenly, make its stack.

    Parameters
    ----------
    images : `~astrotl.sources.ImageSource`
        All images, whose ids are ``OBJECT/EPOCH``; what follows the last stroke is the epoch.
    stack : str, optional
        How a stack is made, ``"median"`` or ``"mean"``, which leaves out what lies beyond 3 sigma; or the name of the
        epoch that is the stack already. The epoch ``stack`` is always taken for one. An object whose stack is not given
        has the median.

    Examples
    --------
    >>> import numpy as np
    >>> from astrotl.sources import ArraySource, EpochSource
    >>> images = ArraySource(np.arange(3)[:, None, None] + np.zeros((3, 4, 4)), ids=["m31/d1", "m31/d2", "m31/d3"])
    >>> source = EpochSource(images)
    >>> source.ids.tolist()
    ['m31/d1', 'm31/d2', 'm31/d3', 'm31/stack']
    >>> float(source[3:].read().data.max())
    1.0
    """

    def __init__(self, images: ImageSource, *, stack: str = "median") -> None:
        objects, epochs = split_epoch(images.ids)
        if stack not in _MADE:
            if stack not in epochs:
                raise ValueError(
                    f"stack: must be {' or '.join(_MADE)}, or the epoch that is the stack, but none is called {stack!r}"
                )
            epochs = np.where(epochs == stack, STACK, epochs)
        self._how = stack if stack in _MADE else "median"
        self._images = images
        self.channels = images.channels
        self._rows_from(objects, epochs)

    def _rows_from(self, objects: np.ndarray, epochs: np.ndarray) -> None:
        """Put the rows of each object together, its stack last; a row is one image, or several that are stacked."""
        images: dict[str, list[int]] = {}
        stacks: dict[str, int] = {}
        for row, (name, epoch) in enumerate(zip(objects.tolist(), epochs.tolist(), strict=True)):
            mine = images.setdefault(name, [])
            if epoch == STACK:
                if name in stacks:
                    raise ValueError(f"ids: {name} has more than one stack")
                stacks[name] = row
            else:
                mine.append(row)
        rows: list[tuple[str, list[int], bool]] = []
        for name, mine in images.items():
            rows += [(f"{name}/{epochs[row]}", [row], False) for row in mine]
            given = stacks.get(name)
            rows.append((f"{name}/{STACK}", _spread(mine) if given is None else [given], given is None))
        self.ids = unique_ids([name for name, _, _ in rows])
        self._members = np.array([row for _, members, _ in rows for row in members], dtype=np.intp)
        self._ends = np.cumsum([len(members) for _, members, _ in rows], dtype=np.intp)
        self._made = np.array([made for _, _, made in rows], dtype=bool)

    def _members_of(self, rows: np.ndarray) -> list[np.ndarray]:
        starts = np.concatenate([[0], self._ends])
        return [self._members[starts[row] : starts[row + 1]] for row in rows.tolist()]

    def _take(self, rows: slice | np.ndarray) -> EpochSource:
        taken = np.arange(len(self))[rows]
        members = self._members_of(taken)
        needed, back = np.unique(np.concatenate([*members, np.empty(0, np.intp)]), return_inverse=True)
        part = object.__new__(EpochSource)
        part.__dict__.update(
            self.__dict__,
            ids=self.ids[rows],
            _images=self._images[_run_of(needed)],
            _members=back,
            _ends=np.cumsum([len(some) for some in members], dtype=np.intp),
            _made=self._made[rows],
        )
        return part

    def read(self) -> ImageBatch:
        members = self._members_of(np.arange(len(self)))
        own = np.array([rows[0] for rows, made in zip(members, self._made, strict=True) if not made], dtype=np.intp)
        read = self._images[own].read()
        place = {int(row): at for at, row in enumerate(own)}
        data = np.full((len(self), *read.data.shape[1:]), np.nan, dtype=np.float32)
        data[~self._made] = read.data
        failed = {
            str(name): read.failed[str(inner)]
            for name, inner in zip(self.ids[~self._made], read.ids, strict=True)
            if str(inner) in read.failed
        }
        for row in np.flatnonzero(self._made).tolist():
            rows = members[row]
            if all(int(one) in place for one in rows):
                batch = read.select([place[int(one)] for one in rows])
            else:
                batch = self._images[rows].read()
            good = ~np.isin(batch.ids, list(batch.failed))
            if good.any():
                data[row] = _stacked(batch.data[good], self._how)
            else:
                first = batch.failed[str(batch.ids[0])]
                failed[str(self.ids[row])] = f"none of its {len(rows)} epochs can be read; the first, {first}"
        return ImageBatch(data, self.ids, self.channels, read.value_range, failed)

    def table(self) -> Table:
        """List the rows: ``id``, ``object``, ``epoch``, and what is known of the images, a stack's as of its first."""
        first = [rows[0] for rows in self._members_of(np.arange(len(self)))]
        known = self._images.table()[first]
        table = super().table()
        table["object"], table["epoch"] = split_epoch(self.ids)
        for name in known.colnames:
            if name not in table.colnames:
                table[name] = known[name]
        if "file" in table.colnames:
            table["file"][self._made] = ""
        return table

    def signature(self) -> dict[str, Any]:
        images = self._images.signature()
        return {
            "kind": "epochs",
            "channels": list(self.channels),
            "size": images.get("size"),
            "stack": self._how if self._made.any() else "given",
            "images": images,
        }


def split_epoch(ids: npt.ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Take ids apart at the last stroke, into object and epoch."""
    parts = [name.rpartition("/") for name in np.asarray(ids, dtype=np.str_).tolist()]
    odd = next(("".join(part) for part in parts if not (part[0] and part[2])), None)
    if odd is not None:
        raise ValueError(f"ids: expected OBJECT/EPOCH, got {odd!r}")
    return np.array([part[0] for part in parts], dtype=np.str_), np.array([part[2] for part in parts], dtype=np.str_)


def _run_of(rows: np.ndarray) -> slice | np.ndarray:
    """Give rows that follow each other as a slice, which copies nothing."""
    if len(rows) and rows[-1] - rows[0] + 1 == len(rows):
        return slice(int(rows[0]), int(rows[-1]) + 1)
    return rows


def _spread(rows: list[int]) -> list[int]:
    if len(rows) <= _MOST:
        return rows
    return [rows[place] for place in np.linspace(0, len(rows) - 1, _MOST).round().astype(int).tolist()]


def _stacked(images: np.ndarray, how: str) -> np.ndarray:
    """Stack images pixel by pixel; a pixel without data in one of them is made of the others."""
    values = np.where(np.isfinite(images), images, np.nan)
    # NumPy warns of a pixel without data in all of them, and no thread may silence it for itself alone.
    empty = np.isnan(values).all(axis=0)
    values[:, empty] = 0
    stacked = _averaged(values, how)
    stacked[empty] = np.nan
    return stacked


def _averaged(values: np.ndarray, how: str) -> np.ndarray:
    with np.errstate(all="ignore"):
        if how == "median":
            return np.asarray(np.nanmedian(values, axis=0))
        for _ in range(_ROUNDS):
            away = np.abs(values - np.nanmedian(values, axis=0))
            scatter = np.nanmedian(away, axis=0)
            # Where most of the images are alike to the last digit there is no scatter to clip by.
            beyond = (away > _CLIP * 1.4826 * scatter) & (scatter > 0)
            if not beyond.any():
                break
            values[beyond] = np.nan
        return np.asarray(np.nanmean(values, axis=0))
