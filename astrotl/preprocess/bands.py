"""Steps that choose and combine bands, from one to many."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from astrotl._params import nearest
from astrotl.preprocess._statistics import all_known, only_known
from astrotl.preprocess._validation import frozen, is_number, validate_choice, validate_whole

if TYPE_CHECKING:
    from astrotl.images import ImageBatch

__all__ = ["Choose", "Combine"]


@dataclass(frozen=True)
class Choose:
    """Choose bands by name and put them in order.

    Parameters
    ----------
    bands : tuple of str
        The names of the bands to keep.

    Examples
    --------
    >>> import numpy as np
    >>> from astrotl.images import ImageBatch
    >>> from astrotl.preprocess import Choose
    >>> batch = ImageBatch(np.zeros((1, 3, 8, 8)), ["a"], ("g", "r", "i"))
    >>> Choose(("i", "g"))(batch).channels
    ('i', 'g')
    """

    bands: tuple[str, ...]

    def __post_init__(self) -> None:
        bands = (self.bands,) if isinstance(self.bands, str) else frozen(self.bands)
        if not isinstance(bands, tuple) or not bands:
            raise ValueError(f"bands: expected the names of one or more bands, got {self.bands!r}")
        object.__setattr__(self, "bands", tuple(str(band) for band in bands))

    def __call__(self, batch: ImageBatch) -> ImageBatch:
        """Choose the bands."""
        for band in self.bands:
            if band not in batch.channels:
                there = ", ".join(batch.channels)
                raise ValueError(f"bands: there is no {band!r}{nearest(band, batch.channels)}; there are {there}")
        if self.bands == batch.channels:
            return batch
        chosen = batch.data[:, [batch.channels.index(band) for band in self.bands]]
        return batch.with_data(chosen, channels=self.bands, value_range=batch.value_range)


@dataclass(frozen=True)
class Combine:
    """Turn any number of bands into another number of channels.

    Where a band has no data its share goes to the others that have some at this pixel; with negative weights, as in
    a difference of bands, every band that counts must have data.

    Parameters
    ----------
    recipe : {"spread", "mean"}, optional
        How: ``"spread"`` lays the channels evenly along the bands, in order, and each takes the bands around it: one
        band is repeated, two become first, mean and second, three stay as they are, and five become three groups that
        overlap. ``"mean"`` writes the mean of all bands to each channel.
    channels : int, optional
        How many channels to make.
    matrix : tuple of tuple of float, optional
        The weights, one row for each new channel and in it one number for each band; replaces the other two.

    Examples
    --------
    >>> import numpy as np
    >>> from astrotl.images import ImageBatch
    >>> from astrotl.preprocess import Combine
    >>> batch = ImageBatch(np.zeros((1, 2, 8, 8)), ["a"], ("g", "r"))
    >>> Combine()(batch).channels
    ('g', 'g+r', 'r')
    >>> Combine(matrix=((1, -1),))(batch).channels
    ('g-r',)
    """

    recipe: str = "spread"
    channels: int = 3
    matrix: tuple[tuple[float, ...], ...] | None = None

    def __post_init__(self) -> None:
        validate_choice("recipe", self.recipe, ("spread", "mean"))
        validate_whole("channels", self.channels)
        matrix = frozen(self.matrix)
        object.__setattr__(self, "matrix", matrix)
        if matrix is not None and not _is_matrix(matrix):
            raise ValueError(f"matrix: expected rows of numbers, all of one length and none all 0, got {self.matrix!r}")

    def __call__(self, batch: ImageBatch) -> ImageBatch:
        """Combine the bands."""
        weights = self._weights(batch.channels)
        if np.array_equal(weights, np.eye(len(batch.channels))):
            return batch
        positive = bool((weights >= 0).all())
        keeps_range = positive and np.allclose(weights.sum(axis=1), 1)
        with np.errstate(over="ignore", invalid="ignore"):
            data = only_known(_weigh(only_known(batch.data), weights))
        names = _distinct([_name(row, batch.channels) for row in weights])
        return batch.with_data(data, channels=names, value_range=batch.value_range if keeps_range else None)

    def _weights(self, bands: tuple[str, ...]) -> np.ndarray:
        if self.matrix is not None:
            if len(self.matrix[0]) != len(bands):
                raise ValueError(
                    f"matrix: expected rows of {len(bands)} numbers, for {bands}, got {len(self.matrix[0])}"
                )
            return np.array(self.matrix, dtype=np.float64)
        if self.recipe == "mean" or self.channels == 1:
            return np.full((self.channels, len(bands)), 1 / len(bands))
        places = np.linspace(0, len(bands) - 1, self.channels)
        reach = max(1.0, places[1])
        weights = np.maximum(1 - np.abs(np.arange(len(bands)) - places[:, None]) / reach, 0).round(12)
        return weights / weights.sum(axis=1, keepdims=True)


def _is_matrix(matrix: object) -> bool:
    return (
        isinstance(matrix, tuple)
        and bool(matrix)
        and all(isinstance(row, tuple) and all(map(is_number, row)) and any(row) for row in matrix)
        and len({len(row) for row in matrix}) == 1
    )


def _weigh(data: np.ndarray, weights: np.ndarray) -> np.ndarray:
    n, bands, height, width = data.shape
    shape = (n, len(weights), height, width)
    known = data.reshape(n, bands, height * width)
    used = weights.astype(np.float32)
    if all_known(data):
        return (used @ known).reshape(shape)
    there = (~np.isnan(known)).astype(np.float32)
    weighed = used @ np.where(there > 0, known, 0)
    for channel, row in enumerate(used):
        wanted = (np.abs(row) @ there).astype(np.float32)
        whole = np.abs(row).sum()
        enough = wanted > 0 if (row >= 0).all() else wanted > whole * (1 - 1e-5)
        share = np.divide(whole, wanted, out=np.full_like(wanted, np.nan), where=enough)
        weighed[:, channel] *= share
    return weighed.reshape(shape)


def _name(row: np.ndarray, bands: tuple[str, ...]) -> str:
    counted = [(weight, band) for weight, band in zip(row, bands, strict=True) if weight]
    if len(counted) > 4:
        counted = [counted[0], (1, "..."), counted[-1]]
    text = "".join(("+" if weight > 0 else "-") + band for weight, band in counted)
    return text.removeprefix("+")


def _distinct(names: list[str]) -> tuple[str, ...]:
    if len(set(names)) == len(names):
        return tuple(names)
    return tuple(f"{name}.{number}" for number, name in enumerate(names, start=1))
