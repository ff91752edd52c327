"""``astrotl finetune`` and ``astrotl predict``: teach a network one's own labels, and ask it about new images."""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import click

from astrotl.cli._options import bar, label_options, shared_options, show_table, source_options

if TYPE_CHECKING:
    from astropy.table import Table

    from astrotl.sources import ImageSource


@click.command()
@source_options
@label_options("--label-id-column")
@click.option("--fraction", type=float, default=1.0, show_default=True, help="Learn from this fraction of the rest.")
@click.option("--validation", type=float, default=0.15, show_default=True, help="The share of these to check with.")
@click.option("--extractor", default="efficientnet-lite0", show_default=True, help="The network to begin with.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="A parameter of the extractor.")
@click.option("--step", "steps", multiple=True, metavar="NAME:KEY=VALUE,...", help="A preprocessing step, in order.")
@click.option(
    "--method",
    type=click.Choice(["whole", "lora", "last", "head"]),
    default="whole",
    show_default=True,
    help="Train all weights, small additions to each layer, the last layers, or the head alone.",
)
@click.option("--epochs", type=int, help="How often each image is seen at most; by default by how many there are.")
@click.option("--patience", type=int, help="Stop after so many epochs in vain; by default it goes on to the end.")
@click.option("--rate", type=float, help="The learning rate of the last layer; by default what suits the method.")
@click.option("--decay", type=float, default=0.75, show_default=True, help="The rate of a layer by that of the next.")
@click.option("--batch", type=int, default=32, show_default=True, help="Images between two changes of the weights.")
@click.option("--augment/--no-augment", default=True, show_default=True, help="Turn, mirror and blur the images.")
@click.option("--precision", default="float32", show_default=True, help="float32 or bfloat16.")
@click.option("--devices", type=int, default=1, show_default=True, help="The number of graphics cards.")
@click.option("--seed", type=int, default=0, show_default=True, help="The seed of every draw.")
@click.option("-o", "--output", required=True, metavar="FILE.safetensors", help="The file of the network.")
@click.option("--plot", metavar="FILE", help="Draw what the test says (.png, .pdf, .svg).")
@click.option("--overwrite", is_flag=True, help="Replace the file, or an unfinished training with other settings.")
@shared_options
def finetune(
    images: Callable[[], ImageSource],
    labels: str,
    label_ids: str | None,
    extractor: str,
    settings: tuple[str, ...],
    steps: tuple[str, ...],
    augment: bool,
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
    from astrotl._params import parse_call, parse_settings
    from astrotl.extract import make_extractor
    from astrotl.learn import scores
    from astrotl.preprocess import make_step
    from astrotl.tables import read_table

    source = images()
    with _epochs_told():
        network = _training().finetune(
            source,
            read_table(labels),
            path=output,
            extractor=make_extractor(extractor, parse_settings(settings)),
            steps=[make_step(*parse_call(step)) for step in steps] or None,
            id_column=label_ids,
            augment="sky" if augment else None,
            progress=bar,
            **asked,
        )
    tested = network.tested
    show_table(scores(tested))
    click.echo(f"{output}: {network.column}, tested on {len(tested):,} objects that it had not seen")
    if plot is not None:
        from astrotl import plots

        (plots.classified if network.classes else plots.estimated)(tested).savefig(plot)
        click.echo(f"{plot}: drawn")


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


def _training() -> Any:
    """Import the room that needs torch."""
    from astrotl._optional import missing_dependency

    try:
        return importlib.import_module("astrotl.training")
    except ModuleNotFoundError as error:
        raise missing_dependency(error, "astrotl finetune") from error


class _Lines(logging.Handler):
    """Shows a line for each epoch, above the bar if there is one."""

    def emit(self, record: logging.LogRecord) -> None:
        from tqdm import tqdm

        with tqdm.external_write_mode():
            click.echo(self.format(record), err=True)


@contextlib.contextmanager
def _epochs_told() -> Iterator[None]:
    logger, lines = logging.getLogger("astrotl.training"), _Lines()
    level = logger.level
    logger.addHandler(lines)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(lines)
        logger.setLevel(level)
