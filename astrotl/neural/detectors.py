"""A detector that was taught to find things, out of its file."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from astropy.table import Table

from astrotl.detection import Detector, Found
from astrotl.errors import WeightsError
from astrotl.extractors import InputSpec
from astrotl.images import ImageBatch
from astrotl.neural.backbone import one_of, pooled
from astrotl.neural.engines import PRECISIONS, best_device
from astrotl.neural.rcnn import Design, assemble
from astrotl.neural.saved import check_bands, network_from, read_arrays, read_note
from astrotl.neural.voting import voted, ways
from astrotl.neural.weights import digest
from astrotl.prepare import take_through
from astrotl.preprocess import Step, step_from_signature

__all__ = ["FasterRCNN", "found_of", "heads_of"]

_PART = "detector."


class FasterRCNN(Detector):
    """A Faster R-CNN that `~astrotl.training.train_detector` has taught one's own classes.

    Parameters
    ----------
    path : str
        The file that it wrote.
    turns : bool, optional
        Whether to look at each image in the eight ways in which it can lie, turned by right angles and mirrored, and
        have these vote: what is up in the sky means nothing. It takes eight times as long, and scores are lower.
    precision : {"float32", "bfloat16"}, optional
        ``"bfloat16"`` computes with three digits where that is enough, and is faster where the processor has it.

    References
    ----------
    .. [1] Ren et al. 2015, NeurIPS 28, arXiv:1506.01497
    """

    def __init__(self, path: str | os.PathLike[str], *, turns: bool = False, precision: str = "float32") -> None:
        one_of("precision", precision, PRECISIONS)
        self.path = path
        self.turns = turns
        self.precision = precision

    @functools.cached_property
    def note(self) -> dict[str, Any]:
        """What the file says of itself: what was learned, from what, and how."""
        return read_note(self.path, "astrotl-detector")

    @property
    def classes(self) -> tuple[str, ...]:  # type: ignore[override]
        """The classes that it tells apart."""
        return self.design.classes

    @property
    def tile(self) -> int:  # type: ignore[override]
        """The width and height of the images that it takes at once, in pixels."""
        return self.design.tile

    @property
    def overlap(self) -> int:  # type: ignore[override]
        """By how many pixels tiles of a large image overlap."""
        return self.design.overlap

    @property
    def threshold(self) -> float:  # type: ignore[override]
        """The score at which it was as complete as pure on the images kept for checking."""
        return float(self.note["threshold"])

    @property
    def at_once(self) -> int:  # type: ignore[override]
        """How many tiles it looks at at once: a processor is no faster with more, and needs more memory."""
        return 8 if best_device().type == "cuda" else 2

    @property
    def history(self) -> Table:
        """What each epoch reached; epoch 0 is what it began with."""
        return Table(rows=self.note["history"])

    @property
    def checked(self) -> Table:
        """How complete and pure it was at its threshold on the images kept for checking, ``meta["images"]``.

        The threshold was chosen on them, so that others may show it a little worse.
        """
        checked = self.note["checked"]
        return Table(rows=checked["scores"], meta={"images": checked["images"]})

    @property
    def bands(self) -> int:
        """The number of bands that its network sees."""
        return int(self.note["network"]["bands"])

    def default_steps(self) -> tuple[Step, ...]:
        """The steps that it was trained with."""
        return tuple(step_from_signature(signature) for signature in self.note["steps"])

    def module(self) -> torch.nn.Module:
        """Give its network alone, as `Backbone.module` does."""
        described = self.note["network"]
        network = network_from(self.path, described)
        return pooled(network, described["pooling"], self.bands, described["size"])

    def heads(self) -> dict[str, torch.Tensor]:
        """Give the weights of all but its network."""
        arrays = read_arrays(self.path).items()
        return {name.removeprefix(_PART): torch.from_numpy(array) for name, array in arrays}

    @functools.cached_property
    def design(self) -> Design:
        """How it is built around its network."""
        return Design.of(self.note["design"])

    @functools.cached_property
    def _model(self) -> Any:
        network = network_from(self.path, self.note["network"])
        model = assemble(network, self.note["network"]["mean"], self.note["network"]["std"], self.design)
        heads, expected = self.heads(), heads_of(model)
        if {f"{_PART}{name}": x.shape for name, x in heads.items()} != {name: x.shape for name, x in expected.items()}:
            raise WeightsError(
                f"{self.path}: this version of torchvision builds another detector than the one in the file; install "
                "the one that the file names"
            )
        # The network has its weights already.
        model.load_state_dict(heads, strict=False)
        return model.eval().to(best_device())

    def look(self, images: ImageBatch) -> list[Found]:
        """Find things in each image."""
        check_bands(self.path, self.note.get("channels", images.channels), images.channels)
        known = np.isfinite(images.data).any(axis=(1, 2, 3))
        found = [Found.none() for _ in range(len(images))]
        rows = np.flatnonzero(known)
        if len(rows):
            taken = images.select(rows)
            height, width = taken.data.shape[2:]
            if max(height, width) > self.tile:
                raise ValueError(
                    f"images: {self.path} takes {self.tile} px at once, got {width} x {height}; use detect"
                )
            short = ((0, 0), (0, 0), (0, self.tile - height), (0, self.tile - width))
            taken = taken.with_data(np.pad(taken.data, short, constant_values=np.nan), value_range=taken.value_range)
            spec = InputSpec(channels=self.bands, value_range=(0, 1))
            ready = take_through(taken, (*self.default_steps(), *spec.steps()))
            spec.check(ready, type(self).__name__)
            for row, boxes in zip(rows, self._found_in(ready.data), strict=True):
                found[row] = boxes
        return found

    def _found_in(self, images: np.ndarray) -> list[Found]:
        if not self.turns:
            return _found_in(self._model, images, self.precision)
        answers = [_found_in(self._model, turned, self.precision) for turned in ways(images)]
        return [voted(some, self.tile) for some in zip(*answers, strict=True)]

    def beginning(self) -> dict[str, Any]:
        """Say in JSON what decides the outcome for another detector that goes on from it, wherever the file lies."""
        name = f"{type(self).__module__}:{type(self).__qualname__}"
        return {"class": name, "weights_sha256": digest(self._model)}

    def signature(self) -> dict[str, Any]:
        """Say in JSON what decides the boxes."""
        how = {"path": os.fspath(self.path), "turns": self.turns, "precision": self.precision}
        return {**self.beginning(), **how}


def heads_of(model: Any) -> dict[str, torch.Tensor]:
    """Give the weights of all but the network of timm, under the names that they have in the file."""
    state = model.state_dict().items()
    return {f"{_PART}{name}": tensor for name, tensor in state if not name.startswith("backbone.network.")}


def found_of(answers: Sequence[Mapping[str, torch.Tensor]]) -> list[Found]:
    """Turn what a detector of torchvision answers into boxes."""
    found = []
    for answer in answers:
        left, bottom, right, top = answer["boxes"].float().cpu().double().numpy().T
        # torch counts from the outer edge of the first pixel.
        x, y = (left + right - 1) / 2, (bottom + top - 1) / 2
        score, label = (answer[name].float().cpu().numpy() for name in ("scores", "labels"))
        found.append(Found(x, y, right - left, top - bottom, score, label - 1))
    return found


def _found_in(model: Any, images: np.ndarray, precision: str) -> list[Found]:
    """Have a detector look at prepared images."""
    device = next(model.parameters()).device
    half = torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")
    with torch.inference_mode(), half:
        return found_of(model([torch.from_numpy(image).to(device) for image in images]))
