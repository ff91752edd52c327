"""Extractors, preprocessing and heads beside each other, on the same labels and the same test objects."""

from __future__ import annotations

import hashlib
import os
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import metadata
from typing import Any, TypeAlias

import numpy as np
from astropy.table import Table

from astrotl._params import parse_call
from astrotl.errors import AstrotlError, AstrotlWarning, MissingDependencyError, StoreMismatchError, WeightsError
from astrotl.extract import extract_features, make_extractor
from astrotl.extractors import Extractor
from astrotl.learn._runs import COMBINATION, Run, digest, key, known_runs, measured, to_table
from astrotl.learn.heads import make_head
from astrotl.learn.probing import head_name
from astrotl.learn.splits import check_test, fraction_of, part
from astrotl.learn.targets import Target, among, read_target
from astrotl.preprocess import Step
from astrotl.sources import ImageSource
from astrotl.store import FeatureStore
from astrotl.tables import write_table

__all__ = ["compare", "summary"]

#: The measure by which a combination is the best, of classes and of numbers.
_LEADING = ("f1", "scatter")
_DEFAULT = "default"
Make: TypeAlias = Callable[[], Extractor]


def compare(
    source: ImageSource,
    labels: Table,
    column: str,
    folder: str | os.PathLike[str],
    *,
    extractors: Sequence[str] | Mapping[str, Extractor] = ("efficientnet-lite0",),
    variants: Mapping[str, Sequence[Step]] | None = None,
    heads: Sequence[str | Any] = ("linear",),
    fractions: Sequence[float] = (0.1, 0.3, 0.5, 1.0),
    seeds: int = 3,
    test: float = 0.25,
    kind: str | None = None,
    classes: Sequence[str] | None = None,
    groups: str | None = None,
    id_column: str | None = None,
    workers: int | None = None,
    progress: Callable[..., Any] | None = None,
) -> Table:
    """Measure how well each combination of extractor, preprocessing and head learns a column of labels.

    Each seed keeps other objects for the test, and the same ones for all combinations and fractions. Features and runs
    are kept in the folder: called again after a kill, or with more extractors, heads or seeds, it does what is missing.

    Parameters
    ----------
    source : `~astrotl.sources.ImageSource`
        The images. All of them become features; give those with labels alone if others are many.
    labels : `~astropy.table.Table`
        What is known of them.
    column : str
        The column to learn.
    folder : path
        Where one store for each extractor and variant, and the runs (``runs.ecsv``), are kept.
    extractors : sequence of str, or mapping of str to Extractor, optional
        Names, with parameters as in ``"timm:model=resnet50"``, or extractors by a name of your own. One whose weights
        cannot be had is left out with a warning.
    variants : mapping of str to sequence of step, optional
        Preprocessing by names of your own. These steps come first and the extractor's own follow; its stretch leaves
        alone what a step has stretched before. By default there is one variant, without steps.
    heads : sequence of str or estimator, optional
        What learns: see `~astrotl.learn.HEADS`.
    fractions : sequence of float, optional
        Which fractions of the labels are learned from.
    seeds : int, optional
        How many times all is done.
    test : float, optional
        Which share of the labels is kept for the test.
    kind : {"classes", "numbers"}, optional
        What the column holds, if it is not what it looks like.
    classes : sequence of str, optional
        The classes to tell apart, by default all.
    groups : str, optional
        A column of the labels: objects that share its value are never parted.
    id_column : str, optional
        The labels' column of ids, if it cannot be found.
    workers : int, optional
        The number of threads that make features.
    progress : callable, optional
        Something like ``tqdm``, as for `~astrotl.extract.extract_features`.

    Returns
    -------
    `~astropy.table.Table`
        A row for each run: ``extractor``, ``variant``, ``head``, ``fraction``, ``seed``, ``learned`` and ``tested``
        (how many objects), the measures of `~astrotl.learn.scores` for all classes together, and ``seconds``.

    Examples
    --------
    >>> from astrotl import simulate
    >>> from astrotl.learn import compare, summary
    >>> from astrotl.sources import ArraySource
    >>> batch, truth = simulate.stamps(60, kinds=("spiral", "elliptical"), seed=3)
    >>> source = ArraySource(batch.data, ids=batch.ids)
    >>> runs = compare(source, truth, "kind", "kinds", extractors=["profiles"], fractions=[0.5, 1.0])
    >>> print(summary(runs)["extractor", "fraction", "learned"])
    extractor fraction learned
    --------- -------- -------
     profiles      1.0    44.0
     profiles      0.5    22.0
    """
    if seeds < 1:
        raise ValueError(f"seeds: must be 1 or more, got {seeds}")
    check_test(test)
    made = _made(extractors)
    plans = {_DEFAULT: ()} if variants is None else {name: tuple(steps) for name, steps in variants.items()}
    if isinstance(heads, str):
        raise ValueError(f"heads: expected a list of names or estimators, got {heads!r}")
    head_of = {head_name(head): head for head in heads}
    if len(head_of) < len(heads):
        raise ValueError(f"heads: one stands twice in {', '.join(head_name(head) for head in heads)}")
    for name, given in (("extractors", made), ("variants", plans), ("heads", head_of), ("fractions", fractions)):
        if not len(given):
            raise ValueError(f"{name}: there is none")
    # Whatever is wrong with the labels or the heads shows before hours are spent on features.
    target = read_target(labels, source, column, kind=kind, classes=classes, groups=groups, id_column=id_column)
    _check(target, heads, fractions, range(seeds), test)
    usable = _usable(made)

    os.makedirs(folder, exist_ok=True)
    stores = _extracted(source, usable, plans, folder, workers, progress)
    for store in stores.values():
        target = among(target, store.done())
    known = digest(target)
    wanted: list[Run] = [
        {"extractor": name, "variant": variant, "head": head, "fraction": float(fraction), "seed": seed}
        | {"test": float(test), "store": store.uuid, "labels": known}
        for (name, variant), store in stores.items()
        for head in head_of
        for fraction in dict.fromkeys(fractions)
        for seed in range(seeds)
    ]
    origin = {
        "compared": column,
        "kind": "classes" if target.classes else "numbers",
        "classes": list(target.classes),
        "groups": groups,
        "version": metadata.version("astrotl"),
    }
    path = os.path.join(folder, "runs.ecsv")
    runs = known_runs(path, known, stores)
    missing = [run for run in wanted if key(run) not in runs]
    bar = progress(total=len(wanted), initial=len(wanted) - len(missing), unit="run") if progress else None
    try:
        for where, store in stores.items():
            own = [run for run in missing if (run["extractor"], run["variant"]) == where]
            features = store.features(target.rows if own else [])
            for run in own:
                runs[key(run)] = run | measured(head_of[run["head"]], target, features, run)
                write_table(to_table(runs.values(), origin), path)
                if bar is not None:
                    bar.update(1)
    finally:
        if bar is not None:
            bar.close()
    return to_table([runs[key(run)] for run in wanted], origin)


