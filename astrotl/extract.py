"""The verb: images through steps and an extractor into a store, block by block."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from typing import Any

import numpy as np

from astrotl import plugins
from astrotl._optional import versions
from astrotl._params import construct
from astrotl._threads import threads
from astrotl.errors import AstrotlWarning, ImageError, StoreMismatchError
from astrotl.extractors import Extractor
from astrotl.prepare import handful, read_images, take_through
from astrotl.preprocess import Step, step_from_signature, step_signature
from astrotl.sources import ImageSource
from astrotl.store import FeatureStore

__all__ = ["extract_features", "extractor_of", "features_like", "make_extractor"]

log = logging.getLogger(__name__)

#: The packages whose versions are written down with the features.
_VERSIONS = ("astrotl", "numpy", "scipy", "astropy", "torch", "timm", "openvino")


def extract_features(
    source: ImageSource,
    extractor: Extractor | str,
    path: str | os.PathLike[str],
    *,
    steps: Sequence[Step] | None = None,
    block: int = 64,
    workers: int | None = None,
    executor: Executor | None = None,
    window: int = 16,
    progress: Callable[..., Any] | None = None,
    overwrite: bool = False,
) -> FeatureStore:
    """Turn images into features and keep them in a store.

    Called again after a kill, it does what is missing. An image that cannot be read costs its own row alone, which
    `~astrotl.FeatureStore.failed` lists with the reason; it is tried again by the next call.

    Parameters
    ----------
    source : `~astrotl.sources.ImageSource`
        The images.
    extractor : `~astrotl.extractors.Extractor` or str
        What makes the features, or its name.
    path : path
        The store. If it exists it must have been made with the same source, steps and extractor.
    steps : sequence of step, optional
        What to do with the images first; by default what suits the extractor. The size and the number of channels that
        the extractor expects are seen to in any case.
    block : int, optional
        How many images are read, and written, at once.
    workers : int, optional
        The number of threads that read, prepare and extract side by side; by default one more than the process has
        cores.
    executor : `~concurrent.futures.Executor`, optional
        Where the work is done instead: that of a Dask client, or a pool of processes that are spawned, not forked.
    window : int, optional
        How many blocks are handed out ahead of the one that is written.
    progress : callable, optional
        Something like ``tqdm``: called with ``total``, ``initial`` and ``unit``, it returns an object with ``update``
        and ``close``.
    overwrite : bool, optional
        Whether to start anew if the store exists.

    Returns
    -------
    `~astrotl.FeatureStore`
        The store, with every row done or failed.

    Examples
    --------
    >>> from astrotl import extract_features, simulate
    >>> from astrotl.sources import ArraySource
    >>> batch, truth = simulate.stamps(20, seed=1)
    >>> store = extract_features(ArraySource(batch.data), "profiles", "galaxies.h5")
    >>> len(store.done())
    20
    """
    if block < 1:
        raise ValueError(f"block: must be 1 or more, got {block}")
    if isinstance(extractor, str):
        extractor = make_extractor(extractor)
    plan = (*(extractor.default_steps() if steps is None else steps), *extractor.input.steps())
    provenance = _provenance(source, plan, extractor)
    dim = extractor.dim
    if overwrite or not os.path.exists(path):
        # Whatever is wrong with the extractor shows before an old store is gone.
        provenance["runs_on"] = extractor.runs_on()
    if overwrite and os.path.exists(path):
        os.unlink(FeatureStore(path).path)
    store = FeatureStore.open_or_create(path, source.ids, dim, provenance, block=block, positions=_positions(source))
    with store.lock(), nullcontext(executor) if executor else threads(workers) as pool:
        _do_missing(store, source, plan, extractor, pool, window, progress)
    _report(store)
    return store


def _do_missing(
    store: FeatureStore,
    source: ImageSource,
    steps: Sequence[Step],
    extractor: Extractor,
    executor: Executor,
    window: int,
    progress: Callable[..., Any] | None,
) -> None:
    missing = store.missing()
    bar = progress(total=len(store), initial=len(store) - len(missing), unit="img") if progress else None
    try:
        blocks = _blocks(missing, store.block, source.order())
        for rows, features, failed in _finished(source, steps, extractor, blocks, executor, window, store.path):
            reasons = {int(rows[local]): why for local, why in failed.items()}
            store.write(np.delete(rows, list(failed)), features, reasons)
            if bar is not None:
                bar.update(len(rows))
    finally:
        if bar is not None:
            bar.close()


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


def extract_block(
    source: ImageSource, steps: Sequence[Step], extractor: Extractor
) -> tuple[np.ndarray, dict[int, str]]:
    """Read, prepare and extract one block: the features of what could be read, and the rows that could not."""
    batch = read_images(source)
    failed = {row: batch.failed[name] for row, name in enumerate(source.ids.tolist()) if name in batch.failed}
    size = max(handful(batch), extractor.at_once)
    parts = [slice(start, start + size) for start in range(0, max(len(batch), 1), size)]
    return np.concatenate([extractor.extract(take_through(batch.select(part), steps)) for part in parts]), failed


_NO_ROWS = np.empty(0, dtype=np.intp)
Block = tuple[np.ndarray, np.ndarray, dict[int, str]]


def _finished(
    source: ImageSource,
    steps: Sequence[Step],
    extractor: Extractor,
    blocks: Iterator[np.ndarray],
    executor: Executor,
    window: int,
    path: str,
) -> Iterator[Block]:
    """Yield the blocks as they are finished by an executor that is kept ``window`` blocks ahead."""
    flying: dict[Future[Any], np.ndarray] = {}
    try:
        while True:
            while len(flying) < window and (rows := next(blocks, _NO_ROWS)) is not _NO_ROWS:
                flying[executor.submit(extract_block, _part(source, rows), steps, extractor)] = rows
            if not flying:
                return
            done = wait(flying, return_when=FIRST_COMPLETED).done
            for future in [future for future in flying if future in done]:
                rows = flying.pop(future)
                with _noted(source, rows, path, extractor):
                    yield rows, *future.result()
    finally:
        for future in flying:
            future.cancel()


@contextmanager
def _noted(source: ImageSource, rows: np.ndarray, path: str, extractor: Extractor) -> Iterator[None]:
    """Say of an error which rows were being done, and by what."""
    try:
        yield
    except Exception as error:
        first, last = source.ids[rows[[0, -1]]]
        where = f"rows {rows[0]}:{rows[-1] + 1}" if _are_contiguous(rows) else f"{len(rows)} rows"
        who = plugins.in_full(type(extractor))
        error.add_note(f"while extracting {where} (ids {first} to {last}) of {path} by {who}")
        raise


def _blocks(missing: np.ndarray, size: int, order: np.ndarray | None) -> Iterator[np.ndarray]:
    """Split the missing rows where all rows would be split, so that a rerun does the very same batches."""
    if order is None:
        if len(missing):
            yield from np.split(missing, np.flatnonzero(np.diff(missing // size)) + 1)
        return
    wanted = np.zeros(len(order), dtype=bool)
    wanted[missing] = True
    for start in range(0, len(order), size):
        rows = order[start : start + size]
        if wanted[rows].any():
            yield np.sort(rows[wanted[rows]])


def _part(source: ImageSource, rows: np.ndarray) -> ImageSource:
    return source[int(rows[0]) : int(rows[-1]) + 1] if _are_contiguous(rows) else source[rows]


def _are_contiguous(rows: np.ndarray) -> bool:
    return len(rows) == int(rows[-1] - rows[0]) + 1


def _provenance(source: ImageSource, steps: Sequence[Step], extractor: Extractor) -> dict[str, Any]:
    return {
        "source": source.signature(),
        "steps": [step_signature(step) for step in steps],
        "extractor": extractor.signature(),
        "origin": source.origin,
        "versions": versions(_VERSIONS),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _positions(source: ImageSource) -> np.ndarray | None:
    table = source.table()
    return np.stack([table["ra"], table["dec"]], axis=1) if {"ra", "dec"} <= set(table.colnames) else None


def _report(store: FeatureStore) -> None:
    failed = store.failed()
    if not len(failed):
        return
    first = f"{failed['id'][0]}: {failed['reason'][0]}"
    if len(failed) == len(store):
        raise ImageError(f"none of the {len(store):,} images could be read; the first, {first}")
    warnings.warn(
        f"{len(failed):,} of {len(store):,} objects have no features (store.failed() lists them); the first, {first}",
        AstrotlWarning,
        stacklevel=3,
    )
