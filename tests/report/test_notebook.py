"""What a notebook shows, and that tables are otherwise what they were."""

import copy
import pickle
import subprocess
import sys

import numpy as np
import pytest
from astropy.table import Table, vstack

from astrotl import AnnoyIndex, ExactIndex, extract_features, open_source, simulate
from astrotl.report import with_pictures
from astrotl.sources import ArraySource
from astrotl.tables import read_table, write_table
from astrotl.tasks import Similar


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Make a store whose images are files, so that they are found again."""
    folder = tmp_path_factory.mktemp("files")
    simulate.survey(folder / "sky", objects=40, seed=2)
    source = open_source(
        {"i": str(folder / "sky/*-i.fits"), "g": str(folder / "sky/*-g.fits")},
        catalog=folder / "sky" / "catalogue.ecsv",
        size=32,
    )
    return extract_features(source, "profiles", folder / "features.h5")


@pytest.fixture
def shown(parsed):
    return lambda thing: parsed(thing._repr_html_())


def test_the_answer_of_a_task_is_shown_with_pictures(files, shown):
    table = Similar("SIM0001", k=5).run(ExactIndex.build(files))
    page = shown(table)
    assert len(page.all("img")) == 5
    rows = [text for _, text in page.all("tr")]
    assert [name in row for name, row in zip(table["id"], rows[1:], strict=True)] == [True] * 5
    assert page.all("th")[1:][0][1] == "query"


def test_no_more_than_twenty_rows_are_read(files, shown):
    page = shown(Similar("SIM0001", k=30).run(ExactIndex.build(files)))
    assert len(page.all("img")) == 20
    assert "the first 20 of 30 rows" in [text for _, text in page.all("p")]


def test_where_images_were_in_memory_the_table_is_plain(survey, answers):
    html = answers["similar"]._repr_html_()
    assert "<img" not in html
    assert html.startswith("<div>")
    assert "SIM0001" in html


def test_images_that_fail_leave_the_table_as_it_is(survey, answers, shown):
    class Broken(ArraySource):
        def _take(self, rows):
            raise RuntimeError("the disk is gone")

    images, _, _, _ = survey
    table = Table(answers["similar"])
    plain = len(shown(table).all("tr"))
    broken = Broken(images.read().data, ids=images.ids)
    assert len(shown(with_pictures(table, broken)).all("tr")) == plain


def test_a_slice_is_plain_until_it_is_given_its_images(survey, answers):
    images, _, _, _ = survey
    part = answers["similar"][:3]
    assert "<img" not in part._repr_html_()
    assert with_pictures(part, images) is part
    assert part._repr_html_().count("<img") == 3


def test_the_table_is_astropys_in_all_else(files, tmp_path):
    table = Similar("SIM0001", k=5).run(ExactIndex.build(files))
    assert type(table) is Table
    # Of a single table, astropy 7 gives that table itself.
    stacked = vstack([table, table])[:5]
    for other in (pickle.loads(pickle.dumps(table)), copy.deepcopy(table), table.copy(), table[:], stacked):
        assert "_repr_html_" not in vars(other)
        assert other.meta == table.meta
        assert all(table.values_equal(other)["id"])
    write_table(table, tmp_path / "out.ecsv")
    again = read_table(tmp_path / "out.ecsv")
    assert again.meta == table.meta
    assert "picture" not in (tmp_path / "out.ecsv").read_text()
    table.sort("distance", reverse=True)
    assert table._repr_html_().count("<img") == 5


def test_hostile_ids_are_text(hostile, shown):
    data = np.random.default_rng(0).normal(size=(1, 1, 16, 16))
    table = with_pictures(Table({"id": [hostile], hostile: [hostile]}), ArraySource(data, ids=[hostile]))
    page = shown(table)
    assert not page.all("script")
    assert [text for _, text in page.all("td")][1:] == [hostile, hostile]
    assert len(page.all("img")) == 1


def test_a_store_shows_what_it_is_and_its_first_objects(files, shown):
    page = shown(files)
    assert [given["title"] for given, _ in page.all("img")] == files.ids[:8].tolist()
    assert "FeatureStore: 40 of 40 objects done" in [text for _, text in page.all("p")]
    assert "Profiles(bands=3, rings=6)" in page.all("table")[0][1]


def test_a_folder_of_shards_shows_itself_as_well(tmp_path, shown):
    batch, _ = simulate.stamps(12, size=24, seed=1)
    store = extract_features(ArraySource(batch.data), "profiles", tmp_path / "sharded", block=4, shard=8)
    page = shown(store)
    assert "ShardedStore: 12 of 12 objects done" in [text for _, text in page.all("p")]
    assert not page.all("img")


@pytest.mark.parametrize("kind", [ExactIndex, AnnoyIndex])
def test_an_index_shows_what_it_searches(files, kind, shown):
    page = shown(kind.build(files))
    assert f"{kind.__name__}: 40 objects, angular" in [text for _, text in page.all("p")]
    assert len(page.all("img")) == 8


def test_nothing_of_it_is_loaded_before_something_is_shown(files, tmp_path):
    code = (
        "import sys; from astrotl import ExactIndex, FeatureStore; from astrotl.tasks import Similar\n"
        f"table = Similar('SIM0001', k=2).run(ExactIndex.build(FeatureStore({files.path!r})))\n"
        "print([name for name in ('astrotl.report', 'matplotlib', 'PIL') if name in sys.modules])\n"
        "html = table._repr_html_(); print(html.count('<img'), 'matplotlib' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.splitlines() == ["[]", "2 False"]


def test_a_table_without_ids_is_refused(survey):
    with pytest.raises(ValueError, match=r"^table: has no column 'id'; it has x"):
        with_pictures(Table({"x": [1]}), survey[0])