def summary(runs: Table) -> Table:
    """Sum up the runs of each combination over the seeds, for a table like those in studies.

    Parameters
    ----------
    runs : `~astropy.table.Table`
        What `~astrotl.learn.compare` gave.

    Returns
    -------
    `~astropy.table.Table`
        A row for each extractor, variant, head and fraction, the largest fraction first and the best first among
        equals: ``runs`` (how many), ``learned``, for each measure its mean and, as ``MEASURE_low`` and
        ``MEASURE_high``, its lowest and highest value, ``seconds``, and ``best``, whether it is the best of its
        fraction by F1, or by scatter for numbers.
    """
    leading = next((name for name in _LEADING if name in runs.colnames), None)
    if leading is None or any(name not in runs.colnames for name in COMBINATION):
        raise ValueError("runs: expected the table that compare gave")
    names = runs.colnames
    measures = names[names.index("tested") + 1 : names.index("seconds")]
    found = []
    for group in runs.group_by(list(COMBINATION)).groups:
        row: Run = {name: group[name][0] for name in COMBINATION}
        row |= {"runs": len(group), "learned": float(np.mean(group["learned"]))}
        for name in measures:
            values = np.asarray(group[name], dtype=float)
            values = values[np.isfinite(values)] if np.isfinite(values).any() else np.array([np.nan])
            row |= {name: values.mean(), f"{name}_low": values.min(), f"{name}_high": values.max()}
        found.append(row | {"seconds": float(np.mean(group["seconds"]))})
    sign = 1 if leading == "scatter" else -1
    found.sort(key=lambda row: (-row["fraction"], sign * np.nan_to_num(row[leading], nan=sign * np.inf)))
    table = Table(rows=found)
    table["best"] = np.append(True, table["fraction"][1:] != table["fraction"][:-1])
    for name in [*measures, *(f"{name}_{end}" for name in measures for end in ("low", "high")), "seconds"]:
        table[name].info.format = ".3f"
    table.meta["astrotl"] = runs.meta.get("astrotl", {})
    return table


