"""A report: one HTML file with objects, map, figures, measures, origin and table, which opens from the disk."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import Table

from astrotl.detection import BoxSource
from astrotl.detection.table import COLUMNS as BOXES
from astrotl.errors import AstrotlError, AstrotlWarning, first_line
from astrotl.learn import project
from astrotl.originals import images_of
from astrotl.pictures import thumbnails
from astrotl.report import _sections
from astrotl.report._cells import columns_of
from astrotl.report._figures import figures_of
from astrotl.report._map import draw_map
from astrotl.report._markup import Markup, join, tag
from astrotl.sources import Field, ImageSource
from astrotl.store import FeatureStore

__all__ = ["write_report"]

#: Nothing is fetched from anywhere: what the page needs is in it.
_POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; "
    "form-action 'none'"
)
_SIDE = 128
#: So many of the other objects are enough to see where those of the table lie among them.
_MOST_BEHIND = 3000
_COLOURED_BY = ("score", "probability", "distance")


def write_report(
    table: Table,
    path: str | os.PathLike[str],
    *,
    store: FeatureStore | None = None,
    images: ImageSource | Sequence[Field] | None = None,
    measures: Table | Mapping[str, Mapping[str, float]] | None = None,
    title: str | None = None,
    rows: int = 200,
) -> None:
    """Write a table as a page to send to a colleague: one file, which needs no network and no astrotl.

    It holds the objects with their pictures, where they lie in the feature space, figures that suit the table,
    measures, where all of it comes from, and the table, which is sorted by a click.

    Parameters
    ----------
    table : `~astropy.table.Table`
        The answer of a task, predictions, or boxes that were found.
    path : path
        The page, ``.html``. What is there is written over.
    store : `~astrotl.FeatureStore`, optional
        The store that the table was made from, for the map and for what is told of its origin.
    images : `~astrotl.sources.ImageSource` or sequence of `~astrotl.sources.Field`, optional
        Where the pictures are, for a table of boxes the images that these lie in. By default the images that the store
        was made from, if they are still there.
    measures : `~astropy.table.Table` or mapping, optional
        How good the answers are: what `~astrotl.tasks.Task.evaluate` or `~astrotl.learn.scores` gives.
    title : str, optional
        What stands above.
    rows : int, optional
        How many rows of the table the page holds at the most, the first ones.

    Examples
    --------
    >>> from astrotl import ExactIndex, extract_features, simulate
    >>> from astrotl.report import write_report
    >>> from astrotl.sources import ArraySource
    >>> from astrotl.tasks import Similar
    >>> batch, truth = simulate.stamps(40, seed=1)
    >>> images = ArraySource(batch.data, ids=batch.ids)
    >>> store = extract_features(images, "profiles", "features.h5")
    >>> table = Similar(["SIM0001", "SIM0002"], k=5).run(ExactIndex.build(store))
    >>> write_report(table, "similar.html", store=store, images=images)
    """
    path = Path(path)
    if path.suffix.lower() not in (".html", ".htm"):
        raise ValueError(f"path: {path} needs the ending .html")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path}: there is no folder {path.parent}")
    if rows < 1:
        raise ValueError(f"rows: must be 1 or more, got {rows}")
    if not len(table):
        raise ValueError("table: has no rows to report")
    text = _Page(table, store, images, measures, title, rows).html()
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_text(text, encoding="utf-8")
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


class _Page:
    """What one page is made of."""

    def __init__(
        self,
        table: Table,
        store: FeatureStore | None,
        images: ImageSource | Sequence[Field] | None,
        measures: Table | Mapping[str, Mapping[str, float]] | None,
        title: str | None,
        rows: int,
    ) -> None:
        self.meta: dict[str, Any] = dict(table.meta.get("astrotl", {}))
        self.whole, self.table, self.store = table, _foremost(table, rows), store
        self.measures = _as_mapping(measures)
        self.note = ""
        self.fields: Sequence[Field] | None = None
        self.images = self._images(images)
        self.ids = self._ids()
        self.anchors = [f"object-{number}" for number in range(len(self.table))]
        self.columns = columns_of(self.table)
        self.title = title or f"{self.meta.get('task') or 'Results'}: {len(table):,} rows"

    def html(self) -> str:
        parts = {name: part for name, part in self._parts() if part}
        here = resources.files(__package__)
        style, script = (here.joinpath(name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
        head = tag(
            "head",
            tag("meta", charset="utf-8"),
            tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
            tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
            tag("meta", name="referrer", content="no-referrer"),
            tag("title", self.title),
            tag("style", Markup(style)),
        )
        links = [tag("a", name, href=f"#{name.lower()}") for name in parts]
        body = [tag("section", tag("h2", name), part, id=name.lower()) for name, part in parts.items()]
        page = tag("body", tag("header", *self._header()), tag("nav", *links), *body, tag("script", Markup(script)))
        return f"<!doctype html>\n{tag('html', head, page, lang='en')}\n"

    def _header(self) -> Iterator[Markup]:
        yield tag("h1", self.title)
        if len(self.table) < len(self.whole):
            yield tag("p", f"The first {len(self.table):,} of {len(self.whole):,} rows.")
        if {"created", "version"} <= set(self.meta):
            day, _, hour = str(self.meta["created"]).partition("T")
            yield tag("p", f"Made on {day} at {hour[:5]} UTC by astrotl {self.meta['version']}.")

    def _parts(self) -> Iterator[tuple[str, Markup | None]]:
        yield "Objects", self._objects()
        yield "Map", self._map()
        yield "Figures", self._figures()
        yield "Measures", _sections.measured(self.measures) if self.measures else None
        yield "Table", _sections.table_of(len(self.table), self.columns, self.anchors if self.ids else None)
        yield "Origin", self._origin()

    def _objects(self) -> Markup | None:
        if self.ids is None:
            return None
        queries = [str(name) for name in self.table["query"]] if "query" in self.table.colnames else None
        pictures = {} if self.images is None else self._pictures([*self.ids, *(queries or [])])
        note = tag("p", self.note, class_="note") if self.note else None
        return join(note, _sections.gallery(self.ids, self.columns, self.anchors, pictures, queries))

    def _pictures(self, ids: list[str]) -> dict[str, str]:
        assert self.images is not None
        try:
            return thumbnails(self.images, ids, side=_SIDE)
        except (AstrotlError, OSError, ValueError) as error:
            self._without_pictures(error)
            return {}

    def _map(self) -> Markup | None:
        if self.store is None or self.ids is None or self.store.count_done() < 3:
            return None
        done = self.store.done()
        here = np.intersect1d(np.flatnonzero(np.isin(self.store.ids, self.ids)), done)
        others = np.setdiff1d(done, here)
        behind = others
        if len(others) > _MOST_BEHIND:
            behind = np.random.default_rng(0).choice(others, _MOST_BEHIND, replace=False)
        places = project(self.store, rows=np.concatenate([here, behind]))
        by = next((column for name in _COLOURED_BY for column in self.columns if column.name == name), None)
        name, values = ("", None) if by is None else (by.name, by.values)
        drawn = draw_map(places, self.ids, self.anchors, values, name, len(others))
        return None if drawn is None else tag("div", drawn, class_="map")

    def _figures(self) -> Markup | None:
        drawn = []
        for name, draw in figures_of(self.whole, self.images, self.fields):
            # A table without labels, or images that have gone, leave nothing to draw; what there was to say of the
            # labels was said when the table was made.
            with warnings.catch_warnings(), suppress(AstrotlError, OSError, ValueError):
                warnings.simplefilter("ignore", AstrotlWarning)
                drawn.append(_sections.figure(name, draw()))
        return tag("div", *drawn, class_="figures") if drawn else None

    def _origin(self) -> Markup | None:
        command = _sections.command(self.table)
        again = [] if command is None else [tag("h3", "To ask again"), tag("pre", command)]
        return join(_sections.facts(self.meta, self.store), *again)

    def _images(self, images: ImageSource | Sequence[Field] | None) -> ImageSource | None:
        try:
            if set(BOXES) <= set(self.table.colnames):
                if images is None or isinstance(images, ImageSource):
                    return images
                self.fields = list(images)
                return BoxSource(self.fields, self.table)
            if images is None and self.store is not None:
                return images_of(self.store)
        except (AstrotlError, OSError, ValueError) as error:
            self._without_pictures(error)
            return None
        if images is not None and not isinstance(images, ImageSource):
            raise ValueError("images: fields go with a table of boxes; expected a source of images")
        return images

    def _without_pictures(self, error: Exception) -> None:
        # Who writes the page is told why; who reads it need not know where on that machine the images were.
        self.note = "The images were not at hand when this page was written."
        warnings.warn(f"the page has no pictures: {first_line(error)}", AstrotlWarning, stacklevel=5)

    def _ids(self) -> list[str] | None:
        if isinstance(self.images, BoxSource):
            return [str(name) for name in self.images.ids]
        return [str(name) for name in self.table["id"]] if "id" in self.table.colnames else None


def _foremost(table: Table, rows: int) -> Table:
    """Take the first rows; of epochs those that were flagged, of boxes the surest."""
    if "flagged" in table.colnames:
        table = table[np.argsort(~np.asarray(table["flagged"], dtype=bool), kind="stable")]
    elif set(BOXES) <= set(table.colnames) and "score" in table.colnames:
        table = table[np.argsort(-np.asarray(table["score"], dtype=float), kind="stable")]
    return table[:rows]


def _as_mapping(measures: Table | Mapping[str, Mapping[str, float]] | None) -> dict[str, Mapping[str, float]]:
    if measures is None:
        return {}
    if not isinstance(measures, Table):
        return dict(measures)
    said: dict[str, Mapping[str, float]] = {}
    for row in measures:
        of = str(row["class"]) if "class" in measures.colnames else ""
        said[f"{row['measure']}, {of}" if of else str(row["measure"])] = {
            name: float(row[name]) if name in measures.colnames else np.nan for name in ("value", "low", "high")
        }
    return said
