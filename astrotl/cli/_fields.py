"""Fields and boxes as they are given to a command."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from astrotl.cli._options import comma_list

if TYPE_CHECKING:
    from astropy.table import Table

    from astrotl.sources import Field

F = TypeVar("F", bound=Callable[..., Any])

bands_option = click.option("--bands", callback=comma_list, metavar="g,r,i", help="The bands to read, in this order.")


def open_images(inputs: tuple[str, ...] | list[str] | dict[str, Any], bands: Iterable[str] | None) -> list[Field]:
    """Open images of any size, as they are typed or were written down, and count them."""
    from astrotl.sources import open_fields, parse_inputs

    given: Any = parse_inputs(inputs) if isinstance(inputs, tuple) else inputs
    fields = open_fields(given, bands=None if bands is None else tuple(bands))
    click.echo(f"{len(fields):,} images in the bands {', '.join(fields[0].channels)}", err=True)
    return fields


def box_options(function: F) -> F:
    """Add what was drawn to a command, which gets ``drawn``: called with the fields, it gives the boxes in them."""
    options = (
        click.option(
            "--boxes",
            required=True,
            metavar="FILE",
            help="What was drawn: COCO (.json), or a table of boxes or points.",
        ),
        click.option("--radius", metavar="PIXELS|ANGLE", help='The radius of points: 4, or "3 arcsec".'),
        click.option("--classes", callback=comma_list, metavar="A,B", help="Only these classes; by default all."),
        click.option("--image-column", metavar="NAME", help="The table's column of images, if it cannot be found."),
    )

    @functools.wraps(function)
    def command(**given: Any) -> Any:
        how = {name: given.pop(name) for name in ("boxes", "radius", "classes", "image_column")}
        return function(drawn=functools.partial(_drawn, **how), **given)

    for option in reversed(options):
        command = option(command)
    return command  # type: ignore[return-value]


def _drawn(fields: list[Field], boxes: str, **how: Any) -> Table:
    from astrotl.detection import read_boxes

    return read_boxes(boxes, fields, **how)
