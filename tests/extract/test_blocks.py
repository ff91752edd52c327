"""Blocks side by side: in threads or processes, in turns where an extractor asks for it, in the source's own order."""

import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from typing import ClassVar

import numpy as np
import pytest

from astrotl import Extractor, FeatureStore, InputSpec, extract_features, simulate
from astrotl.sources import ArraySource


@pytest.fixture(scope="module")
def images():
    return simulate.stamps(50, size=32, seed=3)[0].data


@pytest.mark.parametrize("pool", ["threads", "processes"])
def test_an_executor_gives_the_very_same_store(images, tmp_path, pool):
    source = ArraySource(images)
    alone = extract_features(source, "profiles", tmp_path / "alone.h5", block=8, workers=1)
    executor = ThreadPoolExecutor(3) if pool == "threads" else ProcessPoolExecutor(2, mp_context=get_context("spawn"))
    with executor:
        shared = extract_features(source, "profiles", tmp_path / "shared.h5", block=8, executor=executor, window=2)
    np.testing.assert_array_equal(shared.features(), alone.features())


@pytest.mark.parametrize("safe", [True, False])
def test_extractors_take_turns_unless_they_say_that_they_need_not(images, tmp_path, safe):
    class Slow(Extractor):
        dim = 2
        input = InputSpec(channels=3)
        threadsafe = safe
        now = most = 0

        def _extract(self, images):
            Slow.now += 1
            Slow.most = max(Slow.most, Slow.now)
            time.sleep(0.02)
            Slow.now -= 1
            return images.reshape(len(images), -1)[:, :2]

    extract_features(ArraySource(images), Slow(), tmp_path / "f.h5", block=5, workers=4)
    assert (Slow.most > 1) == safe


class Shuffled(ArraySource):
    """Is read fastest from its end."""

    reads: ClassVar[list] = []

    def read(self):
        Shuffled.reads.append(self.ids.tolist())
        return super().read()

    def order(self):
        return np.argsort(-np.arange(len(self)))

    def _take(self, rows):
        part = super()._take(rows)
        part.__class__ = Shuffled
        return part


def test_blocks_follow_the_order_in_which_a_source_is_read_fastest(images, tmp_path):
    plain = extract_features(ArraySource(images[:10]), "profiles", tmp_path / "plain.h5", block=4)
    Shuffled.reads.clear()
    store = extract_features(Shuffled(images[:10]), "profiles", tmp_path / "f.h5", block=4, workers=1)
    assert Shuffled.reads == [["6", "7", "8", "9"], ["2", "3", "4", "5"], ["0", "1"]]
    np.testing.assert_allclose(store.features(), plain.features(), rtol=1e-5, atol=1e-6)
    half = FeatureStore.open_or_create(tmp_path / "half.h5", store.ids, 28, store.provenance, block=4)
    half.write([3, 7], store.features([3, 7]))
    Shuffled.reads.clear()
    extract_features(Shuffled(images[:10]), "profiles", tmp_path / "half.h5", workers=1)
    assert Shuffled.reads == [["6", "8", "9"], ["2", "4", "5"], ["0", "1"]]
