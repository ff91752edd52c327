"""The file of a network that was taught further: one .safetensors file, whose header says what is in it.

Its layout is told in docs/format.rst.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import timm
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from astrotl.errors import AstrotlWarning, WeightsError, first_line
from astrotl.neural.small import SMALL, small_network

__all__ = ["check_bands", "check_rebuilds", "network_from", "read_arrays", "read_note", "untaught", "write_network"]

#: The kinds of files, and what makes each.
FORMATS = {"astrotl-network": "finetune", "astrotl-detector": "detect train"}
FORMAT_VERSION = 1


def write_network(
    path: str | os.PathLike[str],
    module: torch.nn.Module,
    arrays: Mapping[str, np.ndarray],
    note: Mapping[str, Any],
    kind: str = "astrotl-network",
) -> None:
    """Write a network as `Backbone.module` gives it, arrays beside it, and a note; whole or not at all."""
    tensors = {
        f"network.{name}": tensor.detach().cpu().contiguous().clone()
        for name, tensor in module.network.state_dict().items()
    }
    tensors |= {name: torch.from_numpy(np.ascontiguousarray(_packed(array))) for name, array in arrays.items()}
    whole = {"format": kind, "format_version": FORMAT_VERSION, "network": _described(module), **note}
    part = f"{os.fspath(path)}.part"
    save_file(tensors, part, metadata={"astrotl": json.dumps(whole)})
    os.replace(part, path)


def read_note(path: str | os.PathLike[str], kind: str = "astrotl-network") -> dict[str, Any]:
    """Read what the file says of itself."""
    if not os.path.isfile(path):
        raise FileNotFoundError(f"{path}: there is no such file; make it with astrotl {FORMATS[kind]}")
    try:
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get("astrotl")
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path}: cannot be read as .safetensors ({first_line(error)})") from error
    note: dict[str, Any] = json.loads(text) if text else {}
    if note.get("format") != kind:
        other = FORMATS.get(str(note.get("format")))
        remedy = f"it was made by astrotl {other}" if other else "weights alone go into timm with weights="
        raise WeightsError(f"{path}: holds weights, but not what astrotl {FORMATS[kind]} makes; {remedy}")
    if note["format_version"] > FORMAT_VERSION:
        raise WeightsError(
            f"{path}: has the format version {note['format_version']}, newer than this astrotl reads "
            f"({FORMAT_VERSION}); upgrade astrotl"
        )
    return note


def check_bands(path: str | os.PathLike[str], taught: Sequence[str], channels: Sequence[str]) -> None:
    """Refuse the bands that a network was taught with in another order, and say if they have other names."""
    if list(channels) == list(taught):
        return
    if sorted(channels) == sorted(taught):
        raise ValueError(f"bands: {path} was taught with {', '.join(taught)} in this order, got {', '.join(channels)}")
    warnings.warn(
        f"{path} was taught with the bands {', '.join(taught)}, and is asked about {', '.join(channels)}",
        AstrotlWarning,
        stacklevel=4,
    )


def read_arrays(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """Read all that is not the network itself."""
    with safe_open(path, framework="pt") as file:
        names = [name for name in file.keys() if not name.startswith("network.")]  # noqa: SIM118
        return {name: _unpacked(file.get_tensor(name).numpy()) for name in names}


def network_from(path: str | os.PathLike[str], described: Mapping[str, Any]) -> torch.nn.Module:
    """Build the network that a note describes, and fill it with the weights of the file."""
    network = _empty(described)
    with safe_open(path, framework="pt") as file:
        names = [name for name in file.keys() if name.startswith("network.")]  # noqa: SIM118
        state = {name.removeprefix("network."): file.get_tensor(name) for name in names}
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise WeightsError(
            f"{path}: {described['architecture']} of this version of timm is another network than the one in the "
            f"file ({first_line(error)})"
        ) from error
    return network


def check_rebuilds(module: Any) -> None:
    """Refuse a network that could not be built again from its file."""
    described = _described(module)
    network = _empty(described)
    shapes, again = ({name: x.shape for name, x in each.state_dict().items()} for each in (module.network, network))
    if shapes != again:
        raise ValueError(
            f"extractor: timm's {described['architecture']} is not the network that this extractor builds, so its file "
            "could not be opened again"
        )


def untaught(module: Any) -> torch.nn.Module:
    """Create the network of a module anew, as timm draws its weights."""
    return _empty(_described(module)).train(module.network.training)


def _empty(described: Mapping[str, Any]) -> torch.nn.Module:
    """Create the network that a note describes, with weights that stand for nothing yet."""
    name = described["architecture"]
    if name in SMALL:
        return small_network(name, described["bands"], described["size"])
    if not timm.is_model(name):
        raise WeightsError(f"this version of timm knows no {name!r}; install the one that the file names")
    expects = {"mean": tuple(described["mean"]), "std": tuple(described["std"])}
    settings = {"num_classes": 0, "in_chans": described["bands"], "pretrained_cfg_overlay": expects}
    try:
        # Those that know the places of their patches have to be told.
        return timm.create_model(name, img_size=described["size"], **settings)
    except TypeError:
        return timm.create_model(name, **settings)


def _described(module: Any) -> dict[str, Any]:
    """Say in JSON how to build a network again that `Backbone.module` gave."""
    return {
        "architecture": module.network.pretrained_cfg["architecture"],
        "pooling": module.pooling,
        "bands": len(module.mean),
        "size": module.size,
        "turns": module.turns,
        "mean": module.mean.flatten().tolist(),
        "std": module.std.flatten().tolist(),
    }


def _packed(array: np.ndarray) -> np.ndarray:
    """Write text as bytes, ``(n, longest)``, for the format knows numbers only."""
    if array.dtype.kind != "U":
        return array
    encoded = np.char.encode(array, "utf-8")
    return encoded.view(np.uint8).reshape(len(array), encoded.dtype.itemsize)


def _unpacked(array: np.ndarray) -> np.ndarray:
    if array.dtype != np.uint8 or array.ndim != 2:
        return array
    return np.char.decode(array.view(f"S{array.shape[1]}")[:, 0], "utf-8")
