"""What is kept for the next block: bounded, made once, and made anew when its file has changed."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from astrotl.errors import ImageError
from astrotl.sources import _fits, _kept
from astrotl.sources._kept import Kept


@pytest.fixture
def made():
    """Count what is made."""
    return []


@pytest.fixture
def ask(made):
    """Ask for an array of so many bytes."""

    def get(kept, key, state=0, size=100):
        def make():
            made.append((key, state))
            return np.zeros(size, np.uint8)

        return kept.get(key, state, make)

    return get


def test_an_array_is_made_once_for_each_state_of_its_file(ask, made):
    kept = Kept()
    first = ask(kept, "a", 1)
    assert ask(kept, "a", 1) is first
    assert ask(kept, "a", 2) is not first
    assert ask(kept, "b", 1) is not first
    assert made == [("a", 1), ("a", 2), ("b", 1)]


def test_no_more_is_kept_than_the_memory_that_was_set_aside(ask, made, monkeypatch):
    monkeypatch.setattr(_kept, "_BYTES", 350)
    kept = Kept()
    for key in "abcabdab":
        ask(kept, key)
    # The one that was not asked for for longest goes: c, when d came.
    assert [key for key, _ in made] == ["a", "b", "c", "d"]
    ask(kept, "c")
    ask(kept, "big", size=1000)
    made.clear()
    for key in ("big", "a", "big", "a"):
        ask(kept, key, size=1000 if key == "big" else 100)
    # What is larger than all of the memory is still made once as long as nothing else is asked for.
    assert [key for key, _ in made] == ["a", "big", "a"]


def test_arrays_of_a_new_state_take_the_place_of_the_old(ask, made, monkeypatch):
    monkeypatch.setattr(_kept, "_BYTES", 250)
    kept = Kept()
    ask(kept, "a")
    for state in range(10):
        ask(kept, "b", state)
    made.clear()
    ask(kept, "a")
    assert not made


def test_maps_count_by_their_number_and_not_by_their_size(stamp, monkeypatch):
    path = stamp("a.fits", np.zeros((100, 100)))
    monkeypatch.setattr(_kept, "_BYTES", 1000)
    monkeypatch.setattr(_kept, "_MAPS", 4)
    kept = Kept()
    mapped = [kept.get(n, 0, lambda: _fits.whole(path, 0, memmap=True)) for n in range(4)]
    assert all(kept.get(n, 0, list) is mapped[n] for n in range(4))
    kept.get(4, 0, lambda: _fits.whole(path, 0, memmap=True))
    assert kept.get(0, 0, lambda: np.ones(1)).size == 1


def test_of_many_threads_one_makes_what_all_wait_for(made):
    kept, together = Kept(), threading.Barrier(6)

    def make():
        made.append(threading.get_ident())
        together_again.wait(10)
        return np.zeros(3)

    together_again = threading.Event()

    def ask():
        together.wait()
        return kept.get("a", 0, make)

    with ThreadPoolExecutor(6) as pool:
        answers = [pool.submit(ask) for _ in range(6)]
        together_again.set()
        arrays = [answer.result() for answer in answers]
    assert len(made) == 1
    assert all(array is arrays[0] for array in arrays)


def test_what_cannot_be_made_is_tried_again_by_the_next(made):
    kept = Kept()

    def fail():
        made.append("a")
        raise ImageError("a.fits: there is no such file")

    for _ in range(2):
        with pytest.raises(ImageError, match="no such file"):
            kept.get("a", 0, fail)
    assert made == ["a", "a"]
    assert kept.get("a", 0, lambda: np.zeros(3)).size == 3
