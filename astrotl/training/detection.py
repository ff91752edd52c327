"""The call: fields and boxes in, a detector that finds such boxes out, in one file."""

from __future__ import annotations

import hashlib
import os
import shutil
import warnings
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import Any

import numpy as np
import torch
from astropy.table import Table

from astrotl._locks import locked
from astrotl._optional import missing_dependency, versions
from astrotl.detection import best_threshold, completeness_curve, detect
from astrotl.detection.table import check_boxes, corners
from astrotl.detection.tiles import tiles_of
from astrotl.errors import AstrotlWarning
from astrotl.extractors import Extractor
from astrotl.neural import FasterRCNN
from astrotl.neural.anchors import fit_anchors
from astrotl.neural.detectors import heads_of
from astrotl.neural.pyramids import strides_of
from astrotl.neural.rcnn import Design, assemble
from astrotl.neural.saved import check_rebuilds, untaught, write_network
from astrotl.preprocess import Step, step_signature
from astrotl.sources import Field
from astrotl.training.augment import SkyAugment
from astrotl.training.images import mixed
from astrotl.training.methods import backbone_of
from astrotl.training.parts import NOTE, check_settings, is_first, open_folder, wait_for_the_first
from astrotl.training.plan import Plan, best_epoch, enough_epochs
from astrotl.training.scenes import Scenes

__all__ = ["train_detector"]

#: The learning rate of the heads. The network's last layer learns at a tenth of it, but for what begins from nothing.
RATES = {"head": 1e-3, "last": 1e-3, "whole": 1e-3, "scratch": 1e-3}

_VERSIONS = ("astrotl", "numpy", "torch", "torchvision", "timm", "lightning")
_MULTIPLE = 32
#: No network is shown a larger image at once, which would take tens of gigabytes.
_LARGEST = 4096
#: How a curve calls a measure and its interval.
_ENDS = {"value": "", "low": "_low", "high": "_high"}


