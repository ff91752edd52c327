"""How good a detector is: average precision as COCO has it, completeness and purity, each with its interval."""

from __future__ import annotations

import numbers
import warnings
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from astropy.stats import binom_conf_interval
from astropy.table import Table

from astrotl.detection import _precision
from astrotl.detection.matching import match, must_agree
from astrotl.errors import AstrotlWarning
from astrotl.measures import Measure, bootstrap

__all__ = ["best_threshold", "completeness_by", "completeness_curve", "detection_scores"]

#: The overlaps over which the mean average precision is taken.
_OVERLAPS = np.linspace(0.1, 0.9, 9)
_HALF = 4
#: Of fewer images than these no draws tell how much images differ.
_FEW = 10


def detection_scores(
    found: Table,
    true: Table,
    *,
    images: Sequence[str] | None = None,
    radius: float | None = None,
    overlap: float = 0.5,
    threshold: float = 0.5,
    classes: bool | None = None,
    samples: int = 500,
) -> Table:
    """Measure how good detections are.

    Average precision is that of COCO, with no limit to the boxes of an image: the mean over the classes of ``true`` of
    the area under the curve of purity against completeness. All else is measured on the boxes above a score.

    Parameters
    ----------
    found : `~astropy.table.Table`
        Boxes with scores, as `~astrotl.detection.detect` gives them; those of low scores too, for average precision
        counts them.
    true : `~astropy.table.Table`
        The true boxes.
    images : sequence of str, optional
        The images that were searched, among them those in which nothing was found and nothing is; boxes of other
        images are left out. By default those that have a box.
    radius : float, optional
        Match by the distance of the centres, in pixels, instead of by overlap. Average precision goes by overlap
        always.
    overlap : float, optional
        How much two boxes must overlap to match.
    threshold : float, optional
        The score from which on a box counts as found, for completeness, purity and F1.
    classes : bool, optional
        Whether a match must be of the same class; by default where the true boxes have more than one.
    samples : int, optional
        How many bootstrap samples the intervals are taken from; what is drawn is whole images. 0 leaves them out. One
        image has no intervals, and of fewer than ten they are too narrow, which a warning says.

    Returns
    -------
    `~astropy.table.Table`
        ``measure``, ``value``, and ``low`` and ``high``, between which 95 % of the bootstrap samples lie. ``ap50`` is
        the average precision at an overlap of 0.5, and ``map`` its mean over overlaps from 0.1 to 0.9.

    Examples
    --------
    >>> from astrotl.detection import detection_scores
    >>> from astrotl.detection.table import make_boxes
    >>> true = make_boxes(["a", "b"], [10, 30], [10, 30], 8, 8, "clump")
    >>> found = make_boxes(["a", "b", "b"], [10, 31, 50], [10, 30, 50], 8, 8, "clump", score=[0.9, 0.8, 0.6])
    >>> table = detection_scores(found, true, samples=0)
    >>> table["value"].info.format = ".2f"
    >>> print(table["measure", "value"])
      measure    value
    ------------ -----
            ap50  1.00
             map  0.89
    completeness  1.00
          purity  0.67
              f1  0.80
    """
    if samples < 0:
        raise ValueError(f"samples: must be 0 or more, got {samples}")
    _check_threshold(threshold)
    ids = [*found["image"], *true["image"]] if images is None else list(images)
    searched = np.unique(np.asarray(ids, dtype=np.str_))
    if not len(searched):
        raise ValueError("images: there is none, so that nothing can be measured")
    strict = must_agree(true, classes)
    if samples and len(searched) < _FEW:
        _warn_of_few(len(searched))
    # Of one image every draw is the same.
    samples = samples if len(searched) > 1 else 0
    found, true = _of_images(found, searched), _of_images(true, searched)
    matches = match(found, true, radius=radius, overlap=overlap, classes=strict)
    counted = np.asarray(found["score"], dtype=np.float64) >= threshold
    right = counted & (matches.true >= 0)
    counts = np.stack(
        [
            _in_images(true, searched),
            _in_images(found, searched, counted),
            _in_images(found, searched, right),
        ],
        axis=1,
    )
    rows = _precisions(found, true, searched, samples)
    for name, take in (("completeness", _completeness), ("purity", _purity), ("f1", _f1)):
        rows.append((name, *bootstrap(take, counts, samples=samples)))
    result = Table(rows=rows, names=("measure", "value", "low", "high"))
    result.meta["astrotl"] = {
        "images": len(searched),
        "true": len(true),
        "threshold": threshold,
        "classes": strict,
        **({"overlap": overlap} if radius is None else {"radius": radius}),
    }
    return result


