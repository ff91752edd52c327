"""``astrotl probe`` and ``astrotl compare``: what can be learned from labels, and by what it is learned best."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from astrotl.cli._options import bar, keep_figure, label_options, shared_options, show_table, source_options
from astrotl.errors import AstrotlWarning

if TYPE_CHECKING:
    from astropy.table import Table

    from astrotl.preprocess import Step
    from astrotl.sources import ImageSource
    from astrotl.store import FeatureStore

_HEADS = "linear, whitened, mlp, knn, svm, forest, boosting or bayes."
#: The measures for which a screen has room, of classes and of numbers.
_SHOWN = ("f1", "f1_low", "f1_high", "accuracy", "auc", "scatter", "scatter_low", "scatter_high", "bias", "explained")


@click.command()
@click.argument("store", metavar="STORE")
@label_options("--id-column")
@click.option("--head", default="linear", show_default=True, help=f"What learns: {_HEADS}")
@click.option("--fraction", type=float, default=1.0, show_default=True, help="Learn from this fraction of the rest.")
@click.option("--seeds", type=click.IntRange(1), default=1, show_default=True, help="Do it with so many splits.")
@click.option("-o", "--output", metavar="FILE", help="Write what is said of every object, by the first split.")
@click.option("--plot", metavar="FILE", help="Draw how well it was learned (.png, .pdf, .svg), by the first split.")
@shared_options
def probe(
    store: str,
    labels: str,
    label_ids: str | None,
    seeds: int,
    output: str | None,
    plot: str | None,
    **asked: Any,
) -> None:
    """Learn a column of labels from stored features.

    A part of the labels is kept for the test; scores are those of that part. With one split their intervals hold 95 %
    of bootstrap samples; with several, the mean and the lowest and highest of all splits are given.

    \b
      astrotl probe features.h5 --labels morphology.csv --column class -o classes.ecsv --plot classes.png
      astrotl probe features.h5 --labels masses.csv --column log_mass --head whitened --seeds 5
    """
    from astrotl.learn import probe as ask
    from astrotl.learn import scores
    from astrotl.store import open_store
    from astrotl.tables import check_ending, read_table, write_table

    if output is not None:
        check_ending(output)
    features, known = open_store(store), read_table(labels)
    table = ask(features, known, id_column=label_ids, **asked)
    told = table.meta["astrotl"]
    click.echo(
        f"learned {asked['column']} from {told['learned']:,} objects, tested on {told['tested']:,}; "
        f"{len(table):,} have features"
    )
    found = scores(table) if seeds == 1 else _over_seeds(features, known, table, seeds, id_column=label_ids, **asked)
    show_table(found)
    if output is not None:
        write_table(table, output)
        click.echo(f"{output}: {len(table):,} rows")
    if plot is not None:
        from astrotl import plots

        draw = plots.classified if told["parameters"]["kind"] == "classes" else plots.estimated
        keep_figure(draw(table), plot)


@click.command()
@source_options
@label_options("--label-id-column")
@click.option(
    "--extractor", "extractors", multiple=True, metavar="NAME[:KEY=VALUE,...]", default=("efficientnet-lite0",),
    show_default=True, help='One or several; see "astrotl extractors".',
)  # fmt: skip
@click.option(
    "--variant", "variants", multiple=True, metavar="NAME=STEP[:KEY=VALUE,...]",
    help="Preprocessing under a name; the same name again adds a step, and NAME= stands for none.",
)  # fmt: skip
@click.option(
    "--head", "heads", multiple=True, default=("linear",), show_default=True, help=f"One or several: {_HEADS}"
)
@click.option(
    "--fraction", "fractions", type=float, multiple=True, default=(0.1, 0.3, 0.5, 1.0), show_default=True,
    help="Learn from these fractions of the labels.",
)  # fmt: skip
@click.option("--seeds", type=click.IntRange(1), default=3, show_default=True, help="Do it with so many splits.")
@click.option("--workers", type=click.IntRange(1), help="The number of threads; by default one more than cores.")
@click.option(
    "-o", "--output", default="compared", show_default=True, metavar="FOLDER", help="Keeps features and runs."
)
@click.option("--plot", metavar="FILE", help="Draw what each combination reaches (.png, .pdf, .svg).")
@shared_options
def compare(
    images: Callable[[], ImageSource],
    labels: str,
    label_ids: str | None,
    variants: tuple[str, ...],
    output: str,
    plot: str | None,
    **asked: Any,
) -> None:
    """Compare extractors, preprocessing and heads.

    INPUT is what "astrotl extract" takes. Every combination learns from the same labels and is tested on the same
    objects; the table tells the mean over the splits, the lowest and the highest.

    \b
      astrotl compare stamps/ --labels morphology.csv --column class \\
          --extractor efficientnet-lite0 --extractor timm:model=resnet50 \\
          --variant whole= --variant close=crop-centre:fraction=0.5 \\
          --head linear --head knn -o compared --plot f1.png

    Killed half-way? The same command again does the rest. With more extractors or heads it does what is new.
    """
    from astrotl.learn import compare as ask
    from astrotl.learn import summary
    from astrotl.tables import read_table, write_table

    source = images()
    runs = ask(
        source, read_table(labels), folder=output, variants=_plans(variants), id_column=label_ids, progress=bar, **asked
    )
    found = summary(runs)
    path = os.path.join(output, "summary.ecsv")
    write_table(found, path)
    show_table(_short(found))
    click.echo(f"{path}: {len(found):,} combinations, of {len(runs):,} runs in {os.path.join(output, 'runs.ecsv')}")
    if plot is not None:
        from astrotl import plots

        keep_figure(plots.compared(runs), plot)


def _plans(texts: tuple[str, ...]) -> dict[str, list[Step]] | None:
    """Read ``close=crop-centre:fraction=0.5``; the same name again adds a step."""
    from astrotl._params import parse_call
    from astrotl.preprocess import make_step

    plans: dict[str, list[Step]] = {}
    for text in texts:
        name, equals, step = text.partition("=")
        if not equals or not name:
            raise ValueError(f"variant: expected NAME=STEP, got {text!r}")
        plans.setdefault(name, []).extend([make_step(*parse_call(step))] if step else [])
    return plans or None


def _over_seeds(store: FeatureStore, known: Table, first: Table, seeds: int, **asked: Any) -> Table:
    """Score other splits as well: the mean, the lowest and the highest of all."""
    import numpy as np

    from astrotl.learn import probe as ask
    from astrotl.learn import scores

    with warnings.catch_warnings():
        # What there was to say of the labels has been said.
        warnings.simplefilter("ignore", AstrotlWarning)
        tables = [first, *(ask(store, known, seed=seed, **asked) for seed in range(1, seeds))]
    found = scores(first, samples=0)
    values = [scores(table, samples=0)["value"] for table in tables]
    found["value"], found["low"], found["high"] = (take(values, axis=0) for take in (np.mean, np.min, np.max))
    return found


def _short(found: Table) -> Table:
    """Keep of a summary what fits on a screen."""
    import numpy as np

    names = ["extractor", *(["variant"] if len(set(found["variant"].tolist())) > 1 else []), "head", "fraction"]
    found = found[[*names, "learned", *(name for name in _SHOWN if name in found.colnames), "best"]]
    found["best"] = np.where(found["best"], "*", "")
    found["learned"].info.format = ".0f"
    return found
