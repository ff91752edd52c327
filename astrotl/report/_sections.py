"""The parts of a report: objects, figures, measures, where all of it comes from, and the table."""

from __future__ import annotations

import base64
import dataclasses
import io
import os
import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from astropy.table import Table

from astrotl import plugins
from astrotl._params import plain
from astrotl.report._cells import Column
from astrotl.report._markup import Markup, join, tag
from astrotl.store import FeatureStore

__all__ = ["command", "facts", "figure", "gallery", "measured", "table_of"]

#: What is said below a picture, as far as the table has it.
_SAID = ("rank", "score", "distance", "predicted", "probability", "label", "class", "epoch", "object", "votes")
_MOST_SAID = 4
#: Longer text may be broken into lines.
_LONG = 40
#: Columns that only say where an object is.
_PLACES = ("id", "query", "ra", "dec", "image", "x", "y", "width", "height")
_SKY = "https://aladin.cds.unistra.fr/AladinLite/?fov=0.02&target="


class _Drawn(Protocol):
    @property
    def figure(self) -> Any: ...


def gallery(
    ids: Sequence[str],
    columns: Sequence[Column],
    anchors: Sequence[str],
    pictures: Mapping[str, str],
    queries: Sequence[str] | None,
) -> Markup:
    """Show each object with its picture; with queries, each query before its own answers."""
    said = _said(columns)
    cards = [
        _card(name, anchor, pictures.get(name), number, said)
        for number, (name, anchor) in enumerate(zip(ids, anchors, strict=True))
    ]
    if queries is None:
        return tag("div", *cards, class_="gallery")
    parts = []
    for query in dict.fromkeys(queries):
        mine = [card for card, whose in zip(cards, queries, strict=True) if whose == query]
        first = tag("figure", _picture(pictures.get(query)), tag("figcaption", tag("b", query)), class_="card query")
        parts += [tag("h3", f"Like {query}"), tag("div", first, *mine, class_="gallery")]
    return join(*parts)


def _card(name: str, anchor: str, picture: str | None, row: int, said: Sequence[Column]) -> Markup:
    lines = []
    for column in said:
        text = column.texts[row]
        if text in ("True", "False"):
            lines.append(tag("span", column.name.replace("_", " "), class_="badge") if text == "True" else None)
        elif text:
            lines.append(join(tag("span", f"{column.name} "), text, tag("br")))
    return tag("figure", _picture(picture), tag("figcaption", tag("b", name), *lines), class_="card", id=anchor)


def _picture(address: str | None) -> Markup:
    return tag("div", "no image", class_="blank") if address is None else tag("img", src=address, alt="")


def _said(columns: Sequence[Column]) -> list[Column]:
    named = {column.name: column for column in columns}
    # What was estimated is what was asked for.
    asked = [name for name in named if f"{name}_p16" in named]
    usual = [named[name] for name in (*asked, *_SAID) if name in named][:_MOST_SAID]
    truths = [column for column in columns if {*column.texts} & {"True"} and {*column.texts} <= {"True", "False", ""}]
    others = [column for column in columns if column.values is not None and column.name not in _PLACES]
    return [*(usual or others[:_MOST_SAID]), *truths]


def table_of(count: int, columns: Sequence[Column], anchors: Sequence[str] | None) -> Markup:
    """Show the rows as a table that sorts itself; the ids lead to the pictures."""
    heading = [
        tag(
            "th", tag("button", column.heading, type="button"), title=column.about or None, scope="col",
            class_="number" if column.values is not None else None,
        )
        for column in columns
    ]  # fmt: skip
    rows = []
    for row in range(count):
        contents: dict[str, object] = {column.name: column.texts[row] for column in columns}
        for name in ("id", "image"):
            if anchors is not None and name in contents:
                contents[name] = tag("a", contents[name], href=f"#{anchors[row]}")
        contents |= {"ra": link} if (link := _on_the_sky(columns, row)) else {}
        rows.append(tag("tr", *(_cell(column, row, contents[column.name]) for column in columns)))
    body = tag("table", tag("thead", tag("tr", *heading)), tag("tbody", *rows))
    return tag("div", body, class_="wide")


def _cell(column: Column, row: int, content: object) -> Markup:
    if column.values is None:
        return tag("td", content, class_="long" if len(column.texts[row]) > _LONG else None)
    value = column.values[row]
    return tag("td", content, class_="number", data_value="" if np.isnan(value) else repr(float(value)))


