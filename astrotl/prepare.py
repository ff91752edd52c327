"""Images read and prepared on all cores, so that whoever takes them need not wait."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import replace

import numpy as np

from astrotl._threads import threads
from astrotl.images import ImageBatch
from astrotl.preprocess import Step
from astrotl.sources import ImageSource

__all__ = ["prepare_images"]

_CACHE = 3_200_000


def prepare_images(
    source: ImageSource, steps: Sequence[Step], *, batch: int | None = None, workers: int | None = None
) -> Iterator[ImageBatch]:
    """Read images and take them through steps, on all cores and a little ahead of whoever takes them.

    Until the last one is taken, NumPy's linear algebra runs in one thread, in the rest of the program too.

    Parameters
    ----------
    source : `~astrotl.sources.ImageSource`
        The images.
    steps : sequence of step
        What to do with them, such as `~astrotl.preprocess.Stretch` and `~astrotl.preprocess.Resize`.
    batch : int, optional
        How many images to give at once; by default as many as stay in a core's cache.
    workers : int, optional
        The number of threads; by default one more than the process has cores.

    Yields
    ------
    `~astrotl.images.ImageBatch`
        The images in order. Those that cannot be read are left out; ``failed`` says why.

    Examples
    --------
    >>> from astrotl import prepare_images, simulate
    >>> from astrotl.preprocess import Resize, Stretch
    >>> from astrotl.sources import ArraySource
    >>> stamps, truth = simulate.stamps(40, seed=1)
    >>> for images in prepare_images(ArraySource(stamps.data), [Stretch(), Resize(96)]):
    ...     print(images.data.shape)
    (40, 3, 96, 96)
    """
    if batch is None:
        batch = handful(source[:1].read())
    if batch < 1:
        raise ValueError(f"batch: must be 1 or more, got {batch}")
    flying: deque[Future[ImageBatch]] = deque()
    with threads(workers) as pool:
        try:
            for start in range(0, len(source), batch):
                flying.append(pool.submit(_prepared, source[start : start + batch], steps))
                if len(flying) > pool._max_workers:
                    yield flying.popleft().result()
            while flying:
                yield flying.popleft().result()
        finally:
            for future in flying:
                future.cancel()


def _prepared(source: ImageSource, steps: Sequence[Step]) -> ImageBatch:
    return take_through(read_images(source), steps)


def handful(images: ImageBatch) -> int:
    """Say how many images of this size are prepared together fastest: more would not stay in a core's cache."""
    return int(np.clip(_CACHE // max(4 * int(np.prod(images.data.shape[1:])), 1), 16, 128))


def read_images(source: ImageSource) -> ImageBatch:
    """Read images; those that cannot be read, or hold nothing, are left out and named."""
    batch = source.read()
    failed = dict(batch.failed)
    for name in batch.ids[_are_blank(batch.data)].tolist():
        failed.setdefault(name, "has no data: every pixel is NaN")
    if failed:
        batch = replace(batch.select(np.flatnonzero(~np.isin(batch.ids, list(failed)))), failed=failed)
    return batch


def _are_blank(images: np.ndarray) -> np.ndarray:
    """Find the images without any data; few have none in their middle."""
    height, width = images.shape[2:]
    blank = ~np.isfinite(images[:, :, height // 2, width // 2]).any(axis=1)
    blank[blank] = ~np.isfinite(images[blank]).any(axis=(1, 2, 3))
    return blank


def take_through(batch: ImageBatch, steps: Sequence[Step]) -> ImageBatch:
    """Take images through one step after the other."""
    for step in steps:
        batch = step(batch)
    return batch
