"""Boxes out: COCO for other tools, regions for DS9."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from astropy import units as u
from astropy.coordinates import Angle, SkyCoord
from astropy.table import Table
from astropy.wcs import WCS
from astropy.wcs.utils import wcs_to_celestial_frame

from astrotl._optional import missing_dependency
from astrotl.detection._coco import coco_of
from astrotl.detection.sky import fields_of
from astrotl.detection.table import check_boxes, check_places, rows_by_image
from astrotl.sources import Field

if TYPE_CHECKING:
    from regions import Region

__all__ = ["write_coco", "write_regions"]

Path = str | os.PathLike[str]

#: Digits behind the point, of degrees too: a millionth of any pixel.
_DIGITS = 12
_HEADER = "# Region file format: DS9\n"


def write_coco(boxes: Table, fields: Sequence[Field], path: Path) -> None:
    """Write boxes as COCO.

    `~astrotl.detection.read_boxes` reads the same boxes from it, but for those that reach over the edge of their image:
    they are cut there, as other tools want it. The file appears whole or not at all.

    Parameters
    ----------
    boxes : `~astropy.table.Table`
        Boxes, as `~astrotl.detection.read_boxes` gives them; scores go with them.
    fields : sequence of `~astrotl.sources.Field`
        The images, by whose ids the file names them. Those without a box are written too.
    path : path
        The file to write.

    Examples
    --------
    >>> import numpy as np
    >>> from astropy.table import Table
    >>> from astrotl.detection import read_boxes, write_coco
    >>> from astrotl.sources import ArrayField
    >>> fields = [ArrayField(np.zeros((100, 100)), "m31")]
    >>> boxes = read_boxes(Table({"x": [50], "y": [60], "class": ["clump"]}), fields, radius=4)
    >>> write_coco(boxes, fields, "clumps.json")
    >>> read_boxes("clumps.json", fields)["x", "y", "class"].pprint()
     x    y   class
    pix  pix
    ---- ---- -----
    50.0 60.0 clump
    """
    check_boxes(boxes)
    check_places(boxes)
    by_id = fields_of(boxes, fields)
    _write(path, coco_of(boxes, [(name, field.shape) for name, field in by_id.items()]))


def write_regions(boxes: Table, fields: Sequence[Field], path: Path) -> None:
    """Write boxes as regions that DS9 shows.

    Boxes of images with sky coordinates lie on the sky (ICRS), others on pixels. Each carries its class and score.

    Parameters
    ----------
    boxes : `~astropy.table.Table`
        Boxes, as `~astrotl.detection.read_boxes` gives them.
    fields : sequence of `~astrotl.sources.Field`
        The images that they are in.
    path : path
        The file to write. With ``{image}`` in it, one file is written for each image, such as ``"found-{image}.reg"``;
        without it all boxes go to one file, and the images then all have to lie on the sky, or to be one.

    Examples
    --------
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from astropy.table import Table
    >>> from astrotl.detection import read_boxes, write_regions
    >>> from astrotl.sources import ArrayField
    >>> fields = [ArrayField(np.zeros((100, 100)), "m31")]
    >>> boxes = read_boxes(Table({"x": [50], "y": [60], "class": ["clump"]}), fields, radius=4)
    >>> write_regions(boxes, fields, "{image}.reg")
    >>> print(Path("m31.reg").read_text().splitlines()[-1])
    box(51.000000000000,61.000000000000,8.000000000000,8.000000000000,0.000000000000)
    """
    check_boxes(boxes)
    check_places(boxes)
    by_id = fields_of(boxes, fields)
    rows = rows_by_image(boxes)
    path = os.fspath(path)
    check_regions(path, list(by_id.values()))
    if "{image}" in path:
        for image, field in by_id.items():
            _write(_path_of(path, image), _as_text(_regions(boxes[rows.get(image, [])], field)))
        return
    _write(path, _as_text([region for image, mine in rows.items() for region in _regions(boxes[mine], by_id[image])]))


def check_regions(path: str, fields: Sequence[Field]) -> None:
    """Refuse a file in which the boxes of these images would have no place of their own."""
    try:
        import regions  # noqa: F401
    except ModuleNotFoundError as error:
        raise missing_dependency(error, "write_regions") from error
    if "{image}" in path:
        if len({_path_of(path, field.id) for field in fields}) < len(fields):
            raise ValueError("fields: two images would go to the same file; their ids differ in nothing but strokes")
        return
    bare = next((field.id for field in fields if field.wcs is None), None)
    if bare is not None and len(fields) > 1:
        raise ValueError(
            f"path: {bare} has no sky coordinates (WCS), so its boxes go to a file of their own; write '{{image}}' "
            "where its id is to stand"
        )


def _path_of(path: str, image: str) -> str:
    # An image's id may have folders in it.
    return path.replace("{image}", image.replace("/", "-"))


def _regions(boxes: Table, field: Field) -> list[Region]:
    from regions import PixCoord, RectanglePixelRegion, RectangleSkyRegion

    x, y, width, height = (np.asarray(boxes[name], dtype=np.float64) for name in ("x", "y", "width", "height"))
    drawn = [
        RectanglePixelRegion(PixCoord(*place), *size, meta={"text": _text(row)})
        for *place, size, row in zip(x, y, zip(width, height, strict=True), boxes, strict=True)
    ]
    if field.wcs is None or not drawn:
        return drawn
    # Always in ICRS: a file of regions does not keep the equinox of another frame.
    centres = field.sky_of(x, y)
    turns = _turn_of_north(centres, field.wcs)
    on_sky = [region.to_sky(field.wcs) for region in drawn]
    return [
        RectangleSkyRegion(centre, region.width, region.height, region.angle + turn, meta=region.meta)
        for centre, turn, region in zip(centres, turns, on_sky, strict=True)
    ]


def _turn_of_north(centres: SkyCoord, wcs: WCS) -> Angle:
    """Give the position angle of north as the image's own frame has it."""
    frame = wcs_to_celestial_frame(wcs)
    north = SkyCoord(centres.transform_to(frame)).directional_offset_by(0 * u.deg, 1 * u.arcsec)
    return centres.position_angle(north.icrs)


def _text(row: Table.Row) -> str:
    # A brace would end the text.
    text = str(row["class"]).translate({ord("{"): "(", ord("}"): ")"})
    if "score" in row.colnames and np.isfinite(row["score"]):
        text += f" {row['score']:.2f}"
    return text


def _as_text(regions: list[Region]) -> str:
    from regions import Regions

    return str(Regions(regions).serialize(format="ds9", precision=_DIGITS)) if regions else _HEADER


def _write(path: Path, text: str) -> None:
    path = os.fspath(path)
    folder, name = os.path.split(path)
    if folder and not os.path.isdir(folder):
        raise FileNotFoundError(f"{path}: there is no folder {folder}")
    part = os.path.join(folder, f".{name}.part")
    try:
        with open(part, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(part, path)
    finally:
        if os.path.exists(part):
            os.remove(part)
