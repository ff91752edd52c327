"""A network that was taught further, as an extractor: its features go everywhere, and its head says what it learned."""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import metadata
from typing import Any

import numpy as np
import torch
from astropy.table import MaskedColumn, Table
from scipy.special import softmax

from astrotl.errors import StoreMismatchError
from astrotl.neural.backbone import Backbone
from astrotl.neural.saved import check_bands, network_from, read_arrays, read_note
from astrotl.preprocess import Step, step_from_signature
from astrotl.store import FeatureStore

__all__ = ["PARTS", "Finetuned"]

#: What an object was used for, in the order of the numbers that stand for it in the file.
PARTS = ("learn", "validation", "test", "spare")

_ROWS_AT_ONCE = 16_384


class Finetuned(Backbone):
    """A network that was taught one's own classes or numbers by ``astrotl finetune``.

    Parameters
    ----------
    path : str
        The file that `~astrotl.training.finetune` wrote.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        engine: str = "auto",
        precision: str = "float32",
        batch: int | None = None,
    ) -> None:
        self.path = path
        super().__init__(engine=engine, precision=precision, batch=batch)

    @functools.cached_property
    def note(self) -> dict[str, Any]:
        """What the file says of itself: what was learned, from what, and how."""
        return read_note(self.path)

    @property
    def bands(self) -> int:  # type: ignore[override]
        """The number of bands."""
        return int(self.note["network"]["bands"])

    @property
    def size(self) -> int:  # type: ignore[override]
        """The width and height of the images in pixels."""
        return int(self.note["network"]["size"])

    @property
    def turns(self) -> bool:  # type: ignore[override]
        """Whether it averages over the eight ways in which an image can lie."""
        return bool(self.note["network"]["turns"])

    @property
    def column(self) -> str:
        """The column of the labels that was learned."""
        return str(self.note["column"])

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes that it tells apart; none where it learned numbers."""
        return tuple(self.note["classes"])

    @property
    def history(self) -> Table:
        """What each epoch reached; epoch 0 is the head alone, on the network as it came."""
        return Table(rows=self.note["history"])

    @property
    def tested(self) -> Table:
        """What it says of the objects that were kept for the test, beside their labels."""
        return self._said(self._known["id"][self._known["part"] == "test"], self._arrays["test.outputs"])

    def default_steps(self) -> tuple[Step, ...]:
        """The steps that it was trained with."""
        return tuple(step_from_signature(signature) for signature in self.note["steps"])

    def predict(self, store: FeatureStore) -> Table:
        """Say what it learned of each object of a store.

        Parameters
        ----------
        store : `~astrotl.FeatureStore`
            The features that this network made of the objects.

        Returns
        -------
        `~astropy.table.Table`
            A row for each object that has features. For classes ``id``, ``predicted``, ``probability`` and, for each
            class, ``p_<class>``; for numbers ``id``, ``predicted``, and ``predicted_p16`` and ``predicted_p84``,
            between which 68 % lie. If the network has met some of the objects before, ``part`` says as what, and
            ``label`` what it was told of them; objects whose ids only count them are not known again.
        """
        made = store.provenance.get("extractor", {})
        if made.get("weights_sha256") != self._digest:
            who = made.get("class", "something else").rpartition(":")[2]
            raise StoreMismatchError(
                f"{store.path}: its features were made by {who}, with other weights than those in {self.path}; extract "
                "the images with this network first"
            )
        self.check_bands(store.provenance["source"]["channels"])
        rows = store.done()
        weight, bias = self._arrays["head.weight"], self._arrays["head.bias"]
        outputs = np.empty((len(rows), len(bias)), dtype=np.float32)
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            part = slice(start, start + _ROWS_AT_ONCE)
            outputs[part] = store.features(rows[part]) @ weight.T + bias
        table = self._said(store.ids[rows], outputs, met=not _are_row_numbers(store.ids))
        table.meta["astrotl"]["store"] = {"file": os.path.basename(store.path), "uuid": store.uuid}
        return table

    def check_bands(self, channels: Sequence[str]) -> None:
        """Refuse the bands that it was taught with in another order, and say if they have other names."""
        check_bands(self.path, self.note["settings"]["source"]["channels"], channels)

    def _said(self, ids: np.ndarray, outputs: np.ndarray, *, met: bool = True) -> Table:
        """Put into a table what the head gave for each object, some of which it may have met."""
        table = Table({"id": ids})
        if met:
            self._add_known(table)
        if self.classes:
            probabilities = softmax(outputs.astype(np.float64) / self.note["temperature"], axis=1)
            best = probabilities.argmax(axis=1)
            table["predicted"] = np.array(self.classes)[best]
            table["probability"] = probabilities.max(axis=1)
            for name, column in zip(self.classes, probabilities.T, strict=True):
                table[f"p_{name}"] = column
                table[f"p_{name}"].description = f"the probability that {self.column} is {name}"
            table["probability"].description = "the probability of the predicted class"
        else:
            table["predicted"] = outputs[:, 0].astype(np.float64)
            for name, offset in zip(("predicted_p16", "predicted_p84"), self.note["interval"], strict=True):
                table[name] = table["predicted"] + offset
                table[name].description = "an end of the interval that holds 68 % of such objects"
        table["predicted"].description = f"what the network says of {self.column}"
        table.meta["astrotl"] = {
            "task": "Finetuned",
            "parameters": {"path": os.fspath(self.path), "column": self.column},
            "extractor": self.signature(),
            "version": metadata.version("astrotl"),
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        return table

    def _add_known(self, table: Table) -> None:
        """Say of the objects that the network was taught with, or tested on, what they were used for."""
        row_of = {name: row for row, name in enumerate(self._known["id"].tolist())}
        rows = np.array([row_of.get(name, -1) for name in table["id"].tolist()], dtype=np.intp)
        if not (rows >= 0).any():
            return
        table["part"] = np.where(rows >= 0, self._known["part"][rows], "")
        table["part"].description = "what the object was used for; empty if the network had not met it"
        table["label"] = MaskedColumn(self._known["label"][rows], mask=rows < 0)
        table["label"].description = f"{self.column} as it was known"

    @functools.cached_property
    def _arrays(self) -> dict[str, np.ndarray]:
        return read_arrays(self.path)

    @functools.cached_property
    def _known(self) -> Table:
        values = self._arrays["labels.value"]
        return Table(
            {
                "id": self._arrays["labels.ids"],
                "part": np.array(PARTS)[self._arrays["labels.part"]],
                "label": np.array(self.classes)[values] if self.classes else values,
            }
        )

    def _create(self) -> tuple[torch.nn.Module, str]:
        return network_from(self.path, self.note["network"]), self.note["network"]["pooling"]


def _are_row_numbers(ids: np.ndarray) -> bool:
    """Say whether the ids only count the objects: those of another night are called the same."""
    return bool((ids == np.arange(len(ids)).astype(np.str_)).all())
