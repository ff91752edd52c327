"""The command in a process of its own: its address, its mistakes, and a death in the middle."""

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
from urllib.parse import urlsplit

import numpy as np
import pytest

from astrotl import extract_features, open_source
from astrotl.cli import main
from astrotl.explore import read_labels

pytest.importorskip("uvicorn")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    np.save(folder / "stamps.npy", np.random.default_rng(0).normal(size=(30, 3, 24, 24)).astype(np.float32))
    extract_features(open_source(folder / "stamps.npy"), "profiles", folder / "features.h5")
    return folder


class Served:
    """The running command, and a client of it."""

    def __init__(self, folder, *arguments):
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "astrotl", "explore", "features.h5", "--no-browser", *arguments],
            cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.said = []
        while not self.said or not self.said[-1].startswith("http://"):
            line = self.process.stdout.readline()
            assert line, self.process.stderr.read()
            self.said.append(line.strip())
        self.address = urlsplit(self.said[-1])
        self.connection = http.client.HTTPConnection("127.0.0.1", self.address.port, timeout=30)
        self.connection.request("GET", f"/?{self.address.query}")
        answer = self.connection.getresponse()
        answer.read()
        self.cookie = answer.headers["set-cookie"].partition(";")[0]

    def ask(self, name, **given):
        self.connection.request("POST", f"/api/{name}", json.dumps(given), {"Cookie": self.cookie})
        answer = self.connection.getresponse()
        assert answer.status == 200
        return answer.read()

    def end(self, how):
        self.connection.close()
        self.process.send_signal(how)
        said = self.process.communicate(timeout=20)[1]
        return self.process.returncode, said


def test_no_label_is_lost_when_the_server_is_killed(folder):
    """Each label that was answered is there, whenever the death comes, and the file is whole."""
    answered, asked = {}, ()
    for number, delay in enumerate((0.05, 0.15, 0.3)):
        served = Served(folder, "--by", f"ann{number}")
        death = threading.Timer(delay, os.kill, (served.process.pid, signal.SIGKILL))
        try:
            served.ask("judge", labels=[[29, "boring"]])
            answered["29"] = "boring"
            death.start()
            for count in range(10_000):
                asked = str(count % 30), f"round {number}.{count}"
                served.ask("judge", labels=[[count % 30, asked[1]]])
                answered |= [asked]
        except (OSError, http.client.HTTPException):
            pass
        finally:
            death.join()
            assert served.end(signal.SIGKILL)[0] == -signal.SIGKILL
        table = read_labels(folder / "features.labels.ecsv")
        there = dict(zip(table["id"].tolist(), table["label"].tolist(), strict=True))
        # The label that was being written may be there, but unanswered.
        assert [one for one, said in answered.items() if there[one] != said and (one, there[one]) != asked] == []
        answered = there
        assert f"ann{number}" in table["by"]
    served = Served(folder)
    try:
        assert dict(json.loads(served.ask("news", since=0))["judged"]) == {int(one): there[one] for one in there}
        # What the store was made from is found and drawn again.
        lengths = np.frombuffer(served.ask("pictures", rows=[0, 29], side=64)[:12], "<u4")
        assert lengths[0] == 2
        assert (lengths[1:] > 300).all()
    finally:
        status, said = served.end(signal.SIGINT)
    assert (status, said) == (0, "")


def test_it_listens_on_this_machine_alone_and_draws_a_secret(folder):
    served = [Served(folder), Served(folder)]
    try:
        assert {one.address.hostname for one in served} == {"127.0.0.1"}
        secrets = {one.address.query for one in served}
        assert len(secrets) == 2
        assert min(map(len, secrets)) > 30
    finally:
        for one in served:
            one.end(signal.SIGTERM)


def test_images_that_are_gone_are_said_and_the_page_goes_on(folder, tmp_path):
    os.link(folder / "features.h5", tmp_path / "features.h5")
    (folder / "stamps.npy").rename(folder / "moved.npy")
    try:
        served = Served(tmp_path)
        try:
            assert served.said[0].startswith("without pictures: ")
            assert not json.loads(served.ask("start"))["images"]
        finally:
            served.end(signal.SIGTERM)
        served = Served(tmp_path, "--source", str(folder / "moved.npy"))
        try:
            assert json.loads(served.ask("start"))["images"]
        finally:
            served.end(signal.SIGTERM)
    finally:
        (folder / "moved.npy").rename(folder / "stamps.npy")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nothing.h5"], "nothing.h5: there is no such store"),
        (["features.h5", "--results", "nothing.ecsv"], "nothing.ecsv: there is no such file"),
        (["features.h5", "--classes", "boring"], "classes: each must be another word"),
        (["features.h5", "--host", "203.0.113.7"], "port: 0 of 203.0.113.7 cannot be had"),
    ],
)
def test_mistakes_are_one_line(folder, arguments, said, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["astrotl", "explore", *arguments, "--no-browser"])
    with pytest.raises(SystemExit):
        main()
    line = capsys.readouterr().err.strip()
    assert said in line
    assert len(line.splitlines()) == 1
