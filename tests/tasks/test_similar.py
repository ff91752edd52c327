"""Look-alikes: of objects in the store, of new image files, with distances, and never of an object itself unasked."""

import numpy as np
import pytest
from astropy.io import fits
from PIL import Image

from astrotl import ExactIndex, FeatureStore, Profiles, Similar, extract_features, simulate
from astrotl.errors import ContractError, ImageError
from astrotl.sources import open_source
from astrotl.tasks import Column, Task


@pytest.fixture(scope="module")
def sky(tmp_path_factory):
    """Forty galaxies as one FITS cube each, and their store; the last one is kept out of it."""
    folder = tmp_path_factory.mktemp("sky")
    (folder / "stamps").mkdir()
    batch, _ = simulate.stamps(41, size=32, seed=6)
    for name, image in zip(batch.ids, batch.data, strict=True):
        fits.writeto(folder / "stamps" / f"{name}.fits", image)
    (folder / "stamps" / f"{batch.ids[40]}.fits").rename(folder / "new.fits")
    source = open_source(folder / "stamps", bands=("g", "r", "i"))
    return folder, batch, extract_features(source, "profiles", folder / "f.h5")


def run(store, *args, **kwargs):
    return Similar(*args, **kwargs).run(ExactIndex.build(store))


def test_an_object_is_not_its_own_look_alike(sky):
    _, batch, store = sky
    table = run(store, batch.ids[3], k=5)
    assert table.colnames == ["query", "rank", "id", "distance"]
    assert table["rank"].tolist() == [1, 2, 3, 4, 5]
    assert set(table["query"]) == {batch.ids[3]}
    assert batch.ids[3] not in table["id"].tolist()
    assert (np.diff(table["distance"]) >= 0).all()


def test_an_object_is_its_own_look_alike_when_asked(sky):
    _, batch, store = sky
    table = run(store, batch.ids[3], k=2, include_query=True)
    assert table["id"][0] == batch.ids[3]
    assert table["distance"][0] == pytest.approx(0, abs=1e-3)


def test_a_twin_does_not_push_the_object_itself_in(tmp_path):
    store = FeatureStore.open_or_create(tmp_path / "f.h5", ["a", "twin", "c"], 2, {})
    store.write([0, 1, 2], [[1, 0], [1, 0], [0, 1]])
    for name in ("a", "twin"):
        assert name not in run(store, name, k=2)["id"].tolist()
        assert len(run(store, name, k=2)) == 2


def test_ids_and_rows_mean_the_same(sky):
    _, batch, store = sky
    by_row, by_id = run(store, [5, 9], k=3), run(store, [str(batch.ids[5]), str(batch.ids[9])], k=3)
    assert by_row["id"].tolist() == by_id["id"].tolist()
    assert len(by_row) == 6


def test_more_than_there_are_gives_all_others(sky):
    _, batch, store = sky
    assert len(run(store, batch.ids[0], k=1000)) == 39


def test_a_new_image_is_treated_like_the_stores_own(sky):
    folder, batch, store = sky
    (folder / "copy.fits").write_bytes((folder / "stamps" / f"{batch.ids[8]}.fits").read_bytes())
    table = run(store, str(folder / "copy.fits"), k=3)
    assert table["query"][0] == "copy"
    assert table["id"][0] == batch.ids[8]
    assert table["distance"][0] == pytest.approx(0, abs=1e-3)
    assert len(run(store, [str(folder / "new.fits"), str(batch.ids[1])], k=3)) == 6


def test_a_new_image_may_come_band_by_band(sky):
    folder, batch, store = sky
    for band, plane in zip(("g", "r", "i"), batch.data[8], strict=True):
        fits.writeto(folder / f"new-{band}.fits", plane, overwrite=True)
    table = run(store, [f"{band}={folder}/new-{band}.fits" for band in ("i", "g", "r")], k=1)
    assert table["id"].tolist() == [batch.ids[8]]


def test_a_source_can_be_the_query(sky):
    folder, batch, store = sky
    table = run(store, open_source(folder / "stamps", bands=("g", "r", "i"))[:2], k=1, include_query=True)
    assert table["id"].tolist() == batch.ids[:2].tolist()


@pytest.mark.parametrize("broken", ["text", "grey"])
def test_an_unusable_image_is_said_in_one_line(sky, broken):
    folder, _, store = sky
    path = folder / f"{broken}.{'fits' if broken == 'text' else 'png'}"
    if broken == "text":
        path.write_text("no image")
    else:
        Image.fromarray(np.zeros((32, 32), "u1")).save(path)
    with pytest.raises((ImageError, ValueError), match=path.name) as caught:
        run(store, str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("SIM00O1", r"'SIM00O1' is not an id of .*f\.h5 \(did you mean 'SIM00[0-9]1'\?\)"),
        (40, "has the rows 0 to 39, not 40"),
        ((), "query: there is none"),
    ],
)
def test_an_unknown_query_is_named(sky, query, said):
    with pytest.raises(ValueError, match=said):
        run(sky[2], query)


def test_a_failed_row_cannot_be_a_query(tmp_path):
    store = FeatureStore.open_or_create(tmp_path / "f.h5", ["a", "b"], 1, {})
    store.write([0], [[1]], {1: "truncated"})
    with pytest.raises(ValueError, match="'b' has no features"):
        run(store, "b")


def test_k_must_be_positive():
    with pytest.raises(ValueError, match="k: must be 1 or more"):
        Similar("a", k=0)


def test_positions_come_along(tmp_path):
    store = FeatureStore.open_or_create(tmp_path / "f.h5", ["a", "b"], 1, {}, positions=[[1, 2], [3, 4]])
    store.write([0, 1], [[1], [2]])
    table = run(store, "a", k=1)
    assert (table["ra"][0], table["dec"][0]) == (3, 4)
    assert table["ra"].unit == "deg"


def test_the_table_says_where_it_comes_from(sky):
    _, batch, store = sky
    meta = run(store, batch.ids[0]).meta["astrotl"]
    assert meta["task"] == "Similar"
    assert meta["parameters"]["k"] == 16
    assert meta["store"] == {"file": "f.h5", "uuid": store.uuid}
    assert meta["index"] == {"kind": "exact", "metric": "angular"}
    assert meta["extractor"] == Profiles().signature()


class Careless(Task):
    columns = (Column("id", "str", "the object"), Column("score", "float", "how much so"))

    def __init__(self, answer):
        self.answer = answer

    def _run(self, index, labels):
        from astropy.table import Table

        return Table(self.answer) if isinstance(self.answer, dict) else self.answer


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"id": ["a"]}, "Careless promised the column 'score', but gave id"),
        ({"id": ["a"], "score": ["high"]}, "promised 'score' as float"),
        ([1, 2], "promised a table, but gave list"),
    ],
)
def test_a_task_that_breaks_its_promise_is_named(sky, answer, said):
    with pytest.raises(ContractError, match=said):
        Careless(answer).run(ExactIndex.build(sky[2]))
