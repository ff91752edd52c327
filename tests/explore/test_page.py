"""The page in a real browser: what an astronomer sees and does, and what is on the disk then."""

import os
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table

from astrotl import FeatureStore
from astrotl.sources import ArraySource
from tests.explore.conftest import HOSTILE, serving

pytestmark = pytest.mark.browser

#: Set, it names a folder to which the pictures of the pages are written.
SHOTS = os.environ.get("ASTROTL_SCREENSHOTS")


def shoot(page, name):
    if SHOTS:
        page.wait_for_timeout(700)
        page.screenshot(path=Path(SHOTS) / f"explore_{name}.jpg", type="jpeg", quality=85)


def focussed(page):
    page.wait_for_selector("#object-pane h2")
    return int(page.get_attribute("#object-pane", "data-row"))


def shown(page):
    return page.evaluate("import('/static/state.js').then(({state}) => Array.from(state.order))")


def judge(page, key, count):
    page.keyboard.press(key)
    page.wait_for_function(
        "count => document.getElementById('tally').textContent.startsWith(`${count} judged`)", arg=count
    )


def lasso(page, left, low, right, high):
    box = page.locator("#points").bounding_box()
    corners = [(left, low), (right, low), (right, high), (left, high), (left, low)]
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in corners]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=3)
    page.mouse.up()


@pytest.fixture
def page(client, opened):
    there = opened(client.address)
    there.wait_for_selector("body[data-map=pca]")
    return there


def test_twenty_thousand_objects_are_there_in_three_seconds(tmp_path, opened):
    rng = np.random.default_rng(0)
    count = 20_000
    ids = [f"OBJ{number:06}" for number in range(count)]
    provenance = {"source": {"channels": ["g", "r", "i"], "size": [16, 16]}}
    store = FeatureStore.open_or_create(tmp_path / "many.h5", ids, 32, provenance, block=4096)
    store.write(range(count), rng.normal(rng.normal(size=(8, 32))[rng.integers(8, size=count)], 0.5))
    source = ArraySource(rng.integers(0, 255, (count, 16, 16, 3), dtype=np.uint8), ids=ids, channels=["g", "r", "i"])
    results = Table({"id": ids, "score": rng.random(count)})
    with serving(store, results, source=source) as client:
        page = opened(client.address)
        page.wait_for_selector(".tile img[src^=blob]")
        page.wait_for_selector("body[data-map=pca]")
        assert page.evaluate("performance.now()") < 3000
        assert len(shown(page)) == count
        # Only what is in sight is in the page, wherever that is.
        assert page.locator(".tile").count() < 60
        page.evaluate("document.getElementById('scroll').scrollTop = 1e9")
        page.wait_for_selector(f".tile[data-place='{count - 1}'] img[src^=blob]")
        assert page.locator(".tile").count() < 60
        assert page.locator("#points").get_attribute("data-kind") == "webgl"
        shoot(page, "many")


def test_thumbnails_are_pictures_of_the_objects(page):
    page.wait_for_function("() => document.querySelectorAll('.tile img[src^=blob]').length > 5")
    sizes = page.evaluate("[...document.querySelectorAll('.tile img[src]')].map((img) => img.naturalWidth)")
    assert set(sizes) == {48}


def test_a_key_labels_and_the_label_is_on_the_disk_before_the_page_goes_on(page, copied, labels_in):
    first = focussed(page)
    judge(page, "a", 1)
    assert labels_in(copied.labels) == {copied.store.ids[first]: "artefact"}
    second = focussed(page)
    assert second != first
    judge(page, "y", 2)
    judge(page, "1", 3)
    assert labels_in(copied.labels)[copied.store.ids[second]] == "interesting"
    assert sorted(labels_in(copied.labels).values()) == ["artefact", "interesting", "ring"]
    page.keyboard.press("z")
    page.wait_for_function("() => document.getElementById('tally').textContent.startsWith('2 judged')")
    assert sorted(filter(None, labels_in(copied.labels).values())) == ["artefact", "interesting"]


def test_improve_changes_the_ranking(page, copied):
    """Whoever looks for damaged images says so, and has them first."""
    before = shown(page)
    damaged = np.asarray(copied.truth["kind"] == "damaged")
    for number, row in enumerate([*before[:5], *before[100:105]]):
        page.evaluate("row => import('/static/state.js').then(({setFocus}) => setFocus(row))", int(row))
        judge(page, "y" if damaged[row] else "b", number + 1)
    page.keyboard.press("r")
    page.wait_for_function("() => document.getElementById('status').textContent.startsWith('Ranked by 10')")
    page.wait_for_function("() => document.getElementById('place').textContent.includes('of 230')")
    after = shown(page)
    assert after != [row for row in before if row in set(after)]
    assert set(after).isdisjoint(before[:5])
    judged = [*before[:5], *before[100:105]]
    assert damaged[after[:10]].mean() > 2 * np.delete(damaged, judged).mean()
    assert "expected to be of interest" in page.inner_text("#expected")
    shoot(page, "improved")


