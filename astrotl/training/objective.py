"""What a network is taught: how far its answers are from the labels, and the head that is the best to begin with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

from astrotl.learn import Target
from astrotl.measures import macro_f1, scatter

__all__ = ["Head", "Objective", "best_temperature", "fit_head"]

_SMOOTHING = 0.05
_DROPOUT = 0.1
_STRENGTHS = (10.0, 3.0, 1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001)
_TEMPERATURES = (0.05, 20.0)


@dataclass(frozen=True, eq=False)
class Objective:
    """How the answers of a head are held against labels: classes, each with the same say, or numbers.

    Parameters
    ----------
    classes : int
        The number of classes; 0 for numbers.
    weights : `~numpy.ndarray`
        What a member of each class counts.
    middle, spread : float
        The mean and the standard deviation of the numbers.
    """

    classes: int
    weights: np.ndarray
    middle: float = 0.0
    spread: float = 1.0

    @classmethod
    def of(cls, learned: Target) -> Objective:
        """Read off the objects that are learned from what a class, or a unit, counts."""
        if not learned.classes:
            return cls(0, np.ones(1), float(learned.values.mean()), float(learned.values.std()) or 1.0)
        members = np.bincount(learned.values, minlength=len(learned.classes))
        return cls(len(learned.classes), len(learned) / (len(learned.classes) * np.maximum(members, 1)))

    @property
    def outputs(self) -> int:
        """How many numbers the head gives."""
        return self.classes or 1

    def targets(self, values: np.ndarray) -> torch.Tensor:
        """Turn labels into what the head should give."""
        if self.classes:
            return torch.from_numpy(values.astype(np.int64))
        return torch.from_numpy((values - self.middle) / self.spread)

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Say how far the outputs are from the targets: what training makes small."""
        if not self.classes:
            return torch.nn.functional.smooth_l1_loss(outputs[:, 0], targets.to(outputs.dtype))
        weights = torch.as_tensor(self.weights, dtype=outputs.dtype, device=outputs.device)
        return torch.nn.functional.cross_entropy(outputs, targets, weights, label_smoothing=_SMOOTHING)

    def judge(self, outputs: np.ndarray, values: np.ndarray) -> dict[str, float]:
        """Hold outputs against labels: the mean loss, its standard error, and the measure that is shown."""
        if self.classes:
            # A network that is right and too sure of itself is not to lose against one that is wrong more often.
            temperature = best_temperature(outputs, values, self.weights[values])
            losses, weights = _log_losses(outputs / temperature, values), self.weights[values]
            measure = {"macro_f1": macro_f1(values, outputs.argmax(axis=1))}
        else:
            residuals = torch.from_numpy(outputs[:, 0].astype(np.float64)), self.targets(values)
            losses = torch.nn.functional.smooth_l1_loss(*residuals, reduction="none").numpy()
            weights = np.ones(len(losses))
            measure = {"scatter": scatter(values, outputs[:, 0] * self.spread + self.middle)}
        loss = np.average(losses, weights=weights)
        error = np.sqrt(np.sum((weights * (losses - loss)) ** 2)) / weights.sum()
        return {"lost": float(loss), "error": float(error), **measure}


class Head(torch.nn.Module):
    """A linear layer on features of which the mean is taken away, and that are all scaled alike.

    Were each scaled by itself, those that hardly vary would be magnified, and training would begin with a quake.
    """

    def __init__(self, features: torch.Tensor, outputs: int) -> None:
        super().__init__()
        spread = features.var(0, correction=0).mean().sqrt()
        self.register_buffer("middle", features.mean(0))
        self.register_buffer("spread", spread if spread > 0 else torch.ones_like(spread))
        self.dropout = torch.nn.Dropout(_DROPOUT)
        self.linear = torch.nn.Linear(features.shape[1], outputs)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Give the outputs for features."""
        return self.linear(self.dropout((features - self.middle) / self.spread))

    def folded(self, objective: Objective) -> tuple[np.ndarray, np.ndarray]:
        """Give weight and bias that take features as they are, and give numbers in their own unit."""
        with torch.no_grad():
            weight = self.linear.weight.double() / self.spread.double()
            bias = self.linear.bias.double() - weight @ self.middle.double()
            scale, offset = (1.0, 0.0) if objective.classes else (objective.spread, objective.middle)
            return (weight * scale).float().cpu().numpy(), (bias * scale + offset).float().cpu().numpy()


def fit_head(
    features: np.ndarray, values: np.ndarray, checked: np.ndarray, checked_values: np.ndarray, objective: Objective
) -> tuple[Head, np.ndarray]:
    """Fit the head that is best on features that do not change, and give its outputs for those checked.

    How strongly its weights are held down is decided by those checked.
    """
    head = Head(torch.from_numpy(features).double(), objective.outputs).double().eval()
    targets = objective.targets(values)
    with torch.no_grad():
        standard, others = (
            (torch.from_numpy(some).double() - head.middle) / head.spread for some in (features, checked)
        )
    for parameter in head.parameters():
        torch.nn.init.zeros_(parameter)
    best = (np.inf, np.empty(0), head.linear.state_dict())
    for strength in _STRENGTHS:
        _minimise(head.linear, standard, targets, objective, strength)
        with torch.no_grad():
            outputs = head.linear(others).numpy()
        loss = objective.judge(outputs, checked_values)["lost"]
        if loss < best[0]:
            best = (loss, outputs, {name: tensor.clone() for name, tensor in head.linear.state_dict().items()})
    head.linear.load_state_dict(best[2])
    return head.float(), best[1]


def _minimise(
    linear: torch.nn.Linear, features: torch.Tensor, targets: torch.Tensor, objective: Objective, strength: float
) -> None:
    optimiser = torch.optim.LBFGS(linear.parameters(), max_iter=100, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        total = objective.loss(linear(features), targets) + 0.5 * strength * linear.weight.square().sum()
        total.backward()
        return total

    optimiser.step(loss)


def best_temperature(outputs: np.ndarray, values: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Find the temperature that makes the probabilities of a head most honest.

    >>> import numpy as np
    >>> sure = np.array([[9.0, 0.0]] * 4)
    >>> temperature = best_temperature(sure, np.array([0, 0, 0, 1]))
    >>> round(float(1 / (1 + np.exp(-9 / temperature))), 2)
    0.75
    """

    def loss(logarithm: float) -> float:
        return float(np.average(_log_losses(outputs / np.exp(logarithm), values), weights=weights))

    return float(np.exp(minimize_scalar(loss, bounds=tuple(np.log(_TEMPERATURES)), method="bounded").x))


def _log_losses(outputs: np.ndarray, values: np.ndarray) -> np.ndarray:
    outputs = outputs.astype(np.float64)
    losses: np.ndarray = logsumexp(outputs, axis=1) - outputs[np.arange(len(values)), values]
    return losses
