"""The report as a file: what is in it for results of every kind, and that nothing in it is more than text."""

import json

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import MaskedColumn, QTable, Table
from astropy.time import Time
from astropy.utils.masked import Masked

from astrotl import FeatureStore, simulate
from astrotl.detection import Classical, detect
from astrotl.errors import AstrotlWarning
from astrotl.learn import probe, scores
from astrotl.report import write_report
from astrotl.sources import ArraySource


def sections(page):
    return [given["id"] for given, _ in page.all("section")]


def cards(page):
    return [given for given, _ in page.all("figure") if given.get("class") == "card"]


def pictures(page):
    return [given["src"] for given, _ in page.all("img")]


@pytest.mark.parametrize("kind", ["similar", "agn", "anomaly", "steered", "properties"])
def test_the_answer_of_every_task_becomes_a_page(survey, answers, kind, tmp_path, page_of):
    images, store, _, _ = survey
    table = answers[kind]
    write_report(table, tmp_path / "out.html", store=store, images=images)
    page = page_of(tmp_path / "out.html")
    figures = ["figures"] if kind != "similar" else []
    assert sections(page) == ["objects", "map", *figures, "table", "origin"]
    assert len(cards(page)) == len(table)
    assert all(address.startswith("data:image/") for address in pictures(page))
    assert sum(address.startswith("data:image/jpeg") for address in pictures(page)) >= len(table)
    (body,) = page.all("tbody")[:1]
    assert all(name in body[1] for name in table["id"][:3])


def test_epochs_begin_with_the_flagged_ones(epochs, tmp_path, page_of):
    table, store, images = epochs
    assert 0 < table["flagged"].sum() < 10
    write_report(table, tmp_path / "out.html", store=store, images=images, rows=10)
    page = page_of(tmp_path / "out.html")
    said = [text for given, text in page.all("figure") if given.get("class") == "card"]
    flagged = int(table["flagged"].sum())
    assert ["flagged" in text for text in said] == [True] * flagged + [False] * (10 - flagged)
    assert "figures" in sections(page)


@pytest.mark.parametrize("column", ["kind", "log_mass"])
def test_predictions_come_with_how_good_they_are(survey, column, tmp_path, page_of):
    images, store, _, truth = survey
    table = probe(store, truth, column)
    found = scores(table, samples=20)
    write_report(table, tmp_path / "out.html", store=store, images=images, measures=found)
    page = page_of(tmp_path / "out.html")
    assert sections(page) == ["objects", "map", "figures", "measures", "table", "origin"]
    names = {text for _, text in page.all("th", scope="row")}
    assert {"accuracy", "f1, spiral"} <= names if column == "kind" else {"bias", "scatter"} <= names


def test_detections_are_cut_out_of_their_images_the_surest_first(tmp_path, page_of):
    fields, _ = simulate.clumpy(3, seed=4)
    found = detect(fields, Classical())
    write_report(found, tmp_path / "out.html", images=fields, rows=12)
    page = page_of(tmp_path / "out.html")
    assert sections(page) == ["objects", "figures", "table", "origin"]
    assert len(cards(page)) == min(12, len(found))
    assert sum(address.startswith("data:image/jpeg") for address in pictures(page)) == min(12, len(found))
    shown = [float(given["data-value"]) for given, _ in page.all("td") if "data-value" in given][6::7]
    assert shown == sorted(shown, reverse=True) or "score" in found.colnames


def test_boxes_without_their_images_are_a_table(tmp_path, page_of):
    fields, _ = simulate.clumpy(1, seed=4)
    write_report(detect(fields, Classical()), tmp_path / "out.html")
    assert sections(page_of(tmp_path / "out.html")) == ["table", "origin"]


def test_each_query_stands_before_its_answers(survey, answers, tmp_path, page_of):
    images, store, _, _ = survey
    write_report(answers["similar"], tmp_path / "out.html", store=store, images=images)
    page = page_of(tmp_path / "out.html")
    assert [text for _, text in page.all("h3")][:2] == ["Like SIM0001", "Like SIM0002"]
    queries = [text for given, text in page.all("figure") if given.get("class") == "card query"]
    assert queries == ["SIM0001", "SIM0002"]


def test_the_map_has_the_objects_as_links_and_all_others_behind(survey, answers, tmp_path, page_of):
    images, store, _, _ = survey
    table = answers["anomaly"][:7]
    write_report(table, tmp_path / "out.html", store=store, images=images)
    page = page_of(tmp_path / "out.html")
    circles = page.all("circle")
    assert len([given for given, _ in circles if "fill" in given]) == 7
    assert len([given for given, _ in circles if "fill" not in given]) == len(store) - 7
    assert len({given["fill"] for given, _ in circles if "fill" in given}) > 3
    links = [given["href"] for given, text in page.all("a") if text in set(table["id"])]
    assert set(links) == {f"#{given['id']}" for given in cards(page)}


