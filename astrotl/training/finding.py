"""Trains a detector: its pyramid and heads, which are new, and as much of its network as the method says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from timm.optim import param_groups_layer_decay

from astrotl.training.images import Batches, mixed
from astrotl.training.loop import Learner, fit
from astrotl.training.methods import unfrozen
from astrotl.training.plan import Plan, line_of
from astrotl.training.scenes import Scenes

__all__ = ["train"]

_WEIGHT_DECAY = 0.02
#: The last layer of a pretrained network learns so much more slowly than the heads, which know nothing yet.
_SLOWER = 0.3


def train(
    model: Any,
    scenes: Scenes,
    plan: Plan,
    folder: Path,
    progress: Callable[..., Any] | None,
) -> list[dict[str, Any]]:
    """Train a detector as `fit` does, leave it with the weights of the best epoch, and give the history."""
    learner = _Learner(model, scenes, plan)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    before_all = [learner.judge_as_it_is(rows) for rows in (scenes.learned[: len(scenes.checked)], scenes.checked)]
    learner.history.append(line_of(0, before_all[0]["lost"], **before_all[1]))
    if not fit(learner, learner.batches, folder, progress):
        model.load_state_dict(before)
    model.eval()
    return learner.history


class _Learner(Learner):
    def __init__(self, model: Any, scenes: Scenes, plan: Plan) -> None:
        super().__init__(plan, [])
        self.model = model
        self._scenes = scenes
        self._checked: list[torch.Tensor] = []
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
        return self._batches(self._scenes.learned if settings else self._scenes.checked, **settings)

    def _batches(self, rows: np.ndarray, **settings: Any) -> Batches:
        return Batches(self._scenes.images, rows, self._scenes.boxes[rows], self.plan.batch, **settings)

    def loss(self, images: torch.Tensor, targets: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        if self.plan.augment is not None:
            images, targets = self.plan.augment.with_boxes(images, targets, generator)
        return self._loss(images, targets)

    def validation_step(self, batch: tuple[torch.Tensor, torch.Tensor], number: int) -> None:
        self._checked.append(self._checked_loss(*batch, number))

    def judged(self) -> dict[str, float]:
        losses = torch.stack(self._checked).double().cpu().numpy()
        self._checked.clear()
        error = losses.std(ddof=1) / np.sqrt(len(losses)) if len(losses) > 1 else 0.0
        return {"lost": float(losses.mean()), "error": float(error)}

    def judge_as_it_is(self, rows: np.ndarray) -> dict[str, float]:
        """Judge the detector before it has learned anything."""
        with torch.no_grad():
            for number, batch in enumerate(self._batches(rows)):
                self._checked.append(self._checked_loss(*batch, number))
        return self.judged()

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

    def _checked_loss(self, images: torch.Tensor, targets: torch.Tensor, number: int) -> torch.Tensor:
        """Give the loss on tiles that are not learned from, of which the same places are looked at in every epoch."""
        training = self.training
        with torch.random.fork_rng():
            torch.manual_seed(mixed(self.plan.seed, number))
            self.model.train()
            # Nothing is to be learned of these, their means neither.
            self.model.backbone.network.eval()
            loss = self._loss(images.float(), targets)
        self.train(training)
        return loss

    def _loss(self, images: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        known = [some[some[:, 4] > 0] for some in targets]
        answers = [{"boxes": some[:, :4], "labels": some[:, 4].long()} for some in known]
        losses = self.model(list(images), answers)
        return torch.stack([loss.float() for loss in losses.values()]).sum()
