"""``astrotl repair``: what a store has lost, made again."""

from __future__ import annotations

import click

from astrotl.cli._cluster import at_work, cluster_options
from astrotl.cli._options import bar, shared_options


@click.command()
@click.argument("store", metavar="STORE")
@cluster_options
@shared_options
def repair(store: str, scheduler: str | None, workers: int | None) -> None:
    """Make again what of a store is missing or damaged.

    \b
      astrotl repair survey/

    The images are read from where they were, and go through the same steps and the same extractor. Damaged files are
    kept beside the store with the ending .damaged.
    """
    from astrotl.extract import repair_features
    from astrotl.originals import reopened
    from astrotl.store import open_store

    kept = open_store(store)
    source = reopened(kept)
    with at_work(scheduler, workers) as where:
        problems = repair_features(store, source, progress=bar, **where)
    for name, problem in problems.items():
        click.echo(f"  made again: {problem if name == 'rows' else name}")
    click.echo(f"{store}: {kept.count_done():,} of {len(kept):,} objects are done")
