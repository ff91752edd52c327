"""``astrotl finetune`` and ``astrotl predict``: teach a network one's own labels, and ask it about new images."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from astrotl.cli._learning import epochs_told, training_options
from astrotl.cli._options import bar, keep_figure, label_options, room, shared_options, show_table, source_options

if TYPE_CHECKING:
    from astropy.table import Table

    from astrotl.sources import ImageSource


@click.command()
@source_options
@label_options("--label-id-column")
@click.option("--fraction", type=float, default=1.0, show_default=True, help="Learn from this fraction of the rest.")
@training_options(
    ["whole", "lora", "last", "head"],
    "Train all weights, small additions to each layer, the last layers, or the head alone.",
    batch=32,
)
@click.option("-o", "--output", required=True, metavar="FILE.safetensors", help="The file of the network.")
@click.option("--plot", metavar="FILE", help="Draw what the test says (.png, .pdf, .svg).")
@click.option("--overwrite", is_flag=True, help="Replace the file, or an unfinished training with other settings.")
@shared_options
def finetune(
    images: Callable[[], ImageSource],
    labels: str,
    label_ids: str | None,
    training: Callable[[], dict[str, Any]],
    output: str,
    plot: str | None,
    **asked: Any,
) -> None:
    """Teach a pretrained network one's own classes or numbers.

    INPUT is what "astrotl extract" takes. A part of the labels is kept for the test; the scores are those of that part,
    and the file keeps what the network says of it. The file is an extractor: "--extractor finetuned --set path=FILE".

    \b
      astrotl finetune stamps/ --labels morphology.csv --column class -o galaxies.safetensors
      astrotl predict galaxies.safetensors new/ -o classes.ecsv

    Killed half-way? The same command again goes on from the last epoch.
    """
    from astrotl.learn import scores
    from astrotl.tables import read_table

    source = images()
    with epochs_told():
        network = room("training", "astrotl finetune").finetune(
            source,
            read_table(labels),
            path=output,
            id_column=label_ids,
            progress=bar,
            **training(),
            **asked,
        )
    tested = network.tested
    show_table(scores(tested))
    click.echo(f"{output}: {network.column}, tested on {len(tested):,} objects that it had not seen")
    if plot is not None:
        from astrotl import plots

        keep_figure(plots.classified(tested) if network.classes else plots.estimated(tested), plot)


@click.command()
@click.argument("network", metavar="FILE.safetensors")
@source_options
@click.option("-o", "--output", required=True, metavar="FILE", help="The table; its ending says the format.")
@click.option("--store", metavar="FILE.h5", help="Where the features are kept; by default beside the table.")
@click.option("--workers", type=click.IntRange(1), help="The number of threads; by default one more than cores.")
@click.option("--overwrite", is_flag=True, help="Start anew if the store exists.")
@shared_options
def predict(
    images: Callable[[], ImageSource],
    network: str,
    output: str,
    store: str | None,
    workers: int | None,
    overwrite: bool,
) -> None:
    """Ask a network that "astrotl finetune" has taught about images.

    INPUT is what "astrotl extract" takes, with the same bands in the same order as when it was taught.

    \b
      astrotl predict galaxies.safetensors new/ -o classes.ecsv

    The features are kept in a store, of which all other questions can be asked. Killed half-way? The same command again
    does the rest.
    """
    from astrotl.extract import extract_features, make_extractor
    from astrotl.tables import check_ending, write_table

    check_ending(output)
    source = images()
    made: Any = make_extractor("finetuned", {"path": network})
    made.check_bands(source.channels)
    kept = store or f"{os.path.splitext(output)[0]}.h5"
    features = extract_features(source, made, kept, workers=workers, progress=bar, overwrite=overwrite)
    table: Table = made.predict(features)
    write_table(table, output)
    click.echo(f"{output}: {made.column} of {len(table):,} objects; their features are in {kept}")
