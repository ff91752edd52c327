"""``astrotl demo``: the whole chain on a made-up sky, from images to a count of what came back."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from astrotl.cli._options import bar, keep_figure, shared_options

if TYPE_CHECKING:
    from astropy.table import Table

    from astrotl.index import Index

#: How many objects of each kind are looked for, and how many look-alikes of each.
_QUERIES, _LOOK_ALIKES = 5, 10


@click.command()
@click.option("-o", "--output", default="astrotl_demo", show_default=True, help="The folder to fill.")
@click.option("--objects", type=click.IntRange(100), default=600, show_default=True, help="The number of galaxies.")
@click.option("--extractor", default="efficientnet-lite0", show_default=True, help='"profiles" needs no torch.')
@shared_options
def demo(output: str, objects: int, extractor: str) -> None:
    """Do all of it on a made-up sky.

    Simulates mosaics in three bands, with spirals, ellipticals, active nuclei, gravitational lenses and damaged spots
    planted in them; cuts out every galaxy of the catalogue, turns them into features, builds an index, looks for
    look-alikes of some of each kind, and counts how many of what came back is of the same kind.
    """
    from astrotl import simulate
    from astrotl.extract import extract_features, make_extractor
    from astrotl.index import AnnoyIndex
    from astrotl.originals import images_of
    from astrotl.plots import gallery
    from astrotl.sources import open_source
    from astrotl.tables import write_table
    from astrotl.tasks import Similar

    made = make_extractor(extractor)
    sky, store_path = os.path.join(output, "sky"), os.path.join(output, "features.h5")
    started = time.perf_counter()
    with _said(f"Simulating {objects:,} galaxies in three bands"):
        truth = simulate.survey(sky, objects=objects, bands=("g", "r", "i"), seed=1, overwrite=True)
    source = open_source(
        {band: os.path.join(sky, f"*-{band}.fits") for band in ("i", "r", "g")},
        catalog=os.path.join(sky, "catalogue.ecsv"),
        size=64,
    )
    with _said(f"Cutting out and turning into features by {extractor}"):
        store = extract_features(source, made, store_path, progress=bar, overwrite=True)
    with _said("Building the index of neighbours"):
        index = AnnoyIndex.build(store)
        recall = index.recall(10)
    with _said("Looking for look-alikes"):
        lines, shown = _count(index, truth, output)
    picture = Similar(shown, k=7).run(index)
    write_table(picture, os.path.join(output, "gallery.ecsv"))
    keep_figure(gallery(picture, images_of(store)), os.path.join(output, "gallery.png"))
    summary = "\n".join(
        [
            f"{len(store.done()):,} of {len(store):,} galaxies have {store.shape[1]:,} features; "
            f"the index finds {recall:.1%} of the true ten nearest.",
            f"Of the {_LOOK_ALIKES} nearest look-alikes of {_QUERIES} objects of each kind, so many are of that kind:",
            *lines,
            f"All of it took {time.perf_counter() - started:.0f} s.",
        ]
    )
    with open(os.path.join(output, "summary.txt"), "w", encoding="utf-8") as file:
        file.write(summary + "\n")
    click.echo(f"\n{summary}\nLook at {os.path.join(output, 'gallery.png')}; ask more with")
    click.echo(f"  astrotl run similar {store_path} --query {shown[0]} --plot similar.png")


def _count(index: Index, truth: Table, output: str) -> tuple[list[str], list[str]]:
    """Ask for the look-alikes of each kind, write the tables, and count."""
    from astrotl.tables import write_table
    from astrotl.tasks import Similar

    kind_of = dict(zip(truth["id"].tolist(), truth["kind"].tolist(), strict=True))
    lines, shown = [], []
    for kind in sorted(set(kind_of.values())):
        members = [name for name, other in kind_of.items() if other == kind]
        queries = members[:_QUERIES]
        table = Similar(queries, k=_LOOK_ALIKES).run(index)
        write_table(table, os.path.join(output, f"similar-{kind}.ecsv"))
        found = sum(kind_of[name] == kind for name in table["id"].tolist())
        chance = len(table) * (len(members) - 1) / (len(kind_of) - 1)
        lines.append(f"  {kind:11} {found:3} of {len(table)}   (by chance {chance:.1f})")
        shown.append(queries[0])
    return lines, shown


@contextmanager
def _said(what: str) -> Iterator[None]:
    click.echo(f"{what} ...", err=True)
    started = time.perf_counter()
    yield
    click.echo(f"  done in {time.perf_counter() - started:.1f} s", err=True)
