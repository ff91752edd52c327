"""Where boxes lie on the sky, and how large they are there."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
from astropy import units as u
from astropy.table import Table

from astrotl.detection.table import check_boxes, rows_by_image
from astrotl.errors import AstrotlWarning
from astrotl.sources import Field

__all__ = ["add_sky"]


def add_sky(boxes: Table, fields: Sequence[Field]) -> Table:
    """Give boxes their positions and sizes on the sky.

    Parameters
    ----------
    boxes : `~astropy.table.Table`
        Boxes, as `~astrotl.detection.read_boxes` gives them.
    fields : sequence of `~astrotl.sources.Field`
        The images that they are in.

    Returns
    -------
    `~astropy.table.Table`
        The boxes with ``ra`` and ``dec``, in degrees (ICRS), and ``size``, the longer side in arcseconds by the pixel
        scale there. They are NaN for images without sky coordinates, which are counted in a warning.

    Examples
    --------
    >>> import numpy as np
    >>> from astropy.table import Table
    >>> from astropy.wcs import WCS
    >>> from astrotl.detection import add_sky, read_boxes
    >>> from astrotl.sources import ArrayField
    >>> cards = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 150, "CRVAL2": 2, "CRPIX1": 50, "CRPIX2": 50}
    >>> field = ArrayField(np.zeros((99, 99)), "m31", wcs=WCS({**cards, "CDELT1": -0.0001, "CDELT2": 0.0001}))
    >>> boxes = read_boxes(Table({"image": ["m31"], "x": [49], "y": [59], "width": [10], "height": [20]}), [field])
    >>> placed = add_sky(boxes, [field])
    >>> print(f"{placed['ra'][0]:.4f} {placed['dec'][0]:.4f}, {placed['size'][0]:.2f} arcsec")
    150.0000 2.0010, 7.20 arcsec
    """
    check_boxes(boxes)
    by_id = fields_of(boxes, fields)
    values = np.full((3, len(boxes)), np.nan)
    bare = []
    for image, rows in rows_by_image(boxes).items():
        field = by_id[image]
        if field.wcs is None:
            bare.append(image)
            continue
        x, y, width, height = (
            np.asarray(boxes[name], dtype=np.float64)[rows] for name in ("x", "y", "width", "height")
        )
        positions = field.sky_of(x, y)
        across, up = pixel_scales(field, x, y)
        values[:, rows] = positions.ra.deg, positions.dec.deg, np.maximum(width * across, height * up)
    if bare:
        warnings.warn(
            f"boxes: {len(bare):,} of {len(by_id):,} images have no sky coordinates (WCS), such as {bare[0]}; "
            "ra, dec and size of their boxes are NaN",
            AstrotlWarning,
            stacklevel=2,
        )
    placed = boxes.copy()
    for name, column, unit in zip(("ra", "dec", "size"), values, (u.deg, u.deg, u.arcsec), strict=True):
        placed[name] = column
        placed[name].unit = unit
    return placed


def pixel_scales(field: Field, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Measure a pixel across and up, in arcseconds, at places of an image."""
    across = field.sky_of(x - 0.5, y).separation(field.sky_of(x + 0.5, y))
    up = field.sky_of(x, y - 0.5).separation(field.sky_of(x, y + 0.5))
    return across.arcsec, up.arcsec


def fields_of(boxes: Table, fields: Sequence[Field]) -> dict[str, Field]:
    """Look up the images by their ids; boxes of an image that is not there are refused."""
    by_id = {field.id: field for field in fields}
    if len(by_id) < len(fields):
        raise ValueError("fields: every image needs an id of its own")
    unknown = next((image for image in rows_by_image(boxes) if image not in by_id), None)
    if unknown is not None:
        raise ValueError(f"fields: the image {unknown!r} of the boxes is not among them")
    return by_id
