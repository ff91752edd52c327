"""The feature store keeps what it is given, says what is missing, and refuses what does not belong to it."""

import json
import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import h5py
import numpy as np
import pytest

from astrotl import FeatureStore
from astrotl.errors import StoreError, StoreMismatchError
from astrotl.store import is_store
from astrotl.store._sealing import seal

MADE = {"source": {"kind": "files", "size": [64, 64]}, "steps": [{"step": "stretch"}], "extractor": {"class": "a:B"}}
IDS = [f"galaxy {number}" for number in range(10)]


@pytest.fixture
def store(tmp_path):
    return FeatureStore.open_or_create(tmp_path / "features.h5", IDS, 3, MADE, block=4)


def test_new_store_misses_everything(store):
    assert store.missing().tolist() == list(range(10))
    assert store.ids.tolist() == IDS
    assert store.shape == (10, 3)
    assert np.isnan(store.features()).all()


def test_what_is_written_is_read(store):
    values = np.arange(12, dtype=np.float32).reshape(4, 3)
    store.write([4, 5, 6, 7], values)
    again = FeatureStore(store.path)
    np.testing.assert_array_equal(again.features(slice(4, 8)), values)
    np.testing.assert_array_equal(again.features([7, 4, 7]), values[[3, 0, 3]])
    np.testing.assert_array_equal(again.features(np.isin(np.arange(10), [5])), values[[1]])
    assert again.missing().tolist() == [0, 1, 2, 3, 8, 9]


def test_mapped_rows_are_those_of_the_file(tmp_path):
    """With so many blocks, HDF5 keeps its own bookkeeping between them."""
    values = np.random.default_rng(1).normal(size=(1003, 3)).astype(np.float32)
    store = FeatureStore.open_or_create(tmp_path / "many.h5", np.arange(1003), 3, {}, block=4)
    store.write(np.arange(1003), values)
    read = store.mapped()
    some = np.array([999, 3, 0, 3, 500, 1002])
    np.testing.assert_array_equal(read(some), values[some])
    read([7])[:] = 0
    np.testing.assert_array_equal(store.features([7]), values[[7]])


def test_a_store_that_was_packed_by_another_program_is_still_mapped(store):
    values = np.arange(30, dtype=np.float32).reshape(10, 3)
    store.write(np.arange(10), values)
    packed = f"{store.path}.packed"
    with h5py.File(store.path) as file, h5py.File(packed, "w") as other:
        other.attrs.update(file.attrs)
        for name in file:
            if name != "features":
                file.copy(name, other)
        other.create_dataset("features", data=values, chunks=(4, 3), compression="gzip")
    os.replace(packed, store.path)
    np.testing.assert_array_equal(FeatureStore(store.path).mapped()([9, 0]), values[[9, 0]])


def test_rows_with_gaps_are_written(store):
    store.write([1, 4, 9], [[1, 1, 1], [4, 4, 4], [9, 9, 9]])
    assert store.features([9, 1, 4])[:, 0].tolist() == [9, 1, 4]
    assert store.done().tolist() == [1, 4, 9]


def test_failed_rows_are_listed_and_still_missing(store):
    store.write([0, 2], np.ones((2, 3)), {1: "m31.fits: is truncated"})
    failed = store.failed()
    assert failed["row"].tolist() == [1]
    assert failed["id"].tolist() == ["galaxy 1"]
    assert failed["reason"].tolist() == ["m31.fits: is truncated"]
    assert 1 in store.missing()
    assert np.isnan(store.features([1])).all()


def test_failed_row_that_succeeds_later_is_no_longer_listed(store):
    store.write([], np.empty((0, 3)), {1: "first reason", 3: "other"})
    store.write([], np.empty((0, 3)), {1: "second reason"})
    assert store.failed()["reason"].tolist() == ["second reason", "other"]
    store.write([1], [[1, 2, 3]])
    assert store.failed()["row"].tolist() == [3]


def test_long_reasons_keep_both_ends(store):
    store.write([], np.empty((0, 3)), {0: "/very/long" * 40 + ".fits: is truncated"})
    reason = store.failed()["reason"][0]
    assert reason.startswith("/very/long")
    assert reason.endswith("is truncated")


def test_more_failures_than_reasons_are_still_counted(tmp_path):
    count = 6000
    store = FeatureStore.open_or_create(tmp_path / "features.h5", np.arange(count), 1, {})
    store.write([], np.empty((0, 1)), dict.fromkeys(range(count), "gone"))
    failed = store.failed()
    assert len(failed) == count
    assert failed["reason"][0] == "gone"
    assert "too many" in failed["reason"][-1]


