"""``astrotl index``: a store into an index of neighbours."""

from __future__ import annotations

import click

from astrotl.cli._options import bar, shared_options


@click.command()
@click.argument("store", metavar="STORE")
@click.option("-o", "--output", metavar="FILE.ann", help="The index; by default beside the store, where it is found.")
@click.option("--metric", type=click.Choice(["angular", "euclidean"]), default="angular", show_default=True)
@click.option(
    "--reduce",
    type=click.IntRange(1),
    default=64,
    show_default=True,
    help="Longer features are reduced to so many numbers first; distances are taken from all.",
)
@click.option("--trees", type=click.IntRange(1), default=20, show_default=True, help="More are a larger, faster index.")
@shared_options
def index(store: str, output: str | None, metric: str, reduce: int, trees: int) -> None:
    """Build an index of neighbours, which makes every search of a large store fast.

    \b
      astrotl index features.h5
      astrotl index features.h5 --metric euclidean --trees 100

    Without an index a store is searched exactly, which takes the longer the larger it is.
    """
    from astrotl.index import AnnoyIndex
    from astrotl.store import open_store

    made = AnnoyIndex.build(open_store(store), output, metric=metric, reduce=reduce, trees=trees, progress=bar)
    recall = made.recall(10, 100)
    click.echo(f"{made.path}: {len(made):,} objects, {metric}, finds {recall:.1%} of the true ten nearest")
