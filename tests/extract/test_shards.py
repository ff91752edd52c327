"""Stores in shards: the same features, each shard made by one writer, and made again alone."""

import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest

from astrotl import FeatureStore, extract_features, open_store, simulate
from astrotl.errors import AstrotlError, AstrotlWarning, StoreError, StoreMismatchError
from astrotl.extract import repair_features
from astrotl.images import ImageBatch
from astrotl.sources import ArraySource, ImageSource
from astrotl.sources.base import Part
from astrotl.store import Shard, ShardedStore


@pytest.mark.parametrize("pool", [None, "threads", "processes"])
def test_shards_hold_the_very_same_features(source, whole, tmp_path, monkeypatch, pool):
    monkeypatch.chdir(tmp_path)
    if pool is None:
        store = extract_features(source, "profiles", "survey", block=4, shard=16)
    else:
        spawned = get_context("spawn")
        with ThreadPoolExecutor(3) if pool == "threads" else ProcessPoolExecutor(2, mp_context=spawned) as executor:
            store = extract_features(source, "profiles", "survey", block=4, shard=16, executor=executor)
    assert [shard.rows for shard in store.shards] == [16, 16, 16, 2]
    assert store.features().tobytes() == whole.tobytes()
    assert len(FeatureStore("survey/shard-00003.h5").done()) == 2


def test_a_rerun_makes_the_missing_shard_alone(source, whole, survey):
    kept = Path(survey.path_of(0)).stat().st_mtime_ns
    os.unlink(survey.path_of(2))
    with pytest.warns(AstrotlWarning, match=r"1 of 4 shards are missing.*shard-00002.h5.*astrotl repair"):
        assert len(open_store(survey.path).done()) == 34
    again = extract_features(source, "profiles", survey.path, block=7, shard=16)
    assert again.features().tobytes() == whole.tobytes()
    assert again.shard(2).block == again.block == 4
    assert Path(survey.path_of(0)).stat().st_mtime_ns == kept


def test_progress_counts_from_what_is_there(source, survey):
    os.unlink(survey.path_of(1))
    heard = []

    class Bar:
        def __init__(self, **settings):
            heard.append(settings)

        update = heard.append

        def close(self):
            heard.append("closed")

    with ThreadPoolExecutor(1) as executor:
        extract_features(source, "profiles", survey.path, block=4, shard=16, executor=executor, progress=Bar)
    assert heard == [{"total": 50, "initial": 34, "unit": "img"}, 0, 0, 0, 16, "closed"]


def test_only_the_same_images_steps_and_shards_go_on(source, survey):
    with pytest.raises(StoreMismatchError, match="other shards"):
        extract_features(source, "profiles", survey.path, block=4, shard=8)
    with pytest.raises(StoreMismatchError, match="steps"):
        extract_features(source, "profiles", survey.path, block=4, shard=16, steps=[])
    others = ArraySource(np.zeros((50, 3, 32, 32)), ids=[f"other {row}" for row in range(50)])
    with pytest.raises(StoreMismatchError, match="other objects"):
        extract_features(others, "profiles", survey.path, block=4, shard=16)
    with pytest.raises(ValueError, match=r"path: .*survey is a folder"):
        extract_features(source, "profiles", survey.path)
    with pytest.raises(ValueError, match="shard: must be 1 or more"):
        extract_features(source, "profiles", survey.path, shard=0)


def test_overwrite_begins_anew_and_spares_what_is_not_a_shard(source, survey):
    (Path(survey.path) / "notes.txt").write_text("mine")
    again = extract_features(source, "profiles", survey.path, block=4, shard=25, overwrite=True)
    assert again.uuid != survey.uuid
    assert [shard.rows for shard in again.shards] == [25, 25]
    assert (Path(survey.path) / "notes.txt").read_text() == "mine"
    assert not os.path.exists(survey.path_of(3))


def test_the_list_of_shards_may_be_lost(source, survey):
    os.unlink(Path(survey.path) / "shards.json")
    with pytest.raises(StoreError, match=r"is a folder without shards\.json"):
        open_store(survey.path)
    assert extract_features(source, "profiles", survey.path, block=4, shard=16).uuid == survey.uuid