def test_the_page_asks(page, labels_in, copied):
    page.keyboard.press("q")
    page.wait_for_selector(".asking:not([hidden])")
    asked = []
    for number in range(4):
        asked.append(focussed(page))
        judge(page, "b", number + 1)
        page.wait_for_selector(f"#object-pane:not([data-row='{asked[-1]}'])")
    asked.append(focussed(page))
    page.keyboard.press("ArrowRight")
    page.wait_for_selector(f"#object-pane:not([data-row='{asked[-1]}'])")
    assert len({*asked, focussed(page)}) == 6
    assert page.inner_text("#tally") == "4 judged, 0 of interest"
    assert set(labels_in(copied.labels)) == set(copied.store.ids[asked[:4]])
    shoot(page, "asking")


def test_a_line_around_points_selects_them_and_a_label_is_for_all(page, copied, labels_in):
    page.keyboard.press("l")
    lasso(page, 0.02, 0.02, 0.98, 0.98)
    page.wait_for_function("() => document.getElementById('place').textContent.startsWith('240 selected')")
    lasso(page, 0.02, 0.02, 0.5, 0.98)
    page.wait_for_function("() => !document.getElementById('place').textContent.startsWith('240')")
    rows = page.evaluate("import('/static/state.js').then(({state}) => [...state.selection])")
    places = np.load(copied.store.path.replace(".h5", ".map.npz"))["pca"]
    middle = (places[:, 0].min() + places[:, 0].max()) / 2
    assert sorted(rows) == np.flatnonzero(places[:, 0] < middle).tolist()
    shoot(page, "lasso")
    judge(page, "b", len(rows))
    assert len(labels_in(copied.labels)) == len(rows)


def test_the_map_goes_to_an_object(page):
    box = page.locator("#points").bounding_box()
    row, x, y = page.evaluate(
        """async () => {
            const buffer = await (await import('/static/api.js')).askBinary('map', {method: 'pca'});
            const places = new Float32Array(buffer), {view} = (await import('/static/map.js')).where();
            const canvas = document.getElementById('points');
            const far = [...Array(places.length / 2).keys()].sort((a, b) => places[2 * b] - places[2 * a])[0];
            return [far, (places[2 * far] - view.x) * view.scale / devicePixelRatio + canvas.clientWidth / 2,
                    canvas.clientHeight / 2 - (places[2 * far + 1] - view.y) * view.scale / devicePixelRatio];
        }"""
    )
    page.mouse.move(box["x"] + x, box["y"] + y)
    page.wait_for_selector("#hover:not([hidden]) img[src^=blob]")
    page.mouse.click(box["x"] + x, box["y"] + y)
    page.wait_for_selector(f"#object-pane[data-row='{row}']")


@pytest.mark.parametrize(("kind", "known_as"), [("ecsv", "ascii.ecsv"), ("votable", "votable")])
def test_the_selection_is_exported(page, copied, tmp_path, kind, known_as):
    for _ in range(3):
        page.keyboard.press("x")
        page.keyboard.press("ArrowRight")
    page.click("#export summary")
    assert page.inner_text("#export-what") == "The 3 selected objects"
    with page.expect_download() as download:
        page.click(f"[data-format={kind}]")
    download.value.save_as(tmp_path / "selection")
    table = Table.read(tmp_path / "selection", format=known_as)
    assert table["id"].tolist() == copied.weird["id"][:3].tolist()
    np.testing.assert_allclose(table["score"], copied.weird["score"][:3])


def test_a_second_tab_sees_the_labels(page, client, opened):
    other = opened(client.address)
    judge(page, "y", 1)
    other.wait_for_function(
        "() => document.getElementById('tally').textContent === '1 judged, 1 of interest'", timeout=5000
    )
    assert other.inner_text(".tile .badge >> nth=0") == "interesting"


def test_the_stretch_changes_every_picture(page):
    page.wait_for_selector(".tile[data-place='0'] img[src^=blob]")
    seen = """() => {
        const img = document.querySelector(".tile[data-place='0'] img"), canvas = document.createElement("canvas");
        canvas.width = canvas.height = 32; const pen = canvas.getContext("2d"); pen.drawImage(img, 0, 0);
        return pen.getImageData(0, 0, 32, 32).data.reduce((sum, value) => sum + value, 0); }"""
    before, address = page.evaluate(seen), page.get_attribute(".tile[data-place='0'] img", "src")
    page.click("#look summary")
    page.evaluate(
        """() => {
            const one = document.getElementById('softening');
            one.value = -1.5;
            one.dispatchEvent(new Event('input'));
        }"""
    )
    page.wait_for_function(
        """old => {
            const img = document.querySelector(".tile[data-place='0'] img");
            return img.complete && img.src && img.src !== old;
        }""",
        arg=address,
    )
    assert page.evaluate(seen) > 1.1 * before
    page.select_option("#bands select >> nth=0", "g")
    chosen = page.evaluate("[...document.querySelectorAll('#bands select')].map((select) => select.value)")
    assert chosen == ["g", "r", "g"]
    shoot(page, "stretch")


