"""What of a store is lost, damaged or foreign is named, and made again without touching the rest."""

import os
import re
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from astrotl import FeatureStore, extract_features, open_store
from astrotl.errors import StoreError, StoreMismatchError
from astrotl.extract import repair_features
from astrotl.originals import reopened
from astrotl.sources import ArraySource
from astrotl.store._sealing import seal


def _truncate(survey, other):
    with open(survey.path_of(1), "r+b") as file:
        file.truncate(3000)


def _lose(survey, other):
    os.unlink(survey.path_of(1))


def _misplace(survey, other):
    shutil.copy(survey.path_of(0), survey.path_of(1))


def _take_from_another_store(survey, other):
    shutil.copy(other.path_of(1), survey.path_of(1))


def _fill_with_zeros(survey, other):
    Path(survey.path_of(1)).write_bytes(bytes(5000))


def _change_an_id(survey, other):
    with h5py.File(survey.path_of(1), "r+") as file:
        file["ids"][3] = "77"


FAULTS = [_truncate, _lose, _misplace, _take_from_another_store, _fill_with_zeros, _change_an_id]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_bad_shard_is_named_with_the_command_that_makes_it_again(source, whole, survey, tmp_path, fault):
    fault(survey, extract_features(source, "profiles", tmp_path / "other", block=4, shard=16))
    store = open_store(survey.path)
    (name,) = store.problems()
    assert name == "shard-00001.h5"
    assert re.fullmatch(
        rf"[^;]*shard-00001\.h5: [^;]*; make it again with: astrotl repair {survey.path}", store.problems()[name]
    )
    if fault is not _change_an_id:
        with pytest.raises(StoreError, match=rf"shard-00001\.h5.*astrotl repair {survey.path}"):
            store.shard(1)
    if fault not in (_lose, _change_an_id):
        with pytest.raises(StoreError, match=r"shard-00001\.h5.*astrotl repair"):
            store.features([3, 20])
        with pytest.raises(StoreError, match=r"shard-00001\.h5.*astrotl repair"):
            extract_features(source, "profiles", survey.path, block=4, shard=16)
    assert list(repair_features(survey.path, source)) == ["shard-00001.h5"]
    assert open_store(survey.path).features().tobytes() == whole.tobytes()
    assert os.path.exists(f"{survey.path_of(1)}.damaged") == (fault is not _lose)


def test_repair_goes_on_with_a_store_of_one_file(source, whole, tmp_path):
    extract_features(source[:20], "profiles", tmp_path / "half.h5", block=4)
    store = extract_features(source, "profiles", tmp_path / "f.h5", block=4)
    other = FeatureStore.open_or_create(tmp_path / "part.h5", store.ids, 28, store.provenance, block=4)
    other.write(np.arange(8), whole[:8])
    assert repair_features(tmp_path / "part.h5", source) == {}
    assert FeatureStore(tmp_path / "part.h5").features().tobytes() == whole.tobytes()


def test_repair_does_again_the_blocks_that_have_changed_and_no_others(source, whole, survey):
    with h5py.File(survey.path_of(1), "r+") as file:
        file["features"][[2, 9]] += 1
    store = open_store(survey.path)
    assert store.damaged().tolist() == [18, 25]
    with pytest.raises(StoreError, match=r"shard-00001.h5: is damaged: the features of 2 rows"):
        store.features()
    read = []

    class Read(ArraySource):
        def read(self):
            read.extend(self.ids.tolist())
            return super().read()

        def _take(self, rows):
            part = super()._take(rows)
            part.__class__ = Read
            return part

    problems = repair_features(survey.path, Read(source.read().data))
    assert problems == {"rows": "the features of 2 rows were not those that were written"}
    assert read == ["16", "17", "18", "19", "24", "25", "26", "27"]
    assert store.features().tobytes() == whole.tobytes()


def test_images_of_other_objects_repair_nothing(source, whole, survey, tmp_path):
    images = source.read().data
    others = ArraySource(images, ids=[f"other {row}" for row in range(50)])
    alone = extract_features(source, "profiles", tmp_path / "alone.h5", block=4)
    alone.forget([3])
    os.unlink(survey.path_of(0))
    for path in (alone.path, survey.path):
        for wrong in (others, source[:40], ArraySource(images[:, :, :16, :16])):
            with pytest.raises(StoreMismatchError):
                repair_features(path, wrong)
    assert alone.count_done() == 46
    assert not os.path.exists(survey.path_of(0))
    repair_features(survey.path, source)
    assert open_store(survey.path).features().tobytes() == whole.tobytes()


def test_a_shard_of_its_own_names_the_folder_that_is_repaired(source, tmp_path):
    store = extract_features(source, "profiles", tmp_path / "my survey", block=4, shard=16)
    with h5py.File(store.path_of(1), "r+") as file:
        file["features"][2] += 1
    with pytest.raises(StoreError, match=rf"astrotl repair '{store.path}'$"):
        FeatureStore(store.path_of(1)).features()
    with pytest.raises(ValueError, match=r"shard-00001\.h5 is one shard.*name its folder"):
        reopened(FeatureStore(store.path_of(1)))


def test_a_shard_that_is_not_at_fault_is_left_where_it_is(source, survey):
    with h5py.File(survey.path_of(1), "r+") as file:
        file.attrs["format_version"] += 1
    seal(survey.path_of(1))
    for do in (open_store(survey.path).problems, open_store(survey.path).features):
        with pytest.raises(StoreError, match=r"shard-00001\.h5: has the format version .*; upgrade astrotl$"):
            do()
    with pytest.raises(StoreError, match="upgrade astrotl"):
        repair_features(survey.path, source)
    assert not list(Path(survey.path).glob("*.damaged"))
