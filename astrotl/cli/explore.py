"""``astrotl explore``: a store in the browser."""

from __future__ import annotations

import click

from astrotl.cli._options import comma_list, shared_options


@click.command()
@click.argument("store", metavar="STORE")
@click.option("--results", metavar="TABLE", help="What a task has answered; its order is the first one.")
@click.option(
    "--source", "inputs", multiple=True, metavar="INPUT",
    help="Where the images are, if not where they were; BAND=PATTERN for each band, several times.",
)  # fmt: skip
@click.option("--catalog", metavar="TABLE", help="With --source: positions to cut out of it.")
@click.option("--size", metavar="PIXELS|ANGLE", help="With --source: width and height of the images.")
@click.option("--labels", metavar="FILE.ecsv", help="Where labels are kept.  [default: STORE.labels.ecsv]")
@click.option("--classes", callback=comma_list, metavar="A,B", help="What else an object may be called.")
@click.option("--by", metavar="NAME", help="Who judges.  [default: the user's name]")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="The port.  [default: any that is free]")
@click.option("--host", default="127.0.0.1", show_default=True, help="Another address lets other machines in.")
@click.option("--no-browser", is_flag=True, help="Print the address, and open nothing.")
@shared_options
def explore(
    store: str,
    results: str | None,
    inputs: tuple[str, ...],
    catalog: str | None,
    size: str | None,
    labels: str | None,
    classes: tuple[str, ...] | None,
    by: str | None,
    port: int,
    host: str,
    no_browser: bool,
) -> None:
    """Look at a store in the browser, judge its objects, and see the ranking improve.

    \b
      astrotl explore features.h5
      astrotl explore features.h5 --results weird.ecsv --classes merger,ring

    The page is served on this machine alone, at an address with a secret; Ctrl-C ends it. Each label is on the disk
    before the page says so, in a table that all commands take as --labels.
    """
    from astrotl import explore as room
    from astrotl.sources import open_source, parse_inputs

    source = open_source(parse_inputs(inputs), catalog=catalog, size=size) if inputs else None
    if source is None and (catalog or size):
        raise ValueError("catalog, size: go with --source")
    room.explore(
        store, results, source=source, labels=labels, classes=classes or (), by=by, port=port, host=host,
        browser=not no_browser, said=click.echo,
    )  # fmt: skip
