"""The loop, which is Lightning's: epochs, checkpoints, devices and precision. What is ours stands in its hooks."""

from __future__ import annotations

import contextlib
import logging
import math
import signal
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint

from astrotl.training.images import Batches, mixed
from astrotl.training.methods import merged, parameter_groups, unfrozen
from astrotl.training.objective import Head, Objective
from astrotl.training.plan import Plan, best_epoch, is_over, line_of

__all__ = ["Material", "train"]

_WARMUP = 0.1
_LONGEST_GRADIENT = 1.0
_PRECISIONS = {"float32": "32-true", "bfloat16": "bf16-mixed"}


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
    """Train a network and its head until the checked images are judged no better, and give the best of all epochs.

    Every epoch leaves a checkpoint in the folder, from which the same call goes on. If no epoch is better than what
    ``history`` begins with, the network and its head come back as they were.
    """
    before = [{name: tensor.clone() for name, tensor in part.state_dict().items()} for part in (module, head)]
    with _quiet(), torch.random.fork_rng():
        torch.manual_seed(plan.seed)
        learner = _Learner(unfrozen(module, plan.method), head, objective, plan, history)
        trainer = _trainer(plan, len(material.learned), folder, progress)

        def batches(rows: np.ndarray, **settings: Any) -> Batches:
            targets = objective.targets(material.values[rows])
            if targets.is_floating_point():
                # Not every device knows double precision.
                targets = targets.float()
            return Batches(material.images, rows, targets, plan.batch, **settings)

        taught = batches(
            material.learned,
            order=lambda: mixed(plan.seed, learner.current_epoch),
            share=(trainer.global_rank, trainer.world_size),
        )
        learner.expect(len(taught) * plan.epochs, material.values[material.checked])
        last = folder / "last.ckpt"
        with _interruptible():
            # Lightning leaves layers as they are, and these come from an extractor.
            trainer.fit(
                learner.train(),
                taught,
                batches(material.checked),
                ckpt_path=last if last.exists() else None,
                weights_only=True,
            )
    learner.cpu()
    best = best_epoch(history)
    if best:
        name = "last" if best == len(history) - 1 else "best"
        state = torch.load(folder / f"{name}.ckpt", weights_only=True, map_location="cpu")["state_dict"]
        learner.load_state_dict(state)
    plain: torch.nn.Module = merged(learner.network, plan.method)
    if not best:
        for part, state in zip((plain, head), before, strict=True):
            part.load_state_dict(state)
    return plain.eval()


def _trainer(plan: Plan, images: int, folder: Path, progress: Callable[..., Any] | None) -> pl.Trainer:
    callbacks: list[Callback] = [
        _keep(folder, "best", monitor="checked", save_weights_only=True),
        _keep(folder, "last"),
    ]
    if progress is not None:
        callbacks.append(_Progress(progress, plan.epochs * images))
    return pl.Trainer(
        max_epochs=plan.epochs,
        devices=plan.devices,
        # Not every network uses all its weights for features.
        strategy="ddp_find_unused_parameters_true" if plan.devices > 1 else "auto",
        precision=_PRECISIONS[plan.precision],
        gradient_clip_val=_LONGEST_GRADIENT,
        callbacks=callbacks,
        default_root_dir=folder,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
    )