def test_ids_of_any_script_survive(tmp_path):
    ids = ["Шаровое", "銀河", "µ Cep", "a" * 80]
    FeatureStore.open_or_create(tmp_path / "features.h5", ids, 2, {})
    assert FeatureStore(tmp_path / "features.h5").ids.tolist() == ids


def test_positions_travel_into_the_table(tmp_path):
    store = FeatureStore.open_or_create(tmp_path / "f.h5", ["a", "b"], 2, {}, positions=[[10.5, -3], [11, 4]])
    store.write([0], [[1, 2]])
    table = store.to_table()
    assert table.colnames == ["id", "ra", "dec", "features"]
    assert table["ra"].unit == "deg"
    assert table["ra"].tolist() == [10.5, 11]
    assert table["features"].shape == (2, 2)


@pytest.mark.parametrize("features", [[[1, 2]], [[1, 2, 3], [1, 2, 3]], [[np.nan, 0, 0]], [[np.inf, 0, 0]]])
def test_bad_features_are_refused_and_nothing_is_written(store, features):
    with pytest.raises(ValueError, match="features:"):
        store.write([0], features)
    assert len(store.done()) == 0


def test_the_same_settings_open_the_same_store(store):
    again = FeatureStore.open_or_create(store.path, IDS, 3, {**MADE, "created": "another day"}, block=99)
    assert again.uuid == store.uuid
    assert again.block == 4


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"source": {"kind": "files", "size": [80, 64]}}, r"source\.size\[0\] = 64, not 80"),
        ({"steps": []}, "steps = "),
        ({"extractor": {"class": "a:C"}}, r'extractor\.class = "a:B", not "a:C"'),
    ],
)
def test_other_settings_are_refused_by_name(store, change, said):
    with pytest.raises(StoreMismatchError, match=said):
        FeatureStore.open_or_create(store.path, IDS, 3, {**MADE, **change})


def test_other_objects_are_refused(store):
    with pytest.raises(StoreMismatchError, match="other objects"):
        FeatureStore.open_or_create(store.path, IDS[::-1], 3, MADE)
    with pytest.raises(StoreMismatchError, match="10 ids differ from these 2"):
        FeatureStore.open_or_create(store.path, IDS[:2], 3, MADE)


def test_a_newer_format_is_refused_with_advice(store):
    with h5py.File(store.path, "r+") as file:
        file.attrs["format_version"] += 1
    seal(store.path)
    with pytest.raises(StoreError, match="upgrade astrotl"):
        FeatureStore(store.path)


def test_what_is_no_store_is_refused_in_one_line(tmp_path):
    (tmp_path / "text.h5").write_text("not HDF5")
    h5py.File(tmp_path / "other.h5", "w").close()
    for name, said in (
        ("text.h5", "not a feature store"),
        ("other.h5", "not a feature store"),
        ("gone.h5", "no such store"),
    ):
        with pytest.raises(StoreError, match=said) as caught:
            FeatureStore(tmp_path / name)
        assert "\n" not in str(caught.value)
        assert name in str(caught.value)


