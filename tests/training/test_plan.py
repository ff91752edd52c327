"""Which epoch is kept: the last one, unless those checked say surely that another was better."""

import pytest

from astrotl.training.plan import best_epoch, is_over, line_of


def history(*losses, error=0.1):
    return [{"epoch": number, "validation_loss": loss, "validation_error": error} for number, loss in enumerate(losses)]


@pytest.mark.parametrize(
    ("losses", "kept"),
    [
        ((0.9, 0.7, 0.5), 2),
        # What a few objects say of the last two is no difference.
        ((0.9, 0.5, 0.55), 2),
        ((0.9, 0.5, 0.65), 1),
        ((0.4, 0.8, 0.6), 0),
        ((0.5,), 0),
    ],
)
def test_the_last_epoch_is_kept_unless_another_is_surely_better(losses, kept):
    assert best_epoch(history(*losses)) == kept


def test_it_is_over_after_epochs_that_are_surely_worse():
    seen = history(0.9, 0.5, 0.55, 0.7, 0.7)
    assert is_over(seen, 2)
    assert not is_over(seen, 3)
    assert not is_over(seen, None)


def test_what_has_diverged_is_never_kept():
    line = line_of(2, *[float("nan")] * 3, macro_f1=0.5)
    seen = [*history(0.9, 0.5), line]
    assert best_epoch(seen) == 1
    assert is_over(seen, 1)


def test_what_has_diverged_is_never_kept_even_if_those_checked_say_nothing_of_it():
    assert best_epoch([*history(0.9, 0.8), line_of(2, float("nan"), 0.1, 0.1)]) == 1
