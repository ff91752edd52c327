"""C: from FITS stamps to features, by astrotl and by the loop that is written everywhere: a data loader and torch."""

import json
import os
import time

import numpy as np

from tests.benchmarks.speed.made import write_stamps
from tests.benchmarks.speed.rounds import CORES, Contender, Ratio

#: The names in timm. None but the first has weights that pip brings, and speed does not depend on them.
_MODELS = {
    "efficientnet-lite0": "tf_efficientnet_lite0",
    "resnet50": "resnet50",
    "ViT-S/14": "vit_small_patch14_dinov2",
    "ViT-B/14": "vit_base_patch14_dinov2",
}
#: How many images: enough for some seconds of each.
FULL = {
    "rounds": 3,
    "files": 1024,
    "loop": {"efficientnet-lite0": 192, "resnet50": 96, "ViT-S/14": 96},
    "ours": {"efficientnet-lite0": 1024, "resnet50": 256, "ViT-S/14": 192},
    "gpu": 8192,
}
QUICK = {"rounds": 1, "files": 32, "loop": {"efficientnet-lite0": 32}, "ours": {"efficientnet-lite0": 32}, "gpu": 32}
#: Ours by the loop, in float32 and bfloat16.
_GOALS = {"efficientnet-lite0": (6, 12), "resnet50": (2.5, 5), "ViT-S/14": (1.47, 2.7)}
_SIDE = 224
_LOOPS = {"torch loop": 0, f"torch loop, {CORES} loaders": CORES}
_ON_GPU = ("efficientnet-lite0", "ViT-B/14")


def contenders(sizes):
    listed = []
    for model in sizes["ours"]:
        listed += [
            Contender(f"{model}, astrotl", "astrotl", (model, "float32", "same")),
            Contender(f"{model}, engine alone", "engine", (model, "float32")),
            Contender(f"{model}, astrotl bfloat16", "astrotl", (model, "bfloat16", "same")),
            Contender(f"{model}, engine alone bfloat16", "engine", (model, "bfloat16")),
            *(Contender(f"{model}, {loop}", "torch_loop", (model, loaders)) for loop, loaders in _LOOPS.items()),
        ]
    first = next(iter(sizes["ours"]))
    return [
        Contender(f"{first}, astrotl, its own stretch", "astrotl", (first, "float32", "own")),
        *listed,
        *(Contender(f"{model}, GPU", "gpu", (model,), cores=None) for model in _ON_GPU),
    ]


def ratios(sizes):
    listed = []
    for model in sizes["ours"]:
        loops = tuple(f"{model}, {loop}" for loop in _LOOPS)
        exact, fast = _GOALS[model]
        listed += [
            Ratio("images/s", f"{model}, astrotl", loops, at_least=exact),
            Ratio("images/s", f"{model}, astrotl bfloat16", loops, at_least=fast),
            Ratio("images/s", f"{model}, astrotl", (f"{model}, engine alone",), at_least=0.9),
            Ratio("images/s", f"{model}, astrotl bfloat16", (f"{model}, engine alone bfloat16",)),
        ]
    return listed


def make(folder, sizes):
    """Write stamps and one file of weights a model, which both sides read."""
    write_stamps(folder / "stamps", sizes["files"])
    for model in sizes["ours"]:
        _write_model(folder, model)


def _write_model(folder, model):
    """Keep a network as the hub would, so that a ViT made for larger images sees as many pixels as the others."""
    import safetensors.torch
    import timm
    import torch

    from astrotl.neural.weights import create_network

    torch.manual_seed(1)
    name = _MODELS[model]
    arguments = {"img_size": _SIDE} if name.startswith("vit") else {}
    if model == "efficientnet-lite0":
        network = create_network(name, "pip", 3)
    else:
        network = timm.create_model(name, num_classes=0, **arguments)
    place = _place(folder, model)
    place.mkdir()
    safetensors.torch.save_file(network.state_dict(), place / "model.safetensors")
    seen = {key: network.pretrained_cfg[key] for key in ("mean", "std")}
    config = {
        "architecture": name,
        "model_args": arguments,
        "pretrained_cfg": {"input_size": [3, _SIDE, _SIDE], **seen},
    }
    (place / "config.json").write_text(json.dumps(config))


def _place(folder, model):
    return folder / _MODELS[model]


def _extractor(folder, model, precision):
    from astrotl.neural import Timm

    place = _place(folder, model)
    # The loop's ViT gives its class token, as timm does unless told otherwise.
    pooling = "cls" if model.startswith("ViT") else "average"
    weights = str(place / "model.safetensors")
    return Timm(f"local-dir:{place}", weights=weights, pooling=pooling, precision=precision)


