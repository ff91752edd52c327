"""The flux of each box in every band, with the others masked and the local sky taken off."""

from __future__ import annotations

import numbers
import warnings
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
from astropy import units as u
from astropy.stats import sigma_clip
from astropy.table import Table

from astrotl._optional import missing_dependency
from astrotl._params import nearest
from astrotl.detection.table import check_boxes, rows_by_image
from astrotl.errors import AstrotlWarning
from astrotl.sources import Field

__all__ = ["measure_flux"]

#: The fewest pixels of an annulus that tell the sky.
_FEWEST = 12
#: The most of a circle that may be at distances from its centre at which nothing is seen.
_UNSEEN = 0.1


class _Circles(NamedTuple):
    """The apertures of the boxes of one image."""

    x: np.ndarray
    y: np.ndarray
    radius: np.ndarray


def measure_flux(
    boxes: Table,
    fields: Iterable[Field],
    *,
    radius: float | None = None,
    annulus: tuple[float, float] = (1.5, 3.0),
    zeropoint: float | Mapping[str, float] | None = None,
    gain: float | None = None,
) -> Table:
    """Measure the flux of each box in a circle, in every band.

    The sky is the clipped median of an annulus. What is in the circle of another box is masked; a pixel that is in both
    circles belongs to the nearer centre, in units of the radii. So give only boxes that you believe: a false one masks,
    too. A box that lies within a much larger circle, its annulus as well, has the light of that for its sky.

    Where pixels of the circle are masked or without data, the others at the same distance from the centre stand for
    them, as if the source were round, or those further in, if a tenth of the circle or less is so. Of light outside the
    circle nothing is said.

    The error is that of the noise in the annulus, of the sky's own uncertainty and, if ``gain`` is given, of the
    photons. It takes the noise of neighbouring pixels for independent, and so is too small in an image that was
    resampled.

    Parameters
    ----------
    boxes : `~astropy.table.Table`
        Boxes, as `~astrotl.detection.detect` gives them.
    fields : iterable of `~astrotl.sources.Field`
        The images, of which only windows are read.
    radius : float, optional
        The radius of the circles, in pixels; by default half the mean side of each box.
    annulus : tuple of float, optional
        The inner and outer radius of the annulus, in radii of the circle.
    zeropoint : float or mapping of str to float, optional
        The magnitude of flux 1, for all bands or for each; magnitudes are given where it is.
    gain : float, optional
        How many electrons flux 1 is.

    Returns
    -------
    `~astropy.table.Table`
        The boxes, with ``aperture``, the radius in pixels, and for each band ``flux_BAND`` and ``flux_BAND_error``, and
        ``mag_BAND`` and ``mag_BAND_error``; NaN where it cannot be measured. ``meta["astrotl"]["flux"]`` says how.

    Examples
    --------
    >>> import numpy as np
    >>> from astrotl.detection import measure_flux
    >>> from astrotl.detection.table import make_boxes
    >>> from astrotl.sources import ArrayField
    >>> y, x = np.mgrid[:60, :60]
    >>> star = 1000 * np.exp(-((x - 30) ** 2 + (y - 30) ** 2) / 8) / (8 * np.pi)
    >>> image = star + np.random.default_rng(1).normal(10, 0.5, star.shape)
    >>> boxes = make_boxes("m31", 30, 30, 16, 16, "star")
    >>> measured = measure_flux(boxes, [ArrayField(image, "m31", channels=("r",))], zeropoint=25.0)
    >>> for column in "flux_r", "flux_r_error", "mag_r":
    ...     measured[column].info.format = ".1f"
    >>> print(measured["flux_r", "flux_r_error", "mag_r"])
    flux_r flux_r_error mag_r
                         mag
    ------ ------------ -----
     998.1          7.6  17.5
    """
    check_boxes(boxes)
    if radius is not None and not radius > 0:
        raise ValueError(f"radius: must be more than 0 pixels, got {radius}")
    if not 0 < annulus[0] < annulus[1]:
        raise ValueError(f"annulus: expected an inner and a larger outer radius, got {annulus}")
    if gain is not None and not gain > 0:
        raise ValueError(f"gain: must be more than 0, got {gain}")
    aperture = _radii(boxes, radius)
    rows_of = rows_by_image(boxes)
    fluxes: dict[str, np.ndarray] = {}
    for field in fields:
        for band in field.channels:
            fluxes.setdefault(band, np.full((len(boxes), 2), np.nan))
        rows = rows_of.get(field.id)
        if rows is None:
            continue
        x, y = (np.asarray(boxes[axis][rows], dtype=np.float64) for axis in "xy")
        circles = _Circles(x, y, aperture[rows])
        measured = np.array([_measure(field, circles, one, annulus) for one in range(len(rows))])
        for number, band in enumerate(field.channels):
            fluxes[band][rows] = measured[:, number]
    table = boxes.copy()
    table["aperture"] = aperture * u.pix
    zeropoints = _zeropoints(zeropoint, fluxes)
    _add_columns(table, fluxes, zeropoints, gain)
    how = {"radius": radius, "annulus": list(annulus), "zeropoint": zeropoints, "gain": gain}
    table.meta["astrotl"] = {**table.meta.get("astrotl", {}), "flux": how}
    lost = np.sum(~np.all([np.isfinite(flux[:, 0]) for flux in fluxes.values()], axis=0)) if fluxes else len(boxes)
    if lost:
        warnings.warn(
            f"boxes: {lost:,} of {len(boxes):,} have no flux in some band: no data, no sky around them, covered "
            "by neighbours, or of none of the fields",
            AstrotlWarning,
            stacklevel=2,
        )
    return table


