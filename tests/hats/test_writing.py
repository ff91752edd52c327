"""What is written opens in LSDB, with every row, and is crossmatched there."""

import json
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import MaskedColumn, QTable, Table
from astropy.time import Time

from astrotl import ExactIndex, FeatureStore, Similar, open_store
from astrotl.errors import AstrotlWarning, MissingDependencyError, StoreError
from astrotl.hats import write_hats
from astrotl.store import Shard, ShardedStore
from astrotl.tables import read_table, write_table

lsdb = pytest.importorskip("lsdb")
pd = pytest.importorskip("pandas")
pq = pytest.importorskip("pyarrow.parquet")

COUNT, DIM = 600, 5


@pytest.fixture(autouse=True)
def quiet():
    """LSDB is behind what pandas deprecates."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        warnings.filterwarnings("ignore", message=".*inplace.*")
        yield


@pytest.fixture(scope="module")
def made():
    """Objects in three places: a crowded field, one on both sides of right ascension zero, and a pole."""
    rng = np.random.default_rng(8)
    ra = np.concatenate([rng.uniform(150, 150.6, 400), rng.uniform(-0.5, 0.5, 150), rng.uniform(0, 360, 50)])
    dec = np.concatenate([rng.uniform(2, 2.6, 400), rng.uniform(-0.5, 0.5, 150), rng.uniform(89.5, 90, 50)])
    ids = np.array([f"object {number}" for number in rng.permutation(COUNT)])
    return ids, np.stack([ra % 360, dec], axis=1), rng.normal(size=(COUNT, DIM)).astype(np.float32)


def write_store(path, ids, positions, features, **how):
    provenance = {"source": {"files": ["é\\n.fits"]}, **how.pop("known", {})}
    store = FeatureStore.open_or_create(path, ids, DIM, provenance, positions=positions, **how)
    store.write(np.arange(len(features)), features)
    return store


@pytest.fixture(scope="module")
def store(made, tmp_path_factory):
    return write_store(tmp_path_factory.mktemp("store") / "features.h5", *made)


@pytest.fixture(scope="module")
def written(store, tmp_path_factory):
    path = tmp_path_factory.mktemp("written") / "galaxies"
    assert write_hats(store, path, rows_per_partition=40) == COUNT
    return path


def opened(path):
    return lsdb.open_catalog(path).compute(progress_bar=False)


def test_a_store_opens_in_lsdb_with_the_right_rows_and_columns(made, store, written):
    ids, positions, features = made
    frame = opened(written)
    assert {name: str(kind) for name, kind in frame.dtypes.items()} == {
        "id": "string[pyarrow]",
        "ra": "double[pyarrow]",
        "dec": "double[pyarrow]",
        "features": "list<element: float>[pyarrow]",
    }
    frame = frame.set_index("id").loc[ids]
    assert np.array_equal(frame[["ra", "dec"]].to_numpy(dtype=float), positions)
    assert np.array_equal(np.stack(frame["features"].to_list()), features)
    known = pq.read_schema(written / "dataset" / "_common_metadata").metadata[b"astrotl"]
    assert json.loads(known) == {"store": store.uuid, "provenance": store.provenance}


def test_the_catalogue_is_what_hats_says_that_one_is(written):
    from hats.io.validation import is_valid_catalog

    assert is_valid_catalog(written, strict=True)
    assert sorted(path.name for path in written.iterdir()) == [
        "dataset", "hats.properties", "partition_info.csv", "point_map.fits", "properties",
    ]  # fmt: skip
    counts = []
    for path in written.rglob("Npix=*.parquet"):
        order, pixel = int(path.parts[-3].partition("=")[2]), int(path.stem.partition("=")[2])
        index = pq.ParquetFile(path).read()["_healpix_29"].to_numpy()
        assert (np.diff(index) >= 0).all()
        assert (index >> 2 * (29 - order) == pixel).all()
        counts.append(len(index))
        # No partition reaches farther over the sky than its objects.
        assert order == 10 or len(np.unique(index >> 2 * (28 - order))) > 1
    assert max(counts) <= 40
    assert sum(counts) == COUNT
    assert lsdb.open_catalog(written).hc_structure.catalog_info.total_rows == COUNT


def test_it_is_crossmatched_also_across_the_edges_of_its_partitions(made, written):
    ids, positions, _ = made
    close = SkyCoord(positions, unit="deg").directional_offset_by(np.arange(COUNT) * u.deg, 4 * u.arcsec)
    other = pd.DataFrame({"name": ids, "ra": close.ra.deg, "dec": close.dec.deg})
    catalogue = lsdb.open_catalog(written)
    survey = lsdb.from_dataframe(other, catalog_name="survey", highest_order=5, partition_rows=500)
    how = {"suffixes": ("", "_survey"), "suffix_method": "overlapping_columns", "log_changes": False}
    pairs = catalogue.crossmatch(survey, radius_arcsec=5, **how).compute(progress_bar=False)
    # Some object lies nearer to another one than to itself, moved; but each finds one, and most find themselves.
    assert sorted(pairs["id"]) == sorted(ids)
    assert (pairs["id"] == pairs["name"]).mean() > 0.97
    assert pairs["_dist_arcsec"].max() < 4.001
    here, there = (
        partition_of(catalogue.get_healpix_pixels(), *np.asarray(places, dtype=float).T)
        for places in (positions, other[["ra", "dec"]])
    )
    assert (here != there).sum() > 5


def partition_of(pixels, ra, dec):
    from hats.pixel_math import compute_spatial_index

    starts = sorted(pixel.pixel << 2 * (29 - pixel.order) for pixel in pixels)
    return np.searchsorted(starts, compute_spatial_index(ra, dec), side="right")


def test_a_folder_of_shards_is_written_as_one_file_is(made, store, written, tmp_path):
    ids, positions, features = made
    shards = [Shard(f"shard-{number:05}.h5", 150) for number in range(4)]
    whole = ShardedStore.open_or_create(tmp_path / "survey", DIM, 64, shards, {})
    for number in (0, 1, 3):
        rows = whole.rows_of_shard(number)
        part = features[rows] if number < 3 else features[rows][:-20]
        known = {"sharded": whole.uuid}
        write_store(whole.path_of(number), ids[rows], positions[rows], part, known=known, uuid=whole.uuid_of(number))
    with pytest.warns(AstrotlWarning, match=r"^170 of 600 objects have no features or no position, and are left out$"):
        assert write_hats(whole, tmp_path / "some", rows_per_partition=40) == 430
    frame, every = opened(tmp_path / "some"), opened(written)
    done = np.isin(every["id"].to_numpy(), np.concatenate([ids[:300], ids[450:580]]))
    assert frame.equals(every[done])
    Path(whole.path_of(1)).write_bytes(b"nothing")
    with pytest.raises(StoreError, match=r"shard-00001\.h5"):
        write_hats(whole, tmp_path / "again")
    assert not list(tmp_path.glob("*again*"))


def test_large_features_come_in_pieces(made, store, written, tmp_path, monkeypatch):
    from astrotl.hats import _rows, writing

    monkeypatch.setattr(_rows, "_PIECE_BYTES", 4 * DIM * 7)
    monkeypatch.setattr(writing, "_GROUP_BYTES", 4 * DIM * 7)
    write_hats(store, tmp_path / "pieces", rows_per_partition=40)
    assert opened(tmp_path / "pieces").equals(opened(written))


def test_what_a_task_answers_is_written_with_its_meta(store, tmp_path):
    answer = Similar(query=["object 1", "object 2"], k=30).run(ExactIndex.build(store))
    write_hats(answer, tmp_path / "similar")
    frame = opened(tmp_path / "similar")
    assert frame.columns.tolist() == answer.colnames
    assert sorted(zip(frame["query"], frame["rank"], strict=True)) == sorted(
        zip(answer["query"], answer["rank"], strict=True)
    )
    known = json.loads(pq.read_schema(tmp_path / "similar" / "dataset" / "_metadata").metadata[b"astrotl"])
    assert known["task"] == answer.meta["astrotl"]["task"]


def test_columns_of_every_kind(made, tmp_path):
    ids, positions, features = (values[:6] for values in made)
    table = QTable({"name": ids, "flux": np.arange(6) * u.Jy, "pair": features[:, :2], "seen": [True, False] * 3})
    table["place"] = SkyCoord(positions, unit="deg").galactic
    table["kind"] = MaskedColumn(["spiral", "?"] * 3, mask=[False, True] * 3)
    table["count"] = MaskedColumn([2**60 + 1] * 6, mask=[False, True] * 3)
    table["bytes"] = np.array([b"a", b"b"] * 3)
    table["_healpix_29"] = np.arange(6)
    write_table(Table({"ra": positions[:, 0], "flux": np.arange(6, dtype="f4")}), tmp_path / "flux.fits")
    table["big"] = read_table(tmp_path / "flux.fits")["flux"]
    write_hats(table, tmp_path / "all")
    frame = opened(tmp_path / "all").set_index("name").loc[ids]
    assert np.allclose(frame[["ra", "dec"]].to_numpy(dtype=float), positions, rtol=0, atol=1e-11)
    assert frame["flux"].tolist() == frame["big"].tolist() == list(range(6))
    assert str(frame["big"].dtype) == "float[pyarrow]"
    assert np.array_equal(np.stack(frame["pair"].to_list()), features[:, :2])
    assert frame["seen"].tolist() == [True, False] * 3
    assert frame["kind"].isna().tolist() == frame["count"].isna().tolist() == [False, True] * 3
    assert frame["count"].iloc[0] == 2**60 + 1
    assert frame["bytes"].tolist() == ["a", "b"] * 3
    table["date"] = Time("2020-01-01") + np.arange(6) * u.day
    with pytest.raises(ValueError, match=r"^what: the column date holds neither numbers, texts, nor lists of them"):
        write_hats(table, tmp_path / "date")


def test_positions_come_from_a_store_by_id(made, store, tmp_path):
    ids, positions, _ = made
    table = Table({"id": [ids[5], ids[500], ids[5]], "class": ["a", "b", "c"]})
    with pytest.raises(ValueError, match=r"^what: the table has no columns ra and dec; name by store= the store"):
        write_hats(table, tmp_path / "classes")
    assert write_hats(table, tmp_path / "classes", store=store) == 3
    frame = opened(tmp_path / "classes").sort_values("class")
    assert np.array_equal(frame[["ra", "dec"]].to_numpy(dtype=float), positions[[5, 500, 5]])
    table["id"][1] = "nobody"
    with pytest.raises(
        ValueError, match=r"^store: .*features\.h5 knows no position of 1 ids, the first of them nobody"
    ):
        write_hats(table, tmp_path / "lost", store=store)
    with pytest.raises(ValueError, match=r"^what: the table has no column of ids"):
        write_hats(table["class",], tmp_path / "lost", store=store)
    with pytest.raises(ValueError, match=r"^store: goes with a table"):
        write_hats(store, tmp_path / "lost", store=store)


def test_what_cannot_be_written_is_refused_at_once(store, made, tmp_path):
    plain = write_store(tmp_path / "plain.h5", made[0], None, made[2])
    with pytest.raises(ValueError, match=r"^what: .*plain\.h5 knows no positions of its objects"):
        write_hats(plain, tmp_path / "out")
    with pytest.raises(TypeError, match=r"^what: expected a Table or a FeatureStore, got dict"):
        write_hats({}, tmp_path / "out")
    with pytest.raises(ValueError, match=r"^rows_per_partition: must be 1 or more, got 0"):
        write_hats(store, tmp_path / "out", rows_per_partition=0)
    with pytest.raises(ValueError, match=r"^what: none of its 0 objects can be written"):
        write_hats(Table({"ra": np.empty(0), "dec": np.empty(0)}), tmp_path / "out")
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        write_hats(store, tmp_path / "gone" / "out")
    with store.lock(), pytest.raises(StoreError, match="is being written by another process"):
        write_hats(open_store(store.path), tmp_path / "out")
    assert not list(tmp_path.glob("*out*"))


def test_a_catalogue_is_replaced_when_asked_and_nothing_else_ever(store, written, tmp_path):
    table = Table({"ra": [1.0], "dec": [2.0]})
    write_hats(table, tmp_path / "out")
    with pytest.raises(ValueError, match=r"^path: .*out exists; give another one, or overwrite"):
        write_hats(store, tmp_path / "out")

    class Stops:
        def __init__(self, **how):
            assert how == {"total": COUNT, "initial": 0, "unit": "row"}

        def update(self, count):
            raise KeyboardInterrupt

        def close(self):
            pass

    with pytest.raises(KeyboardInterrupt):
        write_hats(store, tmp_path / "out", overwrite=True, progress=Stops)
    assert len(opened(tmp_path / "out")) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert write_hats(store, tmp_path / "out", overwrite=True) == COUNT
    assert len(opened(tmp_path / "out")) == COUNT
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("years")
    with pytest.raises(ValueError, match="mine exists and is no HATS catalogue, so it is not overwritten"):
        write_hats(store, tmp_path / "mine", overwrite=True)
    assert (tmp_path / "mine" / "thesis.tex").exists()


def test_without_the_extra_it_says_which(store, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "hats.catalog", None)
    with pytest.raises(
        MissingDependencyError, match=r"^a HATS catalogue needs .*, which is not installed: pip install"
    ):
        write_hats(store, tmp_path / "out")
