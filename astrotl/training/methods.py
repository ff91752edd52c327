"""Which of a network's weights are trained, and how fast: its last layers, small additions to each layer, or all."""

from __future__ import annotations

import math
import warnings
from typing import Any

import timm
import torch
from timm.optim import param_groups_layer_decay

from astrotl._optional import missing_dependency
from astrotl.extract import make_extractor
from astrotl.extractors import Extractor
from astrotl.neural import Backbone

__all__ = ["RATES", "backbone_of", "merged", "parameter_groups", "unfrozen"]

#: The learning rate of the last layer: for whole and lora the best of a few on galaxies, for last a guess between them.
#: A head is fitted, whatever the rate.
RATES = {"head": 1.0, "last": 1e-3, "lora": 3e-3, "whole": 5e-4}

_WEIGHT_DECAY = 0.02
#: The last layers together hold at least this fraction of the weights.
_LAST = 0.2
#: What is added stays below this fraction of the weights, and no matrix gets more than this rank.
_ADDED, _RANK = 0.05, 8


def backbone_of(extractor: Extractor | str) -> Backbone:
    """Take a network that can be trained, or make the one of this name."""
    made = make_extractor(extractor) if isinstance(extractor, str) else extractor
    if not isinstance(made, Backbone):
        raise ValueError(
            f"extractor: {type(made).__name__} has no weights to train; take a network, such as efficientnet-lite0 or "
            "timm"
        )
    return made


def unfrozen(module: Any, method: str) -> Any:
    """Make those weights of a network trainable that a method trains; for LoRA they are added."""
    if method == "lora":
        return _with_lora(module)
    names = set(_last_layers(module.network)) if method == "last" else None
    for name, parameter in module.network.named_parameters():
        parameter.requires_grad_(names is None or name in names)
    return module


def merged(module: Any, method: str) -> Any:
    """Give the network in its own form, with what LoRA has added inside its weights."""
    return module.merge_and_unload() if method == "lora" else module


def parameter_groups(module: Any, head: Any, method: str, rate: float, decay: float) -> list[Any]:
    """Give each weight its learning rate: a layer's is ``decay`` times that of the layer behind it."""
    # Each of a head's many weights moves by the learning rate in a step, and the output by the sum of them.
    slow = rate / math.sqrt(head.linear.in_features)
    groups: list[Any] = [{"params": list(head.parameters()), "lr": slow, "weight_decay": 0.0}]
    if method == "lora":
        added = [parameter for parameter in module.parameters() if parameter.requires_grad]
        return [*groups, {"params": added, "lr": rate, "weight_decay": 0.0}]
    layers = param_groups_layer_decay(module.network, _WEIGHT_DECAY, layer_decay=decay)
    return groups + [{**layer, "lr": rate * layer.pop("lr_scale")} for layer in layers]


def _last_layers(network: torch.nn.Module) -> list[str]:
    """Name the weights of the last layers, as many as hold a fair part of the network."""
    layer_of = timm.models.group_parameters(network, network.group_matcher(coarse=True), reverse=True)
    sizes = {name: parameter.numel() for name, parameter in network.named_parameters()}
    chosen: list[str] = []
    for layer in sorted(set(layer_of.values()), reverse=True):
        chosen += [name for name in sizes if layer_of.get(name) == layer]
        if sum(sizes[name] for name in chosen) >= _LAST * sum(sizes.values()):
            break
    return chosen


def _with_lora(module: Any) -> torch.nn.Module:
    """Add to each matrix of the network a product of two thin ones, which alone are trained."""
    try:
        from peft import LoraConfig, get_peft_model
    except ModuleNotFoundError as error:
        raise missing_dependency(error, "the method lora") from error
    targets = _matrices(module.network)
    widths = sum(_thickness(layer) for layer in targets.values())
    size = sum(parameter.numel() for parameter in module.network.parameters())
    rank = min(_RANK, int(_ADDED * size / widths)) if widths else 0
    if rank < 1:
        raise ValueError("method: this network has no layers that LoRA would suit; take last or whole")
    names = [f"network.{name}" for name in targets]
    with warnings.catch_warnings():
        # peft looks for a language model's own description.
        warnings.simplefilter("ignore")
        return get_peft_model(module, LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=names))


def _matrices(network: torch.nn.Module) -> dict[str, torch.nn.Module]:
    """Find the layers that mix channels; the first looks at pixels and stays as it is."""
    found = {
        name: layer
        for name, layer in network.named_modules()
        if isinstance(layer, torch.nn.Linear) or (isinstance(layer, torch.nn.Conv2d) and layer.groups == 1)
    }
    return dict(list(found.items())[1:])


def _thickness(layer: Any) -> int:
    """Count the weights that one rank adds."""
    out, into = layer.weight.shape[0], layer.weight[0].numel()
    return int(out + into)