def _radii(boxes: Table, radius: float | None) -> np.ndarray:
    if radius is not None:
        return np.full(len(boxes), float(radius))
    width, height = (np.asarray(boxes[side], dtype=np.float64) for side in ("width", "height"))
    return (width + height) / 4


def _zeropoints(zeropoint: float | Mapping[str, float] | None, bands: Iterable[str]) -> dict[str, float]:
    if zeropoint is None:
        return {}
    known = list(bands)
    given = dict(zeropoint) if isinstance(zeropoint, Mapping) else dict.fromkeys(known, zeropoint)
    for band, value in given.items():
        if band not in known:
            raise ValueError(f"zeropoint: there is no {band!r}{nearest(band, known)}; there are {', '.join(known)}")
        if not isinstance(value, numbers.Real) or not np.isfinite(value):
            raise ValueError(f"zeropoint: expected a magnitude, got {value!r}")
    return {band: float(value) for band, value in given.items()}


def _measure(field: Field, circles: _Circles, one: int, annulus: tuple[float, float]) -> np.ndarray:
    """Give flux and the error of the noise in every band, ``(band, 2)``."""
    try:
        from photutils.aperture import CircularAperture
    except ModuleNotFoundError as error:
        raise missing_dependency(error, "photometry") from error
    x, y, radius = (float(values[one]) for values in circles)
    nothing = np.full((len(field.channels), 2), np.nan)
    height, width = field.shape
    # A circle as large as the field has no sky around it, one beside the field has no light.
    beside = max(-x, x - width, -y, y - height) > radius
    if not (np.isfinite(x + y + radius) and 0 < 2 * radius <= np.hypot(width, height)) or beside:
        return nothing
    left, right = _span(x, radius, annulus[1], width)
    bottom, top = _span(y, radius, annulus[1], height)
    data = field.read(left, bottom, right - left, top - bottom).astype(np.float64)
    rows, columns = np.mgrid[bottom:top, left:right]
    distance = np.hypot(columns - x, rows - y)
    others = _of_others(circles, one, rows, columns, distance / radius, annulus[1] * radius)
    inside = CircularAperture((x - left, y - bottom), radius).to_mask(method="exact").to_image(data.shape[1:])
    in_annulus = (distance >= annulus[0] * radius) & (distance <= annulus[1] * radius) & ~others
    measured = []
    for band in data:
        sky = band[in_annulus & np.isfinite(band)]
        weight = _weights(inside, distance, ~others & np.isfinite(band))
        if len(sky) < _FEWEST or weight is None:
            measured.append((np.nan, np.nan))
            continue
        clipped = sigma_clip(sky, sigma=3, masked=False)
        used = weight > 0
        flux = np.sum(weight[used] * (band[used] - np.median(clipped)))
        # A median is by pi / 2 less certain than a mean.
        variance = np.sum(weight**2) + np.sum(weight) ** 2 * np.pi / 2 / len(clipped)
        measured.append((flux, np.std(clipped) * np.sqrt(variance)))
    return np.array(measured)


