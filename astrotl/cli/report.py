"""``astrotl report``: a result as one page to send to somebody."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import click

from astrotl.cli._options import shared_options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from astrotl.sources import Field
    from astrotl.store import FeatureStore


@click.command()
@click.argument("table", metavar="TABLE")
@click.option("-o", "--output", metavar="FILE.html", help="The page; by default beside the table.")
@click.option("--store", metavar="STORE", help="The store it was made from; by default the one beside it, if any.")
@click.option("--title", metavar="TEXT", help="What stands above.")
@click.option("--rows", type=click.IntRange(1), default=200, show_default=True, help="The most rows it holds.")
@shared_options
def report(table: str, output: str | None, store: str | None, title: str | None, rows: int) -> None:
    """Write a result as one page that opens in any browser, without a network and without astrotl.

    \b
      astrotl run lens features.h5 --query @known.txt -o lenses.ecsv
      astrotl report lenses.ecsv

    It holds the pictures, a map of the feature space, figures, the table, and where all of it comes from. The measures
    that "astrotl run --evaluate" wrote beside the table come with it.
    """
    from astrotl.report import write_report
    from astrotl.tables import read_table

    known = read_table(table)
    meta: dict[str, Any] = known.meta.get("astrotl", {})
    base = os.path.splitext(table)[0]
    path = f"{base}.html" if output is None else output
    write_report(
        known, path, store=_store_of(table, meta, store), images=_fields_of(meta), measures=_measures(f"{base}.json"),
        title=title or f"{os.path.basename(table)}: {len(known):,} rows", rows=rows,
    )  # fmt: skip
    size = os.path.getsize(path) / 1e6
    click.echo(f"{path}: {min(rows, len(known)):,} of {len(known):,} rows, {size:.1f} MB")


def _store_of(table: str, meta: dict[str, Any], given: str | None) -> FeatureStore | None:
    """Open the store that was named, or the one beside the table if it is the one that the table was made from."""
    from astrotl.store import is_store, open_store

    if given is not None:
        return open_store(given)
    made_from = meta.get("store") or {}
    beside = os.path.join(os.path.dirname(table), os.path.basename(str(made_from.get("file", ""))))
    if not made_from.get("file") or not os.path.exists(beside) or not is_store(beside):
        return None
    store = open_store(beside)
    return store if store.uuid == made_from.get("uuid") else None


def _fields_of(meta: dict[str, Any]) -> Sequence[Field] | None:
    """Open the images again in which boxes were found."""
    from astrotl.errors import AstrotlError
    from astrotl.sources import open_fields

    origin = meta.get("origin")
    if "detector" not in meta or not origin:
        return None
    bands = origin.get("bands")
    try:
        return open_fields(origin["inputs"], bands=None if bands is None else tuple(bands))
    except (AstrotlError, OSError, ValueError) as error:
        click.echo(f"astrotl: warning: without pictures: {error}", err=True)
        return None


def _measures(path: str) -> dict[str, Any] | None:
    if not os.path.isfile(path):
        return None
    with open(path, encoding="utf-8") as file:
        try:
            kept = json.load(file)
        except json.JSONDecodeError:
            return None
    return kept.get("measures") if isinstance(kept, dict) else None