def test_a_cut_store_is_called_damaged(store):
    os.truncate(store.path, os.path.getsize(store.path) // 2)
    with pytest.raises(StoreError, match="damaged"):
        FeatureStore(store.path)


def test_nothing_to_store_is_refused(tmp_path):
    with pytest.raises(ValueError, match="ids:"):
        FeatureStore.open_or_create(tmp_path / "f.h5", [], 3, {})
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_said(tmp_path):
    with pytest.raises(StoreError, match="cannot be written"):
        FeatureStore.open_or_create(tmp_path / "gone" / "f.h5", ["a"], 3, {})


def test_writing_changes_no_bookkeeping_of_the_file(store):
    """A kill while a block is written can then never leave a file that HDF5 refuses."""
    before = Path(store.path).read_bytes()
    store.write(np.arange(4), np.full((4, 3), 7.0), {5: "gone"})
    after = Path(store.path).read_bytes()
    assert len(before) == len(after)
    changed = np.flatnonzero(np.frombuffer(before, "u1") != np.frombuffer(after, "u1"))
    with h5py.File(store.path) as file:
        names = ("done", "failures", "crc32", "features")
        spans = [(file[name].id.get_offset(), file[name].id.get_storage_size()) for name in names]
    inside = np.zeros(len(after), dtype=bool)
    for start, length in spans:
        inside[start : start + length] = True
    assert len(changed)
    assert inside[changed].all()


@pytest.mark.parametrize("version", [1, 2])
def test_every_format_is_read_for_ever(tmp_path, version):
    """These files were written when the formats were new and are never made again."""
    shutil.copy(Path(__file__).parents[1] / "data" / f"store-format-{version}.h5", tmp_path)
    store = FeatureStore(tmp_path / f"store-format-{version}.h5")
    assert store.shape == (5, 3)
    assert store.ids.tolist() == ["a", "b", "c", "d", "é"]
    np.testing.assert_array_equal(store.features([0, 4]), [[0, 1, 2], [12, 13, 14]])
    assert store.failed()["reason"].tolist() == ["c.fits: is truncated"]
    assert store.missing().tolist() == [2, 3]
    assert store.positions[0].tolist() == [150.0, 2.0]
    assert json.loads(json.dumps(store.provenance))["source"]["kind"] == "arrays"
    assert store.damaged().tolist() == []
    store.write([3], [[9, 10, 11]])
    np.testing.assert_array_equal(FeatureStore(store.path).features([3]), [[9, 10, 11]])


def test_a_thread_may_read_while_another_one_writes(tmp_path):
    store = FeatureStore.open_or_create(tmp_path / "features.h5", np.arange(4000), 8, {}, block=4)
    seen = []

    def read():
        while not seen or seen[-1] < 4000:
            seen.append(FeatureStore(store.path).count_done())

    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(read)
        for first in range(0, 4000, 100):
            store.write(np.arange(first, first + 100), np.ones((100, 8)))
        reading.result(30)
    assert seen == sorted(seen)


def test_no_flipped_bit_makes_another_feature_or_id(tmp_path):
    """Wherever it is in the file, it is harmless or found out, and never ends the process."""
    values = np.random.default_rng(1).normal(size=(10, 3)).astype(np.float32)
    store = FeatureStore.open_or_create(tmp_path / "f.h5", IDS, 3, MADE, block=4, positions=np.ones((10, 2)))
    store.write(np.arange(10), values)
    whole = np.frombuffer(Path(store.path).read_bytes(), dtype=np.uint8)
    random = np.random.default_rng(2)
    found_out = 0
    for place in range(0, len(whole), 9):
        flipped = whole.copy()
        flipped[place] ^= 1 << random.integers(8)
        flipped.tofile(store.path)
        try:
            again = FeatureStore(store.path)
            rows = again.done()
            np.testing.assert_array_equal(again.features(rows), values[rows])
            assert again.ids.tolist() == IDS
            np.testing.assert_array_equal(again.positions, 1)
        except StoreError:
            found_out += 1
    assert found_out > 500


@pytest.mark.parametrize("left", [0, 100, 511, 2000, -1])
def test_a_file_that_is_cut_short_is_said(store, left):
    whole = Path(store.path).read_bytes()
    Path(store.path).write_bytes(whole[:left])
    with pytest.raises(StoreError, match=r"is damaged and cannot be used|is not a feature store"):
        FeatureStore(store.path)


def test_damaged_rows_are_named_with_the_command_that_makes_them_again(store):
    store.write(np.arange(10), np.ones((10, 3)))
    with h5py.File(store.path, "r+") as file:
        file["features"][[2, 7], 1] = 1.5
    assert store.damaged().tolist() == [2, 7]
    assert store.features([0, 1, 3]).sum() == 9
    with pytest.raises(StoreError, match=r"features of 1 rows are not .* row 7; make them again with: astrotl repair"):
        store.features([8, 7])
    store.forget([2, 3])
    assert store.missing().tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("left", [None, 3000, 600])
def test_a_damaged_file_is_still_known_for_a_store(store, left):
    if left is not None:
        os.truncate(store.path, left)
    assert is_store(store.path)


def test_what_is_no_store_is_not_taken_for_one(tmp_path):
    h5py.File(tmp_path / "other.h5", "w").close()
    (tmp_path / "empty.h5").touch()
    for name in ("other.h5", "empty.h5", "gone.h5", ""):
        assert not is_store(tmp_path / name)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs locks")
def test_who_waited_for_a_file_locks_the_one_that_is_there_now(store, tmp_path):
    """The other one has been set aside meanwhile."""
    with ThreadPoolExecutor(1) as pool, ExitStack() as locks:
        with store.lock():
            shutil.copy(store.path, tmp_path / "new.h5")
            waiting = pool.submit(lambda: locks.enter_context(store.lock(wait=True)))
            time.sleep(0.1)
            os.replace(tmp_path / "new.h5", store.path)
        waiting.result(10)
        with pytest.raises(StoreError, match="is being written"), store.lock():
            pass
