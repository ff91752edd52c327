"""A catalogue that LSDB has written, as the catalogue of a source: partition by partition, and only where it must."""

import pickle
import shutil
import sys
import warnings
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS

from astrotl import extract_features, open_source
from astrotl.errors import AstrotlWarning, MissingDependencyError
from astrotl.sources import HatsSource, SkySource
from astrotl.testing import check_source

lsdb = pytest.importorskip("lsdb")
pd = pytest.importorskip("pandas")
pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

SIZE = 8


@pytest.fixture(scope="module")
def mosaics(tmp_path_factory):
    """Three fields of noise, each some HEALPix pixels wide: two side by side, one far away."""
    folder, rng = tmp_path_factory.mktemp("mosaics"), np.random.default_rng(4)
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.cdelt, wcs.wcs.crpix = ("RA---TAN", "DEC--TAN"), (-20 / 3600, 20 / 3600), (100, 80)
    files = []
    for number, ra in enumerate((150, 151, 20)):
        wcs.wcs.crval = ra, 2
        files.append(str(folder / f"{number}.fits"))
        fits.writeto(files[-1], rng.normal(100, 10, (160, 200)).astype("f4"), wcs.to_header())
    return {"r": files}


@pytest.fixture(scope="module")
def objects():
    """Objects all over the fields, some of them where no image is."""
    rng = np.random.default_rng(5)
    ra = np.concatenate([rng.uniform(149.4, 151.6, 50), rng.uniform(19.6, 20.4, 20)])
    return pd.DataFrame({"objid": np.arange(70) + 10**17, "ra": ra, "dec": rng.uniform(1.5, 2.5, 70), "mag": ra % 1})


@pytest.fixture(scope="module")
def catalogue(objects, tmp_path_factory):
    """The objects as a collection of LSDB: the catalogue, and beside it a margin."""
    folder = tmp_path_factory.mktemp("hats") / "galaxies"
    with warnings.catch_warnings():
        # LSDB is behind what pandas deprecates.
        warnings.simplefilter("ignore")
        made = lsdb.from_dataframe(objects, catalog_name="galaxies", highest_order=7, partition_rows=15)
        made.write_catalog(folder, progress_bar=False)
    return folder


@pytest.fixture
def copy(catalogue, tmp_path):
    """The catalogue itself, without its collection, to be damaged."""
    return Path(shutil.copytree(catalogue / "galaxies", tmp_path / "copy"))


def partitions(folder):
    return sorted(Path(folder).rglob("Npix=*"))


def test_every_object_is_cut_where_the_catalogue_says(objects, catalogue, mosaics):
    source = HatsSource(mosaics, catalogue, size=SIZE)
    assert len(source) == 70
    known = objects.set_index(objects["objid"].astype(str)).loc[source.ids]
    assert sorted(known["objid"]) == sorted(objects["objid"])
    expected = SkySource(mosaics, SkyCoord(known["ra"], known["dec"], unit="deg"), ids=source.ids, size=SIZE)
    batch = source.read()
    assert np.array_equal(batch.data, expected.read().data, equal_nan=True)
    assert 0 < len(batch.failed) < 20
    assert source.table().colnames == ["id", "ra", "dec"]
    assert source.loaded().signature() == expected[:].signature()


def test_it_keeps_what_every_source_promises(catalogue, mosaics):
    check_source(HatsSource(mosaics, catalogue, size=SIZE)[:6])


def test_the_parts_are_the_partitions(catalogue, mosaics):
    source = HatsSource(mosaics, catalogue, size=SIZE)
    files = partitions(catalogue / "galaxies")
    held = {
        (int(path.parts[-3].partition("=")[2]), int(path.stem.partition("=")[2])): pq.read_metadata(path).num_rows
        for path in files
    }
    parts = source.parts()
    assert len(parts) > 4
    assert {part.healpix: part.rows.stop - part.rows.start for part in parts} == held
    assert [part.rows.start for part in parts] == [0, *(part.rows.stop for part in parts[:-1])]
    # Cut anywhere, picked at will, or in reverse, each run of rows knows its pixel.
    whole = np.repeat(np.arange(len(parts)), [part.rows.stop - part.rows.start for part in parts])
    rng = np.random.default_rng(3)
    for rows in (slice(7, 41), slice(50, 3, -4), rng.permutation(70)[:30], np.arange(70) % 7 == 0, slice(4, 4)):
        chosen = source[rows]
        of = whole[rows]
        pixels = [part.healpix for part in chosen.parts() for _ in range(part.rows.start, part.rows.stop)]
        assert pixels == [parts[number].healpix for number in of]
        assert chosen.ids.tolist() == source.ids[rows].tolist()
        assert chosen[1:-1].ids.tolist() == source.ids[rows][1:-1].tolist()


