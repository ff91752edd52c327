"""Trains a network and the head on its features."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from astrotl.training.images import Batches
from astrotl.training.loop import Learner, fit
from astrotl.training.methods import merged, parameter_groups, unfrozen
from astrotl.training.objective import Head, Objective
from astrotl.training.plan import Plan

__all__ = ["Material", "train"]


@dataclass(frozen=True, eq=False)
class Material:
    """Prepared images, which rows of them are learned from and which are checked with, and the value of each row."""

    images: np.ndarray
    learned: np.ndarray
    checked: np.ndarray
    values: np.ndarray


def train(
    module: torch.nn.Module,
    head: Head,
    objective: Objective,
    material: Material,
    plan: Plan,
    history: list[dict[str, Any]],
    folder: Path,
    progress: Callable[..., Any] | None,
) -> torch.nn.Module:
    """Train a network and its head as `fit` does, and give the network.

    If no epoch is better than what ``history`` begins with, the network and its head come back as they were.
    """
    before = [{name: tensor.clone() for name, tensor in part.state_dict().items()} for part in (module, head)]
    with torch.random.fork_rng():
        # What LoRA adds is drawn.
        torch.manual_seed(plan.seed)
        learner = _Learner(unfrozen(module, plan.method), head, objective, material, plan, history)
    best = fit(learner, learner.batches, folder, progress)
    plain: torch.nn.Module = merged(learner.network, plan.method)
    if not best:
        for part, state in zip((plain, head), before, strict=True):
            part.load_state_dict(state)
    return plain.eval()


class _Learner(Learner):
    def __init__(
        self,
        network: torch.nn.Module,
        head: Head,
        objective: Objective,
        material: Material,
        plan: Plan,
        history: list[dict[str, Any]],
    ) -> None:
        super().__init__(plan, history)
        self.network = network.to(memory_format=torch.channels_last)
        self.head = head
        self._objective = objective
        self._material = material
        self._checked: list[torch.Tensor] = []

    def batches(self, **settings: Any) -> Batches:
        """Go over the images to learn from, in some order, or over those to check with."""
        material = self._material
        rows = material.learned if settings else material.checked
        targets = self._objective.targets(material.values[rows])
        if targets.is_floating_point():
            # Not every device knows double precision.
            targets = targets.float()
        return Batches(material.images, rows, targets, self.plan.batch, **settings)

    def loss(self, images: torch.Tensor, targets: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        if self.plan.augment is not None:
            images = self.plan.augment(images, generator)
        return self._objective.loss(self._outputs(images), targets)

    def validation_step(self, batch: tuple[torch.Tensor, torch.Tensor], number: int) -> None:
        self._checked.append(self._outputs(batch[0].float()))

    def judged(self) -> dict[str, float]:
        outputs = torch.cat(self._checked).cpu().numpy()
        self._checked.clear()
        return self._objective.judge(outputs, self._material.values[self._material.checked])

    def groups(self) -> list[Any]:
        return parameter_groups(self.network, self.head, self.plan.method, self.plan.rate, self.plan.decay)

    def _outputs(self, images: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor = self.head(self.network(images.contiguous(memory_format=torch.channels_last)))
        return outputs.float()
