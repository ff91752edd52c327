"""Tables leave the page: to the disk, and to other programs through a real SAMP hub."""

import threading
import urllib.request

import numpy as np
import pytest
from astropy.table import Table

from astrotl.explore.exporting import Samp, as_file, library


@pytest.fixture
def table(survey):
    return survey.weird[:7]


@pytest.mark.parametrize(("kind", "known_as"), [("ecsv", "ascii.ecsv"), ("votable", "votable")])
def test_files(table, tmp_path, kind, known_as):
    (tmp_path / "file").write_bytes(as_file(table, kind))
    again = Table.read(tmp_path / "file", format=known_as)
    assert again["id"].tolist() == table["id"].tolist()
    np.testing.assert_allclose(again["score"], table["score"])


@pytest.fixture
def hub(tmp_path, monkeypatch):
    monkeypatch.setenv("SAMP_HUB", f"std-lockurl:{(tmp_path / 'samp').as_uri()}")
    samp = library()
    with samp.conf.set_temp("use_internet", False):
        there = samp.SAMPHubServer(web_profile=False, mode="single", addr="127.0.0.1", lockfile=str(tmp_path / "samp"))
        there.start()
        yield there
        there.stop()


def test_a_table_is_sent_to_whoever_takes_tables(hub, table):
    topcat = library().SAMPIntegratedClient(
        name="a table program", metadata={"samp.name": "a table program"}, addr="127.0.0.1"
    )
    topcat.connect()
    got, came = [], threading.Event()

    def take(_key, _sender, _kind, params, _extra):
        got.append(params)
        came.set()

    topcat.bind_receive_notification("table.load.votable", take)
    samp = Samp()
    try:
        assert samp.send(table, "seven odd ones") == ["a table program"]
        assert came.wait(10)
        with urllib.request.urlopen(got[0]["url"]) as file:
            assert Table.read(file, format="votable")["id"].tolist() == table["id"].tolist()
        assert got[0]["name"] == "seven odd ones"
    finally:
        topcat.disconnect()
        samp.close()


def test_the_page_sends(hub, client, survey):
    answer = client.ask("samp", rows=[1, 2])
    assert answer == {"to": []}


def test_without_a_hub_that_is_said(tmp_path, monkeypatch, table):
    monkeypatch.setenv("SAMP_HUB", f"std-lockurl:{(tmp_path / 'nothing').as_uri()}")
    samp = Samp()
    with pytest.raises(ValueError, match="SAMP: no TOPCAT, Aladin or other hub is running"):
        samp.send(table, "x")
    samp.close()
