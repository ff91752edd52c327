"""Labels on the disk: whole, plain, and never lost, whoever writes."""

import os
import threading

import pytest
from astropy.table import Table

from astrotl import ExactIndex, FeatureStore
from astrotl.errors import AstrotlWarning
from astrotl.explore import merge_labels, read_labels
from astrotl.explore.judging import LabelFile
from astrotl.tasks import Anomaly
from tests.explore.conftest import HOSTILE


@pytest.fixture
def path(tmp_path):
    return tmp_path / "seen.labels.ecsv"


def labels(path):
    table = read_labels(path)
    return dict(zip(table["id"].tolist(), table["label"].tolist(), strict=True))


def test_what_was_said_is_on_the_disk(path):
    LabelFile(path).say({"a": "interesting", "b": "boring"}, "ann")
    table = read_labels(path)
    assert table.colnames == ["id", "label", "by", "at"]
    assert table["by"].tolist() == ["ann", "ann"]
    assert labels(path) == {"a": "interesting", "b": "boring"}


def test_the_last_word_counts_and_nothing_can_be_said_too(path):
    file = LabelFile(path)
    file.say({"a": "interesting"}, "ann")
    file.say({"a": "boring"}, "ann")
    assert labels(path) == {"a": "boring"}
    file.say({"a": ""}, "ann")
    assert LabelFile(path).all()["a"].label == ""


@pytest.mark.parametrize("name", [*HOSTILE, "#5", "0012", "nan", "--", "é ☃", "N/A", "# %ECSV 1.0", '"', "1e5"])
def test_any_id_comes_back_as_it_was(path, name):
    LabelFile(path).say({name: "ring", "other": "boring"}, "ann")
    assert labels(path) == {name: "ring", "other": "boring"}
    assert Table.read(path)["id"].tolist() == [name, "other"]


@pytest.mark.parametrize("name", [" a", "a\n", "a\x00b"])
def test_an_id_that_no_table_keeps_is_refused_and_nothing_written(path, name):
    with pytest.raises(ValueError, match="no table can keep"):
        LabelFile(path).say({name: "ring"}, "ann")
    assert not path.exists()


def test_two_servers_write_into_one_file(path):
    ann, bob = LabelFile(path), LabelFile(path)

    def write(file, who):
        for number in range(25):
            file.say({f"{who}{number}": "boring"}, who)

    writers = [threading.Thread(target=write, args=one) for one in ((ann, "ann"), (bob, "bob"))]
    for one in writers:
        one.start()
    for one in writers:
        one.join()
    assert len(labels(path)) == 50
    ann.refresh()
    assert set(ann.all()) == set(labels(path))


def test_what_was_written_by_hand_is_seen_and_kept(path):
    file = LabelFile(path)
    file.say({"a": "boring"}, "ann")
    table = read_labels(path)
    table.add_row(("b", "ring", "hand", "2026-01-01T00:00:00Z"))
    table.write(path, overwrite=True)
    assert [(one.id, one.label) for one in file.refresh()] == [("b", "ring")]
    file.say({"c": "boring"}, "ann")
    assert set(labels(path)) == {"a", "b", "c"}
    read_labels(path)[1:].write(path, overwrite=True)
    assert [(one.id, one.label) for one in file.refresh()] == [("a", "")]


def test_a_file_that_was_removed_is_written_again_whole(path):
    file = LabelFile(path)
    file.say({"a": "boring"}, "ann")
    path.unlink()
    assert file.refresh() == []
    file.say({"b": "boring"}, "ann")
    assert set(labels(path)) == {"a", "b"}


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"id": ["a"], "label": ["ring"], "comment": ["nice"]}, "has other columns .* such as 'comment'"),
        ({"name": ["a"], "label": ["ring"]}, "has no column 'id'"),
        (None, "cannot be read as a table"),
    ],
)
def test_a_file_of_another_kind_is_never_overwritten(path, columns, said):
    if columns is None:
        path.write_bytes(b"")
    else:
        Table(columns).write(path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match=said):
        LabelFile(path)
    assert path.read_bytes() == before


def test_where_nothing_can_be_kept_is_said_at_once(tmp_path):
    with pytest.raises(FileNotFoundError, match="labels: there is no folder"):
        LabelFile(tmp_path / "nowhere" / "a.ecsv")
    with pytest.raises(ValueError, match="labels: the file must end in"):
        LabelFile(tmp_path / "labels.csv")


def test_a_failing_disk_is_no_label(path, monkeypatch):
    file = LabelFile(path)
    file.say({"a": "boring"}, "ann")

    def fail(*_given):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space"):
        file.say({"b": "boring"}, "ann")
    assert set(file.all()) == set(labels(path)) == {"a"}
    assert [one.name for one in path.parent.iterdir()] == [path.name]


def said(*rows):
    return Table(rows=rows, names=("id", "label", "by", "at"))


def test_the_labels_of_two_people_become_one_table():
    ann = said(("a", "ring", "ann", "2026-01-01T10:00:00Z"), ("b", "boring", "ann", "2026-01-03T10:00:00Z"))
    bob = said(("b", "boring", "bob", "2026-01-02T10:00:00Z"), ("c", "", "bob", "2026-01-02T10:00:00Z"))
    table = merge_labels(ann, bob)
    assert table["id"].tolist() == ["a", "b", "c"]
    assert table["by"].tolist() == ["ann", "ann", "bob"]


def test_the_later_word_counts_and_disagreements_are_counted():
    ann, bob = said(("a", "ring", "ann", "2026-01-01T10:00:00Z")), said(("a", "boring", "bob", "2026-01-02T10:00:00Z"))
    for pair in ((ann, bob), (bob, ann)):
        with pytest.warns(AstrotlWarning, match="1 object was judged differently"):
            table = merge_labels(*pair)
        assert table["label"].tolist() == ["boring"]
    # A label that was taken back later is no disagreement, and stays taken back.
    taken = said(("a", "", "bob", "2026-01-02T10:00:00Z"))
    assert merge_labels(ann, taken)["label"].tolist() == [""]


def test_a_task_takes_the_file_as_labels(tmp_path, survey):
    file = LabelFile(tmp_path / "survey.labels.ecsv")
    damaged = survey.truth["id"][survey.truth["kind"] == "damaged"].tolist()
    file.say({damaged[0]: "artefact", "SIM0100": "boring", "SIM0101": "interesting", "SIM0102": ""}, "ann")
    seen = Table.read(file.path)
    table = Anomaly().run(ExactIndex.build(FeatureStore(survey.store.path)), labels=seen)
    assert table["id"][0] == "SIM0101"
    assert table["id"][-1] in (damaged[0], "SIM0100")