class _Learner(pl.LightningModule):
    def __init__(
        self, network: torch.nn.Module, head: Head, objective: Objective, plan: Plan, history: list[dict[str, Any]]
    ) -> None:
        super().__init__()
        self.network = network.to(memory_format=torch.channels_last)
        self.head = head
        self._objective = objective
        self._plan = plan
        self._history = history
        self._steps = 0
        self._values = np.empty(0)
        self._losses: list[torch.Tensor] = []
        self._checked: list[torch.Tensor] = []

    def expect(self, steps: int, values: np.ndarray) -> None:
        """Say how many steps there will be at most, and the values of the images to check with."""
        self._steps = steps
        self._values = values

    def train(self, mode: bool = True) -> _Learner:
        super().train(mode)
        # A few images say less of brightness and contrast than what the network has seen before.
        for layer in self.network.modules():
            if isinstance(layer, torch.nn.modules.batchnorm._BatchNorm):
                layer.eval()
        return self

    def on_train_start(self) -> None:
        # Killed after its last epoch, it has nothing left to do.
        self.trainer.should_stop = self._is_over()

    def training_step(self, batch: tuple[torch.Tensor, torch.Tensor], number: int) -> torch.Tensor:
        images, targets = batch
        # What is drawn follows from the epoch and the batch, so that a run that went on equals one that went through.
        seed = mixed(self._plan.seed, self.current_epoch, number, self.global_rank)
        torch.manual_seed(seed)
        images = images.float()
        if self._plan.augment is not None:
            images = self._plan.augment(images, torch.Generator(self.device).manual_seed(seed))
        loss = self._objective.loss(self._outputs(images), targets)
        self._losses.append(loss.detach())
        return loss

    def validation_step(self, batch: tuple[torch.Tensor, torch.Tensor], number: int) -> None:
        self._checked.append(self._outputs(batch[0].float()))

    def _outputs(self, images: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor = self.head(self.network(images.contiguous(memory_format=torch.channels_last)))
        return outputs.float()

    def on_validation_epoch_end(self) -> None:
        outputs = torch.cat(self._checked).cpu().numpy()
        judged = self._objective.judge(outputs, self._values)
        taught = float(torch.stack(self._losses).mean())
        self._history.append(line_of(self.current_epoch + 1, taught, self._objective, judged))
        self.log("checked", torch.tensor(self._history[-1]["validation_loss"], dtype=torch.float32, device=self.device))
        self._losses.clear()
        self._checked.clear()
        self.trainer.should_stop = self._is_over()

    def _is_over(self) -> bool:
        """Say whether the last epochs have brought nothing."""
        return is_over(self._history, self._plan.patience)

    def configure_optimizers(self) -> Any:
        plan = self._plan
        groups = parameter_groups(self.network, self.head, plan.method, plan.highest_rate, plan.decay)
        warmup = max(1, round(_WARMUP * self._steps))

        def factor(step: int) -> float:
            if step < warmup:
                return (step + 1) / warmup
            return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(self._steps - warmup, 1)))

        optimiser = torch.optim.AdamW(groups)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, factor)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["history"] = list(self._history)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self._history[:] = checkpoint["history"]


def _keep(folder: Path, name: str, **settings: Any) -> ModelCheckpoint:
    return ModelCheckpoint(
        folder, name, save_top_k=1, save_on_train_epoch_end=True, enable_version_counter=False, **settings
    )


class _Progress(Callback):
    """Moves a bar on by the images of each batch."""

    def __init__(self, progress: Callable[..., Any], total: int) -> None:
        self._make = progress
        self._total = total
        self._bar: Any = None

    def on_train_start(self, trainer: pl.Trainer, learner: pl.LightningModule) -> None:
        if trainer.is_global_zero:
            done = trainer.current_epoch * self._total // (trainer.max_epochs or 1)
            self._bar = self._make(total=self._total, initial=done, unit="img")

    def on_train_batch_end(
        self, trainer: pl.Trainer, learner: pl.LightningModule, outputs: Any, batch: Any, number: int
    ) -> None:
        if self._bar is not None:
            self._bar.update(len(batch[0]) * trainer.world_size)

    def teardown(self, trainer: pl.Trainer, learner: pl.LightningModule, stage: str) -> None:
        if self._bar is not None:
            self._bar.close()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep Lightning's advice from those who did not write the loop."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [each.level for each in loggers]
    for each in loggers:
        each.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for each, level in zip(loggers, levels, strict=True):
            each.setLevel(level)


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Have Ctrl-C mean what it means elsewhere; Lightning would leave the program and be deaf to the next one."""
    previous = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit as error:
        if not isinstance(error.__context__, KeyboardInterrupt):
            raise
        signal.signal(signal.SIGINT, previous)
        raise KeyboardInterrupt from None