def test_one_slice_reads_one_partition(copy, mosaics, tmp_path):
    source = HatsSource(mosaics, copy, size=SIZE)
    part = source.parts()[1]
    order, pixel = part.healpix
    for path in partitions(copy):
        if path.name != f"Npix={pixel}.parquet" or path.parts[-3] != f"Norder={order}":
            path.unlink()
    some = source[part.rows]
    assert len(some.read()) == len(some) > 0
    store = extract_features(some, "profiles", tmp_path / "one.h5", steps=[])
    assert len(store.done()) == len(some)
    with pytest.raises(FileNotFoundError, match=r"Npix=\d+\.parquet: a partition of the catalogue is missing"):
        source[: part.rows.start].read()


def test_a_shard_a_partition_and_the_same_features_as_from_a_table(objects, catalogue, mosaics, tmp_path):
    source = open_source(mosaics, catalog=catalogue, size=SIZE)
    assert isinstance(source, HatsSource)
    source = source[[name in source[:50].ids for name in source.ids]]
    with pytest.warns(AstrotlWarning, match="have no features"):
        store = extract_features(source, "pixels", tmp_path / "shards", shard=6)
    assert {shard.healpix for shard in store.shards} == {part.healpix for part in source.parts()}
    assert all(0 < shard.rows <= 6 for shard in store.shards)
    with (
        ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool,
        pytest.warns(AstrotlWarning, match="have no features"),
    ):
        away = extract_features(source, "pixels", tmp_path / "away", shard=6, executor=pool)
    assert np.array_equal(away.features(), store.features(), equal_nan=True)
    objects[["objid", "ra", "dec"]].to_csv(tmp_path / "objects.csv", index=False)
    plain = open_source(mosaics, catalog=tmp_path / "objects.csv", size=SIZE)
    with pytest.warns(AstrotlWarning, match="have no features"):
        other = extract_features(plain, "pixels", tmp_path / "plain.h5")
    rows = plain.rows_of(store.ids)
    assert np.array_equal(store.features(), other.features()[rows], equal_nan=True)
    assert np.array_equal(store.positions, other.positions[rows])


def test_what_was_made_from_it_opens_it_again(catalogue, mosaics, tmp_path, monkeypatch):
    monkeypatch.chdir(catalogue.parent)
    source = open_source(mosaics, catalog="galaxies", size=SIZE, id_column="mag")
    with pytest.warns(AstrotlWarning, match="have no features"):
        store = extract_features(source, "pixels", tmp_path / "one.h5")
    monkeypatch.chdir(tmp_path)
    again = open_source(**store.provenance["origin"])
    assert isinstance(again, HatsSource)
    assert again.signature() == source.signature()
    assert np.array_equal(again.ids, store.ids)


def test_a_part_travels_with_the_mosaics_that_it_may_need(catalogue, mosaics):
    source = HatsSource({"r": mosaics["r"] * 30}, catalogue, size=SIZE)
    len(source.ids)
    part = source[source.parts()[0].rows]
    assert len(pickle.dumps(part)) < len(pickle.dumps(source)) / 2
    assert np.array_equal(part.read().data, source.read().data[: len(part)], equal_nan=True)


def test_no_position_of_a_pixel_is_farther_from_its_centre_than_is_thought():
    cdshealpix = pytest.importorskip("cdshealpix")
    for order in (0, 1, 3, 6):
        pixels = np.arange(12 * 4**order, dtype=np.uint64)
        centres = SkyCoord(*cdshealpix.healpix_to_lonlat(pixels, order))
        corners = SkyCoord(*cdshealpix.vertices(pixels, order))
        assert corners.separation(centres[:, None]).rad.max() < 1.1 / 2**order


def test_objects_without_ids_are_numbered_through(copy, mosaics):
    for path in partitions(copy):
        table = pq.ParquetFile(path).read()
        pq.write_table(table.drop_columns(["objid"]), path)
    source = HatsSource(mosaics, copy, size=SIZE)
    assert source.ids.tolist() == [str(number) for number in range(70)]
    rows = source.parts()[2].rows
    assert source[rows].ids.tolist() == [str(number) for number in range(rows.start, rows.stop)]


