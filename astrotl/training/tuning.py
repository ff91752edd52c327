"""The call: images and labels in, a network that knows them out, in one file."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import shutil
import warnings
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from astropy.table import Table

from astrotl._optional import missing_dependency, versions
from astrotl.errors import AstrotlWarning
from astrotl.extract import extract_features
from astrotl.extractors import Extractor
from astrotl.learn import Target, fraction_of, part, read_target
from astrotl.neural import Backbone, Finetuned
from astrotl.neural.finetuned import PARTS
from astrotl.neural.saved import check_rebuilds, write_network
from astrotl.preprocess import Step, step_signature
from astrotl.sources import ImageSource
from astrotl.store import FeatureStore
from astrotl.training.augment import SkyAugment
from astrotl.training.images import keep_images, prepared
from astrotl.training.methods import RATES, backbone_of
from astrotl.training.objective import Head, Objective, best_temperature, fit_head
from astrotl.training.parts import check_settings, is_first, open_folder, wait_for_the_first
from astrotl.training.plan import Plan, best_epoch, enough_epochs, line_of

__all__ = ["finetune"]

_VERSIONS = ("astrotl", "numpy", "torch", "timm", "lightning", "peft")
_TAILS = (0.1587, 0.8413)
_LEARN, _CHECKED, _TEST, _SPARE = range(len(PARTS))


def finetune(
    source: ImageSource,
    labels: Table,
    column: str,
    path: str | os.PathLike[str],
    *,
    extractor: Extractor | str = "efficientnet-lite0",
    method: str = "whole",
    steps: Sequence[Step] | None = None,
    kind: str | None = None,
    classes: Sequence[str] | None = None,
    groups: str | None = None,
    id_column: str | None = None,
    test: float = 0.25,
    fraction: float = 1.0,
    validation: float = 0.15,
    epochs: int | None = None,
    patience: int | None = None,
    rate: float | None = None,
    decay: float = 0.75,
    augment: SkyAugment | str | None = "sky",
    batch: int = 32,
    precision: str = "float32",
    devices: int = 1,
    seed: int = 0,
    progress: Callable[..., Any] | None = None,
    overwrite: bool = False,
) -> Finetuned:
    """Teach a pretrained network one's own classes or numbers.

    First the best linear head on the features as they are is fitted; then head and network are trained together. The
    last epoch is saved, unless the objects kept for checking say, by more than the standard error, that an earlier one
    was better, or the head alone.

    Called again after a kill, it goes on from the last whole epoch and ends with what it would have ended with.

    Parameters
    ----------
    source : `~astrotl.sources.ImageSource`
        The images; those without a label are not looked at.
    labels : `~astropy.table.Table`
        The labels, in any order.
    column : str
        The column to learn.
    path : path
        The file to write, with the ending .safetensors.
    extractor : `~astrotl.neural.Backbone` or str, optional
        The network to begin with, or its name.
    method : {"whole", "lora", "last", "head"}, optional
        What is trained: all weights; small additions to each layer, less than 5 % of the weights; the last layers; or
        the head alone, which takes seconds.
    steps : sequence of step, optional
        What to do with the images first; by default what suits the network.
    kind : {"classes", "numbers"}, optional
        What the column holds; by default numbers if it holds fractions, or more than twenty whole numbers.
    classes : sequence of str, optional
        The classes to tell apart; objects of others are left out. By default all.
    groups : str, optional
        A column of the labels: objects that share its value are never parted.
    id_column : str, optional
        The labels' column of ids, if it cannot be found.
    test : float, optional
        The share of the objects that is kept for the test. With the same seed it is the same objects as those of
        `~astrotl.learn.probe`.
    fraction : float, optional
        The fraction of the other objects that is learned from.
    validation : float, optional
        The share of these that is kept to find the best epoch and to make the probabilities honest.
    epochs : int, optional
        How often each image is seen at most; by default 20 times, and if there are fewer than 400 of them, more often.
    patience : int, optional
        It ends after so many epochs that are all worse than the best one by more than the standard error. By default
        it goes on to the end: the rate falls all the way, and the last epochs are often those that bring most.
    rate : float, optional
        The learning rate of the last layer; by default what suits the method.
    decay : float, optional
        The learning rate of a layer as a fraction of that of the layer behind it; the first layers know edges and
        need to learn least.
    augment : `SkyAugment` or "sky" or None, optional
        How images are changed each time they are seen.
    batch : int, optional
        How many images are seen between two changes of the weights.
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
    `~astrotl.neural.Finetuned`
        The network, which is an extractor as any other. Its ``tested`` holds what it says of the objects kept for the
        test, and ``predict`` says the same of new ones.
    """
    path = os.fspath(path)
    changes: Any = SkyAugment() if augment == "sky" else augment
    _check(path, test=test, fraction=fraction, validation=validation)
    network = backbone_of(extractor)
    taken = tuple(network.default_steps() if steps is None else steps)

    def read(objects: ImageSource | FeatureStore) -> Target:
        return read_target(labels, objects, column, kind=kind, classes=classes, groups=groups, id_column=id_column)

    target = read(source)
    learned = _parted(target, test, fraction, validation, seed) == _LEARN
    if epochs is None:
        epochs = enough_epochs(int(learned.sum()))
    highest = RATES.get(method, 0.0) if rate is None else rate
    plan = Plan(method, epochs, patience, highest, decay, changes, batch, precision, devices, seed)
    plan.check(RATES)
    labelled = source[target.rows]
    settings: dict[str, Any] = {
        "labels": {"column": column, "classes": list(target.classes), "digest": _digest(target, labelled.ids)},
        "source": labelled.signature(),
        "steps": [step_signature(step) for step in taken],
        "extractor": network.signature(),
        "parts": {"test": test, "fraction": fraction, "validation": validation},
        "method": method,
        "seed": seed,
    }
    if method != "head":
        settings["training"] = plan.settings()
    if os.path.exists(path) and not overwrite:
        done = Finetuned(path)
        check_settings(path, done.note["settings"], settings)
        return done
    folder = open_folder(path, settings, overwrite=overwrite)
    job = _Job(labelled, network, taken, Path(path), folder, settings, plan, progress)
    features = job.extract(network, np.arange(len(labelled)), "features.h5")
    with warnings.catch_warnings():
        # What there was to say of the labels has been said.
        warnings.simplefilter("ignore", AstrotlWarning)
        known = read(features)
    with features.lock() if is_first() else nullcontext():
        job.run(features, known, _parted(known, test, fraction, validation, seed))
    return Finetuned(path)


@dataclasses.dataclass(frozen=True, eq=False)
class _Job:
    """A training whose settings are checked."""

    labelled: ImageSource
    network: Backbone
    steps: tuple[Step, ...]
    path: Path
    folder: Path
    settings: dict[str, Any]
    plan: Plan
    progress: Callable[..., Any] | None

    def extract(self, network: Backbone, rows: np.ndarray, name: str) -> FeatureStore:
        if not is_first():
            return FeatureStore(self.folder / name)
        return extract_features(
            self.labelled[rows], network, self.folder / name, steps=self.steps, progress=self.progress
        )

    def run(self, features: FeatureStore, known: Target, use: np.ndarray) -> None:
        objective = Objective.of(known.select(use == _LEARN))
        vectors = features.features(known.rows)
        learned, checked = (known.values[use == number] for number in (_LEARN, _CHECKED))
        head, outputs = fit_head(vectors[use == _LEARN], learned, vectors[use == _CHECKED], checked, objective)
        history = [_first_line(objective, head, vectors[use == _LEARN], learned, outputs, checked)]
        module = self.network.module()
        check_rebuilds(module)
        if self.plan.method != "head":
            module = self._trained(module, head, objective, known, use, history)
        if not np.isfinite(history[-1]["validation_loss"]):
            warnings.warn(
                f"rate: {self.plan.rate:g} is too high, and training has diverged; epoch {best_epoch(history)} is kept",
                AstrotlWarning,
                stacklevel=3,
            )
        if is_first():
            self._write(module, head, objective, known, use, vectors, history)
            shutil.rmtree(self.folder)
        wait_for_the_first()

    def _trained(
        self,
        module: torch.nn.Module,
        head: Head,
        objective: Objective,
        known: Target,
        use: np.ndarray,
        history: list[dict[str, Any]],
    ) -> torch.nn.Module:
        try:
            from astrotl.training.learner import Material, train
        except ModuleNotFoundError as error:
            raise missing_dependency(error, f"the method {self.plan.method}") from error

        seen = np.flatnonzero((use == _LEARN) | (use == _CHECKED))
        steps = (*self.steps, *self.network.input.steps())
        looked_at = prepared(self.labelled[known.rows[seen]], steps)
        images = keep_images(looked_at, len(seen), self.folder / "images.npy", self.progress)
        learned, checked = (np.flatnonzero(use[seen] == number) for number in (_LEARN, _CHECKED))
        material = Material(images, learned, checked, known.values[seen])
        return train(module, head, objective, material, self.plan, history, self.folder, self.progress)

    def _write(
        self,
        module: torch.nn.Module,
        head: Head,
        objective: Objective,
        known: Target,
        use: np.ndarray,
        vectors: np.ndarray,
        history: list[dict[str, Any]],
    ) -> None:
        """Write the file, try it on the objects that it has not learned from, and write down what it said."""
        weight, bias = head.folded(objective)
        note = {
            "column": known.column,
            "kind": "classes" if known.classes else "numbers",
            "classes": list(known.classes),
            "base": self.network.signature(),
            "steps": [step_signature(step) for step in self.steps],
            "settings": self.settings,
            "history": history,
            "epoch": best_epoch(history),
            "versions": versions(_VERSIONS),
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        arrays = {
            "head.weight": weight,
            "head.bias": bias,
            "labels.ids": self.labelled.ids[known.rows],
            "labels.part": use.astype(np.uint8),
            "labels.value": known.values,
        }
        file = self.folder / "network.safetensors"
        if best_epoch(history):
            write_network(file, module, arrays, note)
            tried = np.flatnonzero((use == _CHECKED) | (use == _TEST))
            vectors = np.zeros((len(use), weight.shape[1]), dtype=np.float32)
            vectors[tried] = self.extract(Finetuned(file), known.rows[tried], "tried.h5").features()
        outputs = {number: vectors[use == number] @ weight.T + bias for number in (_CHECKED, _TEST)}
        note |= _honest(objective, outputs[_CHECKED], known.values[use == _CHECKED])
        write_network(file, module, {**arrays, "test.outputs": outputs[_TEST]}, note)
        os.replace(file, self.path)


def _first_line(
    objective: Objective, head: Head, vectors: np.ndarray, values: np.ndarray, outputs: np.ndarray, checked: np.ndarray
) -> dict[str, Any]:
    """Write down what the head alone reaches, which training has to beat."""
    with torch.inference_mode():
        loss = float(objective.loss(head(torch.from_numpy(vectors)), objective.targets(values)))
    return line_of(0, loss, **objective.judge(outputs, checked))


def _honest(objective: Objective, outputs: np.ndarray, values: np.ndarray) -> dict[str, Any]:
    """Find what makes the answers for objects that were not learned from as sure as they are right."""
    if objective.classes:
        return {"temperature": best_temperature(outputs, values)}
    # As many as there are, and the one to come: with few objects the interval is the wider for it.
    return {"interval": np.quantile(values - outputs[:, 0], _TAILS, method="weibull").tolist()}


def _parted(target: Target, test: float, fraction: float, validation: float, seed: int) -> np.ndarray:
    """Say for each object what it is used for, as a number of `PARTS`."""
    use = np.full(len(target), _SPARE)
    others, tested = part(target, test, seed)
    use[tested] = _TEST
    learned = fraction_of(target, others, fraction, seed)
    use[learned] = _LEARN
    if target.classes:
        # A class of which one object is left has none to spare.
        members = np.bincount(target.values[learned], minlength=len(target.classes))
        learned = learned[members[target.values[learned]] > 1]
    if len(learned) < 2:
        raise ValueError(
            f"labels: {target.column!r} leaves no two objects of a class, one to learn from and one to check with; "
            "give more of them, or a smaller share for the test"
        )
    use[learned[part(target.select(learned), validation, seed)[1]]] = _CHECKED
    return use


def _digest(target: Target, ids: np.ndarray) -> str:
    """Give the SHA-256 of who is taught as what."""
    total = hashlib.sha256("\n".join(ids.tolist()).encode())
    for array in (target.values, target.groups):
        if array is not None:
            total.update(np.ascontiguousarray(array).tobytes())
    return total.hexdigest()


def _check(path: str, **shares: float) -> None:
    if not path.endswith(".safetensors"):
        raise ValueError(f"path: must end in .safetensors, got {path}")
    for name, share in shares.items():
        if not 0 < share < 1 and not (name == "fraction" and share == 1):
            raise ValueError(f"{name}: must lie between 0 and 1, got {share}")
