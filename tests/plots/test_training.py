"""The curves of a training, by what is drawn in them."""

import numpy as np
import pytest
from astropy.table import Table

from astrotl.plots import training_curves


@pytest.fixture
def history():
    return Table(
        {
            "epoch": [0, 1, 2, 3],
            "loss": [2.0, 1.0, 0.5, 0.1],
            "validation_loss": [2.1, 1.2, 0.9, 1.0],
            "validation_error": [0.1] * 4,
        }
    )


def lines(ax):
    return {line.get_label(): line.get_ydata().tolist() for line in ax.lines}


def test_both_losses_are_drawn_and_the_error_of_the_checked_one(history):
    ax = training_curves(history)
    assert lines(ax)["learned from"] == [2.0, 1.0, 0.5, 0.1]
    assert lines(ax)["kept for checking"] == [2.1, 1.2, 0.9, 1.0]
    band = ax.collections[0].get_paths()[0].vertices[:, 1]
    assert (band.min(), band.max()) == pytest.approx((0.8, 2.2))
    assert ax.get_yscale() == "log"


def test_the_kept_epoch_is_marked(history):
    ax = training_curves(history, kept=2)
    assert ax.lines[-1].get_xdata()[0] == 2
    assert [text.get_text() for text in ax.texts] == ["kept"]
    assert not training_curves(history).texts


def test_what_diverged_is_a_gap(history, tmp_path):
    history["loss"][3] = history["validation_loss"][3] = np.inf
    ax = training_curves(history)
    assert np.isnan(lines(ax)["learned from"][3])
    ax.figure.savefig(tmp_path / "diverged.pdf")


def test_losses_of_a_likelihood_may_be_negative(history):
    history["loss"] -= 1
    assert training_curves(history).get_yscale() == "linear"


def test_what_cannot_be_drawn_is_said(history):
    with pytest.raises(ValueError, match=r"^history: has no column 'loss'; it has epoch"):
        training_curves(history["epoch", "validation_loss"])
    with pytest.raises(ValueError, match=r"^history: has no epochs to draw"):
        training_curves(history[:0])
    with pytest.raises(ValueError, match=r"^kept: must be an epoch from 0 to 3, got 7"):
        training_curves(history, kept=7)
