"""Several extractors, or several views of one, side by side in one feature vector."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from astrotl import plugins
from astrotl.extractors.base import Extractor, InputSpec
from astrotl.images import ImageBatch
from astrotl.preprocess import Choose, CropCentre, Step

__all__ = ["Concat"]


class Concat(Extractor):
    """Puts the features of several extractors side by side, each block scaled to the same length.

    Parameters
    ----------
    parts : sequence of Extractor or str
        The extractors, or their names. ``"NAME@FRACTION"`` shows an extractor only this central fraction of the image:
        ``["efficientnet-lite0", "efficientnet-lite0@0.4"]`` is a network on the whole stamp and on its tight centre.
        ``"NAME:BAND+BAND+BAND"`` shows it only these bands, the first one red: five bands go into a network of three
        colours as ``["efficientnet-lite0:r+g+u", "efficientnet-lite0:z+i+r"]``. Both together are ``"NAME@0.4:r+g+u"``.
    weights : sequence of float, optional
        The length to which each block is scaled; 1 by default. The squared distance between two objects is the sum of
        those of the blocks.

    Examples
    --------
    >>> from astrotl import Concat, simulate
    >>> both = Concat(["profiles", "profiles@0.5"])
    >>> batch, truth = simulate.stamps(4, seed=1)
    >>> both.extract(batch).shape
    (4, 56)
    >>> Concat(["profiles:g+r+i", "profiles@0.5:i+r+g"]).extract(batch).shape
    (4, 56)
    """

    threadsafe = True
    input = InputSpec(missing=True)

    def __init__(self, parts: Sequence[Extractor | str], weights: Sequence[float] | None = None) -> None:
        self.parts = parts
        self.weights = weights

    @functools.cached_property
    def _views(self) -> list[tuple[Extractor, tuple[Step, ...], float]]:
        if isinstance(self.parts, str) or not self.parts:
            raise ValueError(f"parts: expected a list of extractors or their names, got {self.parts!r}")
        weights = [1.0] * len(self.parts) if self.weights is None else list(self.weights)
        if len(weights) != len(self.parts) or min(weights) <= 0:
            raise ValueError(f"weights: expected {len(self.parts)} positive numbers, got {self.weights}")
        named: dict[str, Extractor] = {}
        return [(*_view(part, named), weight) for part, weight in zip(self.parts, weights, strict=True)]

    @property
    def dim(self) -> int:  # type: ignore[override]
        """The number of features of all parts together."""
        return sum(extractor.dim for extractor, _, _ in self._views)

    @property
    def at_once(self) -> int:  # type: ignore[override]
        """As many images as the part that wants most."""
        return max(extractor.at_once for extractor, _, _ in self._views)

    def signature(self) -> dict[str, Any]:
        """Say in JSON what decides the features, those of every part."""
        parts = [extractor for extractor, _, _ in self._views]
        return {
            **super().signature(),
            "parts": [extractor.signature() for extractor in parts],
            "dims": [extractor.dim for extractor in parts],
        }

    def runs_on(self) -> str:
        """Say what does the work of each part."""
        return ", ".join(dict.fromkeys(extractor.runs_on() for extractor, _, _ in self._views))

    def _extract_batch(self, batch: ImageBatch) -> np.ndarray:
        return np.concatenate([self._block(batch, *view) for view in self._views], axis=1)

    def _block(self, batch: ImageBatch, extractor: Extractor, first: tuple[Step, ...], weight: float) -> np.ndarray:
        for step in (*first, *extractor.default_steps(), *extractor.input.steps()):
            batch = step(batch)
        features = extractor.extract(batch)
        lengths = np.linalg.norm(features, axis=1, keepdims=True)
        return features * (weight / np.where(lengths == 0, 1, lengths))


_PART = re.compile(r"(?P<name>[^@:]+)(@(?P<fraction>[^@:]+))?(:(?P<bands>.+))?")


def _view(part: Extractor | str, named: dict[str, Extractor]) -> tuple[Extractor, tuple[Step, ...]]:
    """Make a part, and the steps that show it its view; views of one network share it."""
    if isinstance(part, Extractor):
        return part, ()
    match = _PART.fullmatch(part)
    if match is None:
        raise ValueError(f"parts: expected NAME, NAME@FRACTION or NAME:BAND+BAND, got {part!r}")
    name, fraction, bands = match["name"], match["fraction"], match["bands"]
    if name not in named:
        named[name] = plugins.load_extractor(name)()
    steps: list[Step] = [Choose(tuple(bands.split("+")))] if bands else []
    if fraction:
        steps.append(CropCentre(fraction=float(fraction)))
    return named[name], tuple(steps)
