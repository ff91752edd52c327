"""``astrotl extract``: images, and perhaps a catalogue, into a feature store."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from astrotl.cli._cluster import at_work, cluster_options
from astrotl.cli._options import bar, shared_options, source_options

if TYPE_CHECKING:
    from astrotl.sources import ImageSource


@click.command()
@click.option("-o", "--output", default="features.h5", show_default=True, help="The feature store.")
@source_options
@click.option("--extractor", default="efficientnet-lite0", show_default=True, help='See "astrotl extractors".')
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="A parameter of the extractor.")
@click.option("--step", "steps", multiple=True, metavar="NAME:KEY=VALUE,...", help="A preprocessing step, in order.")
@click.option(
    "--shard", type=click.IntRange(1), metavar="N", help="Write a folder of files, of at most N objects each."
)
@click.option("--healpix", type=int, metavar="ORDER", help="No such file holds objects of two HEALPix pixels.")
@cluster_options
@click.option("--block", type=click.IntRange(1), default=64, show_default=True, help="Images that are read at once.")
@click.option("--overwrite", is_flag=True, help="Start anew if the store exists.")
@shared_options
def extract(
    images: Callable[..., ImageSource],
    output: str,
    extractor: str,
    settings: tuple[str, ...],
    steps: tuple[str, ...],
    shard: int | None,
    healpix: int | None,
    scheduler: str | None,
    workers: int | None,
    block: int,
    overwrite: bool,
) -> None:
    """Turn images into features.

    INPUT is a file, a folder or a pattern of FITS, JPEG or PNG stamps, one stack (.npy, .npz, .h5), or BAND=PATTERN for
    each band, where the part of the path that varies is the object's id. With --catalog the inputs are mosaics, out of
    which the catalogue's positions are cut; with --boxes, images of any size, out of which the boxes are cut.

    The first band becomes the network's red: name the reddest first for the usual colours.

    \b
    Stamps, one file an object:
      astrotl extract stamps/ -o features.h5
    Stamps, one file a band:
      astrotl extract i='stamps/*/i.fits' r='stamps/*/r.fits' g='stamps/*/g.fits'
    Mosaics and a catalogue:
      astrotl extract g='frame-g-*.fits.bz2' r='frame-r-*.fits.bz2' i='frame-i-*.fits.bz2' \\
          --catalog galaxies.csv --bands i,r,g --size "25 arcsec" -o features.h5
    What astrotl detect has found, or somebody has drawn:
      astrotl extract galaxies/ --boxes found.ecsv -o clumps.h5
    Objects on many dates, for astrotl run epochs:
      astrotl extract 'epochs/{object}/{epoch}.fits' --stack median -o epochs.h5
    Own steps, another extractor:
      astrotl extract stamps/ --step crop-centre:fraction=0.5 --step stretch \\
          --extractor timm --set model=resnet50

    Millions of objects, on a cluster:
      astrotl extract i='tiles/*-i.fits' --catalog survey.parquet --shard 262144 \\
          --scheduler tcp://10.0.0.1:8786 -o survey

    Killed half-way? The same command again does the rest.
    """
    from astrotl._params import parse_call, parse_settings
    from astrotl.extract import extract_features, make_extractor
    from astrotl.preprocess import make_step

    plan = [make_step(*parse_call(step)) for step in steps] or None
    source = images() if healpix is None else images(healpix=healpix)
    made = make_extractor(extractor, parse_settings(settings))
    started = time.perf_counter()
    with at_work(scheduler, workers) as where:
        store = extract_features(
            source, made, output, steps=plan, block=block, shard=shard, progress=bar, overwrite=overwrite, **where
        )
    failed = store.failed()
    for row in failed[:10]:
        click.echo(f"  failed: {row['id']}: {row['reason']}", err=True)
    if len(failed) > 10:
        click.echo(f"  and {len(failed) - 10:,} more, listed by: astrotl info {output}", err=True)
    taken = time.perf_counter() - started
    click.echo(f"{output}: {len(store) - len(failed):,} x {store.shape[1]:,} features ({taken:.1f} s)")
