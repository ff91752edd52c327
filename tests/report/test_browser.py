"""The report in a real browser, opened from the disk with the network cut."""

import numpy as np
import pytest
from astropy.table import Table

from astrotl.report import write_report
from astrotl.sources import ArraySource

pytestmark = pytest.mark.browser


@pytest.fixture
def opened(chromium, tmp_path):
    """Write a report and open it; it may ask for nothing but itself, and nothing in it may fail."""
    context = chromium.new_context(offline=True, viewport={"width": 1280, "height": 900})
    said, asked = [], []

    def write_and_open(table, **settings):
        path = tmp_path / "report.html"
        write_report(table, path, **settings)
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("dialog", lambda dialog: (said.append("a dialog"), dialog.dismiss()))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(path.as_uri())
        return page

    yield write_and_open
    context.close()
    assert said == []
    assert {address.partition(":")[0] for address in asked} <= {"file", "data"}
    assert len({address for address in asked if address.startswith("file")}) == 1


def column(page, place):
    return page.eval_on_selector_all("#table tbody tr", f"rows => rows.map(row => row.cells[{place}].textContent)")


def test_all_pictures_are_there(survey, answers, opened, tmp_path):
    images, store, _, _ = survey
    page = opened(answers["agn"], store=store, images=images)
    widths = page.eval_on_selector_all("img", "images => images.map(image => image.naturalWidth)")
    assert len(widths) > len(answers["agn"])
    assert min(widths) > 0
    page.screenshot(path=tmp_path / "light.png", full_page=True)


def test_a_click_sorts_by_number_and_another_one_turns_it_round(opened):
    scores = [0.5, np.nan, 10.0, 9.0]
    page = opened(Table({"id": ["b", "a", "d", "c"], "score": scores}))
    assert column(page, 0) == ["b", "a", "d", "c"]
    page.click("#table th:nth-child(2) button")
    assert column(page, 0) == ["b", "c", "d", "a"]
    assert page.get_attribute("#table th:nth-child(2)", "aria-sort") == "ascending"
    page.click("#table th:nth-child(2) button")
    assert column(page, 0) == ["d", "c", "b", "a"]
    page.click("#table th:nth-child(1) button")
    assert column(page, 0) == ["a", "b", "c", "d"]
    assert page.get_attribute("#table th:nth-child(2)", "aria-sort") is None


def test_words_with_numbers_in_them_sort_as_people_count(opened):
    page = opened(Table({"id": ["NGC 10", "NGC 9", "NGC 1"], "kind": ["", "ring", "arc"]}))
    page.click("#table th:nth-child(1) button")
    assert column(page, 0) == ["NGC 1", "NGC 9", "NGC 10"]
    page.click("#table th:nth-child(2) button")
    page.click("#table th:nth-child(2) button")
    assert column(page, 1) == ["ring", "arc", ""]


def test_a_place_on_the_map_leads_to_its_object(survey, answers, opened):
    images, store, _, _ = survey
    table = answers["anomaly"]
    page = opened(table, store=store, images=images)
    mark = page.locator(f".marks a[href='#object-{len(table) - 1}'] circle")
    mark.dispatch_event("click")
    page.wait_for_function("document.querySelector('.card:target')")
    assert table["id"][-1] in page.inner_text(".card:target")
    assert page.locator(".behind circle").count() == 0
    box = mark.bounding_box()
    assert box["width"] > 4


def test_hostile_ids_are_shown_and_do_nothing(hostile, opened):
    data = np.random.default_rng(0).normal(size=(2, 1, 16, 16))
    names = [hostile, f"{hostile}2"]
    page = opened(Table({"id": names, hostile: [hostile, hostile]}), images=ArraySource(data, ids=names), title=hostile)
    assert page.title() == hostile
    assert page.locator(".card b").all_inner_texts() == names
    assert column(page, 1) == [hostile, hostile]
    assert page.locator("img[src='x']").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_can_be_read_by_day_and_by_night(scheme, survey, answers, opened, tmp_path):
    images, store, _, _ = survey
    page = opened(answers["similar"], store=store, images=images)
    page.emulate_media(color_scheme=scheme)
    paper, ink = (page.evaluate(f"getComputedStyle(document.body).{part}") for part in ("backgroundColor", "color"))
    light = {
        part: np.mean([int(n) for n in colour[4:-1].split(",")]) for part, colour in (("paper", paper), ("ink", ink))
    }
    assert abs(light["paper"] - light["ink"]) > 180
    assert (light["paper"] > light["ink"]) == (scheme == "light")
    page.screenshot(path=tmp_path / f"{scheme}.png", full_page=True)


def test_on_a_small_screen_nothing_is_wider_than_it(survey, answers, opened):
    images, store, _, _ = survey
    page = opened(answers["similar"], store=store, images=images)
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_it_prints_without_what_is_for_clicking(survey, answers, opened, tmp_path):
    images, store, _, _ = survey
    page = opened(answers["similar"], store=store, images=images)
    page.emulate_media(media="print")
    assert not page.is_visible("nav")
    assert page.is_visible(".card img >> nth=0")
    page.pdf(path=tmp_path / "report.pdf", format="A4")
    assert (tmp_path / "report.pdf").stat().st_size > 20_000
