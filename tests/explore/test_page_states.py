"""The page where there is little to show, or what is shown is unusual, or somebody comes from elsewhere."""

import http.server
import threading
from contextlib import contextmanager

import numpy as np
import pytest
from astropy.table import Table

from astrotl import FeatureStore
from tests.explore.conftest import serving
from tests.explore.test_page import focussed, judge, lasso, shown

pytestmark = pytest.mark.browser

PLACE = """() => import('/static/map.js').then(async ({where}) => {
    const {state} = await import('/static/state.js'), {view} = where(), canvas = document.getElementById('points');
    const places = new Float32Array(await (await import('/static/api.js')).askBinary('map', {method: 'pca'}));
    return [(places[2 * state.focus] - view.x) * view.scale / devicePixelRatio + canvas.clientWidth / 2,
            canvas.clientHeight / 2 - (places[2 * state.focus + 1] - view.y) * view.scale / devicePixelRatio]; })"""
NO_WEBGL = """HTMLCanvasElement.prototype.getContext = (get => function (kind, ...more) {
    return kind === 'webgl' ? null : get.call(this, kind, ...more); })(HTMLCanvasElement.prototype.getContext);"""


def status(page, text):
    page.wait_for_function("text => document.getElementById('status').textContent.includes(text)", arg=text)


def empty(page, text):
    page.wait_for_function("text => document.getElementById('empty').textContent === text", arg=text)


@pytest.fixture
def page(client, opened):
    there = opened(client.address)
    there.wait_for_selector("body[data-map=pca]")
    return there


def test_a_ring_on_the_map_shows_where_the_object_is(page):
    for key in ("ArrowRight", "End"):
        page.keyboard.press(key)
        page.wait_for_timeout(100)
        box, canvas = (page.locator(name).bounding_box() for name in ("#here", "#points"))
        ring = [box["x"] + box["width"] / 2 - canvas["x"], box["y"] + box["height"] / 2 - canvas["y"]]
        assert ring == pytest.approx(page.evaluate(PLACE), abs=1.5)


def test_what_is_judged_stays_bright_on_the_map_when_only_the_rest_is_listed(client, opened):
    page = opened(client.address, script=NO_WEBGL)
    page.wait_for_selector("body[data-map=pca]")
    page.select_option("#colour", "label")
    x, y = page.evaluate(PLACE)
    judge(page, "a", 1)
    page.select_option("#show", "unjudged")
    page.wait_for_function("() => document.getElementById('place').textContent.includes('of 239')")
    page.wait_for_timeout(100)
    pixel = page.evaluate(
        """([x, y]) => [...document.getElementById('points').getContext('2d').getImageData(x, y, 1, 1).data]""", [x, y]
    )
    # Orange, as artefacts are.
    assert pixel[3] > 150
    assert pixel[0] > pixel[2] + 50


def test_a_label_is_only_for_selected_objects_that_are_listed(page, copied, labels_in):
    page.keyboard.press("l")
    lasso(page, 0.02, 0.02, 0.98, 0.98)
    page.wait_for_function("() => document.getElementById('place').textContent.startsWith('240 selected')")
    page.fill("#find-text", "SIM001")
    page.press("#find-text", "Enter")
    page.wait_for_function("() => document.getElementById('place').textContent.startsWith('10 selected')")
    page.evaluate("document.activeElement.blur()")
    judge(page, "b", 10)
    assert set(labels_in(copied.labels)) == {name for name in copied.store.ids.tolist() if "SIM001" in name}


def test_an_error_stays_until_something_else_is_done(page):
    page.fill("#find-text", "nobody")
    page.press("#find-text", "Enter")
    status(page, "0 ids contain nobody.")
    page.click("#export summary")
    page.click("[data-format=ecsv]")
    page.wait_for_selector("#status.bad")
    assert page.inner_text("#status") == "There is nothing to export."
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("#status:not(.bad)", state="attached")
    assert page.inner_text("#status") == ""


def test_what_is_looked_at_is_listed(page):
    page.fill("#find-text", "SIM0011")
    page.press("#find-text", "Enter")
    page.wait_for_function("() => document.getElementById('place').textContent.endsWith(' of 1')")
    page.click(".chip button")
    page.wait_for_function("() => document.getElementById('place').textContent.includes('of 240')")
    page.click("#filter summary")
    page.fill("#filter-value", "SIM002")
    page.click("#filter form button")
    page.wait_for_function("() => document.getElementById('place').textContent.includes('of 10')")
    page.wait_for_function("() => document.querySelector('h2').textContent.startsWith('SIM002')")
    assert page.locator(".tile.focus").count() == 1


@pytest.mark.parametrize("text", ["10h00m00.467s +02d00m00s 2.2", "10 00 00.467 +02 00 00 2.2", "10:00:00.467, 2° 2.2"])
def test_a_position_may_be_written_as_in_a_paper(page, text):
    page.fill("#find-text", text)
    page.press("#find-text", "Enter")
    status(page, "within 2.2 arcsec")
    assert sorted(shown(page)) == [5, 6, 7, 8, 9]


def test_a_name_with_a_number_is_no_position(page):
    page.fill("#find-text", "hd 12")
    page.press("#find-text", "Enter")
    status(page, "0 ids contain hd 12.")
    empty(page, "Nothing passes all of these filters.")


