"""Nobody but the page gets anything, and nothing but the page's own files is served."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from astrotl import FeatureStore
from tests.explore.conftest import TOKEN, serving


@pytest.fixture(scope="module")
def labels(tmp_path_factory):
    return tmp_path_factory.mktemp("labels") / "seen.ecsv"


@pytest.fixture(scope="module")
def client(survey, labels):
    with serving(survey.store, survey.weird, source=survey.source, labels=labels) as there:
        yield there


@pytest.mark.parametrize("host", ["127.0.0.1:{}", "localhost:{}", "[::1]:{}", "localhost"])
def test_this_machine_is_answered(client, host):
    assert client.request("POST", "/api/start", "{}", {"Host": host.format(client.port)}).status == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "evil.example:{}", "localhost@evil.example", "192.168.1.5", ""]
)
def test_another_name_is_refused(client, host):
    """A site whose name was turned to 127.0.0.1 is still called by its name."""
    for path in ("/", "/static/app.js", f"/?token={TOKEN}"):
        answer = client.request("GET", path, headers={"Host": host.format(client.port)})
        assert answer.status in (400, 421)
        assert b"astrotl explore" not in answer.body


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "https://127.0.0.1:{}", "http://127.0.0.1:1", "http://localhost:{}"]
)
def test_another_page_is_refused(client, labels, origin):
    answer = client.request(
        "POST", "/api/judge", json.dumps({"labels": [[0, "ring"]]}), {"Origin": origin.format(client.port)}
    )
    assert answer.status == 403
    assert not labels.exists()


def test_the_page_itself_is_no_other_page(client, labels):
    headers = {"Origin": f"http://127.0.0.1:{client.port}"}
    assert client.request("POST", "/api/judge", json.dumps({"labels": [[0, "ring"]]}), headers).status == 200
    assert labels.exists()
    labels.unlink()


@pytest.mark.parametrize("cookie", [None, "astrotl=1", "astrotl_000000000000=x"])
@pytest.mark.parametrize("path", ["/", "/static/app.js", "/api/start", "/?token=wrong", "/?token="])
def test_without_the_secret_nothing_is_served(client, path, cookie):
    answer = client.request("POST" if path.startswith("/api") else "GET", path, "{}", cookie=cookie)
    assert answer.status == 403
    assert b"whole address" in answer.body


def test_the_secret_is_kept_where_no_other_page_and_no_script_gets_it(client):
    answer = client.request("GET", f"/?token={TOKEN}", cookie=None)
    assert (answer.status, answer.headers["location"]) == (303, "/")
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(answer.headers["set-cookie"].split("; "))


def test_cookies_of_other_programs_do_no_harm(client):
    """All ports of a machine share their cookies, however odd."""
    for odd in ("a:b[c]=1; {}", "x=; {}; y", '"; {}', "=; ;; {} ;z"):
        assert client.request("GET", "/", cookie=odd.format(client.cookie)).status == 200


def test_an_empty_secret_is_none(survey):
    from astrotl.explore import make_app

    with pytest.raises(ValueError, match="token: must not be empty"):
        make_app(survey.store, token="")


@pytest.mark.parametrize("path", ["/", "/static/app.js", "/nowhere", "/api/start"])
def test_the_browser_is_told_to_load_nothing_from_elsewhere(client, path):
    headers = client.request("GET", path).headers
    assert headers["content-security-policy"].startswith("default-src 'self'; img-src 'self' data: blob:")
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"


def test_the_page_names_no_other_machine():
    """Apart from the links that open elsewhere when they are clicked."""
    import astrotl.explore

    for file in (Path(astrotl.explore.__file__).parent / "static").iterdir():
        text = file.read_text(encoding="utf-8")
        assert "innerHTML" not in text, file.name
        assert text.count("http") == {"object.js": 3, "mark.svg": 1}.get(file.name, 0), file.name


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py", "/static/..%2fapp.py", "/static/%2e%2e/app.py", "/static//etc/passwd", "/etc/passwd",
        "/static/", "/static", "/../../../../etc/passwd", "/api/start/../../etc/passwd", "/static/index.html%00",
        "/survey.h5",
    ],
)  # fmt: skip
def test_no_other_file_is_ever_served(client, path):
    assert client.request("GET", path).status in (404, 405)


@pytest.mark.parametrize("name", ["start", "judge", "improve"])
def test_what_is_asked_is_asked_by_post(client, name):
    assert client.request("GET", f"/api/{name}").status == 405


@pytest.mark.parametrize(
    ("name", "given", "said"),
    [
        ("object", {"row": -1}, "row: must be 0 to 239, got -1"),
        ("object", {"row": 240}, "row: must be"),
        ("object", {"row": "../../etc/passwd"}, "row: must be"),
        ("object", {"row": True}, "row: must be"),
        ("object", {}, "'row' is missing"),
        ("pictures", {"rows": [0], "side": 100000}, "side: must lie between"),
        ("pictures", {"rows": [0], "look": {"softening": "nan"}}, "softening: must lie between"),
        ("pictures", {"rows": [0], "look": [1]}, "look: must hold"),
        ("pictures", {"rows": [0], "look": {"bands": ["x"]}}, "bands: there is no 'x'; there are"),
        ("pictures", {"rows": list(range(201))}, "rows: at most 200"),
        ("order", {"sort": "nothing"}, "column: there is no 'nothing'"),
        ("order", {"filters": [{"column": "score", "op": "contains", "value": 1}]}, "filters: score takes >=, <=, ="),
        ("judge", {"labels": [[0, "x" * 101]]}, "label: must be at most 100"),
        ("judge", {"labels": [[0, "a\u0000b"]]}, "label: .* no table can keep"),
        ("export", {"rows": [0], "format": "exe"}, "format: must be one of ecsv, votable"),
        ("near", {"ra": 150, "dec": 95}, "position: must be right ascension and declination"),
        ("near", {"ra": 10, "dec": -80}, "position: nothing lies within 60 arcsec"),
        ("like", {"rows": []}, "rows: must be 1 to 100 examples"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_line(client, name, given, said):
    answer = client.post(name, **given)
    assert answer.status == 400
    assert re.match(said, json.loads(answer.body)["error"])


def test_a_request_that_is_too_long_is_not_taken_in(client):
    assert client.request("POST", "/api/order", b" " * (33 << 20)).status == 413
    assert client.request("POST", "/api/order", b"[1]").status == 400
    assert client.request("POST", "/api/order", b"{").status == 400
    assert client.request("POST", "/api/order", b"[" * 100_000).status == 400
    assert client.request("POST", "/api/pictures", b'{"rows": [0], "side": 1e999}').status == 400


def test_who_serves_other_machines_is_called_by_number(copied):
    with serving(copied.store, host="0.0.0.0") as client:
        status = [
            client.request("POST", "/api/start", "{}", {"Host": host}).status
            for host in ("10.1.2.3:80", "evil.example")
        ]
    assert status == [200, 421]


@pytest.mark.parametrize("done", [0, 1, 2])
def test_a_store_that_is_hardly_begun_is_shown(tmp_path, done):
    store = FeatureStore.open_or_create(tmp_path / "begun.h5", list("abcd"), 5, {})
    store.write(range(done), np.random.default_rng(0).normal(size=(done, 5)))
    with serving(store) as client:
        assert client.ask("start")["count"] == 4
        assert len(client.post("map", method="pca").body) == 4 * 8
        assert client.ask("object", row=3)["neighbours"] == []
        client.ask("judge", labels=[[0, "boring"]])
        answer = client.post("improve")
        assert (answer.status, b"has features yet" in answer.body) == ((200, False) if done else (400, False))
        assert client.post("ask").status == (200 if done else 400)
