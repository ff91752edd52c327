"""``astrotl explain``: where the network of a store looks in some of its images."""

from __future__ import annotations

import click

from astrotl.cli._options import comma_list, keep_figure, room, shared_options


@click.command()
@click.argument("store", metavar="STORE")
@click.option("--query", callback=comma_list, required=True, metavar="ID,ID", help="The objects to look at.")
@click.option("-o", "--output", default="explain.png", show_default=True, help="The picture (.png, .pdf, .svg).")
@click.option(
    "--how",
    type=click.Choice(["saliency", "attention"]),
    default="saliency",
    show_default=True,
    help="The pixels that decide the features, by any network; or the attention of a transformer.",
)
@shared_options
def explain(store: str, query: tuple[str, ...], output: str, how: str) -> None:
    """Draw where a network looks, beside the images as it was shown them.

    \b
      astrotl explain features.h5 --query SIM0001,SIM0002
      astrotl explain dino.h5 --query M51 --how attention -o m51.png
    """
    from astrotl import plots
    from astrotl.extract import extractor_of
    from astrotl.originals import images_of
    from astrotl.prepare import read_images, take_through
    from astrotl.preprocess import step_from_signature
    from astrotl.store import open_store

    kept = open_store(store)
    rows = [kept.row_of(name) for name in query]
    extractor = extractor_of(kept)
    look = getattr(room("neural", f"the {how} of a network"), how)
    steps = [step_from_signature(signature) for signature in kept.provenance["steps"]]
    batch = take_through(read_images(images_of(kept)[rows]), steps)
    for name, reason in batch.failed.items():
        click.echo(f"  failed: {name}: {reason}", err=True)
    keep_figure(plots.explained(look(extractor, batch), batch), output)