def test_what_is_written_on_a_label_can_be_read(client, opened):
    """At least 4.5 to 1, as the Web Content Accessibility Guidelines ask for."""
    for scheme in ("dark", "light"):
        page = opened(client.address, scheme=scheme)
        ratios = page.evaluate(
            """() => import('/static/colours.js').then(({inkOn, labelColour, rgb}) => {
                const light = (colour) => rgb(colour).map((value) => value / 255)
                    .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4))
                    .reduce((sum, value, i) => sum + value * [0.2126, 0.7152, 0.0722][i], 0.05);
                const names = ["interesting", "artefact", "boring", "ring", ..."abcdefghijkl"];
                return names.map(labelColour).map((colour) => {
                    const both = [light(colour), light(inkOn(colour))];
                    return Math.max(...both) / Math.min(...both); }); })"""
        )
        assert min(ratios) >= 4.5


def test_one_object_is_a_store_too(tmp_path, opened):
    store = FeatureStore.open_or_create(tmp_path / "one.h5", ["alone"], 4, {})
    store.write([0], np.ones((1, 4)))
    with serving(store) as client:
        page = opened(client.address)
        page.wait_for_selector("body[data-map=pca]")
        assert page.inner_text("#map-note") == "The two main directions of the features"
        page.wait_for_selector("#here:not([hidden])")
        page.wait_for_selector("aside >> text=It has none in the features.")
        judge(page, "y", 1)
        page.keyboard.press("r")
        status(page, "Ranked by 1 judgement.")
        empty(page, "All of them are judged.")
        page.keyboard.press("q")
        status(page, "There is nothing left to ask.")
        assert page.get_attribute("#ask", "aria-pressed") == "false"
        assert not page.is_visible(".asking")


def test_without_images_neighbours_are_named_and_no_images_are_offered(copied, opened):
    with serving(copied.store) as client:
        page = opened(client.address)
        page.wait_for_selector(".words figure")
        assert not page.is_visible("[data-view=pictures]")
        assert page.evaluate(
            "[...document.querySelectorAll('.words figcaption')].every((one) => one.scrollWidth <= one.clientWidth)"
        )


@pytest.mark.parametrize("width", [1024, 1280])
def test_long_names_stay_within_their_buttons(copied, opened, width):
    classes = ["merger of two galaxies of equal mass", "ring"]
    with serving(copied.store, copied.weird, source=copied.source, classes=classes) as client:
        page = opened(client.address, width=width, height=700, scheme="light")
        page.wait_for_selector(".judge button")
        judge(page, "1", 1)
        outside = """() => { const pane = document.getElementById('object-pane').getBoundingClientRect();
            return [...document.querySelectorAll('.judge button *')]
                .filter((one) => one.getBoundingClientRect().right > pane.right).length; }"""
        assert page.evaluate(outside) == 0
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        # All that is above the map stands in one line.
        tops = page.evaluate("[...document.querySelector('#map-pane .bar').children].map((one) => one.offsetTop)")
        assert max(tops) - min(tops) < 15


def test_all_words_of_a_column_are_counted(copied, opened):
    kinds = Table({"id": copied.store.ids, "kind": [f"kind {number % 70}" for number in range(240)]})
    with serving(copied.store, kinds, source=copied.source) as client:
        page = opened(client.address)
        page.wait_for_selector("body[data-map=pca]")
        page.select_option("#colour", "kind")
        page.wait_for_selector("#legend >> text=60 others")


@contextmanager
def another_site(body):
    """Serve a page under another name than 127.0.0.1, as a notebook's is."""

    class Answers(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_given):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://localhost:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


def test_the_address_may_be_clicked_in_another_page(client, chromium):
    """A terminal within a notebook is a page of another site."""
    with another_site(f'<a href="{client.address}">open</a>') as address:
        context = chromium.new_context()
        try:
            page = context.new_page()
            page.goto(address)
            page.click("a")
            page.wait_for_selector("body[data-ready]", timeout=10000)
            assert page.url == f"http://127.0.0.1:{client.port}/"
        finally:
            context.close()


def test_another_page_can_label_nothing_though_the_browser_knows_the_secret(client, chromium, copied):
    hostile = """<form method="post" enctype="text/plain" action="http://127.0.0.1:{port}/api/judge">
        <input name='{{"labels": [[0, "taken"]], "x": "' value='"}}'></form>
        <script>document.forms[0].submit();</script>"""
    with another_site(hostile.format(port=client.port)) as address:
        context = chromium.new_context()
        try:
            page = context.new_page()
            page.goto(client.address)
            page.wait_for_selector("body[data-ready]")
            with page.expect_response(lambda answer: answer.url.endswith("/api/judge")) as refused:
                page.goto(address, wait_until="commit")
            assert refused.value.status == 403
        finally:
            context.close()
    assert not copied.labels.exists()


def test_whoever_goes_elsewhere_while_a_label_is_written_stays_there(page, copied, labels_in):
    first, elsewhere = shown(page)[0], shown(page)[50]
    held = []
    page.route("**/api/judge", lambda route: held.append(route))
    with page.expect_request("**/api/judge"):
        page.keyboard.press("b")
    page.evaluate("row => import('/static/state.js').then(({setFocus}) => setFocus(row))", int(elsewhere))
    held[0].continue_()
    status(page, "On the disk")
    assert focussed(page) == elsewhere
    assert labels_in(copied.labels)[copied.store.ids[first]] == "boring"
