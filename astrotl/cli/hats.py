"""``astrotl hats``: a table or a store into a catalogue that LSDB opens."""

from __future__ import annotations

import click

from astrotl.cli._options import bar, shared_options


@click.command()
@click.argument("file", metavar="TABLE|STORE")
@click.argument("folder", metavar="FOLDER")
@click.option("--store", metavar="STORE", help="Where the positions of a table without any come from, by its ids.")
@click.option("--overwrite", is_flag=True, help="Replace the catalogue if it exists.")
@shared_options
def hats(file: str, folder: str, store: str | None, overwrite: bool) -> None:
    """Write a table or a store as a HATS catalogue, to crossmatch it with others by LSDB.

    \b
    The features of a store, with ids and positions:
      astrotl hats features.h5 features-hats
    The answer of a task:
      astrotl hats similar.ecsv similar-hats
    A table that knows ids alone:
      astrotl hats classes.csv classes-hats --store features.h5
    """
    from astrotl.hats import write_hats
    from astrotl.store import is_store, open_store
    from astrotl.tables import read_table

    what = open_store(file) if is_store(file) else read_table(file)
    known = None if store is None else open_store(store)
    count = write_hats(what, folder, store=known, progress=bar, overwrite=overwrite)
    click.echo(f"{folder}: {count:,} rows")