def test_what_workers_wrote_elsewhere_is_missed(source, tmp_path):
    class Elsewhere(ThreadPoolExecutor):
        """Its workers see another folder under the same name."""

        def submit(self, function, path, *given):
            (tmp_path / "elsewhere").mkdir(exist_ok=True)
            return super().submit(function, str(tmp_path / "elsewhere" / os.path.basename(path)), *given)

    with Elsewhere(1) as executor, pytest.raises(StoreError, match=r"50 rows were done elsewhere .* same path"):
        extract_features(source, "profiles", tmp_path / "survey", block=4, shard=16, executor=executor)


def test_a_worker_that_does_not_see_the_folder_says_so(source, tmp_path):
    class Blind(ThreadPoolExecutor):
        """Its workers see no such folder."""

        def submit(self, function, path, *given):
            return super().submit(function, "/nowhere" + path, *given)

    with Blind(1) as executor, pytest.raises(StoreError, match=r"survey: is not there on the worker .* all machines"):
        extract_features(source, "profiles", tmp_path / "survey", block=4, shard=16, executor=executor)


def test_a_file_and_a_folder_never_take_each_others_place(source, survey, tmp_path):
    alone = extract_features(source, "profiles", tmp_path / "alone.h5", block=4)
    for overwrite in (False, True):
        with pytest.raises(ValueError, match=r"path: .*survey is a folder; name a file"):
            extract_features(source, "profiles", survey.path, overwrite=overwrite)
    assert open_store(survey.path).problems() == {}
    with pytest.raises(ValueError, match=r"path: .*new/ is a folder; name a file"):
        extract_features(source, "profiles", f"{tmp_path}/new/")
    with pytest.raises(ValueError, match=r"path: .*alone\.h5 is a file; name a folder .*--overwrite"):
        extract_features(source, "profiles", alone.path, shard=16)
    assert len(extract_features(source, "profiles", alone.path, shard=16, overwrite=True).shards) == 4


@pytest.mark.skipif(sys.platform == "win32", reason="needs locks")
def test_what_is_being_written_is_neither_overwritten_nor_repaired(source, survey, tmp_path):
    alone = extract_features(source, "profiles", tmp_path / "alone.h5", block=4)
    for store, shard in ((alone, None), (survey, 16)):
        with store.lock():
            with pytest.raises(StoreError, match="is being written by another process"):
                extract_features(source, "profiles", store.path, block=4, shard=shard, overwrite=True)
            with pytest.raises(StoreError, match="is being written by another process"):
                repair_features(store.path, source)
        assert len(open_store(store.path).done()) == 50


def test_two_that_begin_a_survey_at_once_make_one(source, tmp_path):
    def begin(_):
        return ShardedStore.open_or_create(tmp_path / "survey", 3, 4, [Shard("shard-00000.h5", 5)], {}).uuid

    for _ in range(20):
        with ThreadPoolExecutor(8) as pool:
            assert len(set(pool.map(begin, range(8)))) == 1
        shutil.rmtree(tmp_path / "survey")


def test_unreadable_images_are_listed_with_their_rows_in_the_whole(tmp_path):
    images = simulate.stamps(20, size=32, seed=3)[0].data.copy()
    images[[3, 17]] = np.nan
    with pytest.warns(AstrotlWarning, match="2 of 20 objects have no features"):
        store = extract_features(ArraySource(images), "profiles", tmp_path / "survey", block=4, shard=8)
    assert store.failed()["row"].tolist() == [3, 17]
    assert store.failed()["id"].tolist() == ["3", "17"]
    assert store.missing().tolist() == [3, 17]


def test_an_error_names_the_shard_and_the_rows(source, tmp_path):
    with ThreadPoolExecutor(1) as executor, pytest.raises(ValueError, match="expects values from 0 to 1") as caught:
        extract_features(source, "pixels", tmp_path / "s", steps=[], block=4, shard=16, executor=executor)
    inner, outer = caught.value.__notes__
    assert "while extracting rows 0:4 (ids 0 to 3)" in inner
    assert outer == f"while making shard-00000.h5 of {tmp_path / 's'}"


def test_processes_that_are_gone_are_said_and_what_they_did_is_kept(source, whole, tmp_path):
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as executor:
        executor.submit(os._exit, 1)
        with pytest.raises(AstrotlError, match=r"the work was dropped .*the same call does the rest"):
            extract_features(source, "profiles", tmp_path / "survey", block=4, shard=16, executor=executor)
    again = extract_features(source, "profiles", tmp_path / "survey", block=4, shard=16)
    assert again.features().tobytes() == whole.tobytes()


