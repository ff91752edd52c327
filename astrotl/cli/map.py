"""``astrotl map``: the feature space of a store as a picture."""

from __future__ import annotations

import click

from astrotl.cli._options import keep_figure, shared_options


@click.command("map")
@click.argument("store", metavar="STORE")
@click.option("-o", "--output", default="map.png", show_default=True, help="The picture (.png, .pdf, .svg).")
@click.option("--method", type=click.Choice(["pca", "umap"]), default="pca", show_default=True)
@click.option("--labels", metavar="TABLE", help="What is known of objects.")
@click.option("--column", metavar="NAME", help="The column of the labels that gives the colours: words or numbers.")
@click.option("--id-column", metavar="NAME", help="The labels' column of ids, if it cannot be found.")
@click.option("--table", metavar="FILE", help="Write the places as a table too: id, x, y and label.")
@click.option("--seed", type=int, default=0, show_default=True, help="The same seed gives the same map.")
@shared_options
def feature_map(
    store: str,
    output: str,
    method: str,
    labels: str | None,
    column: str | None,
    id_column: str | None,
    table: str | None,
    seed: int,
) -> None:
    """Draw the feature space as a map, objects that are alike near each other.

    \b
      astrotl map features.h5
      astrotl map features.h5 --labels morphology.csv --column class --method umap -o map.png --table map.ecsv
    """
    from astrotl import plots
    from astrotl.learn import project
    from astrotl.store import open_store
    from astrotl.tables import check_ending, read_table, write_table

    if table is not None:
        check_ending(table)
    known = None if labels is None else read_table(labels)
    places = project(open_store(store), method=method, labels=known, column=column, id_column=id_column, seed=seed)
    if table is not None:
        write_table(places, table)
        click.echo(f"{table}: {len(places):,} rows")
    keep_figure(plots.feature_map(places), output)
