"""``astrotl info``, ``tasks``, ``extractors`` and ``plugins``: what there is."""

from __future__ import annotations

import contextlib
import os
from typing import Any

import click

from astrotl.cli._options import room, shared_options, summaries

#: So many bad shards are named one by one.
_PROBLEMS = 10


@click.command()
@click.argument("file", metavar="FILE")
@shared_options
def info(file: str) -> None:
    """Say what a file or a folder is: a store, an index, a network, a detector, a table, images, a HATS catalogue.

    \b
      astrotl info features.h5
      astrotl info frame-g.fits.bz2
    """
    if not os.path.exists(file):
        raise FileNotFoundError(f"{file}: there is no such file")
    from astrotl.store import is_store

    lower = file.lower()
    if is_store(file):
        _show_store(file)
    elif any(os.path.exists(os.path.join(file, f"{name}.properties")) for name in ("hats", "collection")):
        _show_catalogue(file)
    elif lower.endswith(".ann"):
        _show_index(file)
    elif lower.endswith(".safetensors"):
        _show_network(file)
    elif lower.endswith((".ecsv", ".csv", ".vot", ".xml", ".parquet")):
        _show_table(file)
    else:
        _show_images(file)


def _show_store(file: str) -> None:
    from astrotl.store import ShardedStore, open_store

    store = open_store(file)
    made = store.provenance
    shards = len(store.shards) if isinstance(store, ShardedStore) else 0
    problems = store.problems() if isinstance(store, ShardedStore) else {}
    failed = store.failed() if not problems else []
    if isinstance(store, ShardedStore):
        whole = [number for number, shard in enumerate(store.shards) if shard.name not in problems]
        done = sum(store.shard(number).count_done() for number in whole)
    else:
        done = store.count_done()
    click.echo(f"{file}: feature store")
    _lines(
        objects=f"{len(store):,}, of which {done:,} done" + (f" and {len(failed):,} failed" if not problems else ""),
        **({"shards": f"{shards:,}, of which {len(problems):,} missing or damaged"} if shards else {}),
        features=f"{store.shape[1]:,} each",
        extractor=_called(
            made.get("extractor", {}).get("class", "?").rpartition(":")[2],
            made.get("extractor", {}).get("parameters", {}),
        ),
        steps=", ".join(_called(step["step"], step["parameters"]) for step in made.get("steps", [])) or "none",
        bands=", ".join(made.get("source", {}).get("channels", [])),
        images=(made.get("origin") or {}).get("inputs", "as its folder says" if "sharded" in made else "in memory"),
        engine=made.get("runs_on", "as each shard says" if shards else "?"),
        created=made.get("created", "?"),
        versions=", ".join(f"{name} {version}" for name, version in made.get("versions", {}).items()),
        uuid=store.uuid,
    )
    for problem in [*problems.values()][:_PROBLEMS]:
        click.echo(f"  {problem}")
    if len(problems) > _PROBLEMS:
        click.echo(f"  and {len(problems) - _PROBLEMS:,} more")
    for row in failed:
        click.echo(f"  failed: {row['id']}: {row['reason']}")


def _show_catalogue(file: str) -> None:
    from astrotl.sources._partitions import open_catalogue

    catalogue, partitions = open_catalogue(file, None)
    click.echo(f"{file}: HATS catalogue")
    _lines(
        objects=f"{sum(partition.rows for partition in partitions):,}",
        partitions=f"{len(partitions):,}",
        positions=f"{catalogue.ra}, {catalogue.dec}",
        ids=catalogue.ids or "none",
    )


def _show_index(file: str) -> None:
    from astrotl.index._files import read_note

    click.echo(f"{file}: index of neighbours")
    _lines(**{key: value for key, value in read_note(file).items() if key != "format"})


def _show_network(file: str) -> None:
    from astrotl.errors import WeightsError
    from astrotl.extract import make_extractor

    detector = room("neural", "astrotl info").FasterRCNN(file)
    with contextlib.suppress(WeightsError):
        _show_detector(file, detector.note)
        return
    made: Any = make_extractor("finetuned", {"path": file})
    note = made.note
    click.echo(f"{file}: network that was taught {note['column']}")
    _lines(
        **({"classes": ", ".join(note["classes"])} if note["classes"] else {}),
        extractor=_called(note["base"]["class"].rpartition(":")[2], note["base"]["parameters"]),
        method=note["settings"]["method"],
        steps=", ".join(_called(step["step"], step["parameters"]) for step in note["steps"]) or "none",
        epochs=f"{len(note['history']) - 1}",
        kept=f"epoch {note['epoch']}" if note["epoch"] else "the head alone, on the network as it came",
        tested=f"{len(made.tested):,} objects",
        created=note["created"],
        versions=", ".join(f"{name} {version}" for name, version in note["versions"].items()),
    )


