"""Whether a source of images keeps its promises."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
from astropy import units as u

from astrotl.images import ImageBatch
from astrotl.sources import ImageSource
from astrotl.testing._promises import Promises, pickled, side_by_side

__all__ = ["check_source"]

#: So many objects are read, the first and the last ones.
_FEW = 12
#: What the pickle of one object may take beside two and a half times its pixels.
_SLICE_BYTES = 100_000


def check_source(source: ImageSource) -> None:
    """Check that a source of images keeps its promises.

    Whatever rows are chosen, by a slice, a list or a mask, must be read as they are read with all others, here, in
    other threads and once pickled; a slice must be small, and images that cannot be read must be named and without
    data. Of a long source, six objects at each end are read.

    Parameters
    ----------
    source : `~astrotl.sources.ImageSource`
        The source, of two objects or more.

    Raises
    ------
    AssertionError
        If a promise is broken.

    Examples
    --------
    >>> import numpy as np
    >>> from astrotl.sources import ArraySource
    >>> from astrotl.testing import check_source
    >>> check_source(ArraySource(np.random.default_rng(1).normal(size=(5, 3, 16, 16))))
    """
    promises = Promises.of(source, "source", ImageSource)
    if len(source) < 2:
        raise ValueError(f"source: two objects or more are needed to check it, got {len(source)}")
    _check_objects(promises, source)
    ends = np.arange(len(source))
    if len(ends) > _FEW:
        ends = np.concatenate([ends[: _FEW // 2], ends[-_FEW // 2 :]])
    with promises.trying("cannot be sliced or read", "_take must give a source of any rows, which read() reads"):
        some = source[ends]
        batch = some.read()
    _check_batch(promises, some, batch)
    promises.hold(_same(batch, some.read()), "reads other images again", "read what is there, and change nothing")
    _check_rows(promises, some, batch)
    _check_travel(promises, source, some, batch)
    _check_signature(promises, source, batch)


def _check_objects(promises: Promises, source: ImageSource) -> None:
    """What is known of the objects before anything is read."""
    ids, channels = source.ids, source.channels
    promises.hold(
        isinstance(ids, np.ndarray) and ids.ndim == 1 and ids.dtype.kind == "U",
        "has ids that are no array of strings",
        "make them with numpy.asarray(ids, dtype=str)",
    )
    promises.hold(len(ids) == len(source), "has another length than ids", "leave __len__ as it is")
    promises.hold(len(np.unique(ids)) == len(ids), "has an id that stands twice", "give each object an id of its own")
    promises.hold(
        isinstance(channels, tuple) and channels and all(isinstance(name, str) for name in channels),
        f"has the channels {channels!r}",
        "make them a tuple of strings, the name of each band",
    )
    promises.hold(len(set(channels)) == len(channels), "has a channel that stands twice", "name each band once")
    with promises.trying("cannot say its table() or order()", "they must need no image"):
        table, order = source.table(), source.order()
    promises.hold(
        "id" in table.colnames and np.array_equal(np.asarray(table["id"]).astype(str), ids),
        "has a table() that does not list its objects",
        "let it have a row for each, in the order of ids, and the column id",
    )
    for name in {"ra", "dec"}.intersection(table.colnames):
        promises.hold(table[name].unit == u.deg, f"has a table() whose {name} has no unit", "give it the unit deg")
    promises.hold(
        order is None or np.array_equal(np.sort(order), np.arange(len(source))),
        "has an order() that does not hold every row once",
        "return a permutation of numpy.arange(len(self)), or None",
    )


def _check_batch(promises: Promises, source: ImageSource, batch: ImageBatch) -> None:
    promises.hold(isinstance(batch, ImageBatch), f"reads {type(batch).__name__}", "return an ImageBatch")
    promises.hold(
        np.array_equal(batch.ids, source.ids) and batch.channels == source.channels,
        "reads other ids or channels than it has",
        "return ImageBatch(data, self.ids, self.channels), unreadable images included",
    )
    promises.hold(
        batch.failed.keys() <= set(source.ids.tolist()) and all(batch.failed.values()),
        "says of objects that it has not, or without a reason, that they cannot be read",
        "let failed be {id: reason}",
    )
    lost = np.isin(batch.ids, list(batch.failed))
    promises.hold(np.isnan(batch.data[lost]).all(), "has pixels of images that cannot be read", "fill those with NaN")
    if batch.value_range is not None:
        low, high = batch.value_range
        known = batch.data[np.isfinite(batch.data)]
        promises.hold(
            not ((known < low) | (known > high)).any(),
            f"says that values lie from {low:g} to {high:g}, but reads others",
            "give the range that is certain, or None",
        )


def _check_rows(promises: Promises, source: ImageSource, batch: ImageBatch) -> None:
    """Rows that are chosen in any way, here out of others that were chosen, must be those of all."""
    rng = np.random.default_rng(0)
    every = np.arange(len(source))
    mask = rng.random(len(every)) < 0.5
    mask[0] = True
    chosen: list[tuple[str, Any]] = [
        ("a slice", slice(1, None)),
        ("a slice with a step", slice(None, None, -2)),
        ("a list of rows", rng.permutation(every)[: max(1, len(every) - 1)]),
        ("a mask", mask),
        ("no rows", slice(0)),
    ]
    for what, rows in chosen:
        numbers = every[rows]
        with promises.trying(f"cannot be read by {what}", "_take must give a source of any rows, and of none"):
            part = source[rows]
            read = part.read()
            table = part.table()
        promises.hold(
            isinstance(part, ImageSource) and np.array_equal(part.ids, source.ids[numbers]) and part.origin is None,
            f"has other objects when they are chosen by {what}",
            "let _take choose the ids as all else",
        )
        remedy = "let _take choose of everything that has a row for each object, and read() depend on those rows alone"
        expected = _rows_of(batch, numbers)
        promises.hold(_same(read, expected), f"reads other images when they are chosen by {what}", remedy)
        promises.hold(
            np.array_equal(np.asarray(table["id"]).astype(str), part.ids), f"has another table() of {what}", remedy
        )


def _check_travel(promises: Promises, source: ImageSource, some: ImageSource, batch: ImageBatch) -> None:
    """Images are read by other threads and processes, which are sent a slice."""
    first = source[:1]
    copy = pickle.loads(pickled(promises, first, _SLICE_BYTES + 10 * batch.data[0].size))
    remedy = "keep what read() needs in what pickle keeps, such as the name of a file and not the open file"
    with promises.trying("cannot be read once it was pickled", remedy):
        copied = copy.read()
    promises.hold(_same(copied, _rows_of(batch, np.arange(1))), "reads other images once it was pickled", remedy)
    with promises.trying("cannot be read by several threads", "share no open file between them"):
        threaded = side_by_side(lambda row: some[row : row + 1].read(), [*range(len(some))] * 2)
    promises.hold(
        all(_same(one, _rows_of(batch, np.array([at % len(some)]))) for at, one in enumerate(threaded)),
        "reads other images when several threads read",
        "share no open file, nor anything else that reading changes, between them",
    )


def _check_signature(promises: Promises, source: ImageSource, batch: ImageBatch) -> None:
    with promises.trying("cannot say its signature", "it must not depend on what was read"):
        signature = source.signature()
    promises.json(signature, "a signature")
    promises.json(source.origin, "an origin")
    promises.hold(
        signature.get("channels") == list(source.channels),
        "has a signature without its channels",
        'let it have "channels": list(self.channels), by which new images are opened alike',
    )
    size = signature.get("size")
    promises.hold(
        isinstance(size, (int, list)) and np.array_equal(np.broadcast_to(size, 2), batch.data.shape[2:]),
        f"has a signature with the size {size!r}, but images of {' x '.join(map(str, batch.data.shape[2:]))} pixels",
        'let it have "size", the width and height in pixels or [height, width], by which new images are opened alike',
    )
    promises.same_elsewhere(source[:2].signature, "its signature")


def _rows_of(batch: ImageBatch, rows: np.ndarray) -> ImageBatch:
    chosen = batch.select(rows)
    names = set(chosen.ids.tolist())
    failed = {name: why for name, why in batch.failed.items() if name in names}
    return ImageBatch(chosen.data, chosen.ids, chosen.channels, chosen.value_range, failed)


def _same(some: ImageBatch, others: ImageBatch) -> bool:
    return (
        np.array_equal(some.data, others.data, equal_nan=True)
        and np.array_equal(some.ids, others.ids)
        and (some.channels, some.value_range, dict(some.failed))
        == (others.channels, others.value_range, dict(others.failed))
    )