def test_empty_partitions_and_partitions_in_many_files_are_read(catalogue, copy, mosaics):
    known = HatsSource(mosaics, catalogue, size=SIZE)
    for path in partitions(copy):
        table = pq.ParquetFile(path).read()
        path.unlink()
        folder = path.with_suffix("")
        folder.mkdir()
        for half in (table[:2], table[2:]):
            pq.write_table(half, folder / f"{half.num_rows}-{half is not table}.parquet", row_group_size=3)
    info = copy / "partition_info.csv"
    empty = copy / "dataset" / "Norder=4" / "Dir=0" / "Npix=7"
    empty.mkdir(parents=True)
    pq.write_table(table[:0], empty / "nothing.parquet")
    info.write_text(info.read_text() + "4,7\n")
    for name in ("hats.properties", "properties"):
        text = (copy / name).read_text()
        (copy / name).write_text(text.replace("hats_npix_suffix=.parquet", "hats_npix_suffix=/"))
    source = HatsSource(mosaics, copy, size=SIZE)
    assert sorted(source.ids) == sorted(known.ids)
    assert [part.rows for part in source.parts()] == [part.rows for part in known.parts()]
    for row in (0, 13, 69):
        assert len(source[row : row + 1].ids) == 1
        assert source[row : row + 1].ids[0] == source.ids[row]


def test_without_its_lists_the_partitions_are_found(catalogue, copy, mosaics):
    (copy / "partition_info.csv").unlink()
    (copy / "dataset" / "_metadata").unlink()
    assert HatsSource(mosaics, copy).signature() == HatsSource(mosaics, catalogue).signature()


def test_what_is_damaged_is_named_at_once(copy, catalogue, mosaics, tmp_path):
    some = partitions(copy)[3]
    content = some.read_bytes()
    some.write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=rf"{some.name}: cannot be read \(.*\); download it again"):
        HatsSource(mosaics, copy)
    some.unlink()
    with pytest.raises(FileNotFoundError, match=rf"{some.name}: a partition of the catalogue is missing"):
        HatsSource(mosaics, copy)
    some.write_bytes(content)
    source = HatsSource(mosaics, copy)
    table = pq.ParquetFile(some).read()
    pq.write_table(table[1:], some)
    with pytest.raises(ValueError, match=rf"{some.name}: holds .* when the catalogue was opened; open it again"):
        len(source.ids)
    (copy / "partition_info.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="copy: is no HATS catalogue, or is damaged"):
        HatsSource(mosaics, copy)
    with pytest.raises(ValueError, match=r"is no HATS catalogue, or is damaged .it has no hats\.properties"):
        open_source(mosaics, catalog=tmp_path)
    with pytest.raises(FileNotFoundError, match="gone: there is no such folder"):
        HatsSource(mosaics, tmp_path / "gone")
    with pytest.raises(ValueError, match="is of the type margin"):
        HatsSource(mosaics, catalogue / "galaxies_5arcs")


def test_ids_and_positions_are_looked_at(copy, mosaics):
    with pytest.raises(ValueError, match=r"^id_column: .*copy has no column 'objdi' .did you mean 'objid'..; it has "):
        HatsSource(mosaics, copy, id_column="objdi")
    some = partitions(copy)[0]
    table = pq.ParquetFile(some).read()
    for column, value, said in (
        ("objid", [*table["objid"].to_pylist()[:-1], None], "1 rows have no id in objid"),
        ("objid", [7] * len(table), "ids: every object needs its own, but these stand more than once: 7"),
        ("dec", [None, *table["dec"].to_pylist()[1:]], "1 rows have no valid position in ra, dec; the first is row 0"),
        ("dec", [91.0] * len(table), "rows have no valid position"),
    ):
        place = table.column_names.index(column)
        pq.write_table(table.set_column(place, column, pa.array(value, table[column].type)), some)
        source = HatsSource(mosaics, copy)
        with pytest.raises(ValueError, match=said):
            len(source.ids)
    for path in partitions(copy):
        pq.write_table(pq.ParquetFile(path).read(columns=["objid", "ra"]), path)
    with pytest.raises(ValueError, match="has no column dec, where its properties say"):
        HatsSource(mosaics, copy)


def test_without_the_extra_it_says_which(catalogue, mosaics, monkeypatch):
    monkeypatch.setitem(sys.modules, "hats", None)
    monkeypatch.setitem(sys.modules, "hats.catalog", None)
    with pytest.raises(
        MissingDependencyError, match=r"^a HATS catalogue needs .*, which is not installed: pip install"
    ):
        open_source(mosaics, catalog=catalogue)