def train_detector(
    fields: Sequence[Field],
    boxes: Table,
    path: str | os.PathLike[str],
    *,
    extractor: Extractor | FasterRCNN | str = "efficientnet-lite0",
    method: str = "whole",
    steps: Sequence[Step] | None = None,
    classes: Sequence[str] | None = None,
    tile: int = 512,
    box_pixels: float | None = None,
    width: int = 128,
    suppress: float = 0.3,
    validation: float = 0.15,
    epochs: int | None = None,
    patience: int | None = None,
    rate: float | None = None,
    decay: float = 0.75,
    augment: SkyAugment | str | None = "sky",
    batch: int = 4,
    precision: str = "float32",
    devices: int = 1,
    seed: int = 0,
    progress: Callable[..., Any] | None = None,
    overwrite: bool = False,
) -> FasterRCNN:
    """Teach a Faster R-CNN on a pretrained network to find what boxes show.

    Its maps and the boxes that it begins with are chosen to suit the sizes of the given ones. The last epoch is saved,
    unless the fields kept for checking say, by more than the standard error, that an earlier one was better.

    Called again after a kill, it goes on from the last whole epoch and ends with what it would have ended with.

    Parameters
    ----------
    fields : sequence of `~astrotl.sources.Field`
        The images. Those without any box teach what is not to be found.
    boxes : `~astropy.table.Table`
        The boxes in them, as `~astrotl.detection.read_boxes` gives them.
    path : path
        The file to write, with the ending .safetensors.
    extractor : `~astrotl.neural.Backbone`, `~astrotl.neural.FasterRCNN` or str, optional
        The network to begin with, or its name; one that was taught galaxies serves well. Or a detector to go on from,
        say one that has learned from simulated images: its maps and heads are kept, and ``box_pixels`` should be what
        it was taught with.
    method : {"whole", "last", "head", "scratch"}, optional
        What is trained beside the pyramid of maps and the heads, which are new: all weights of the network; its last
        layers; or none. ``"scratch"`` forgets its weights, to see what they bring.
    steps : sequence of step, optional
        What to do with the images first; by default what suits the network. They see a tile at a time.
    classes : sequence of str, optional
        The classes to find; boxes of others are left out. By default all.
    tile : int, optional
        The width and height in pixels of what is looked at at once; larger images are cut into tiles that overlap by
        twice the size of the large boxes.
    box_pixels : float, optional
        Images are enlarged, or reduced, until the median box is so many pixels wide for the network. By default they
        stay as they are.
    width : int, optional
        How many features each place of the maps has; published detectors have 256.
    suppress : float, optional
        Of two boxes that overlap by more than this the less sure one is left out.
    validation : float, optional
        The share of the fields that is kept to find the best epoch and the threshold.
    epochs : int, optional
        How often each tile is seen at most; by default 20 times, and if there are fewer than 400 of them, more often.
    patience : int, optional
        It ends after so many epochs that are all worse than the best one by more than the standard error. By default
        it goes on to the end.
    rate : float, optional
        The learning rate of the heads; by default what suits the method.
    decay : float, optional
        The learning rate of a layer of the network as a fraction of that of the layer behind it.
    augment : `SkyAugment` or "sky" or None, optional
        How images are changed each time they are seen. Boxes can be mirrored and turned by quarters only, so ``turn``,
        ``shift`` and ``zoom`` have to be 0.
    batch : int, optional
        How many tiles are seen between two changes of the weights.
    precision : {"float32", "bfloat16"}, optional
        ``"bfloat16"`` computes with three digits where that is enough, and is faster where the processor has it.
    devices : int, optional
        On how many graphics cards, or processes of a processor, each batch is spread.
    seed : int, optional
        The seed of every draw.
    progress : callable, optional
        Something like ``tqdm``.
    overwrite : bool, optional
        Whether the file, or an unfinished training with other settings, may be replaced if it exists.

    Returns
    -------
    `~astrotl.neural.FasterRCNN`
        The detector; its ``threshold`` is the score at which it was as complete as pure on the fields for checking.
    """
    path = os.fspath(path)
    if not path.endswith(".safetensors"):
        raise ValueError(f"path: the file needs the ending .safetensors, got {path}")
    network: Any = extractor if isinstance(extractor, FasterRCNN) else backbone_of(extractor)
    taken = tuple(network.default_steps() if steps is None else steps)
    changes: Any = SkyAugment(turn=0, shift=0, zoom=0) if augment == "sky" else augment
    fields = list(fields)
    known = _known(fields, boxes, classes)
    checked = _kept(fields, known, validation, seed)
    design, module = _designed(network, fields, known, tile, box_pixels, width, suppress)
    if epochs is None:
        counts = np.array([len(tiles_of(field.shape, design.tile, design.overlap)) for field in fields])
        epochs = enough_epochs(int(counts[~checked].sum()))
    highest = RATES.get(method, 0.0) if rate is None else rate
    plan = Plan(method, epochs, patience, highest, decay, changes, batch, precision, devices, seed)
    plan.check(RATES)
    if changes is not None and (changes.turn or changes.shift or changes.zoom):
        raise ValueError("augment: boxes can be mirrored and turned by quarters only; give turn=0, shift=0 and zoom=0")
    settings = {
        "boxes": _digest(fields, known),
        "steps": [step_signature(step) for step in taken],
        "extractor": network.beginning() if isinstance(network, FasterRCNN) else network.signature(),
        "design": design.described(),
        "method": method,
        "validation": validation,
        "seed": seed,
        "training": plan.settings(),
    }
    if os.path.exists(path) and not overwrite:
        done = FasterRCNN(path, precision=precision)
        check_settings(path, done.note["settings"], settings)
        return done
    folder = open_folder(path, settings, overwrite=overwrite)
    with locked(folder / NOTE) if is_first() else nullcontext():
        model = _built(network, module, design, plan)
        try:
            from astrotl.training.finding import train
        except ModuleNotFoundError as error:
            raise missing_dependency(error, "training") from error
        scenes = Scenes.of(fields, known, checked, design, taken, network.bands, folder, progress)
        history = train(model, scenes, plan, folder, progress)
        if not np.isfinite(history[-1]["validation_loss"]):
            warnings.warn(
                f"rate: {plan.rate:g} is too high, and training has diverged; epoch {best_epoch(history)} is kept",
                AstrotlWarning,
                stacklevel=2,
            )
        if is_first():
            note = {
                "base": network.signature(),
                "design": design.described(),
                "steps": settings["steps"],
                "channels": list(fields[0].channels),
                "settings": settings,
                "history": history,
                "epoch": best_epoch(history),
                "versions": versions(_VERSIONS),
                "created": datetime.now(UTC).isoformat(timespec="seconds"),
            }
            arrays = {name: tensor.cpu().numpy() for name, tensor in heads_of(model).items()}
            aside = [field for field, kept in zip(fields, checked, strict=True) if kept]
            file = folder / "detector.safetensors"
            write_network(file, module, arrays, note | {"threshold": 0.5}, "astrotl-detector")
            found = detect(aside, FasterRCNN(file, precision=precision), threshold=0)
            note |= _judged(found, known[np.isin(known["image"], [field.id for field in aside])], aside)
            write_network(file, module, arrays, note, "astrotl-detector")
            os.replace(file, path)
            shutil.rmtree(folder)
        wait_for_the_first()
    return FasterRCNN(path, precision=precision)


def _judged(found: Table, true: Table, fields: list[Field]) -> dict[str, Any]:
    """Choose the threshold on the fields kept for checking, and say how good the detector is there."""
    threshold = best_threshold(found, true) if len(found) else 0.5
    (at,) = completeness_curve(found, true, thresholds=[threshold])
    scores = [
        {"measure": name} | {key: float(at[name + end]) for key, end in _ENDS.items()}
        for name in ("completeness", "purity")
    ]
    return {"threshold": threshold, "checked": {"images": [field.id for field in fields], "scores": scores}}