def astrotl(folder, sizes, model, precision, stretch):
    """Extract into a store; with the loop's own stretch, so that the features are the same, or with astrotl's."""
    from astrotl import extract_features, open_source
    from astrotl.preprocess import Asinh, Percentile

    steps = (Percentile(0.5, 99.5, per="band"), Asinh(0.1)) if stretch == "same" else None
    extractor = _extractor(folder, model, precision)
    source = open_source(folder / "stamps")[: sizes["ours"][model]]
    place = folder / f"{model.replace('/', '-')}-{precision}-{os.getpid()}"
    # The first images start the engine.
    extract_features(source[:32], extractor, f"{place}-first.h5", steps=steps)
    started = time.perf_counter()
    store = extract_features(source, extractor, f"{place}.h5", steps=steps)
    seconds = time.perf_counter() - started
    if stretch == "same":
        np.save(_features(folder, model, precision), store.features(np.arange(32)))
    return {"images/s": len(store.done()) / seconds}


def engine(folder, sizes, model, precision):
    """Run the network alone, on images that are prepared and in memory."""
    extractor = _extractor(folder, model, precision)
    return {"images/s": _forward(extractor, sizes["ours"][model])}


def _forward(extractor, count):
    images = np.random.default_rng(1).random((min(count, 256), 3, _SIDE, _SIDE), dtype=np.float32)
    extractor._extract(images[:32])
    started = time.perf_counter()
    for _ in range(count // len(images)):
        extractor._extract(images)
    return count // len(images) * len(images) / (time.perf_counter() - started)


def torch_loop(folder, sizes, model, loaders):
    """Read by astropy, stretch in NumPy, resize by torch, stack by a data loader, and run the network in torch."""
    import timm
    import torch
    from astropy.io import fits
    from torch.utils.data import DataLoader, Dataset

    place = _place(folder, model)
    paths = sorted(str(path) for path in (folder / "stamps").iterdir())[: sizes["loop"][model]]
    network = timm.create_model(f"local-dir:{place}", num_classes=0).eval()
    timm.models.load_checkpoint(network, str(place / "model.safetensors"))
    config = timm.data.resolve_model_data_config(network)
    mean, std = (torch.tensor(config[key]).view(3, 1, 1) for key in ("mean", "std"))

    class Stamps(Dataset):
        def __len__(self):
            return len(paths)

        def __getitem__(self, row):
            with fits.open(paths[row]) as hdus:
                image = np.stack([hdu.data for hdu in hdus]).astype(np.float32)
            low, high = np.percentile(image, [0.5, 99.5], axis=(1, 2), keepdims=True)
            image = np.arcsinh(np.clip((image - low) / (high - low), 0, 1) / 0.1) / np.arcsinh(10)
            image = torch.from_numpy(image.astype(np.float32))
            image = torch.nn.functional.interpolate(image[None], size=_SIDE, mode="bicubic", antialias=True)[0]
            return (image.clamp(0, 1) - mean) / std

    with torch.no_grad():
        network(torch.zeros(32, 3, _SIDE, _SIDE))
        started = time.perf_counter()
        features = [network(images).numpy() for images in DataLoader(Stamps(), batch_size=32, num_workers=loaders)]
        seconds = time.perf_counter() - started
    np.save(_features(folder, model, "loop"), features[0])
    return {"images/s": len(paths) / seconds}


def gpu(folder, sizes, model):
    """Measure the chain and the network alone in bfloat16 on all of the machine."""
    import torch

    from astrotl import extract_features, open_source

    if not torch.cuda.is_available():
        return "there is no CUDA device here"
    if not _place(folder, model).exists():
        _write_model(folder, model)
    stamps = folder / "many"
    if not stamps.exists():
        stamps.mkdir()
        paths = sorted((folder / "stamps").iterdir())
        for number in range(sizes["gpu"]):
            os.link(paths[number % len(paths)], stamps / f"{number:06}.fits")
    extractor = _extractor(folder, model, "bfloat16")
    source = open_source(stamps)
    place = folder / f"gpu-{model.replace('/', '-')}-{os.getpid()}"
    extract_features(source[:256], extractor, f"{place}-first.h5")
    started = time.perf_counter()
    extract_features(source, extractor, f"{place}.h5")
    seconds = time.perf_counter() - started
    alone = _forward(extractor, sizes["gpu"])
    return {
        "images/s": len(source) / seconds,
        "engine alone images/s": alone,
        "of engine": len(source) / seconds / alone,
    }


def _features(folder, model, what):
    return folder / f"features-{model.replace('/', '-')}-{what}.npy"


def notes(folder, results):
    """Say how alike the features are, and on a GPU whether the chain keeps up."""
    lines = []
    for model in _GOALS:
        for precision in ("float32", "bfloat16"):
            ours, theirs = (_features(folder, model, what) for what in (precision, "loop"))
            if ours.exists() and theirs.exists():
                a, b = np.load(ours), np.load(theirs)
                cosine = np.sum(a * b, axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
                apart = max(1 - cosine.min(), 0)
                lines.append(f"{model}, {precision}: the cosine with the loop's features is 1 to within {apart:.0e}.")
    for model in _ON_GPU:
        measured = results[f"{model}, GPU"]
        if not isinstance(measured, str):
            reached = np.median([one["of engine"] for one in measured])
            lines.append(f"{model} on the GPU: the chain at {reached:.2f} of the network alone (goal 0.85).")
    return lines