def _on_the_sky(columns: Sequence[Column], row: int) -> Markup | None:
    """Lead from a position to an atlas of the sky, which only opens where somebody clicks."""
    here = {column.name: column.values[row] for column in columns if column.values is not None}
    ra, dec = here.get("ra", np.nan), here.get("dec", np.nan)
    if not (np.isfinite(ra) and np.isfinite(dec)):
        return None
    text = next(column.texts[row] for column in columns if column.name == "ra")
    return tag("a", text, href=f"{_SKY}{ra:.6f}%20{dec:+.6f}", target="_blank", rel="noopener noreferrer")


def figure(title: str, drawn: _Drawn) -> Markup:
    """Put a figure of matplotlib into the page."""
    file = io.BytesIO()
    drawn.figure.savefig(file, format="png")
    address = f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
    width = round(100 * drawn.figure.get_figwidth())
    return tag("figure", tag("img", src=address, alt=title, width=width))


def measured(measures: Mapping[str, Mapping[str, float]]) -> Markup:
    """Show measures with their intervals."""
    rows = [
        tag("tr", tag("th", name, scope="row"), *(tag("td", f"{one[key]:.3f}", class_="number") for key in _ENDS))
        for name, one in measures.items()
    ]
    heading = tag("tr", tag("th"), *(tag("th", text, class_="number", scope="col") for text in ("", "from", "to")))
    note = tag("p", "Between the last two lie 95 % of the bootstrap samples.", class_="note")
    return join(tag("table", tag("thead", heading), tag("tbody", *rows), class_="facts"), note)


_ENDS = ("value", "low", "high")


def facts(meta: Mapping[str, Any], store: FeatureStore | None) -> Markup:
    """Show where the table comes from, as the table and the store say it themselves."""
    told: dict[str, object] = {}
    for name, value in meta.items():
        told[name] = _in_words(value)
    if store is not None:
        made = store.provenance
        told["store"] = (
            f"{os.path.basename(store.path)}, {len(store):,} objects, {store.shape[1]:,} features, {store.uuid}"
        )
        told["bands"] = ", ".join(map(str, made.get("source", {}).get("channels", [])))
        told["steps"] = "; ".join(
            _called(one.get("step", "?"), one.get("parameters", {})) for one in made.get("steps", [])
        )
        told["extractor"] = _in_words(made.get("extractor"))
        told["features made"] = made.get("created", "")
        told["versions"] = ", ".join(f"{name} {version}" for name, version in made.get("versions", {}).items())
    rows = [tag("tr", tag("th", name, scope="row"), tag("td", text)) for name, text in told.items() if text]
    return tag("table", tag("tbody", *rows), class_="facts")


def _in_words(value: Any) -> str:
    if isinstance(value, Mapping):
        if "class" in value:
            return _called(str(value["class"]).rpartition(":")[2], value.get("parameters", {}))
        return ", ".join(f"{key}={_in_words(one)}" for key, one in value.items() if one not in (None, "", [], {}))
    if isinstance(value, str):
        # Where a file lies on this machine is of no use to who reads the page, and nobody's business.
        return os.path.basename(value) if os.path.isabs(value) else value
    return ", ".join(map(_in_words, value)) if isinstance(value, Iterable) else str(value)


def _called(name: str, parameters: Mapping[str, Any]) -> str:
    return f"{name}({', '.join(f'{key}={_in_words(value)}' for key, value in parameters.items())})"


def command(table: Table) -> str | None:
    """Write the command that asks the same question again; None where the table is no task's answer."""
    meta = table.meta.get("astrotl", {})
    tasks = {path.rpartition(":")[2]: name for plugin in plugins.plugins() for name, path in plugin.tasks.items()}
    name = tasks.get(str(meta.get("task")))
    if name is None:
        return None
    task: Any = plugins.load_task(name)
    usual = {field.name: plain(field.default) for field in dataclasses.fields(task)}
    words = ["astrotl", "run", name, str(meta.get("store", {}).get("file", "features.h5"))]
    for key, value in meta.get("parameters", {}).items():
        if value in (None, usual.get(key)):
            continue
        words.append(f"-{key}" if len(key) == 1 else f"--{key.replace('_', '-')}")
        if value is not True:
            words.append(",".join(map(str, value)) if isinstance(value, list) else str(value))
    if task.labels == "required" or {"label", "damaged"} & set(table.colnames):
        words += ["--labels", "LABELS"]
    return shlex.join([*words, "-o", "out.ecsv"])
