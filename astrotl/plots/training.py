"""How training went, epoch by epoch."""

from __future__ import annotations

import numpy as np
from astropy.table import Table
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from astrotl.labels import numbers
from astrotl.plots._style import BLUE, ORANGE, QUIET, SMALL, panel, styled

__all__ = ["training_curves"]


@styled
def training_curves(history: Table, *, kept: int | None = None, ax: Axes | None = None) -> Axes:
    """Draw the loss of each epoch, of what was learned from and of what was kept for checking.

    The band is the standard error of the loss of what was kept for checking. Where the training diverged there is no
    line.

    Parameters
    ----------
    history : `~astropy.table.Table`
        The attribute ``history`` of a network or a detector that was trained.
    kept : int, optional
        The epoch to mark: the one that was kept.
    ax : `~matplotlib.axes.Axes`, optional
        Where to draw; by default in a figure of its own.

    Returns
    -------
    `~matplotlib.axes.Axes`
        What was drawn in; ``.figure.savefig(path)`` keeps it.
    """
    lost = [name for name in ("epoch", "loss", "validation_loss") if name not in history.colnames]
    if lost:
        raise ValueError(f"history: has no column {lost[0]!r}; it has {', '.join(history.colnames)}")
    if not len(history):
        raise ValueError("history: has no epochs to draw")
    epoch = numbers(history, "epoch")
    if kept is not None and kept not in epoch:
        raise ValueError(f"kept: must be an epoch from {epoch.min():.0f} to {epoch.max():.0f}, got {kept}")
    ax = panel(ax)
    learned, checked = numbers(history, "loss"), numbers(history, "validation_loss")
    if "validation_error" in history.colnames:
        error = numbers(history, "validation_error")
        ax.fill_between(epoch, checked - error, checked + error, color=ORANGE, alpha=0.25, linewidth=0)
    ax.plot(epoch, learned, "o--", color=BLUE, markersize=3, label="learned from")
    ax.plot(epoch, checked, "o-", color=ORANGE, markersize=3, label="kept for checking")
    if kept is not None:
        ax.axvline(kept, color=QUIET, linewidth=0.8, linestyle=(0, (4, 3)))
        ax.text(
            kept, 1.02, "kept", transform=ax.get_xaxis_transform(), ha="center", va="bottom", fontsize=SMALL,
            color=QUIET,
        )  # fmt: skip
    both = np.concatenate([learned, checked])
    both = both[np.isfinite(both)]
    if len(both) and both.min() > 0 and both.max() > 10 * both.min():
        ax.set_yscale("log")
        ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.yaxis.set_major_formatter("{x:g}")
        ax.yaxis.set_minor_formatter(NullFormatter())
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set(xlabel="epoch", ylabel="loss")
    ax.legend(loc="best")
    return ax
