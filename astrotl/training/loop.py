"""The loop, which is Lightning's: epochs, checkpoints, devices and precision. What is ours stands in its hooks."""

from __future__ import annotations

import contextlib
import logging
import math
import signal
import warnings
from abc import abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint

from astrotl.training.images import Batches, mixed
from astrotl.training.plan import Plan, best_epoch, is_over, line_of

__all__ = ["Learner", "fit"]

_WARMUP = 0.1
_LONGEST_GRADIENT = 1.0
_PRECISIONS = {"float32": "32-true", "bfloat16": "bf16-mixed"}


class Learner(pl.LightningModule):
    """What learns: a subclass says what a batch costs, how the images kept for checking are judged, and how fast.

    ``history`` begins with what there is before the first epoch, and grows by a line an epoch.
    """

    def __init__(self, plan: Plan, history: list[dict[str, Any]]) -> None:
        super().__init__()
        self.plan = plan
        self.history = history
        self.steps = 0
        self._losses: list[torch.Tensor] = []

    @abstractmethod
    def loss(self, images: torch.Tensor, targets: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Say how far the answers to a batch, changed as the generator decides, are from its targets."""

    @abstractmethod
    def judged(self) -> dict[str, float]:
        """Judge what `validation_step` has seen: ``lost``, its ``error``, and measures that are shown."""

    @abstractmethod
    def groups(self) -> list[Any]:
        """Give each weight its learning rate."""

    def resting(self) -> torch.nn.Module:
        """Name the part whose running means of each layer stay as they are."""
        return self

    def train(self, mode: bool = True) -> Learner:
        """Begin to learn. A few images say less of brightness and contrast than what the network has seen before."""
        super().train(mode)
        for layer in self.resting().modules():
            if isinstance(layer, torch.nn.modules.batchnorm._BatchNorm):
                layer.eval()
        return self

    def on_train_start(self) -> None:
        """Stop at once if it was killed after its last epoch."""
        self.trainer.should_stop = self._is_over()

    def training_step(self, batch: tuple[torch.Tensor, torch.Tensor], number: int) -> torch.Tensor:
        """Learn from a batch."""
        images, targets = batch
        # What is drawn follows from the epoch and the batch, so that a run that went on equals one that went through.
        seed = mixed(self.plan.seed, self.current_epoch, number, self.global_rank)
        torch.manual_seed(seed)
        loss = self.loss(images.float(), targets, torch.Generator(self.device).manual_seed(seed))
        self._losses.append(loss.detach())
        return loss

    def on_validation_epoch_end(self) -> None:
        """Write down what the epoch has reached, and stop if the last ones have brought nothing."""
        taught = float(torch.stack(self._losses).mean())
        self.history.append(line_of(self.current_epoch + 1, taught, **self.judged()))
        self.log("checked", torch.tensor(self.history[-1]["validation_loss"], dtype=torch.float32, device=self.device))
        self._losses.clear()
        self.trainer.should_stop = self._is_over()

    def _is_over(self) -> bool:
        return is_over(self.history, self.plan.patience)

    def configure_optimizers(self) -> Any:
        """Let the rate rise at first, and fall to nothing until the end."""
        warmup = max(1, round(_WARMUP * self.steps))

        def factor(step: int) -> float:
            if step < warmup:
                return (step + 1) / warmup
            return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(self.steps - warmup, 1)))

        optimiser = torch.optim.AdamW(self.groups())
        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, factor)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the history with the weights."""
        checkpoint["history"] = list(self.history)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on with the history that was kept."""
        self.history[:] = checkpoint["history"]


def fit(
    learner: Learner,
    batches: Callable[..., Batches],
    folder: Path,
    progress: Callable[..., Any] | None,
) -> int:
    """Train until the checked images are judged no better, and leave the learner with the weights of the best epoch.

    ``batches`` makes those to learn from, given their order and the share of this device, or without any those to check
    with. Every epoch leaves a checkpoint in the folder, from which the same call goes on. Gives the number of the best
    epoch; 0 is before the first, whose weights are left to whoever calls.
    """
    plan, history = learner.plan, learner.history
    with _quiet(), torch.random.fork_rng():
        torch.manual_seed(plan.seed)
        trainer = _trainer(plan, folder)
        taught = batches(
            order=lambda: mixed(plan.seed, learner.current_epoch), share=(trainer.global_rank, trainer.world_size)
        )
        learner.steps = len(taught) * plan.epochs
        if progress is not None:
            trainer.callbacks.insert(0, _Progress(progress, plan.epochs * taught.images))
        last = folder / "last.ckpt"
        with _interruptible():
            # Lightning leaves layers as they are, and these come from an extractor.
            trainer.fit(
                learner.train(),
                taught,
                batches(),
                ckpt_path=last if last.exists() else None,
                weights_only=True,
            )
    learner.cpu()
    best = best_epoch(history)
    if best:
        name = "last" if best == len(history) - 1 else "best"
        state = torch.load(folder / f"{name}.ckpt", weights_only=True, map_location="cpu")["state_dict"]
        learner.load_state_dict(state)
    return best


def _trainer(plan: Plan, folder: Path) -> Any:
    return pl.Trainer(
        max_epochs=plan.epochs,
        devices=plan.devices,
        # Not every network uses all its weights for features.
        strategy="ddp_find_unused_parameters_true" if plan.devices > 1 else "auto",
        precision=_PRECISIONS[plan.precision],
        gradient_clip_val=_LONGEST_GRADIENT,
        callbacks=[_keep(folder, "best", monitor="checked", save_weights_only=True), _keep(folder, "last")],
        default_root_dir=folder,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
    )


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
