"""``astrotl index``: a store into an index of neighbours."""

from __future__ import annotations

from typing import Any

import click

from astrotl.cli._cluster import at_work, cluster_options
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
@click.option(
    "--trees", type=click.IntRange(1), help="More are a larger index; by default 20, or 12 for each shard of a folder."
)
@cluster_options
@shared_options
def index(
    store: str,
    output: str | None,
    metric: str,
    reduce: int,
    trees: int | None,
    scheduler: str | None,
    workers: int | None,
) -> None:
    """Build an index of neighbours, which makes every search of a large store fast.

    \b
      astrotl index features.h5
      astrotl index features.h5 --metric euclidean --trees 100
    A folder of shards, an index of each, here or by the workers of a Dask cluster:
      astrotl index survey
      astrotl index survey --scheduler tcp://10.0.0.1:8786

    Without an index a store is searched exactly, which takes the longer the larger it is. In a folder the same command
    does the rest after a kill, and makes again what is missing, damaged or out of date.
    """
    from astrotl.index import AnnoyIndex, Index, ShardedIndex
    from astrotl.store import ShardedStore, open_store

    opened = open_store(store)
    asked: dict[str, Any] = {"metric": metric, "reduce": reduce, **({} if trees is None else {"trees": trees})}
    if isinstance(opened, ShardedStore):
        with at_work(scheduler, workers) as where:
            of_shards = ShardedIndex.build(opened, output, progress=bar, **asked, **where)
        made: Index = of_shards
        path, recall = of_shards.path, of_shards.found
    else:
        if scheduler is not None:
            raise ValueError(f"scheduler: {store} is one file, which this process indexes; a cluster indexes shards")
        of_one = AnnoyIndex.build(opened, output, jobs=workers or 1, progress=bar, **asked)
        made = of_one
        path, recall = of_one.path, of_one.recall(10, 100)
    click.echo(f"{path}: {len(made):,} objects, {metric}, finds {recall:.1%} of the true ten nearest")