def completeness_curve(
    found: Table,
    true: Table,
    *,
    radius: float | None = None,
    overlap: float = 0.5,
    classes: bool | None = None,
    thresholds: npt.ArrayLike | None = None,
) -> Table:
    """Give completeness and purity against the score from which on a box counts as found.

    Parameters
    ----------
    found, true : `~astropy.table.Table`
        Boxes with scores, and the true ones.
    radius, overlap : float, optional
        How they are matched, as in `match`.
    classes : bool, optional
        Whether a match must be of the same class; by default where the true boxes have more than one.
    thresholds : array_like, optional
        The scores; by default all that occur.

    Returns
    -------
    `~astropy.table.Table`
        ``threshold`` falling, ``completeness`` and ``purity``, each with ``_low`` and ``_high``, the binomial interval
        of 95 %, and ``found``, the number of boxes. What is measured on no box is NaN.

    Examples
    --------
    >>> from astrotl.detection import completeness_curve
    >>> from astrotl.detection.table import make_boxes
    >>> true = make_boxes("a", [10, 30], [10, 30], 8, 8, "clump")
    >>> found = make_boxes("a", [10, 50, 31], [10, 50, 30], 8, 8, "clump", score=[0.9, 0.8, 0.6])
    >>> curve = completeness_curve(found, true, radius=4)
    >>> curve["purity"].info.format = ".2f"
    >>> print(curve["threshold", "completeness", "purity", "found"])
    threshold completeness purity found
    --------- ------------ ------ -----
          0.9          0.5   1.00     1
          0.8          0.5   0.50     2
          0.6          1.0   0.67     3
    """
    is_right = match(found, true, radius=radius, overlap=overlap, classes=must_agree(true, classes)).true >= 0
    score = np.asarray(found["score"], dtype=np.float64)
    limits = np.unique(score if thresholds is None else np.asarray(thresholds, dtype=np.float64))[::-1]
    order = np.argsort(-score, kind="stable")
    number = np.searchsorted(-score[order], -limits, side="right")
    right = np.concatenate([[0], np.cumsum(is_right[order])])[number]
    curve = Table({"threshold": limits})
    _add_fraction(curve, "completeness", right, np.full(len(limits), len(true)))
    _add_fraction(curve, "purity", right, number)
    curve["found"] = number
    return curve


def best_threshold(
    found: Table, true: Table, *, radius: float | None = None, overlap: float = 0.5, classes: bool | None = None
) -> float:
    """Find the score at which the lower of completeness and purity is highest.

    Choose it on other images than those that you measure on.

    Parameters
    ----------
    found, true : `~astropy.table.Table`
        Boxes with scores, those of low scores too, and the true ones.
    radius, overlap : float, optional
        How they are matched, as in `match`.
    classes : bool, optional
        Whether a match must be of the same class; by default where the true boxes have more than one.

    Returns
    -------
    float
        The score, which one of the found boxes has.

    Examples
    --------
    >>> from astrotl.detection import best_threshold
    >>> from astrotl.detection.table import make_boxes
    >>> true = make_boxes("a", [10, 30], [10, 30], 8, 8, "clump")
    >>> best_threshold(make_boxes("a", [10, 31, 50], [10, 30, 50], 8, 8, "clump", score=[0.9, 0.8, 0.6]), true)
    0.8
    """
    if not len(found):
        raise ValueError("found: has no box, so that no score is best")
    curve = completeness_curve(found, true, radius=radius, overlap=overlap, classes=classes)
    lower = np.fmin(curve["completeness"], curve["purity"])
    return float(curve["threshold"][np.argmax(np.nan_to_num(lower))])


def completeness_by(
    found: Table,
    true: Table,
    column: str,
    *,
    bins: int | npt.ArrayLike = 8,
    threshold: float = 0.5,
    radius: float | None = None,
    overlap: float = 0.5,
    classes: bool | None = None,
) -> Table:
    """Give completeness in bins of a property of the true boxes, such as their brightness, and purity in the same bins.

    Parameters
    ----------
    found, true : `~astropy.table.Table`
        Boxes with scores, and the true ones.
    column : str
        The property, a column of ``true``. Purity is given if ``found`` has a column of that name, as measured on what
        was found.
    bins : int or array_like, optional
        How many, each with as many true boxes, or their edges.
    threshold : float, optional
        The score from which on a box counts as found.
    radius, overlap : float, optional
        How they are matched, as in `match`.
    classes : bool, optional
        Whether a match must be of the same class; by default where the true boxes have more than one.

    Returns
    -------
    `~astropy.table.Table`
        ``low`` and ``high``, the edges of the bin; ``true``, the number of true boxes; ``completeness`` with ``_low``
        and ``_high``, the binomial interval of 95 %; and ``found`` and ``purity`` likewise.

    Examples
    --------
    >>> from astrotl.detection import completeness_by
    >>> from astrotl.detection.table import make_boxes
    >>> true = make_boxes("a", [10, 30, 50, 70], 10, 8, 8, "clump")
    >>> true["mag"] = [18.0, 19.0, 20.0, 21.0]
    >>> found = make_boxes("a", [10, 30, 50], 10, 8, 8, "clump", score=0.9)
    >>> print(completeness_by(found, true, "mag", bins=[18, 20, 22])["low", "high", "true", "completeness"])
    low  high true completeness
    ---- ---- ---- ------------
    18.0 20.0    2          1.0
    20.0 22.0    2          0.5
    """
    if column not in true.colnames:
        raise ValueError(f"column: true has no {column!r}; it has {', '.join(true.colnames)}")
    _check_threshold(threshold)
    values = _values(true, column)
    edges = _edges(values, bins)
    matches = match(found, true, radius=radius, overlap=overlap, classes=must_agree(true, classes))
    counted = np.asarray(found["score"], dtype=np.float64) >= threshold
    detected = (matches.found >= 0) & np.append(counted, False)[matches.found]
    by = Table({"low": edges[:-1], "high": edges[1:]})
    by["true"] = _binned(values, edges)
    _add_fraction(by, "completeness", _binned(values[detected], edges), by["true"])
    if column in found.colnames:
        measured = _values(found, column)
        by["found"] = _binned(measured[counted], edges)
        _add_fraction(by, "purity", _binned(measured[counted & (matches.true >= 0)], edges), by["found"])
    return by


