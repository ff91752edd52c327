"""What to do with what was found: keep one box of each source, and those on the host galaxy."""

from __future__ import annotations

import warnings
from collections.abc import Iterable

import numpy as np
from astropy.table import Table

from astrotl._optional import missing_dependency
from astrotl.detection._pairs import Pairs, by_distance, by_overlap
from astrotl.detection._significance import significance
from astrotl.detection.table import check_boxes, rows_by_image
from astrotl.errors import AstrotlWarning
from astrotl.sources import Field

__all__ = ["merge", "on_host", "suppress"]


def suppress(found: Table, overlap: float = 0.2, *, classes: bool = False) -> Table:
    """Leave out each box that overlaps one of a higher score, as non-maximum suppression does.

    Parameters
    ----------
    found : `~astropy.table.Table`
        Boxes with scores.
    overlap : float, optional
        From which overlap on two boxes are of one source: the area that both share over the area that either covers.
    classes : bool, optional
        Whether only boxes of the same class are of one source.

    Returns
    -------
    `~astropy.table.Table`
        The rows that stay, in their order.

    Examples
    --------
    >>> from astrotl.detection import suppress
    >>> from astrotl.detection.table import make_boxes
    >>> found = make_boxes("a", [10, 12, 30], 10, 8, 8, "clump", score=[0.6, 0.9, 0.8])
    >>> suppress(found)["x"].tolist()
    [12.0, 30.0]
    """
    check_boxes(found, "found", found=True)
    if not 0 < overlap <= 1:
        raise ValueError(f"overlap: must be more than 0 and at most 1, got {overlap}")
    pairs = by_overlap(found, found, overlap)
    if classes:
        label = np.asarray(found["class"], dtype=np.str_)
        pairs = pairs.select(label[pairs.first] == label[pairs.second])
    return _best(found, pairs)


def merge(found: Table, radius: float) -> Table:
    """Make one of the boxes whose centres are so near that they cannot be told apart: the one of the highest score.

    Parameters
    ----------
    found : `~astropy.table.Table`
        Boxes with scores.
    radius : float
        How near, in pixels: the radius of the point spread function.

    Returns
    -------
    `~astropy.table.Table`
        The rows that stay, in their order.

    Examples
    --------
    >>> from astrotl.detection import merge
    >>> from astrotl.detection.table import make_boxes
    >>> found = make_boxes("a", [10, 12, 30], 10, 8, 8, "clump", score=[0.6, 0.9, 0.8])
    >>> merge(found, radius=3)["x"].tolist()
    [12.0, 30.0]
    """
    check_boxes(found, "found", found=True)
    if not radius > 0:
        raise ValueError(f"radius: must be more than 0 pixels, got {radius}")
    return _best(found, by_distance(found, found, radius))


def on_host(found: Table, fields: Iterable[Field], *, sigma: float = 3.0, smooth: float = 2.0) -> Table:
    """Keep the boxes whose centre lies on the galaxy in the centre of the image.

    The galaxy is what is connected to the image's centre in the sum of the bands, each divided by its noise. Boxes in
    an image without anything in its centre are kept, and the images counted.

    Parameters
    ----------
    found : `~astropy.table.Table`
        Boxes.
    fields : iterable of `~astrotl.sources.Field`
        The images, whose sky must be what most of their pixels show.
    sigma : float, optional
        How many times the noise the galaxy ends at.
    smooth : float, optional
        The standard deviation of the Gaussian that smooths the image first, in pixels.

    Returns
    -------
    `~astropy.table.Table`
        The rows that stay, in their order.

    Examples
    --------
    >>> import numpy as np
    >>> from astrotl.detection import on_host
    >>> from astrotl.detection.table import make_boxes
    >>> from astrotl.sources import ArrayField
    >>> y, x = np.mgrid[-50:51, -50:51]
    >>> galaxy = 50 * np.exp(-np.hypot(x, y) / 8) + np.random.default_rng(1).normal(size=x.shape)
    >>> found = make_boxes("m31", [55, 5], [50, 5], 6, 6, "clump", score=0.9)
    >>> on_host(found, [ArrayField(galaxy, "m31")])["x"].tolist()
    [55.0]
    """
    check_boxes(found, "found")
    try:
        from photutils.segmentation import detect_sources
    except ModuleNotFoundError as error:
        raise missing_dependency(error, "finding the host galaxy") from error
    rows_of = rows_by_image(found)
    keep = np.ones(len(found), dtype=bool)
    seen, without = set(), 0
    for field in fields:
        rows = rows_of.get(field.id)
        if rows is None:
            continue
        seen.add(field.id)
        height, width = field.shape
        image = significance(field.read(0, 0, width, height), smooth, _without_median)
        with warnings.catch_warnings():
            # photutils warns where nothing is found.
            warnings.simplefilter("ignore")
            segments = detect_sources(image, sigma, 5)
        host = 0 if segments is None else segments.data[height // 2, width // 2]
        if not host:
            without += 1
            continue
        x, y = (np.rint(np.asarray(found[axis][rows], dtype=np.float64)) for axis in "xy")
        inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
        keep[rows] = inside
        keep[rows[inside]] = segments.data[y[inside].astype(int), x[inside].astype(int)] == host
    lost = len(rows_of.keys() - seen)
    if without or lost:
        warnings.warn(
            f"fields: {without:,} images show nothing in their centre, and {lost:,} are not among the fields; "
            "their boxes are kept",
            AstrotlWarning,
            stacklevel=2,
        )
    return found[keep]


def _best(found: Table, pairs: Pairs) -> Table:
    """Walk down the scores, and leave out what pairs with a box that stays."""
    order = np.argsort(-np.asarray(found["score"], dtype=np.float64), kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    keep = np.ones(len(found), dtype=bool)
    pairs = pairs.select(rank[pairs.first] < rank[pairs.second])
    for row in np.lexsort((rank[pairs.first], rank[pairs.second])):
        if keep[pairs.first[row]]:
            keep[pairs.second[row]] = False
    return found[keep]


def _without_median(band: np.ndarray) -> np.ndarray:
    return band - np.nanmedian(band)
