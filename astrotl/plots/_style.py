"""How all figures look: black on white, the widths of a journal's columns, colours that everybody tells apart."""

from __future__ import annotations

import functools
import io
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import ParamSpec, TypeVar

import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.figure import Figure

__all__ = ["style"]

P = ParamSpec("P")
R = TypeVar("R")

#: The widths of one and of two columns of a journal, in inches.
COLUMN, PAGE = 3.4, 7.0
#: Points; journals print nothing smaller than the smallest.
SMALLEST, SMALL, TEXT = 5.5, 7.0, 8.0

INK, QUIET, FAINT, PAPER = "#16181c", "0.4", "0.85", "white"
#: Five of the six colours that Petroff (2021, arXiv:2107.02270) found by what people told apart and liked, and a dark
#: one for his grey, which here means that nothing is known.
BLUE, ORANGE, RED, PLUM, VIOLET, NIGHT = "#5790fc", "#f89c20", "#e42536", "#964a8b", "#7a21dd", "#1b2a2f"
COLOURS = (BLUE, ORANGE, RED, PLUM, VIOLET, NIGHT)
UNKNOWN = "#b4b6ba"
#: Where there are more lines than colours, and for eyes and printers without any.
DASHES = ("-", "--", ":", "-.")
MARKS = ("o", "^", "s")

_LOOK = {
    "axes.axisbelow": True,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.labelsize": TEXT,
    "axes.linewidth": 0.6,
    "axes.titlelocation": "left",
    "axes.titlesize": TEXT,
    "figure.constrained_layout.h_pad": 0.06,
    "figure.constrained_layout.use": True,
    "figure.constrained_layout.w_pad": 0.06,
    "figure.dpi": 150,
    "figure.labelsize": TEXT,
    "figure.figsize": (COLUMN, 2.7),
    "font.size": TEXT,
    "grid.color": FAINT,
    "grid.linewidth": 0.4,
    "hatch.linewidth": 0.5,
    "image.interpolation": "nearest",
    "image.origin": "lower",
    "legend.fontsize": SMALL,
    "legend.frameon": False,
    "legend.handlelength": 1.6,
    "legend.title_fontsize": SMALL,
    "lines.linewidth": 1.2,
    "lines.markersize": 4,
    "patch.linewidth": 0.6,
    # Letters stay letters, which an editor can change and a reader can search.
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
    "svg.hashsalt": "astrotl",
    "savefig.dpi": 200,
    "text.color": INK,
    "xtick.color": INK,
    "xtick.direction": "in",
    "xtick.labelsize": SMALL,
    "xtick.major.width": 0.6,
    "xtick.minor.width": 0.4,
    "xtick.top": True,
    "ytick.color": INK,
    "ytick.direction": "in",
    "ytick.labelsize": SMALL,
    "ytick.major.width": 0.6,
    "ytick.minor.width": 0.4,
    "ytick.right": True,
}


def style() -> AbstractContextManager[None]:
    """Have figures of your own look like those of astrotl, as long as this context lasts.

    What you have set yourself comes back afterwards. The functions of this room need it only where you make the axes
    that they draw into.

    Returns
    -------
    context manager
        For a ``with`` statement.

    Examples
    --------
    >>> from matplotlib import pyplot, rcParams
    >>> from astrotl.plots import style
    >>> with style():
    ...     figure, axes = pyplot.subplots(1, 2, figsize=(7.0, 2.7))
    ...     figure.savefig("mine.pdf")
    >>> rcParams["font.size"]
    10.0
    >>> pyplot.close(figure)
    """
    context: AbstractContextManager[None] = matplotlib.style.context(["default", _LOOK])
    return context


def styled(function: Callable[P, R]) -> Callable[P, R]:
    """Have a function draw in this style, whatever the user's own is."""

    @functools.wraps(function)
    def draw(*args: P.args, **kwargs: P.kwargs) -> R:
        with style():
            return function(*args, **kwargs)

    return draw


class Sheet(Figure):
    """A figure that no pyplot knows of, and that a notebook shows all the same."""

    # What is only made when it is drawn, such as ticks, and how letters are written, asks for the style again.
    draw = styled(Figure.draw)
    savefig = styled(Figure.savefig)

    def _repr_png_(self) -> bytes:
        file = io.BytesIO()
        self.savefig(file, format="png")
        return file.getvalue()


class Panel(Axes):
    """The axes of a figure that has no others, shown by a notebook as that figure."""

    def _repr_png_(self) -> bytes | None:
        figure = self.get_figure(root=True)
        return figure._repr_png_() if isinstance(figure, Sheet) else None


def sheet(width: float = COLUMN, height: float = 2.7) -> Sheet:
    """Make a figure, its size in inches."""
    return Sheet(figsize=(width, height))


def panel(ax: Axes | None, width: float = COLUMN, height: float = 2.7) -> Axes:
    """Take the axes that were given, or make a figure with some."""
    return sheet(width, height).add_subplot(axes_class=Panel) if ax is None else ax


def width_of(ax: Axes) -> float:
    """Give the width of axes in inches, as far as it is known before all is laid out."""
    figure = ax.get_figure(root=True)
    assert figure is not None
    return float(ax.get_position().width * figure.get_figwidth())


def with_unit(name: str, unit: object) -> str:
    """Name an axis."""
    return f"{name} [{unit}]" if unit else name


def shorten(name: str, most: int) -> str:
    """Cut a long name in its middle, for both its ends tell it from others."""
    if len(name) <= most:
        return name
    front = max(1, (most - 1) // 2)
    return f"{name[:front]}…{name[front + 1 - most :]}" if most > 2 else name[:most]