def test_hostile_text_is_text_everywhere(tmp_path, page_of, hostile):
    batch, _ = simulate.stamps(3, size=24, seed=1)
    names = [f"{hostile}{number}" for number in range(3)]
    table = Table({"id": names, "query": [hostile] * 3, "label": [hostile] * 3, hostile: [1.0, 2.0, 3.0]})
    table["id"].description = hostile
    table.meta["astrotl"] = {
        "task": hostile,
        "parameters": {hostile: [hostile]},
        "created": hostile,
        "version": hostile,
    }
    images = ArraySource(batch.data, ids=names)
    measures = {hostile: {"value": 0.5, "low": 0.4, "high": 0.6}}
    write_report(table, tmp_path / "out.html", images=images, title=hostile, measures=measures)
    page = page_of(tmp_path / "out.html")
    assert page.all("h1")[0][1] == hostile
    assert len(page.all("script")) == 1
    assert not any(key.startswith("on") for _, given, _ in page.elements for key in given)
    assert all(address.startswith("data:") for address in pictures(page))
    assert sum(text == f"{hostile}{number}" for number in range(3) for _, text in page.all("b")) == 3


def test_nothing_is_fetched_and_the_page_says_so(survey, answers, tmp_path, page_of):
    images, store, _, _ = survey
    write_report(answers["agn"], tmp_path / "out.html", store=store, images=images)
    page = page_of(tmp_path / "out.html")
    ((policy, _),) = page.all("meta", **{"http-equiv": "Content-Security-Policy"})
    assert policy["content"].startswith("default-src 'none'; img-src data:; ")
    assert not page.all("link")
    assert not [given for given, _ in page.all("script") if "src" in given]
    assert not any(
        given.get("href", "#")[0] != "#" for given, _ in page.all("a") if "ra" not in answers["agn"].colnames
    )


def test_positions_lead_to_an_atlas_only_by_a_click(tmp_path, page_of):
    table = Table({"id": ["a", "b"], "ra": [150.0, np.nan], "dec": [-2.5, 1.0]})
    write_report(table, tmp_path / "out.html")
    ((link, text),) = page_of(tmp_path / "out.html").all("a", target="_blank")
    assert link["href"].endswith("target=150.000000%20-2.500000")
    assert (link["rel"], text) == ("noopener noreferrer", "150")


def test_no_more_rows_than_asked_for_and_pictures_are_small(tmp_path, page_of):
    data = np.random.default_rng(0).normal(size=(30, 3, 300, 300))
    images = ArraySource(data, ids=[f"g{number}" for number in range(30)])
    table = Table({"id": images.ids, "score": np.linspace(1, 0, 30)})
    write_report(table, tmp_path / "out.html", images=images, rows=20)
    page = page_of(tmp_path / "out.html")
    assert len(cards(page)) == 20
    assert "The first 20 of 30 rows." in [text for _, text in page.all("p")]
    assert max(map(len, pictures(page)[:20])) < 40_000


def test_what_is_not_known_is_empty_and_sorts_last(tmp_path, page_of):
    table = Table(
        {
            "id": ["a", "b"],
            "mass": MaskedColumn([1.0, 2.0], mask=[True, False]),
            "kind": MaskedColumn(["x", "y"], mask=[False, True]),
        }
    )
    write_report(table, tmp_path / "out.html")
    cells = [(given.get("data-value"), text) for given, text in page_of(tmp_path / "out.html").all("td")]
    assert cells[:6] == [(None, "a"), ("", ""), (None, "x"), (None, "b"), ("2.0", "2"), (None, "")]


def test_an_object_without_an_image_keeps_its_place(survey, answers, tmp_path, page_of):
    images, _, _, _ = survey
    write_report(answers["anomaly"], tmp_path / "out.html", images=images[:10])
    page = page_of(tmp_path / "out.html")
    assert len(cards(page)) == 60
    assert len(page.all("div", class_="blank")) == 50


def test_images_that_were_in_memory_are_missed_in_words(survey, answers, tmp_path, page_of):
    _, store, _, _ = survey
    with pytest.warns(AstrotlWarning, match="the page has no pictures: images: those of .* were in memory"):
        write_report(answers["anomaly"], tmp_path / "out.html", store=store)
    page = page_of(tmp_path / "out.html")
    assert "The images were not at hand when this page was written." in [text for _, text in page.all("p")]
    assert len(cards(page)) == 60


def test_the_origin_tells_what_was_asked_and_of_what(survey, answers, tmp_path, page_of):
    images, store, _, _ = survey
    write_report(answers["agn"], tmp_path / "out.html", store=store, images=images)
    page = page_of(tmp_path / "out.html")
    facts = page.all("table", class_="facts")[-1][1]
    assert all(
        word in facts for word in (store.uuid, "Profiles(bands=3, rings=6)", "subtract-background(", "astropy 8"[:7])
    )
    assert (
        page.all("pre")[0][1]
        == "astrotl run agn features.h5 --column kind --positive spiral --labels LABELS -o out.ecsv"
    )
    assert str(store.path) not in (tmp_path / "out.html").read_text()


