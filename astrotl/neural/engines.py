"""What runs a network: torch, on a GPU or a CPU, or OpenVINO, which is several times faster on a CPU.

Whatever is not plain torch must give the features of plain torch before it is trusted with a network.
"""

from __future__ import annotations

import contextlib
import copy
import importlib.util
import queue
import sys
import threading
import warnings
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from astrotl._optional import missing_dependency
from astrotl.errors import AstrotlWarning, first_line

__all__ = ["best_device", "ENGINES", "PRECISIONS", "Engine", "start_engine"]

ENGINES = ("auto", "openvino", "torch", "compile")
PRECISIONS = ("float32", "bfloat16")

_LARGEST_DIFFERENCE = 1e-4
# bfloat16 keeps three digits, of which a light network of many layers loses one or more: 0.996 for EfficientNet-Lite0.
_LEAST_COSINE = 0.99


@dataclass(frozen=True, eq=False)
class Engine:
    """A network ready to run: ``run`` turns ``(n, channel, y, x)`` into ``(n, dim)`` float32, in any thread.

    It takes any number of images, and sees ``batch`` of them at once.
    """

    name: str
    precision: str
    batch: int
    run: Callable[[np.ndarray], np.ndarray]


def start_engine(
    wanted: str, precision: str, network: torch.nn.Module, shape: tuple[int, int, int], batch: int | None
) -> Engine:
    """Make a network ready to run on images of this shape, by the fastest engine of this machine if any will do."""
    device = best_device()
    kind = wanted
    if wanted == "auto":
        kind = "openvino" if device.type == "cpu" and importlib.util.find_spec("openvino") else "torch"
    sample = _sample(shape)
    expected = _torch(network, torch.device("cpu"), "float32", None).run(sample)
    for rounded in dict.fromkeys((precision, "float32")):
        if (kind, rounded) == ("torch", "float32"):
            break
        try:
            made = _start(kind, rounded, network, shape, batch, device)
            fault = _fault(made.run(sample), expected, rounded)
        except Exception as error:
            if wanted != "auto":
                raise
            fault = f"fails ({first_line(error)})"
        if not fault:
            return made
        warnings.warn(f"engine: {kind} in {rounded} {fault}, so it is not used", AstrotlWarning, stacklevel=2)
    return _torch(network, device, "float32", batch)


def _start(
    kind: str, precision: str, network: torch.nn.Module, shape: tuple[int, int, int], batch: int | None, device: Any
) -> Engine:
    if kind == "openvino":
        return _openvino(network, shape, precision, batch)
    return _torch(network, device, precision, batch, compiled=kind == "compile")


def best_device() -> torch.device:
    """Give the graphics card if there is one."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def _sample(shape: tuple[int, int, int]) -> np.ndarray:
    """Draw two images of soft patches, which resemble nothing that a network could saturate on."""
    coarse = np.random.default_rng(0).random((2, shape[0], 7, 7), dtype=np.float32)
    return torch.nn.functional.interpolate(torch.from_numpy(coarse), shape[1:], mode="bilinear").numpy()


def _fault(features: np.ndarray, expected: np.ndarray, precision: str) -> str:
    """Say how features differ from those expected; nothing if they are equal within the precision."""
    if precision == "float32":
        difference = float(np.abs(features - expected).max() / np.abs(expected).max())
        return "" if difference < _LARGEST_DIFFERENCE else f"gives other features than torch (by {difference:.1g})"
    lengths = np.linalg.norm(features, axis=1) * np.linalg.norm(expected, axis=1)
    cosine = float(((features * expected).sum(axis=1) / np.where(lengths == 0, 1, lengths)).min())
    return "" if cosine > _LEAST_COSINE else f"gives other features than torch (cosine {cosine:.3f})"


def _torch(
    network: torch.nn.Module, device: torch.device, precision: str, batch: int | None, *, compiled: bool = False
) -> Engine:
    size = batch or (64 if device.type != "cpu" else 16)
    network = copy.deepcopy(network).to(device, memory_format=torch.channels_last)
    model: Any = torch.compile(network, dynamic=False) if compiled else network
    half = torch.autocast(device.type, torch.bfloat16) if precision == "bfloat16" else contextlib.nullcontext()
    # On a CPU torch takes all cores for itself, on a GPU its calls only queue up: in both one thread at a time.
    turn = threading.Lock()

    def forward(images: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode(), half, _full_digits():
            return model(images.to(device, memory_format=torch.channels_last, non_blocking=True)).float()

    def run(images: np.ndarray) -> np.ndarray:
        parts = []
        for start in range(0, len(images), size):
            part = torch.from_numpy(np.ascontiguousarray(images[start : start + size]))
            missing = size - len(part) if compiled else 0
            if missing:
                # A network is compiled for one number of images.
                part = torch.cat([part, part.new_zeros(missing, *part.shape[1:])])
            if device.type == "cuda":
                part = part.pin_memory()
            with turn:
                parts.append(forward(part)[: size - missing])
        return np.concatenate([part.cpu().numpy() for part in parts])

    return Engine(f"torch{' compiled' if compiled else ''} on {device.type} in {precision}", precision, size, run)


def _full_digits() -> contextlib.AbstractContextManager[None]:
    """Keep a graphics card from rounding float32, and leave all else as it is."""
    now = torch.backends.cudnn
    return torch.backends.cudnn.flags(
        enabled=now.enabled, benchmark=now.benchmark, deterministic=now.deterministic, allow_tf32=False
    )


def _openvino(network: torch.nn.Module, shape: tuple[int, int, int], precision: str, batch: int | None) -> Engine:
    # OpenVINO reports its use to its makers unless this companion is absent; nobody asked the observer.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    try:
        import openvino
    except ModuleNotFoundError as error:
        raise missing_dependency(error, "the engine openvino") from error

    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")
        model = openvino.convert_model(network, example_input=torch.zeros(2, *shape))
    model.reshape([-1, *shape])
    hints = {
        "INFERENCE_PRECISION_HINT": "bf16" if precision == "bfloat16" else "f32",
        "PERFORMANCE_HINT": "THROUGHPUT",
        # A thread bound to a core waits there for whoever prepares images, while another core is free.
        "ENABLE_CPU_PINNING": False,
    }
    compiled = openvino.Core().compile_model(model, "CPU", hints)
    size = batch or 4
    # One more than run at once, so that none idles while its features are fetched.
    requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
    for _ in range(compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS") + 1):
        requests.put(compiled.create_infer_request())

    def run(images: np.ndarray) -> np.ndarray:
        images = np.ascontiguousarray(images)
        flying: deque[Any] = deque()
        parts: list[np.ndarray] = []

        def fetch() -> None:
            flying[0].wait()
            parts.append(flying[0].get_output_tensor().data.copy())
            requests.put(flying.popleft())

        try:
            for start in range(0, len(images), size):
                while flying and requests.empty():
                    fetch()
                flying.append(requests.get())
                flying[-1].start_async({0: images[start : start + size]}, share_inputs=True)
            while flying:
                fetch()
        finally:
            # Only after an error: what is not given back, and at rest, would be missing for ever.
            for request in flying:
                with contextlib.suppress(Exception):
                    request.wait()
                requests.put(request)
        return np.concatenate(parts)

    return Engine(f"openvino on cpu in {precision}", precision, size, run)