def _span(centre: float, radius: float, outer: float, length: int) -> tuple[int, int]:
    """Give the window along an axis: all of the circle, and of the annulus what lies in the field."""
    reach = int(np.ceil(max(outer, 1) * radius)) + 1
    circle = int(np.ceil(radius)) + 1
    middle = round(centre)
    return max(middle - reach, min(0, middle - circle)), min(middle + reach, max(length - 1, middle + circle)) + 1


def _of_others(
    circles: _Circles, one: int, rows: np.ndarray, columns: np.ndarray, own: np.ndarray, outer: float
) -> np.ndarray:
    """Find the pixels that are in the circle of another box and nearer to that, in units of the radii."""
    apart = [np.clip(at, side.flat[0], side.flat[-1]) - at for at, side in ((circles.x, columns), (circles.y, rows))]
    near = (np.hypot(*apart) <= circles.radius) & (circles.radius > 0)
    # What lies within a large one, as a star before a galaxy, has that for its sky.
    near &= np.hypot(circles.x - circles.x[one], circles.y - circles.y[one]) + outer > circles.radius
    near[one] = False
    others = np.zeros(rows.shape, dtype=bool)
    for other in np.flatnonzero(near):
        distance = np.hypot(columns - circles.x[other], rows - circles.y[other]) / circles.radius[other]
        others |= (distance <= 1) & (distance < own)
    return others


def _weights(inside: np.ndarray, distance: np.ndarray, known: np.ndarray) -> np.ndarray | None:
    """Let the known pixels at each distance stand for the others; None where there are none, or too few further in."""
    ring = np.rint(distance).astype(int)
    free = known & (inside > 0)
    lost = np.bincount(ring.ravel(), np.where(known, 0, inside).ravel())
    there = np.bincount(ring.ravel(), free.ravel())
    unseen = np.flatnonzero((there == 0) & (lost > 0))
    # In the middle a source is brightest, and nothing stands for it.
    if len(unseen) and (lost[unseen].sum() > _UNSEEN * inside.sum() or not there[: unseen[0]].any()):
        return None
    for number in unseen:
        lost[np.flatnonzero(there[:number])[-1]] += lost[number]
    return np.where(free, inside + (lost / np.maximum(there, 1))[ring], 0)


def _add_columns(
    table: Table, fluxes: Mapping[str, np.ndarray], zeropoints: Mapping[str, float], gain: float | None
) -> None:
    for band, measured in fluxes.items():
        flux, error = measured.T
        if gain is not None:
            error = np.sqrt(error**2 + np.clip(flux, 0, None) / gain)
        table[f"flux_{band}"], table[f"flux_{band}_error"] = flux, error
        if band in zeropoints:
            positive = np.where(flux > 0, flux, np.nan)
            table[f"mag_{band}"] = (zeropoints[band] - 2.5 * np.log10(positive)) * u.mag
            table[f"mag_{band}_error"] = 2.5 / np.log(10) * error / positive * u.mag