def test_a_path_of_this_machine_does_not_travel(tmp_path):
    table = Table({"id": ["a"]})
    table.meta["astrotl"] = {"task": "Finetuned", "parameters": {"path": "/home/somebody/kinds.safetensors"}}
    write_report(table, tmp_path / "out.html")
    assert "somebody" not in (tmp_path / "out.html").read_text()
    assert "kinds.safetensors" in (tmp_path / "out.html").read_text()


@pytest.mark.parametrize("table", [Table({"a": [1], "b": [[1.0, 2.0]]}), Table({"id": [7], "name": [b"x"]})])
def test_any_table_will_do(table, tmp_path, page_of):
    write_report(table, tmp_path / "out.html")
    assert "table" in sections(page_of(tmp_path / "out.html"))


def test_the_numbers_of_a_column_are_equally_exact(tmp_path, page_of):
    table = Table({"id": ["a", "b", "c", "d"], "score": [0.49, 0.2385, 1.0, 1234.0]})
    write_report(table, tmp_path / "out.html")
    cells = [text for given, text in page_of(tmp_path / "out.html").all("td") if given.get("class") == "number"]
    assert cells == ["0.4900", "0.2385", "1.000", "1234"]


def test_what_was_asked_is_told_name_by_name(tmp_path, page_of):
    table = Table({"id": ["a"]})
    table.meta["astrotl"] = {"task": "Anomaly", "parameters": {"boring": ["boring"], "k": 5}}
    write_report(table, tmp_path / "out.html")
    assert "boring=boring, k=5" in [text for _, text in page_of(tmp_path / "out.html").all("td")]


def test_columns_of_every_kind_are_shown(tmp_path, page_of):
    table = QTable({"id": [1, 2]})
    table["place"] = SkyCoord([10, 20], [-5, 5], unit="deg")
    table["when"] = Time([50000.0, 50001.5], format="mjd")
    table["flux"] = Masked([1.5, 2.5] * u.mJy, mask=[False, True])
    table["spectrum"] = np.arange(8.0).reshape(2, 4)
    table["note"] = np.array([None, "<b>"], dtype=object)
    write_report(table, tmp_path / "out.html")
    page = page_of(tmp_path / "out.html")
    cells = [text for _, text in page.all("td")][:12]
    assert cells == [
        "1",
        "10.0,-5.0",
        "50000.0",
        "1.500",
        "0.0 .. 3.0",
        "None",
        "2",
        "20.0,5.0",
        "50001.5",
        "",
        "4.0 .. 7.0",
        "<b>",
    ]
    assert "flux [mJy]" in [text for _, text in page.all("button")]


def test_what_cannot_be_written_is_said(tmp_path, survey):
    table = Table({"id": ["a"]})
    with pytest.raises(ValueError, match=r"^path: .* needs the ending .html"):
        write_report(table, tmp_path / "out.pdf")
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        write_report(table, tmp_path / "none" / "out.html")
    with pytest.raises(ValueError, match=r"^table: has no rows to report"):
        write_report(table[:0], tmp_path / "out.html")
    with pytest.raises(ValueError, match=r"^rows: must be 1 or more, got 0"):
        write_report(table, tmp_path / "out.html", rows=0)
    with pytest.raises(ValueError, match=r"^images: fields go with a table of boxes"):
        write_report(table, tmp_path / "out.html", images=[])
    assert not list(tmp_path.iterdir())


def test_measures_may_come_from_the_file_that_the_command_wrote(tmp_path, page_of):
    kept = json.loads('{"accuracy": {"value": 0.91, "low": 0.85, "high": 0.95}}')
    write_report(Table({"id": ["a"]}), tmp_path / "out.html", measures=kept)
    numbers = [text for _, text in page_of(tmp_path / "out.html").all("td", class_="number")]
    assert numbers[:3] == ["0.910", "0.850", "0.950"]


def test_of_a_large_store_the_map_holds_a_part(tmp_path, page_of):
    ids = [f"g{number}" for number in range(3300)]
    store = FeatureStore.open_or_create(tmp_path / "large.h5", ids, 3, {})
    store.write(np.arange(3300), np.random.default_rng(0).normal(size=(3300, 3)))
    with pytest.warns(AstrotlWarning, match="the page has no pictures"):
        write_report(Table({"id": ["g3299", "g5"]}), tmp_path / "out.html", store=store)
    page = page_of(tmp_path / "out.html")
    assert len(page.all("circle")) == 3002
    assert any("Grey: 3,000 of the other 3,298 objects" in text for _, text in page.all("p"))