def _built(network: Any, module: Any, design: Design, plan: Plan) -> Any:
    """Build the detector; what is new in it follows from the seed."""
    with torch.random.fork_rng():
        torch.manual_seed(plan.seed)
        if plan.method == "scratch":
            module.network = untaught(module)
        model = assemble(module.network, module.mean.flatten().tolist(), module.std.flatten().tolist(), design)
    if isinstance(network, FasterRCNN) and plan.method != "scratch":
        kept = network.heads()
        if network.classes != design.classes:
            # What tells other classes apart is of no use.
            kept = {name: tensor for name, tensor in kept.items() if ".box_predictor." not in f".{name}"}
        model.load_state_dict({**model.state_dict(), **kept})
    return model


def _known(fields: list[Field], boxes: Table, classes: Sequence[str] | None) -> Table:
    check_boxes(boxes)
    ids = [field.id for field in fields]
    if len(set(ids)) < len(ids):
        raise ValueError("fields: every field needs an id of its own")
    if len({field.channels for field in fields}) > 1:
        raise ValueError("fields: all of them need the same channels, in the same order")
    there = np.isin(boxes["image"], ids)
    if classes is not None:
        there &= np.isin(boxes["class"], list(classes))
    known = boxes[there]
    if not len(known):
        raise ValueError("boxes: there is none in these fields, so there is nothing to learn")
    return known


def _kept(fields: list[Field], known: Table, validation: float, seed: int) -> np.ndarray:
    """Say which fields are kept for checking; those with boxes and those without by the same share."""
    if not 0 < validation < 1:
        raise ValueError(f"validation: must lie between 0 and 1, got {validation}")
    full = np.isin([field.id for field in fields], known["image"])
    rng = np.random.default_rng(mixed(seed, len(fields)))
    checked = np.zeros(len(fields), dtype=bool)
    for kind in (full, ~full):
        rows = rng.permutation(np.flatnonzero(kind))
        checked[rows[: round(validation * len(rows))]] = True
    if not (checked & full).any():
        checked[rng.choice(np.flatnonzero(full))] = True
    if not (~checked & full).any():
        raise ValueError("fields: one has boxes; it takes two or more, one to learn from and one to check with")
    return checked


def _designed(
    network: Any, fields: list[Field], known: Table, tile: int, box_pixels: float | None, width: int, suppress: float
) -> tuple[Design, Any]:
    """Fit the detector to the sizes of the boxes, and the network to the size of the images."""
    for name, number in (("tile", tile), ("width", width)):
        if number < 16:
            raise ValueError(f"{name}: must be 16 or more, got {number}")
    if box_pixels is not None and not box_pixels > 0:
        raise ValueError(f"box_pixels: must be above 0, got {box_pixels}")
    if not 0 < suppress <= 1:
        raise ValueError(f"suppress: must be above 0 and at most 1, got {suppress}")
    sides = np.stack([np.asarray(known[name], dtype=np.float64) for name in ("width", "height")])
    if np.median(sides.max(axis=0)) > tile:
        raise ValueError(f"tile: must be larger than the boxes, of which every second one is wider than {tile} px")
    tile = min(tile, max(max(field.shape) for field in fields))
    scale = 1.0 if box_pixels is None else box_pixels / float(np.median(np.sqrt(sides.prod(axis=0))))
    size = max(_MULTIPLE, round(tile * scale / _MULTIPLE) * _MULTIPLE)
    if size > _LARGEST:
        raise ValueError(
            f"{'tile' if box_pixels is None else 'box_pixels'}: the network would be shown {size:,} pixels a side at "
            f"once, and {_LARGEST:,} are the most; give a lower box_pixels or a smaller tile than {tile:,}"
        )
    module: Any = network.module()
    if hasattr(module.network, "set_input_size"):
        # The places of its patches are resampled; the coarsest map has one place for two of them.
        twice = 2 * int(np.max(getattr(module.network.patch_embed, "patch_size", 1)))
        size = max(1, round(size / twice)) * twice
        module.network.set_input_size(img_size=(size, size))
    module.size = size
    # Twice the large ones, so that whatever lies on a seam is whole in one of the tiles.
    overlap = int(min(tile // 2, np.ceil(2 * np.quantile(sides.max(axis=0), 0.95))))
    check_rebuilds(module)
    scaled = sides * size / tile
    if isinstance(network, FasterRCNN):
        anchors, width = network.design.anchors, network.design.width
    else:
        anchors = fit_anchors(scaled[0], scaled[1], strides_of(module.network))
    classes = tuple(sorted(set(np.asarray(known["class"]).tolist())))
    return Design(classes, tile, size, overlap, width, anchors, suppress), module


def _digest(fields: list[Field], known: Table) -> str:
    """Give the SHA-256 of which boxes are in which fields."""
    total = hashlib.sha256("\n".join(f"{field.id} {field.shape} {field.channels}" for field in fields).encode())
    for name in ("image", "class"):
        total.update("\n".join(known[name].tolist()).encode())
    total.update(np.ascontiguousarray(corners(known)).tobytes())
    return total.hexdigest()