def _made(extractors: Sequence[str] | Mapping[str, Extractor]) -> dict[str, Make]:
    """Give what makes each extractor, so that no more than one network has to be in memory."""
    if isinstance(extractors, str):
        raise ValueError(f"extractors: expected a list of names, got {extractors!r}")
    if isinstance(extractors, Mapping):
        return {name: partial(_as_it_is, extractor) for name, extractor in extractors.items()}
    return {name: partial(make_extractor, *parse_call(name)) for name in extractors}


def _as_it_is(extractor: Extractor) -> Extractor:
    return extractor


def _check(target: Target, heads: Sequence[Any], fractions: Sequence[float], seeds: range, test: float) -> None:
    for head in heads:
        make_head(head, target)
    for seed in seeds:
        learn, _ = part(target, test, seed)
        for fraction in fractions:
            fraction_of(target, learn, fraction, seed)


def _usable(made: dict[str, Make]) -> dict[str, Make]:
    """Leave out the extractors whose weights or packages cannot be had."""
    lost: dict[str, AstrotlError] = {}
    for name, make in made.items():
        try:
            _ = make().dim
        except (WeightsError, MissingDependencyError) as error:
            lost[name] = error
    if len(lost) == len(made):
        raise next(iter(lost.values()))
    if lost:
        reasons = "; ".join(f"{name}: {error}" for name, error in lost.items())
        warnings.warn(
            f"{len(lost)} of the {len(made)} extractors are left out ({reasons})", AstrotlWarning, stacklevel=3
        )
    return {name: make for name, make in made.items() if name not in lost}


def _extracted(
    source: ImageSource,
    made: dict[str, Make],
    plans: Mapping[str, Sequence[Step]],
    folder: str | os.PathLike[str],
    workers: int | None,
    progress: Callable[..., Any] | None,
) -> dict[tuple[str, str], FeatureStore]:
    """Make what is missing of the features of each extractor and variant."""
    stores = {}
    for name, make in made.items():
        extractor = make()
        for variant, steps in plans.items():
            path = os.path.join(folder, f"{_file_name(name)}-{_file_name(variant)}.h5")
            plan = (*steps, *extractor.default_steps())
            try:
                stores[name, variant] = extract_features(
                    source, extractor, path, steps=plan, workers=workers, progress=progress
                )
            except StoreMismatchError as error:
                raise StoreMismatchError(f"{error}, or compare in another folder than {os.fspath(folder)}") from error
    return stores


def _file_name(text: str) -> str:
    """Make a file's name that tells apart what looks alike once odd letters are gone."""
    plain = re.sub(r"[^\w.+@-]+", "-", text)[:60]
    return plain if plain == text else f"{plain}-{hashlib.sha256(text.encode()).hexdigest()[:6]}"
