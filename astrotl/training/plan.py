"""How a network is trained, and what each epoch reached."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from astrotl.neural.engines import PRECISIONS
from astrotl.training.augment import SkyAugment

__all__ = ["Plan", "best_epoch", "enough_epochs", "is_over", "line_of"]

#: How many looks at images training takes at the least, within these numbers of epochs.
_LOOKS, _FEWEST_EPOCHS, _MOST_EPOCHS = 8000, 20, 100

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Plan:
    """How a network is trained; `~astrotl.training.finetune` tells what each of these is."""

    method: str
    epochs: int
    patience: int | None
    rate: float
    decay: float
    augment: SkyAugment | None
    batch: int
    precision: str
    devices: int
    seed: int

    def check(self, methods: Iterable[str]) -> None:
        """Refuse what cannot be."""
        for name, known in (("method", methods), ("precision", PRECISIONS)):
            if getattr(self, name) not in known:
                raise ValueError(f"{name}: must be one of {', '.join(known)}, got {getattr(self, name)!r}")
        if self.augment is not None and not isinstance(self.augment, SkyAugment):
            raise ValueError(f"augment: must be a SkyAugment, 'sky' or None, got {self.augment!r}")
        for name in ("epochs", "patience", "batch", "devices"):
            number = getattr(self, name)
            if number is not None and number < 1:
                raise ValueError(f"{name}: must be 1 or more, got {number}")
        if self.rate <= 0:
            raise ValueError(f"rate: must be above 0, got {self.rate}")
        if not 0 < self.decay <= 1:
            raise ValueError(f"decay: must be above 0 and at most 1, got {self.decay}")

    def settings(self) -> dict[str, Any]:
        """Say in JSON what decides the outcome; on how many devices does not."""
        return {name: value for name, value in asdict(self).items() if name not in ("method", "devices", "seed")}


def enough_epochs(images: int) -> int:
    """Say how many epochs suit so many images: few are seen more often.

    >>> enough_epochs(50), enough_epochs(200), enough_epochs(100_000)
    (100, 40, 20)
    """
    return int(np.clip(round(_LOOKS / images), _FEWEST_EPOCHS, _MOST_EPOCHS))


def line_of(epoch: int, loss: float, lost: float, error: float, **measures: float) -> dict[str, Any]:
    """Write down, and say, what an epoch reached: the loss, that of those checked, and its standard error."""
    # What has diverged is worse than anything, whatever those checked still say of it.
    lost = lost if np.isfinite(loss) and np.isfinite(lost) else np.inf
    loss = loss if np.isfinite(loss) else np.inf
    line = {
        "epoch": epoch,
        "loss": loss,
        # As exact as the checkpoints compare it, so that both find the same epoch best.
        "validation_loss": float(np.float32(lost)),
        "validation_error": error if np.isfinite(error) else 0.0,
        **{f"validation_{name}": value for name, value in measures.items()},
    }
    log.info("%s", ", ".join(f"{name} {value:.4g}" for name, value in line.items()))
    return line


def best_epoch(history: list[dict[str, Any]]) -> int:
    """Name the epoch to keep; 0 is before the first.

    It is the last one, in which the weights have come to rest, unless the checked images say surely that another was
    better: by more than the standard error of their loss, which a few of them seldom do.
    """
    return len(history) - 1 if not _epochs_in_vain(history) else _lowest(history)


def is_over(history: list[dict[str, Any]], patience: int | None) -> bool:
    """Say whether this many epochs have been worse than the best one, each by more than the standard error."""
    return patience is not None and _epochs_in_vain(history) >= patience


def _lowest(history: list[dict[str, Any]]) -> int:
    return int(np.argmin([line["validation_loss"] for line in history]))


def _epochs_in_vain(history: list[dict[str, Any]]) -> int:
    best = history[_lowest(history)]
    enough = best["validation_loss"] + best["validation_error"]
    return next(count for count, line in enumerate(reversed(history)) if line["validation_loss"] <= enough)
