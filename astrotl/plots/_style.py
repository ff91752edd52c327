"""What the figures that show images share: light on dark, and colours that colour-blind eyes tell apart."""

from __future__ import annotations

from matplotlib.axes import Axes

INK, PAPER, QUIET, LINE = "0.95", "0.08", "0.65", "0.3"

#: Okabe and Ito's colours.
ORANGE, SKY, GREEN, YELLOW, PINK, RED, BLUE = (
    "#e69f00",
    "#56b4e9",
    "#009e73",
    "#f0e442",
    "#cc79a7",
    "#d55e00",
    "#0072b2",
)

#: The same, the ones that are read most easily on dark first.
COLOURS = (ORANGE, SKY, GREEN, YELLOW, PINK, RED, BLUE)


def darken(ax: Axes, title: str = "", *, grid: bool = True) -> None:
    """Give an axes light text on dark, and lines that do not come to the fore."""
    ax.set_facecolor(PAPER)
    ax.set_axisbelow(True)
    ax.set_title(title, fontsize=9, color=INK, loc="left", pad=6)
    for label in (ax.xaxis.label, ax.yaxis.label):
        label.set(fontsize=8, color=INK)
    ax.tick_params(colors=QUIET, labelsize=7.5, which="both")
    for side in ax.spines.values():
        side.set_color(LINE)
    if grid:
        ax.grid(color=LINE, linewidth=0.4)
