"""The feature space as a drawing within the page: all objects in grey, those of the table in colour, each a link."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from astropy.table import Table

from astrotl.report._markup import Markup, join, tag

__all__ = ["draw_map"]

_SIDE = 1000
_MARGIN = 20
#: Dark for little and bright for much, evenly to the eye, also to one without red or green: five of viridis.
_SCALE = np.array([(68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37)], dtype=float)
_PLAIN = "#5790fc"


def draw_map(
    places: Table, ids: Sequence[str], anchors: Sequence[str], values: np.ndarray | None, name: str, others: int
) -> Markup | None:
    """Draw a map of a store with the objects of a table on it; None if the store holds none of them.

    ``places`` is what `astrotl.learn.project` gives, of the table's objects and of some of the ``others``. ``anchors``
    are where each object's link leads within the page, and ``values`` what colours it, by the name that stands below.
    """
    all_x, all_y = np.asarray(places["x"], dtype=float), np.asarray(places["y"], dtype=float)
    row_of = {str(one): row for row, one in enumerate(places["id"].tolist())}
    shown = [number for number, one in enumerate(ids) if one in row_of]
    if not shown:
        return None
    rows = np.array([row_of[ids[number]] for number in shown])
    behind = np.setdiff1d(np.arange(len(places)), rows)
    low = np.array([all_x.min(), all_y.min()])
    spread = np.array([np.ptp(all_x), np.ptp(all_y)])
    unit = (_SIDE - 2 * _MARGIN) / max(spread.max(), 1e-12)
    height = unit * spread[1] + 2 * _MARGIN
    x = _MARGIN + unit * (all_x - low[0])
    # On a page y runs downwards.
    y = height - _MARGIN - unit * (all_y - low[1])
    dots = [tag("circle", cx=f"{x[row]:.1f}", cy=f"{y[row]:.1f}", r=3) for row in behind.tolist()]
    colours, ends = _colours(np.full(len(shown), np.nan) if values is None else values[shown])
    # The first of the table is drawn last, lest others hide it.
    marks = [
        tag(
            "a",
            tag("circle", cx=f"{x[row]:.1f}", cy=f"{y[row]:.1f}", r=8, fill=colour),
            tag("title", ids[number]),
            href=f"#{anchors[number]}",
        )
        for number, row, colour in reversed(list(zip(shown, rows.tolist(), colours, strict=True)))
    ]
    drawing = tag(
        "svg",
        tag("g", *dots, class_="behind"),
        tag("g", *marks, class_="marks"),
        viewBox=f"0 0 {_SIDE} {height:.0f}",
        role="img",
        aria_label="The feature space",
    )
    return join(drawing, _legend(name, ends), _told(places.meta["astrotl"]["shares"], len(behind), others))


def _colours(values: np.ndarray) -> tuple[list[str], tuple[float, float] | None]:
    if not np.isfinite(values).any():
        return [_PLAIN] * len(values), None
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    share = np.nan_to_num((values - low) / ((high - low) or 1.0))
    at = share * (len(_SCALE) - 1)
    rgb = np.stack([np.interp(at, np.arange(len(_SCALE)), band) for band in _SCALE.T], axis=1).round().astype(int)
    return [f"#{r:02x}{g:02x}{b:02x}" for r, g, b in rgb.tolist()], (low, high)


def _legend(name: str, ends: tuple[float, float] | None) -> Markup | None:
    if ends is None:
        return None
    bar = ", ".join(f"rgb({r:.0f} {g:.0f} {b:.0f})" for r, g, b in _SCALE.tolist())
    return tag(
        "p",
        f"{name} {ends[0]:.3g} ",
        tag("span", class_="bar", style=f"background: linear-gradient(to right, {bar})"),
        f" {ends[1]:.3g}",
        class_="legend",
    )


def _told(shares: Sequence[float], behind: int, others: int) -> Markup:
    grey = f"{behind:,} of the other {others:,} objects" if behind < others else f"the other {others:,} objects"
    said = f"The two main directions hold {100 * sum(shares):.0f} % of all differences. Grey: {grey} of the store."
    return tag("p", said, class_="note")