def _show_detector(file: str, note: dict[str, Any]) -> None:
    design, base, checked = note["design"], note["base"], note["checked"]
    scores = ", ".join(f"{row['measure']} {row['value']:.3f}" for row in checked["scores"])
    click.echo(f"{file}: detector that was taught {', '.join(design['classes'])}")
    _lines(
        bands=", ".join(note["channels"]),
        # It may have gone on from another detector, which is known by its file.
        extractor=_called(base["class"].rpartition(":")[2], base.get("parameters") or {"path": base["path"]}),
        method=note["settings"]["method"],
        steps=", ".join(_called(step["step"], step["parameters"]) for step in note["steps"]) or "none",
        tile=f"{design['tile']} px, seen as {design['size']}",
        epochs=f"{len(note['history']) - 1}",
        kept=f"epoch {note['epoch']}",
        checked=f"{scores} at the score {note['threshold']:.3f}, on {len(checked['images']):,} images",
        created=note["created"],
        versions=", ".join(f"{name} {version}" for name, version in note["versions"].items()),
    )


def _show_table(file: str) -> None:
    from astrotl.tables import read_table

    table = read_table(file)
    click.echo(f"{file}: table of {len(table):,} rows")
    for name in table.colnames:
        column = table[name]
        unit = f" [{column.unit}]" if getattr(column, "unit", None) else ""
        about = getattr(column.info, "description", None)
        click.echo(f"  {name}{unit}: {about or column.dtype.name}")
    if "astrotl" in table.meta:
        _lines(**table.meta["astrotl"])


def _show_images(file: str) -> None:
    from astrotl.sources import open_source

    source = open_source(file)
    batch = source[:1].read()
    height, width = batch.data.shape[2:]
    click.echo(
        f"{file}: {'image' if len(source) == 1 else f'stack of {len(source):,} images'} of {width} x {height} px"
    )
    _lines(bands=", ".join(source.channels))


@click.command()
@shared_options
def tasks() -> None:
    """List the questions that can be asked of a store."""
    _list("tasks")
    click.echo('\n"astrotl run TASK --help" says more.')


@click.command()
@click.argument("name", required=False)
@shared_options
def extractors(name: str | None) -> None:
    """List what turns images into features, or the parameters of one.

    \b
      astrotl extractors
      astrotl extractors timm
    """
    if name is None:
        _list("extractors")
        click.echo('\n"astrotl extractors NAME" lists the parameters that --set takes.')
        return
    from astrotl.plugins import load_extractor

    _show_parameters(load_extractor(name), name)


def _show_parameters(cls: type, name: str) -> None:
    import inspect
    import textwrap

    from astrotl._params import parameter_docs, summary

    click.echo(f"{name}: {summary(cls)}")
    docs = parameter_docs(cls)
    for parameter in inspect.signature(cls).parameters.values():
        default = "" if parameter.default is parameter.empty else f" [{parameter.default}]"
        click.echo(f"  --set {parameter.name}={default}")
        click.echo(click.wrap_text(docs.get(parameter.name, ""), 96, "      ", "      "))
    if hasattr(cls, "origin"):
        click.echo(textwrap.indent(cls.origin(), "  "))


@click.command()
@shared_options
def plugins() -> None:
    """List the plugins that were found, and those that were left out with the reason."""
    from astrotl import plugins as found

    for plugin in found.plugins():
        click.echo(f"{plugin.name} ({plugin.package})")
        _lines(extractors=", ".join(plugin.extractors) or "none", tasks=", ".join(plugin.tasks) or "none")
    for broken in found.broken_plugins():
        click.echo(f"{broken.name} ({broken.package}) is left out: {broken.cause}")


def _list(kind: str) -> None:
    for name, about in summaries(kind):
        click.echo(f"{name:20} {about}")


def _called(name: str, parameters: dict[str, Any]) -> str:
    return f"{name}({', '.join(f'{key}={value}' for key, value in parameters.items() if value is not None)})"


def _lines(**entries: Any) -> None:
    for name, value in entries.items():
        click.echo(f"  {name:11} {value}")
