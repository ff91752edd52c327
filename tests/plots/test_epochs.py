"""The timelines: a line for each object, its flagged dates marked, and their images beside the stack."""

import numpy as np
import pytest
from astropy.table import Table

from astrotl.plots import epoch_timelines
from astrotl.sources import ArraySource, EpochSource


def made(flagged, bad_night=()):
    """Make flags and images of three objects on four dates."""
    rows = [
        (f"o{one}/d{date}", f"o{one}", f"d{date}", 5.0 if (one, date) in flagged else 1.0, 2.0, (one, date) in flagged,
         3.0 if (one, date) in flagged else -1.0, date in bad_night)
        for one in range(3)
        for date in range(4)
    ]  # fmt: skip
    names = ("id", "object", "epoch", "distance", "threshold", "flagged", "score", "bad_night")
    table = Table(rows=rows, names=names)
    data = np.random.default_rng(0).normal(size=(12, 8, 8)) + np.hypot(*np.indices((8, 8)))
    return table, EpochSource(ArraySource(data, ids=table["id"]))


def lines(figure):
    return [ax for ax in figure.axes if ax.lines]


def pictures(figure):
    return [ax for ax in figure.axes if ax.images]


def test_objects_with_most_flags_come_first():
    figure = epoch_timelines(*made({(2, 0), (2, 1), (1, 3)}), objects=2)
    assert [ax.get_title(loc="left") for ax in lines(figure)] == ["o2", "o1"]
    first = {line.get_label(): line for line in lines(figure)[0].lines}
    assert first["flagged"].get_xdata().tolist() == [0, 1]
    assert first["flagged"].get_ydata().tolist() == [2.5, 2.5]
    assert first["kept"].get_xdata().tolist() == [2, 3]
    assert first["threshold of the object"].get_ydata()[0] == 1


def test_flagged_images_stand_beside_the_stack():
    figure = epoch_timelines(*made({(2, 0), (2, 1), (1, 3)}))
    assert [ax.get_title() for ax in pictures(figure)] == ["stack", "d0", "d1", "stack", "d3", "stack"]
    assert len(pictures(epoch_timelines(*made({(2, 0), (2, 1)}), most=1))) == 4


def test_bad_nights_are_shaded():
    count = [len(lines(epoch_timelines(*made({(0, 1)}, bad_night=nights)))[0].patches) for nights in ((), (1,))]
    assert count == [0, 1]


def test_nothing_flagged_is_a_figure_too(tmp_path):
    figure = epoch_timelines(*made(set()))
    figure.savefig(tmp_path / "none.png")
    assert len(lines(figure)) == 3


def test_blank_and_missing_images_do_not_stop_it(tmp_path):
    table, _ = made({(0, 0), (0, 1)})
    data = np.full((2, 8, 8), np.nan)
    images = EpochSource(ArraySource(data, ids=["o0/d0", "o0/d1"]))
    epoch_timelines(table, images).savefig(tmp_path / "blank.png")


def test_an_empty_table_is_refused():
    table, images = made(set())
    with pytest.raises(ValueError, match="table: has no rows to draw"):
        epoch_timelines(table[:0], images)
