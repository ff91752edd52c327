"""The figures that suit a table, known by its columns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
from astropy.table import Table

from astrotl.learn.scoring import classes_of
from astrotl.sources import Field, ImageSource

__all__ = ["figures_of"]

#: Of detections so many images are drawn.
_FIELDS = 8
_PREDICTED = {"label", "predicted"}
_EPOCHS = {"object", "epoch", "distance", "threshold", "flagged", "bad_night"}


def figures_of(
    table: Table, images: ImageSource | None, fields: Sequence[Field] | None
) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Name the figures that say what the table has to say, each with the call that draws it."""
    from astrotl import plots

    have = set(table.colnames)
    if fields is not None:
        first = list(dict.fromkeys(str(name) for name in table["image"]))[:_FIELDS]
        shown = [field for field in fields if field.id in first]
        yield "What was found in the first images", partial(plots.boxed, shown, table, threshold=_counted_from(table))
    if {*_PREDICTED, "probability"} <= have and len(classes_of(table)) > 1:
        yield "How well the classes are told apart", partial(plots.classified, table)
    elif have >= _PREDICTED and _holds_numbers(table):
        yield "Estimated against true", partial(plots.estimated, table)
    if any(f"{name}_true" in have for name in have):
        yield "Estimated against true", partial(plots.properties, table)
    if {"rank", "score", "label"} <= have and table.meta.get("astrotl", {}).get("parameters", {}).get("positive"):
        yield "Purity and completeness at every depth", partial(plots.ranking_curves, table)
    elif {"rank", "score"} <= have:
        yield "The distribution of the scores", partial(plots.score_distribution, table)
    if have >= _EPOCHS and images is not None:
        yield "The epochs of the objects with most flags", partial(plots.epoch_timelines, table, images)


def _holds_numbers(table: Table) -> bool:
    return all(np.ma.asarray(table[name]).dtype.kind in "fiu" for name in _PREDICTED)


def _counted_from(table: Table) -> float:
    return float(table.meta.get("astrotl", {}).get("counts_from") or 0.0)
