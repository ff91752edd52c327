"""The flux of each box in every band, with the others masked and the local sky taken off."""

from __future__ import annotations

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
    circles belongs to the nearer centre, in units of the radii. Where pixels of the circle are masked or without data,
    the others at the same distance from the centre stand for them, as if the source were round. Of light outside the
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
        ``mag_BAND`` and ``mag_BAND_error``; NaN where it cannot be measured.

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
    _add_columns(table, fluxes, _zeropoints(zeropoint, fluxes), gain)
    lost = np.sum(~np.all([np.isfinite(flux[:, 0]) for flux in fluxes.values()], axis=0)) if fluxes else len(boxes)
    if lost:
        warnings.warn(
            f"boxes: {lost:,} of {len(boxes):,} have no flux in some band: no data, no sky around them, or none of "
            "the fields",
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
    if not isinstance(zeropoint, Mapping):
        return dict.fromkeys(bands, float(zeropoint))
    known = list(bands)
    for band in zeropoint:
        if band not in known:
            raise ValueError(f"zeropoint: there is no {band!r}{nearest(band, known)}; there are {', '.join(known)}")
    return dict(zeropoint)


def _measure(field: Field, circles: _Circles, one: int, annulus: tuple[float, float]) -> np.ndarray:
    """Give flux and the error of the noise in every band, ``(band, 2)``."""
    try:
        from photutils.aperture import CircularAperture
    except ModuleNotFoundError as error:
        raise missing_dependency(error, "photometry") from error
    x, y, radius = (float(values[one]) for values in circles)
    if not (np.isfinite(x + y + radius) and radius > 0):
        return np.full((len(field.channels), 2), np.nan)
    reach = int(np.ceil(max(annulus[1], 1) * radius)) + 1
    left, bottom, side = round(x) - reach, round(y) - reach, 2 * reach + 1
    data = field.read(left, bottom, side, side).astype(np.float64)
    rows, columns = np.mgrid[bottom : bottom + side, left : left + side]
    distance = np.hypot(columns - x, rows - y)
    others = _of_others(circles, one, rows, columns, distance / radius)
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


def _of_others(circles: _Circles, one: int, rows: np.ndarray, columns: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Find the pixels that are in the circle of another box and nearer to that, in units of the radii."""
    reach = np.hypot(*rows.shape) / 2
    middle = rows.shape[0] // 2
    away = np.hypot(circles.x - columns[middle, middle], circles.y - rows[middle, middle])
    near = np.flatnonzero(away <= reach + circles.radius)
    others = np.zeros(rows.shape, dtype=bool)
    for other in near[near != one]:
        distance = np.hypot(columns - circles.x[other], rows - circles.y[other]) / circles.radius[other]
        others |= (distance <= 1) & (distance < own)
    return others


def _weights(inside: np.ndarray, distance: np.ndarray, known: np.ndarray) -> np.ndarray | None:
    """Let the known pixels at each distance stand for the others; None where there are none."""
    ring = np.rint(distance).astype(int)
    lost = np.bincount(ring.ravel(), np.where(known, 0, inside).ravel())
    there = np.bincount(ring.ravel(), (known & (inside > 0)).ravel())
    if (lost[there == 0] > 0).any():
        return None
    return np.where(known & (inside > 0), inside + (lost / np.maximum(there, 1))[ring], 0)


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
