"""What runs a network: torch, or OpenVINO, which is several times faster on a CPU.

An engine is a callable from ``(n, channel, y, x)`` float32 to ``(n, dim)`` float32.
"""

from __future__ import annotations

import importlib.util
import sys
import warnings
from collections.abc import Callable

import numpy as np
import torch

__all__ = ["ENGINES", "choose_engine", "start_engine"]

Engine = Callable[[np.ndarray], np.ndarray]

ENGINES = ("auto", "openvino", "torch")


def choose_engine(wanted: str) -> str:
    """Name the engine that ``auto`` means on this machine: torch on a GPU, OpenVINO on a CPU where it is installed."""
    if wanted not in ENGINES:
        raise ValueError(f"engine: must be one of {', '.join(ENGINES)}, got {wanted!r}")
    if wanted != "auto":
        return wanted
    return "torch" if torch.cuda.is_available() or importlib.util.find_spec("openvino") is None else "openvino"


def start_engine(name: str, network: torch.nn.Module, shape: tuple[int, int, int]) -> Engine:
    """Make a network ready to run on images of this shape."""
    return _openvino(network, shape) if name == "openvino" else _torch(network)


def _torch(network: torch.nn.Module) -> Engine:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = network.to(device, memory_format=torch.channels_last)

    def run(images: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            tensor = torch.from_numpy(images).to(device, memory_format=torch.channels_last)
            return np.asarray(network(tensor).float().cpu())

    return run


def _openvino(network: torch.nn.Module, shape: tuple[int, int, int]) -> Engine:
    # OpenVINO reports its use to its makers unless this companion is absent; nobody asked the observer.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")
        model = openvino.convert_model(network, example_input=torch.zeros(2, *shape))
    model.reshape([-1, *shape])
    compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda images: compiled(images)[0]
