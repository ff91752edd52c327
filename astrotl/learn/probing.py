"""A probe: a head learned on stored features, and what it says of every object."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import metadata
from typing import Any, NamedTuple

import numpy as np
from astropy.table import MaskedColumn, Table

from astrotl._threads import algebra
from astrotl.learn.heads import make_head
from astrotl.learn.splits import check_test, fraction_of, part
from astrotl.learn.targets import Target, read_target
from astrotl.store import FeatureStore

__all__ = ["probe"]

_BLOCK = 4096


class Said(NamedTuple):
    """What a head says of some objects: the number of a class, or a number; and for classes their probabilities."""

    predicted: np.ndarray
    probabilities: np.ndarray | None


def probe(
    store: FeatureStore,
    labels: Table,
    column: str,
    *,
    head: str | Any = "linear",
    fraction: float = 1.0,
    test: float = 0.25,
    seed: int = 0,
    kind: str | None = None,
    classes: Sequence[str] | None = None,
    groups: str | None = None,
    id_column: str | None = None,
) -> Table:
    """Learn a column of labels from stored features, and predict it for every object of the store.

    Parameters
    ----------
    store : `~astrotl.FeatureStore`
        The features.
    labels : `~astropy.table.Table`
        What is known of some of the objects.
    column : str
        The column to learn: words or a few whole numbers are classes, other numbers are numbers.
    head : str or estimator, optional
        What learns: one of `~astrotl.learn.HEADS`, or an estimator of scikit-learn.
    fraction : float, optional
        Which fraction of the labels that are not kept for the test is learned from.
    test : float, optional
        Which share of the labels is kept for the test.
    seed : int, optional
        Decides who is kept for the test; the same labels and seed keep the same objects, whatever the store, the head
        and the fraction.
    kind : {"classes", "numbers"}, optional
        What the column holds, if it is not what it looks like.
    classes : sequence of str, optional
        The classes to tell apart, by default all; objects of others count as unlabelled.
    groups : str, optional
        A column of the labels: objects that share its value are never parted between learning and test.
    id_column : str, optional
        The labels' column of ids, if it cannot be found.

    Returns
    -------
    `~astropy.table.Table`
        A row for each object with features: ``id``, ``ra`` and ``dec`` if known, ``part`` ("learn", "test", "spare" for
        the labels that ``fraction`` left out, empty without a label), ``label``, ``predicted``, and for classes
        ``probability`` and one ``p_CLASS`` for each of them.

    Examples
    --------
    >>> from astrotl import extract_features, simulate
    >>> from astrotl.learn import probe
    >>> from astrotl.sources import ArraySource
    >>> batch, truth = simulate.stamps(60, kinds=("spiral", "elliptical"), seed=3)
    >>> store = extract_features(ArraySource(batch.data, ids=batch.ids), "profiles", "galaxies.h5")
    >>> table = probe(store, truth, "kind")
    >>> tested = table[table["part"] == "test"]
    >>> int((tested["label"] == tested["predicted"]).sum()), len(tested)
    (15, 16)
    """
    check_test(test)
    target = read_target(labels, store, column, kind=kind, classes=classes, groups=groups, id_column=id_column)
    learn, tested = part(target, test, seed)
    kept = fraction_of(target, learn, fraction, seed)
    made = learned(head, target.select(kept), store.features(target.rows[kept]), seed)

    parts = np.full(len(store), "", dtype="U5")
    for name, members in (("spare", learn), ("learn", kept), ("test", tested)):
        parts[target.rows[members]] = name
    rows = store.done()
    table = store.objects(rows)
    table["part"] = parts[rows]
    _add_labels(table, target, rows)
    _add_answers(table, target, _all_said(made, target, store, rows))
    table["part"].description = "learn: learned from; test: kept for the test; spare: neither; empty: no label"
    table["predicted"].description = f"{column}, as the head says; it has seen the labels of the part learn"
    if (unit := getattr(labels[column], "unit", None)) is not None and not target.classes:
        table["label"].unit = table["predicted"].unit = unit
    table.meta["astrotl"] = {
        "probe": head_name(head),
        "parameters": {
            "column": column,
            "fraction": fraction,
            "test": test,
            "seed": seed,
            "kind": "classes" if target.classes else "numbers",
            "classes": list(target.classes),
            "groups": groups,
        },
        "learned": len(kept),
        "tested": len(tested),
        "store": {"file": os.path.basename(store.path), "uuid": store.uuid},
        "extractor": store.provenance.get("extractor"),
        "version": metadata.version("astrotl"),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    return table


def learned(head: str | Any, target: Target, features: np.ndarray, seed: int) -> Any:
    """Fit a head to the features of a target's objects."""
    made = make_head(head, target, seed)
    from sklearn.exceptions import ConvergenceWarning

    with _one_thread(), warnings.catch_warnings():
        # Having learned long enough is what the heads' limits are for.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return made.fit(features, target.values)


def said(made: Any, target: Target, features: np.ndarray) -> Said:
    """Ask a fitted head."""
    with _one_thread():
        if not target.classes:
            return Said(np.asarray(made.predict(features), dtype=np.float64), None)
        probabilities = np.zeros((len(features), len(target.classes)), dtype=np.float32)
        probabilities[:, np.asarray(made.classes_, dtype=int)] = made.predict_proba(features)
        return Said(probabilities.argmax(axis=1), probabilities)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Keep to one thread: many are ten times as slow on a busy machine, and numbers are to be the same everywhere."""
    from threadpoolctl import threadpool_limits

    with algebra, threadpool_limits(1, user_api="openmp"):
        yield


def head_name(head: str | Any) -> str:
    """Name a head, one's own by what makes it."""
    if isinstance(head, str):
        return head
    # scikit-learn leaves out what is beyond some hundred letters, unless it is told not to.
    whole = head.__repr__(N_CHAR_MAX=1_000_000) if hasattr(head, "get_params") else repr(head)
    return " ".join(whole.split())


def _all_said(made: Any, target: Target, store: FeatureStore, rows: np.ndarray) -> Said:
    """Ask a fitted head about every object, some at a time."""
    answers = [said(made, target, features) for features in _blocks(store, rows)]
    probabilities = [answer.probabilities for answer in answers if answer.probabilities is not None]
    return Said(
        np.concatenate([answer.predicted for answer in answers]),
        np.concatenate(probabilities) if probabilities else None,
    )


def _blocks(store: FeatureStore, rows: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(rows), _BLOCK):
        yield store.features(rows[start : start + _BLOCK])


def _add_labels(table: Table, target: Target, rows: np.ndarray) -> None:
    place = np.searchsorted(rows, target.rows)
    unknown = np.ones(len(rows), dtype=bool)
    unknown[place] = False
    values = np.array(target.classes)[target.values] if target.classes else target.values
    known = np.zeros(len(rows), dtype=values.dtype)
    known[place] = values
    table["label"] = MaskedColumn(known, mask=unknown, description=f"{target.column}, as the labels say")


def _add_answers(table: Table, target: Target, answers: Said) -> None:
    if answers.probabilities is None:
        table["predicted"] = answers.predicted
        return
    table["predicted"] = np.array(target.classes)[answers.predicted]
    table["probability"] = answers.probabilities.max(axis=1)
    table["probability"].description = "of the predicted class"
    for name, column in zip(target.classes, answers.probabilities.T, strict=True):
        table[f"p_{name}"] = column