def _check_threshold(threshold: float) -> None:
    if not np.isfinite(threshold):
        raise ValueError(f"threshold: expected a number, got {threshold}")


def _precisions(found: Table, true: Table, searched: np.ndarray, samples: int) -> list[tuple[str, float, float, float]]:
    """Take the values from the library, and the intervals by weighing images as often as they are drawn."""
    by_overlap = _precision.of_library(found, true, _OVERLAPS)
    curves = _precision.Ranked(found, true, searched, _OVERLAPS)
    rows = []
    for name, chosen in (("ap50", [_HALF]), ("map", list(range(len(_OVERLAPS))))):

        def take(drawn: np.ndarray, chosen: list[int] = chosen) -> float:
            return curves.precision(np.bincount(drawn, minlength=len(searched)), chosen)

        interval = bootstrap(take, np.arange(len(searched)), samples=samples)
        rows.append((name, *Measure(float(np.mean(by_overlap[chosen])), interval.low, interval.high)))
    return rows


def _warn_of_few(images: int) -> None:
    lack = "there are no intervals" if images == 1 else "the intervals are too narrow"
    warnings.warn(
        f"images: {lack}, for they come from drawing whole images anew, and there {'is' if images == 1 else 'are'} "
        f"only {images}",
        AstrotlWarning,
        stacklevel=3,
    )


def _of_images(boxes: Table, images: np.ndarray) -> Table:
    return boxes[np.isin(np.asarray(boxes["image"], dtype=np.str_), images)] if len(boxes) else boxes


def _in_images(boxes: Table, images: np.ndarray, some: np.ndarray | None = None) -> np.ndarray:
    """Count the boxes in each image."""
    place = np.searchsorted(images, np.asarray(boxes["image"], dtype=np.str_))
    return np.bincount(place if some is None else place[some], minlength=len(images))


def _completeness(counts: np.ndarray) -> float:
    true, _, right = counts.sum(axis=0)
    return float(right / true) if true else np.nan


def _purity(counts: np.ndarray) -> float:
    _, found, right = counts.sum(axis=0)
    return float(right / found) if found else np.nan


def _f1(counts: np.ndarray) -> float:
    true, found, right = counts.sum(axis=0)
    return float(2 * right / (true + found)) if true + found else np.nan


def _add_fraction(table: Table, name: str, part: npt.ArrayLike, whole: npt.ArrayLike) -> None:
    """Add a fraction and its binomial interval; NaN where there is nothing to take it of."""
    part, whole = np.asarray(part, dtype=np.intp), np.asarray(whole, dtype=np.intp)
    low, high = binom_conf_interval(part, np.maximum(whole, 1), confidence_level=0.95) if len(whole) else (part, part)
    for suffix, values in (("", part / np.maximum(whole, 1)), ("_low", low), ("_high", high)):
        table[name + suffix] = np.where(whole > 0, values, np.nan)


def _values(table: Table, column: str) -> np.ndarray:
    if table[column].dtype.kind not in "biuf":
        raise ValueError(f"column: {column!r} holds no numbers, so that there are no bins of it")
    return np.ma.filled(np.ma.asarray(table[column], dtype=np.float64), np.nan)


def _edges(values: np.ndarray, bins: int | npt.ArrayLike) -> np.ndarray:
    known = values[np.isfinite(values)]
    if not len(known):
        raise ValueError("column: no true box has a value")
    if isinstance(bins, numbers.Integral) and not isinstance(bins, bool) and bins > 0:
        edges = np.unique(np.quantile(known, np.linspace(0, 1, int(bins) + 1)))
        if len(edges) < 2:
            raise ValueError(f"column: all true boxes have the value {known[0]:g}; give the edges of the bins")
        return edges
    try:
        edges = np.asarray(bins, dtype=np.float64)
    except (TypeError, ValueError):
        edges = np.empty(0)
    if edges.ndim != 1 or len(edges) < 2 or not (np.diff(edges) > 0).all():
        raise ValueError(f"bins: expected a number, 1 or more, or rising edges, got {bins!r}")
    return edges


def _binned(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    return np.histogram(values[np.isfinite(values)], edges)[0]