class Drawn(ImageSource):
    """Images that nobody holds: each is drawn when it is read; no more than some ids may be asked for at once."""

    channels = ("image",)
    most = 0

    def __init__(self, count, first=0):
        self._count, self._first = count, first

    @property
    def ids(self):
        Drawn.most = max(Drawn.most, self._count)
        return np.char.mod("drawn-%06d", np.arange(self._first, self._first + self._count))

    def __len__(self):
        return self._count

    def _take(self, rows):
        start, stop, step = rows.indices(self._count)
        assert step == 1
        return Drawn(stop - start, self._first + start)

    def read(self):
        rows = np.arange(self._first, self._first + self._count)
        return ImageBatch(np.sin(rows[:, None, None, None] + np.arange(64.0).reshape(1, 1, 8, 8)), self.ids, ("image",))

    def parts(self):
        return [Part(slice(0, 30), (3, 17)), Part(slice(30, self._count), (3, 18))]

    def signature(self):
        return {"kind": "drawn", "channels": ["image"], "size": 8}


def test_nothing_is_held_of_all_objects_and_no_shard_holds_rows_of_two_parts(tmp_path):
    Drawn.most = 0
    store = extract_features(Drawn(100), "pixels", tmp_path / "survey", block=8, shard=24)
    assert [(shard.rows, shard.healpix) for shard in store.shards] == [
        (24, (3, 17)),
        (6, (3, 17)),
        (24, (3, 18)),
        (24, (3, 18)),
        (22, (3, 18)),
    ]
    assert Drawn.most == 24
    assert store.objects([99, 0, 30])["id"].tolist() == ["drawn-000099", "drawn-000000", "drawn-000030"]
    assert store.row_of("drawn-000077") == 77
    assert "drawn-000100" not in store
    assert not {"ids", "_objects"} & set(vars(store))
    assert all("_objects" not in vars(shard) for shard in store._known.values())
    with pytest.raises(ValueError, match=r"'drawn-0000777' is not an id of .*did you mean"):
        store.row_of("drawn-0000777")


_SCRIPT = """
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from astrotl import extract_features, open_source
if __name__ == "__main__":
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as executor:
        extract_features(open_source(sys.argv[1]), "profiles", sys.argv[2], block=4, shard=200, executor=executor)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_the_caller_killed_while_its_workers_write_the_same_call_does_the_rest(source, tmp_path):
    images = np.tile(source.read().data, (40, 1, 1, 1))
    np.save(tmp_path / "stack.npy", images)
    stack, path = tmp_path / "stack.npy", tmp_path / "survey"
    (tmp_path / "extracting.py").write_text(_SCRIPT)
    command = [sys.executable, tmp_path / "extracting.py", stack, path]
    with subprocess.Popen(command, start_new_session=True) as child:
        until = time.monotonic() + 60
        while not (path / "shard-00002.h5").exists() and time.monotonic() < until:
            time.sleep(0.001)
        child.kill()
    from astrotl import open_source

    with ThreadPoolExecutor(2) as executor:
        store = extract_features(open_source(stack), "profiles", path, block=4, shard=200, executor=executor)
    alone = extract_features(open_source(stack), "profiles", tmp_path / "alone.h5", block=4)
    assert store.features().tobytes() == alone.features().tobytes()
    assert not list(path.glob("*.part"))
    # The workers of a caller that was killed would wait for ever.
    os.killpg(child.pid, signal.SIGKILL)


def test_what_may_not_be_read_or_written_is_said(source, survey, tmp_path):
    os.chmod(survey.path_of(1), 0)
    if os.access(survey.path_of(1), os.R_OK):
        pytest.skip("may read what nobody may, as root does, or on Windows")
    with pytest.raises(StoreError, match=r"shard-00001\.h5: may not be opened \(permission denied\); ask its owner$"):
        repair_features(survey.path, source)
    os.chmod(survey.path, 0o500)
    with pytest.raises(StoreError, match=r"may not be removed \(permission denied\)"):
        extract_features(source, "profiles", survey.path, shard=16, overwrite=True)
    with pytest.raises(StoreError, match=r"f\.h5: cannot be written \(Permission denied\); name another place"):
        extract_features(source, "profiles", f"{survey.path}/f.h5")
    os.chmod(survey.path, 0o700)
