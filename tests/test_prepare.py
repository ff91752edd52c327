"""Images prepared ahead: all of them, in order, no more at once than there are threads, and nothing left behind."""

import threading
import time

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from astrotl import prepare_images, simulate
from astrotl.preprocess import Resize, Stretch
from astrotl.sources import ArraySource


@pytest.fixture(scope="module")
def images():
    return simulate.stamps(50, size=32, seed=3)[0].data


class Watched(ArraySource):
    """Counts what is read, and how many read at once."""

    lock = threading.Lock()
    begun = 0
    now = 0
    most = 0

    def read(self):
        with Watched.lock:
            Watched.begun += 1
            Watched.now += 1
            Watched.most = max(Watched.most, Watched.now)
        time.sleep(0.01)
        with Watched.lock:
            Watched.now -= 1
        return super().read()

    def _take(self, rows):
        part = super()._take(rows)
        part.__class__ = Watched
        return part


@pytest.fixture
def watched(images):
    Watched.begun = Watched.now = Watched.most = 0
    return Watched(images)


@pytest.mark.parametrize("workers", [1, 2, 7, None])
def test_all_images_come_in_order(images, workers):
    source = ArraySource(images)
    batches = list(prepare_images(source, [Stretch(), Resize(48)], batch=8, workers=workers))
    assert [len(batch) for batch in batches] == [8] * 6 + [2]
    assert np.concatenate([batch.ids for batch in batches]).tolist() == source.ids.tolist()
    np.testing.assert_array_equal(batches[2].data, Resize(48)(Stretch()(source[16:24].read())).data)


def test_images_that_cannot_be_read_are_left_out_and_named(images):
    images = images.copy()
    images[9] = np.nan
    batches = list(prepare_images(ArraySource(images), [Stretch()], batch=8))
    assert [dict(batch.failed) for batch in batches[:2]] == [{}, {"9": "has no data: every pixel is NaN"}]
    assert "9" not in batches[1].ids
    assert sum(map(len, batches)) == 49


def test_several_read_at_once_but_not_far_ahead(watched):
    ahead = []
    for number, _ in enumerate(prepare_images(watched, [], batch=2, workers=3), start=1):
        ahead.append(Watched.begun - number)
        time.sleep(0.02)
    assert Watched.most == 3
    assert Watched.begun == 25
    assert max(ahead) <= 3


def test_whoever_stops_early_leaves_no_thread_behind(watched):
    before = threading.active_count()
    batches = prepare_images(watched, [], batch=2, workers=2)
    next(batches)
    batches.close()
    assert threading.active_count() == before
    assert Watched.begun <= 4


def test_an_error_of_a_step_comes_out_as_it_is(images):
    def broken(batch):
        raise RuntimeError("out of luck")

    with pytest.raises(RuntimeError, match="out of luck"):
        list(prepare_images(ArraySource(images), [broken]))


def test_linear_algebra_keeps_to_one_thread_only_meanwhile(images):
    def blas():
        return [room["num_threads"] for room in threadpool_info() if room["user_api"] == "blas"]

    seen = []

    def look(batch):
        seen.extend(blas())
        return batch

    before = blas()
    list(prepare_images(ArraySource(images), [look]))
    assert set(seen) == {1}
    assert blas() == before
    one, other = (prepare_images(ArraySource(images), [], batch=8) for _ in range(2))
    next(one)
    next(other)
    one.close()
    assert set(blas()) == {1}
    other.close()
    assert blas() == before


@pytest.mark.parametrize("parameter", ["batch", "workers"])
def test_wrong_numbers_are_named(images, parameter):
    with pytest.raises(ValueError, match=f"{parameter}: must be 1 or more, got 0"):
        list(prepare_images(ArraySource(images), [], **{parameter: 0}))
