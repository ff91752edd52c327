"""Labels in: boxes or points that someone has drawn, from COCO or a table, as a table of boxes."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence

import numpy as np
from astropy import units as u
from astropy.table import Table

from astrotl import tables
from astrotl._params import nearest
from astrotl.detection._coco import read_coco
from astrotl.detection._drawn import Drawn, Images, read_drawn
from astrotl.detection.table import corners
from astrotl.errors import AstrotlWarning
from astrotl.sources import Field

__all__ = ["read_boxes"]


def read_boxes(
    labels: Table | str | os.PathLike[str],
    fields: Sequence[Field],
    *,
    radius: float | str | u.Quantity | None = None,
    classes: Sequence[str] | None = None,
    image_column: str | None = None,
) -> Table:
    """Read what was drawn by hand in images.

    Boxes that reach over the edge of their image are cut there, but not those about points, which would no longer be
    their middle. Those of images that are not given, outside their image, of no size, with values that are no numbers,
    without a class, and crowds of COCO are left out, and counted in one warning. Images without any box stay what they
    are: they teach what is empty.

    Parameters
    ----------
    labels : `~astropy.table.Table` or path
        A COCO file (.json), or a table, which may be a file, of one of these.

        - Boxes: the columns x, y (the centre), width and height, or x_min, y_min, x_max and y_max. All are pixels of
          which the centre of the first one is 0, so that an image 100 px wide reaches from -0.5 to 99.5. COCO counts
          from the outer corner of the first pixel, which is taken care of.
        - Points in pixels: x, y and a radius.
        - Points on the sky: ra, dec and a radius. Each goes to every image that holds it.

        A column class or label says what each one is; without it all are "object". Other columns are kept.
    fields : sequence of `~astrotl.sources.Field`
        The images.
    radius : float, str or `~astropy.units.Quantity`, optional
        The radius of points, in pixels or as an angle such as ``"3 arcsec"``; by default the column radius. The box
        about a point is twice as wide and high.
    classes : sequence of str, optional
        Keep only these classes.
    image_column : str, optional
        The column of a table that names the images, by their ids or files. By default it is found by its name, image,
        or by what it holds; one image alone needs none.

    Returns
    -------
    `~astropy.table.Table`
        The columns image (the id of the field), x, y, width, height and class, and what else the table had.

    Examples
    --------
    >>> import numpy as np
    >>> from astropy.table import Table
    >>> from astrotl.detection import read_boxes
    >>> from astrotl.sources import ArrayField
    >>> fields = [ArrayField(np.zeros((100, 100)), name) for name in ("m31", "m33")]
    >>> points = Table({"file": ["m33.fits", "m31.fits"], "x": [50, 2], "y": [60, 70], "label": ["clump", "star"]})
    >>> read_boxes(points, fields, radius=4).pprint()
    image  x    y   width height class
          pix  pix   pix   pix
    ----- ---- ---- ----- ------ -----
      m33 50.0 60.0   8.0    8.0 clump
      m31  2.0 70.0   8.0    8.0  star
    """
    images = Images(fields)
    where = "labels" if isinstance(labels, Table) else os.fspath(labels)
    if isinstance(labels, Table) or not where.lower().endswith(".json"):
        # What has a unit becomes a plain column, which keeps it.
        table = Table(labels) if isinstance(labels, Table) else tables.read_table(labels)
        drawn = read_drawn(table, images, radius=radius, image_column=image_column)
    else:
        if radius is not None or image_column is not None:
            raise ValueError(f"{'radius' if radius is not None else 'image_column'}: goes with a table, not with COCO")
        drawn = _from_coco(where, images)
    boxes = _fitted(drawn, images, where)
    return boxes if classes is None else _of_classes(boxes, classes)


def _from_coco(path: str, images: Images) -> Drawn:
    coco = read_coco(path)
    names = list(coco.shapes)
    for name, number in zip(names, images.find(np.array(names, dtype=np.str_)).tolist(), strict=True):
        shape = images.fields[number].shape
        if number >= 0 and coco.shapes[name] != shape:
            height, width = coco.shapes[name]
            raise ValueError(
                f"{path}: the image {name} is {width} x {height} px there, but {shape[1]} x {shape[0]} here"
            )
    image = images.find(coco.boxes["image"])
    coco.boxes["image"] = np.array([*(field.id for field in images.fields), ""])[image]
    return Drawn(coco.boxes, image, left_out={"crowds": coco.crowds})


def _fitted(drawn: Drawn, images: Images, where: str) -> Table:
    """Cut boxes to their images, but not those about points, and leave out and count those that cannot be."""
    boxes = drawn.boxes
    shapes = np.array([*(field.shape for field in images.fields), (0, 0)], dtype=np.float64)[drawn.image]
    with np.errstate(over="ignore", invalid="ignore"):
        edges = corners(boxes)
        limits = np.column_stack([np.full((len(boxes), 2), -0.5), shapes[:, ::-1] - 0.5])
        cut = np.concatenate([np.maximum(edges, limits)[:, :2], np.minimum(edges, limits)[:, 2:]], axis=1)
        size, left = edges[:, 2:] - edges[:, :2], cut[:, 2:] - cut[:, :2]
        over = (cut[:, :2] != edges[:, :2]) | (cut[:, 2:] != edges[:, 2:])
        middle = (edges[:, :2] + edges[:, 2:]) / 2
        outside = ~(left > 0).all(axis=1) | (over & (left < 1)).any(axis=1)
        if drawn.points:
            over[:] = False
            outside = ~((middle >= limits[:, :2]) & (middle <= limits[:, 2:])).all(axis=1)
    reasons = {
        drawn.absent: drawn.image < 0,
        "with values that are no numbers": ~np.isfinite(edges).all(axis=1),
        "of no size": ~(size > 0).all(axis=1),
        "without a class": boxes["class"] == "",
        "outside their image": outside,
    }
    kept = np.ones(len(boxes), dtype=bool)
    left_out = {why: count for why, count in drawn.left_out.items() if count}
    for why, these in reasons.items():
        count = int((kept & these).sum())
        if count:
            left_out[why] = count
        kept &= ~these
    total = len(boxes) + sum(drawn.left_out.values())
    said = ", ".join(f"{count:,} {why}" for why, count in left_out.items())
    if not kept.any():
        raise ValueError(f"{where}: of {total:,} boxes none is left{f': {said}' if said else ''}")
    if left_out:
        warnings.warn(
            f"{where}: {total - int(kept.sum()):,} of {total:,} boxes are left out: {said}",
            AstrotlWarning,
            stacklevel=3,
        )
    for axis, (place, length) in enumerate((("x", "width"), ("y", "height"))):
        # What is not cut keeps its last digit.
        mine = over[:, axis]
        boxes[place][mine] = (cut[mine, axis] + cut[mine, axis + 2]) / 2
        boxes[length][mine] = left[mine, axis]
    boxes = boxes[kept]
    boxes.meta.clear()
    return boxes


def _of_classes(boxes: Table, classes: Sequence[str]) -> Table:
    known = sorted(set(boxes["class"].tolist()))
    for name in classes:
        if name not in known:
            raise ValueError(f"classes: no box is a {name!r}{nearest(name, known)}; there are {', '.join(known[:20])}")
    return boxes[np.isin(boxes["class"], list(classes))]
