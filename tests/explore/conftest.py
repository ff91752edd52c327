"""A small survey with positions and images, the page served from a thread, and a browser to look at it."""

import http.client
import json
import shutil
import socket
import threading
import time
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pytest
from astropy.table import Table

from astrotl import ExactIndex, FeatureStore, extract_features, simulate
from astrotl.sources import ArraySource
from astrotl.tasks import Anomaly

TOKEN = "a-secret-of-the-tests"
HOSTILE = (
    "<script>document.title='taken'</script>",
    "<img src=x onerror=\"document.title='taken'\">",
    "a,\"b\" 'c' #d",
)


@pytest.fixture(scope="session")
def survey(tmp_path_factory):
    """240 galaxies with features, positions, images and the truth, three of them with ids that would do harm."""
    folder = tmp_path_factory.mktemp("survey")
    batch, truth = simulate.stamps(240, size=48, seed=5)
    ids = [*HOSTILE, *batch.ids[3:]]
    truth["id"] = ids
    # The reddest band first, as it is to be seen.
    source = ArraySource(batch.data[:, ::-1], ids=ids, channels=batch.channels[::-1])
    made = extract_features(source, "profiles", folder / "made.h5")
    positions = np.column_stack([150 + np.arange(240) / 3600, np.full(240, 2.0)])
    store = FeatureStore.open_or_create(
        folder / "survey.h5", ids, made.shape[1], made.provenance, positions=positions, uuid=made.uuid
    )
    store.write(range(240), made.features())
    return SimpleNamespace(store=store, source=source, truth=truth, weird=Anomaly().run(ExactIndex.build(store)))


@pytest.fixture
def copied(survey, tmp_path):
    """The survey's store in an empty folder, where labels and maps may be written."""
    shutil.copy(survey.store.path, tmp_path / "survey.h5")
    return SimpleNamespace(
        **{**vars(survey), "store": FeatureStore(tmp_path / "survey.h5")}, labels=tmp_path / "survey.labels.ecsv"
    )


@contextmanager
def serving(*given, **settings):
    """Serve the page on a free port; gives its address and a client that knows the secret."""
    pytest.importorskip("starlette")
    uvicorn = pytest.importorskip("uvicorn")
    from astrotl.explore import make_app

    app = make_app(*given, token=TOKEN, by="tester", **settings)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", ws="none", timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            while not server.started:
                time.sleep(0.01)
            yield Client(listening.getsockname()[1])
        finally:
            server.should_exit = True
            thread.join()


class Client:
    """Asks the server as the page does, or as somebody else would."""

    def __init__(self, port):
        self.port = port
        self.address = f"http://127.0.0.1:{port}/?token={TOKEN}"
        self.cookie = self.request("GET", f"/?token={TOKEN}", cookie=None).headers["set-cookie"].partition(";")[0]

    def request(self, method, path, body=None, headers=None, cookie=""):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            sent = {} if cookie is None else {"Cookie": cookie or self.cookie}
            connection.request(method, path, body, {**sent, **(headers or {})})
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return SimpleNamespace(status=answer.status, headers=found, body=answer.read())
        finally:
            connection.close()

    def post(self, name, **given):
        return self.request("POST", f"/api/{name}", json.dumps(given))

    def ask(self, name, **given):
        answer = self.post(name, **given)
        assert answer.status == 200, answer.body
        return json.loads(answer.body)

    def order(self, **given):
        return np.frombuffer(self.post("order", **given).body, "<u4")


@pytest.fixture
def client(copied):
    with serving(copied.store, copied.weird, source=copied.source, classes=["ring"]) as there:
        yield there


@pytest.fixture
def opened(chromium):
    """Open pages; none of them may ask for anything elsewhere, or fail, unless the test says so."""
    contexts, asked, failed = [], [], []

    def open_page(address, *, width=1280, height=800, scheme="dark", script=""):
        context = chromium.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme, accept_downloads=True
        )
        contexts.append(context)
        page = context.new_page()
        page.add_init_script(script)
        page.set_default_timeout(15000)
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: failed.append(str(error)))
        page.on("console", lambda message: failed.append(message.text) if message.type == "error" else None)
        page.goto(address)
        page.wait_for_selector("body[data-ready]")
        return page

    yield open_page
    for context in contexts:
        context.close()
    # A test may end the server before the page.
    assert [text for text in failed if "ERR_CONNECTION_REFUSED" not in text] == []
    assert [url for url in asked if not url.startswith(("http://127.0.0.1:", "blob:http://127.0.0.1:", "data:"))] == []


@pytest.fixture
def labels_in():
    def read(path):
        return dict(zip(*(Table.read(path)[name].tolist() for name in ("id", "label")), strict=True))

    return read
