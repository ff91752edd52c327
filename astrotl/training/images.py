"""Images prepared once and kept on the disk, of which each epoch takes every one in another order."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from astrotl.errors import ImageError
from astrotl.prepare import prepare_images
from astrotl.preprocess import Step
from astrotl.sources import ImageSource

__all__ = ["Batches", "keep_images", "mixed", "prepared"]


def keep_images(
    batches: Iterable[np.ndarray], count: int, path: Path, progress: Callable[..., Any] | None = None
) -> np.ndarray:
    """Keep prepared images, so many in all, in a file that is mapped into memory; if it is there, it is not made anew.

    As half floats a pixel takes two bytes, and is rounded by less than a quarter of a step of an 8-bit image.
    """
    if not path.exists():
        _write(batches, count, path, progress)
    return np.asarray(np.lib.format.open_memmap(path, mode="r"))


def _write(batches: Iterable[np.ndarray], count: int, path: Path, progress: Callable[..., Any] | None) -> None:
    part = path.with_suffix(".part")
    bar = progress(total=count, unit="img", desc="preparing") if progress else None
    images, done = None, 0
    for batch in batches:
        if images is None:
            images = np.lib.format.open_memmap(part, mode="w+", dtype=np.float16, shape=(count, *batch.shape[1:]))
        images[done : done + len(batch)] = batch
        done += len(batch)
        if bar is not None:
            bar.update(len(batch))
    if bar is not None:
        bar.close()
    del images
    os.replace(part, path)


def prepared(source: ImageSource, steps: Sequence[Step]) -> Iterator[np.ndarray]:
    """Take images through steps, all of which could be read before."""
    for batch in prepare_images(source, steps):
        if batch.failed:
            name, why = next(iter(batch.failed.items()))
            raise ImageError(f"{name}: could be read a moment ago, and now {why}")
        yield batch.data


class Batches:
    """Goes over images in batches, the same in every run: their order follows from the seed and the epoch.

    Parameters
    ----------
    images : `~numpy.ndarray`
        All images, mapped.
    rows : `~numpy.ndarray`
        Which of them to go over.
    targets : `~torch.Tensor`
        What the head should give for each of these.
    size : int
        The number of images in a batch.
    order : callable, optional
        Gives the seed of the present epoch's order; without it they come as they are.
    share : tuple of int, optional
        Of several devices, which this is, and how many there are; each takes its share of a batch.
    """

    def __init__(
        self,
        images: np.ndarray,
        rows: np.ndarray,
        targets: torch.Tensor,
        size: int,
        *,
        order: Callable[[], int] | None = None,
        share: tuple[int, int] = (0, 1),
    ) -> None:
        self._all = images
        self._rows = rows
        self._targets = targets
        self._size = size
        self._order = order
        self._share = share

    @property
    def images(self) -> int:
        """How many images there are in all."""
        return len(self._rows)

    def __len__(self) -> int:
        full, rest = divmod(len(self._rows), self._size)
        # A rest that leaves a device without an image is left out.
        return full + (rest >= self._share[1])

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        order = np.arange(len(self._rows))
        if self._order is not None:
            order = np.random.default_rng(self._order()).permutation(order)
        number, count = self._share
        for batch in range(len(self)):
            some = order[batch * self._size : (batch + 1) * self._size][number::count]
            yield torch.from_numpy(self._all[self._rows[some]]), self._targets[some]


def mixed(*numbers: int) -> int:
    """Make one seed of several numbers, so that no two sets of them give the same."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> 1)
