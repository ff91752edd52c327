"""What a notebook shows of tables, stores and indexes: pictures of the first objects, read only when they are shown."""

from __future__ import annotations

from contextlib import suppress
from functools import partial

from astropy.table import Table

from astrotl.index import Index
from astrotl.originals import images_of
from astrotl.pictures import thumbnails
from astrotl.report._cells import columns_of
from astrotl.report._markup import Markup, join, tag
from astrotl.report._sections import facts
from astrotl.sources import ImageSource
from astrotl.store import FeatureStore

__all__ = ["index_html", "store_html", "table_html", "with_pictures"]

#: A notebook shows so many rows of a table, and so many objects of a store.
_ROWS, _OBJECTS = 20, 8
_SIDE = 64


def with_pictures(table: Table, images: ImageSource | FeatureStore) -> Table:
    """Have a notebook show a table with a picture of each object.

    The answers of tasks come like this. A slice of one, or a table that was read from a file, is an ordinary table
    until it is given to this function. In all else it stays what it was: nothing is added to it that is written or
    pickled.

    Parameters
    ----------
    table : `~astropy.table.Table`
        A table with the column ``id``.
    images : `~astrotl.sources.ImageSource` or `~astrotl.FeatureStore`
        Where the images are, or the store that was made from them. They are read when the table is shown.

    Returns
    -------
    `~astropy.table.Table`
        The same table.

    Examples
    --------
    >>> from astropy.table import Table
    >>> from astrotl import simulate
    >>> from astrotl.report import with_pictures
    >>> from astrotl.sources import ArraySource
    >>> batch, truth = simulate.stamps(5, seed=1)
    >>> images = ArraySource(batch.data, ids=batch.ids)
    >>> with_pictures(truth["id", "kind"][:3], images)._repr_html_().count("<img")
    3
    """
    if "id" not in table.colnames:
        raise ValueError(f"table: has no column 'id'; it has {', '.join(table.colnames)}")
    # An attribute of this one table: its class, and every table made of it, are those of astropy.
    table._repr_html_ = partial(table_html, table, images)
    return table


def table_html(table: Table, images: ImageSource | FeatureStore) -> str:
    """Show the first rows of a table with a picture each, or the table alone where there are no pictures."""
    # Whatever is wrong with images, a table can be shown.
    with suppress(Exception):
        source = images if isinstance(images, ImageSource) else images_of(images)
        first = table[:_ROWS]
        pictures = thumbnails(source, [str(name) for name in first["id"]], side=_SIDE)
        if pictures:
            return _pictured(first, pictures, len(table))
    return str(Table._repr_html_(table))


def _pictured(table: Table, pictures: dict[str, str], count: int) -> str:
    columns = columns_of(table)
    heading = tag("tr", tag("th"), *(tag("th", column.heading, title=column.about or None) for column in columns))
    rows = [
        tag("tr", tag("td", _image(pictures.get(str(name)))), *(tag("td", column.texts[row]) for column in columns))
        for row, name in enumerate(table["id"])
    ]
    said = f"{count:,} rows" if count <= len(table) else f"the first {len(table)} of {count:,} rows"
    return join(tag("table", tag("thead", heading), tag("tbody", *rows)), tag("p", said))


def store_html(store: FeatureStore) -> str:
    """Show what a store is, with its first objects."""
    done = store.count_done()
    said = tag("p", tag("b", type(store).__name__), f": {done:,} of {len(store):,} objects done")
    return join(said, _first_objects(store), facts({}, store))


def index_html(index: Index) -> str:
    """Show what an index is, and the store that it searches."""
    said = tag("p", tag("b", type(index).__name__), f": {len(index):,} objects, {index.metric}")
    return join(said, store_html(index.store))


def _first_objects(store: FeatureStore) -> Markup | None:
    with suppress(Exception):
        pictures = thumbnails(images_of(store), store.objects(store.done()[:_OBJECTS])["id"].tolist(), side=_SIDE)
        return tag("p", *(_image(address, name) for name, address in pictures.items()))
    return None


def _image(address: str | None, name: str = "") -> Markup | None:
    if address is None:
        return None
    look = "display: inline-block; margin: 0 2px; image-rendering: pixelated"
    return tag("img", src=address, alt=name, title=name or None, width=_SIDE, style=look)
