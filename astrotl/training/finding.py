"""Trains a detector: its pyramid and heads, which are new, and as much of its network as the method says."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from astropy.table import Table
from timm.optim import param_groups_layer_decay

from astrotl.detection import Found, detection_scores
from astrotl.detection.table import make_boxes
from astrotl.errors import AstrotlWarning
from astrotl.neural.detectors import found_of
from astrotl.neural.engines import best_device
from astrotl.training.images import Batches
from astrotl.training.loop import Learner, fit
from astrotl.training.methods import unfrozen
from astrotl.training.plan import Plan, line_of
from astrotl.training.scenes import Scenes

__all__ = ["train"]

_WEIGHT_DECAY = 0.02
#: How often the images are drawn again to say how sure the average precision is; 95 % lie within so many errors.
_SAMPLES, _WIDE = 100, 3.92
#: The last layer of a pretrained network learns so much more slowly than the heads, which know nothing yet.
_SLOWER = 0.1


def train(
    model: Any,
    scenes: Scenes,
    plan: Plan,
    folder: Path,
    progress: Callable[..., Any] | None,
) -> list[dict[str, Any]]:
    """Train a detector as `fit` does, leave it with the weights of the best epoch, and give the history."""
    learner = _Learner(model, scenes, plan).to(best_device())
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    learner.history.append(line_of(0, **learner.as_it_is()))
    if not fit(learner, learner.batches, folder, progress):
        model.load_state_dict(before)
    model.eval()
    return learner.history


class _Learner(Learner):
    def __init__(self, model: Any, scenes: Scenes, plan: Plan) -> None:
        super().__init__(plan, [])
        self.model = model
        self._scenes = scenes
        self._found: list[Found] = []
        network = model.backbone.network
        if plan.method == "head":
            network.requires_grad_(False)
        elif plan.method == "last":
            unfrozen(model.backbone, "last")

    def resting(self) -> torch.nn.Module:
        # What begins from nothing has no running means yet.
        return torch.nn.Identity() if self.plan.method == "scratch" else self.model.backbone.network

    def batches(self, **settings: Any) -> Batches:
        """Go over the tiles to learn from, in some order, or over those to check with."""
        rows = self._scenes.learned if settings else self._scenes.checked
        return Batches(self._scenes.images, rows, self._scenes.boxes[rows], self.plan.batch, **settings)

    def loss(self, images: torch.Tensor, targets: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        if self.plan.augment is not None:
            images, targets = self.plan.augment.with_boxes(images, targets, generator)
        return self._loss(images, targets)

    def as_it_is(self) -> dict[str, float]:
        """Judge the detector before it has learned anything here; it may have learned elsewhere."""
        scenes = self._scenes
        with torch.no_grad(), torch.random.fork_rng():
            torch.manual_seed(self.plan.seed)
            rows = scenes.learned[: len(scenes.checked)]
            losses = [
                self._loss(images.float().to(self.device), targets.to(self.device))
                for images, targets in Batches(scenes.images, rows, scenes.boxes[rows], self.plan.batch)
            ]
            self.eval()
            for number, (images, targets) in enumerate(self.batches()):
                self.validation_step((images.to(self.device), targets), number)
        return {"loss": float(torch.stack(losses).mean()), **self.judged()}

    def validation_step(self, batch: tuple[torch.Tensor, torch.Tensor], number: int) -> None:
        self._found += found_of(self.model(list(batch[0].float())))

    def judged(self) -> dict[str, float]:
        """Measure the average precision: the losses fall as long as nothing is found, and say little."""
        found, self._found = self._found, []
        if not sum(map(len, found)):
            return {"lost": 1.0, "error": 0.0, "ap50": 0.0}
        known = [some[some[:, 4] > 0] for some in self._scenes.boxes[self._scenes.checked]]
        true = found_of([{"boxes": some[:, :4], "labels": some[:, 4], "scores": some[:, 4]} for some in known])
        ids = [str(number) for number in range(len(true))]
        with warnings.catch_warnings():
            # Few tiles give a rough error, and one gives none, which is better than to choose by the losses.
            warnings.simplefilter("ignore", AstrotlWarning)
            scores = detection_scores(_tabled(found), _tabled(true), images=ids, samples=_SAMPLES)
        value, low, high = (float(scores[name][0]) for name in ("value", "low", "high"))
        return {"lost": 1 - value, "error": float(np.nan_to_num(high - low)) / _WIDE, "ap50": value}

    def groups(self) -> list[Any]:
        network = self.model.backbone.network
        fresh = [p for name, p in self.model.named_parameters() if not name.startswith("backbone.network.")]
        groups: list[Any] = [{"params": fresh, "lr": self.plan.rate, "weight_decay": _WEIGHT_DECAY}]
        if self.plan.method == "head":
            return groups
        if self.plan.method == "scratch":
            return [{**groups[0], "params": [*fresh, *network.parameters()]}]
        layers = param_groups_layer_decay(network, _WEIGHT_DECAY, layer_decay=self.plan.decay)
        rate = _SLOWER * self.plan.rate
        return groups + [{**layer, "lr": rate * layer.pop("lr_scale")} for layer in layers]

    def _loss(self, images: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        known = [some[some[:, 4] > 0] for some in targets]
        answers = [{"boxes": some[:, :4], "labels": some[:, 4].long()} for some in known]
        losses = self.model(list(images), answers)
        return torch.stack([loss.float() for loss in losses.values()]).sum()


def _tabled(found: list[Found]) -> Table:
    """Give the boxes of tiles as a table whose images are the numbers of the tiles."""
    images = np.repeat(np.arange(len(found)), [len(some) for some in found])
    all_of_them = Found.joined(found)
    places = (all_of_them.x, all_of_them.y, all_of_them.width, all_of_them.height)
    return make_boxes(images, *places, all_of_them.label, all_of_them.score)
