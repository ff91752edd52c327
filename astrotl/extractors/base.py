"""The interface of everything that turns images into features."""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from astrotl import plugins
from astrotl._locks import Turns
from astrotl._params import Recipe, parameters, plain
from astrotl.errors import ContractError
from astrotl.images import ImageBatch
from astrotl.preprocess import Combine, FillNoData, Resize, Stretch

__all__ = ["Extractor", "InputSpec"]

_ONE_AT_A_TIME = Turns()


@dataclass(frozen=True)
class InputSpec:
    """What an extractor expects of its images; None means that anything will do.

    Parameters
    ----------
    channels : int, optional
        The number of channels.
    size : int, optional
        The width and height in pixels.
    value_range : tuple of float, optional
        The range of the values.
    missing : bool, optional
        Whether NaN is understood as "no data".
    """

    channels: int | None = None
    size: int | None = None
    value_range: tuple[float, float] | None = None
    missing: bool = False

    def steps(self) -> tuple[Callable[[ImageBatch], ImageBatch], ...]:
        """The last steps, that bring any images to the expected channels and size and leave no NaN."""
        steps: list[Callable[[ImageBatch], ImageBatch]] = []
        if not self.missing:
            steps.append(FillNoData())
        if self.channels is not None:
            steps.append(Combine("spread", channels=self.channels))
        if self.size is not None:
            steps.append(Resize(self.size))
        return tuple(steps)

    def check(self, batch: ImageBatch, who: str) -> None:
        """Refuse images that are not as expected, saying what to do."""
        _, channels, height, width = batch.data.shape
        if self.channels is not None and channels != self.channels:
            raise ValueError(f"images: {who} expects {self.channels} channels, got {channels}; add the step combine")
        if self.size is not None and (height, width) != (self.size, self.size):
            raise ValueError(
                f"images: {who} expects {self.size} x {self.size} px, got {width} x {height}; add the step resize"
            )
        if not batch.data.size:
            return
        least, most = float(batch.data.min()), float(batch.data.max())
        if not self.missing and not (np.isfinite(least) and np.isfinite(most)):
            raise ValueError(f"images: {who} cannot take NaN or infinite pixels; add the step fill-no-data")
        if self.value_range is not None:
            low, high = self.value_range
            slack = 1e-3 * (high - low)
            if least < low - slack or most > high + slack:
                raise ValueError(
                    f"images: {who} expects values from {low:g} to {high:g}, got {least:g} to {most:g}; "
                    "add a stretch, such as percentile and asinh"
                )


class Extractor(Recipe, ABC):
    """Turns a batch of images into one feature vector each.

    A subclass stores its parameters in ``__init__`` under their own names and does nothing else there, so that it
    travels to another process as a recipe. It gives `dim` and `input`, and writes `_extract`.

    Examples
    --------
    An extractor of one number, the mean of each image:

    >>> import numpy as np
    >>> from astrotl import Extractor, ImageBatch, InputSpec
    >>> class Mean(Extractor):
    ...     dim = 1
    ...     input = InputSpec()
    ...     def _extract(self, images):
    ...         return images.mean(axis=(1, 2, 3))[:, None]
    >>> batch = ImageBatch(np.ones((2, 1, 4, 4)), ["a", "b"], ("r",))
    >>> Mean().extract(batch).tolist()
    [[1.0], [1.0]]
    """

    #: The length of the feature vectors.
    dim: int
    #: What the images must be like.
    input: InputSpec
    #: Raised whenever the same images and parameters give other features, lest old stores be mixed with new ones.
    version: ClassVar[int] = 1
    #: Whether several threads may extract at once; where not, they take turns.
    threadsafe: ClassVar[bool] = False
    #: How many images at least it wants to be given at once.
    at_once: int = 1

    def _extract(self, images: np.ndarray) -> np.ndarray:
        """Turn ``(n, channel, y, x)`` float32 images, as `input` promises them, into ``(n, dim)`` numbers."""
        raise self._broken("to turn images into features, but has no _extract")

    def default_steps(self) -> tuple[Callable[[ImageBatch], ImageBatch], ...]:
        """The steps taken when the user names none; `InputSpec.steps` follow in any case."""
        return (Stretch(),) if self.input.value_range == (0, 1) else ()

    def signature(self) -> dict[str, Any]:
        """Say in JSON what decides the features."""
        cls = type(self)
        return {
            "class": f"{cls.__module__}:{cls.__qualname__}",
            "version": cls.version,
            "parameters": plain(parameters(self)),
        }

    def runs_on(self) -> str:
        """Say what does the work, such as ``"openvino on cpu"``, or else whose code it is.

        It is written down with the features and never compared.
        """
        return type(self).__module__.partition(".")[0]

    @final
    def extract(self, batch: ImageBatch) -> np.ndarray:
        """Turn a batch into ``(n, dim)`` float32 features, checking what goes in and what comes out."""
        self.input.check(batch, type(self).__name__)
        if not len(batch):
            return np.empty((0, self.dim), dtype=np.float32)
        with nullcontext() if self.threadsafe else _ONE_AT_A_TIME:
            features = np.asarray(self._extract_batch(batch))
        if features.shape != (len(batch), self.dim):
            raise self._broken(f"features of shape {(len(batch), self.dim)}, but gave {features.shape}")
        if features.dtype.kind not in "fiu":
            raise self._broken(f"numbers, but gave the type {features.dtype}")
        with np.errstate(over="ignore"):
            features = features.astype(np.float32, copy=False)
        if not np.isfinite(features).all():
            bad = batch.ids[~np.isfinite(features).all(axis=1)]
            raise self._broken(f"finite features, but gave NaN or infinity for {len(bad)} images, first {bad[0]}")
        return features

    def _broken(self, promise: str) -> ContractError:
        return ContractError(f"{plugins.in_full(type(self))} promised {promise}")

    def _extract_batch(self, batch: ImageBatch) -> np.ndarray:
        return self._extract(batch.data)