def test_ids_that_would_do_harm_are_text(page):
    page.fill("#find-text", "script")
    page.press("#find-text", "Enter")
    page.wait_for_function("id => document.querySelector('h2')?.textContent === id", arg=HOSTILE[0])
    page.fill("#find-text", "onerror")
    page.press("#find-text", "Enter")
    page.wait_for_function("id => document.querySelector('h2')?.textContent === id", arg=HOSTILE[1])
    page.click("[data-view=table]")
    page.wait_for_selector(".line >> text=onerror")
    page.wait_for_timeout(100)
    assert page.title() == "survey.h5: astrotl"
    assert (
        page.locator("#tiles script, #object-pane script, #tiles img[onerror], #object-pane img[onerror]").count() == 0
    )


def test_an_example_is_looked_for(page, copied, tmp_path):
    from astropy.io import fits

    row = 50
    fits.writeto(tmp_path / "seen.fits", copied.source[row : row + 1].read().data[0])
    page.set_input_files("#find-file", tmp_path / "seen.fits")
    page.wait_for_function("() => document.getElementById('status').textContent.startsWith('In the order')")
    assert shown(page)[0] == row
    page.fill("#find-text", f"{150 + 7 / 3600:.6f} 2.0 2.2")
    page.press("#find-text", "Enter")
    page.wait_for_function("() => document.getElementById('status').textContent.includes('within 2.2 arcsec')")
    assert sorted(shown(page)) == [5, 6, 7, 8, 9]


def test_an_image_is_dropped(page, copied):
    from base64 import b64encode
    from io import BytesIO

    from astropy.io import fits

    file = BytesIO()
    fits.writeto(file, copied.source[70:71].read().data[0])
    page.evaluate(
        """coded => {
            const data = new DataTransfer(), bytes = Uint8Array.from(atob(coded), (letter) => letter.charCodeAt(0));
            data.items.add(new File([bytes], "dropped.fits"));
            dispatchEvent(new DragEvent("dragover", {dataTransfer: data, cancelable: true}));
            dispatchEvent(new DragEvent("drop", {dataTransfer: data, cancelable: true}));
        }""",
        b64encode(file.getvalue()).decode(),
    )
    page.wait_for_selector("#object-pane[data-row='70']")
    assert page.inner_text("#status") == "In the order of how like dropped.fits they are."
    assert not page.is_visible("#drop")


def test_links_lead_elsewhere_only_when_they_are_clicked(page):
    page.wait_for_selector(".where a")
    links = page.evaluate(
        "[...document.querySelectorAll('a')].map(({href, rel, target}) => [new URL(href).host, rel, target])"
    )
    assert [host for host, _, _ in links] == ["aladin.cds.unistra.fr", "www.legacysurvey.org", "simbad.cds.unistra.fr"]
    assert {(rel, target) for _, rel, target in links} == {("noopener noreferrer", "_blank")}


def test_without_webgl_the_map_is_drawn_too(client, opened):
    hidden = "HTMLCanvasElement.prototype.getContext = (get => function (kind, ...more) {"
    hidden += (
        " return kind === 'webgl' ? null : get.call(this, kind, ...more); })(HTMLCanvasElement.prototype.getContext);"
    )
    page = opened(client.address, script=hidden)
    page.wait_for_selector("body[data-map=pca]")
    assert page.get_attribute("#points", "data-kind") == "canvas"
    page.wait_for_function(
        """() => { const canvas = document.getElementById('points');
            const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
            return data.filter((value, i) => i % 4 === 3 && value > 0).length > 1000; }"""
    )


def test_nothing_is_said_to_be_saved_when_the_server_is_gone(copied, opened):
    with serving(copied.store, source=copied.source) as client:
        page = opened(client.address)
        page.wait_for_selector("body[data-map=pca]")
    page.keyboard.press("y")
    page.wait_for_selector("#status.bad")
    assert "nothing is saved" in page.inner_text("#status")
    assert page.inner_text("#tally") == "nothing judged yet"
    shoot(page, "gone")


def test_without_images_there_are_the_map_and_the_table(copied, opened):
    with serving(copied.store, copied.weird) as client:
        page = opened(client.address, scheme="light")
        page.wait_for_selector("body[data-map=pca]")
        page.wait_for_selector(".line >> nth=5")
        judge(page, "y", 1)
        assert "interesting" in page.inner_text(".line >> nth=0")
        shoot(page, "table")


def test_wide_and_light(client, opened):
    page = opened(client.address, width=1920, height=1080, scheme="light")
    page.wait_for_selector("body[data-map=pca]")
    for number, key in enumerate("yabb1"):
        judge(page, key, number + 1)
    page.wait_for_selector(".bands img")
    assert page.evaluate("new Set([...document.querySelectorAll('.tile')].map((tile) => tile.style.left)).size") >= 4
    # What is drawn fits: nothing sticks out to the right.
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    shoot(page, "wide")
