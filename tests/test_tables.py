import os
import sys

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import Angle, Latitude, Longitude, SkyCoord
from astropy.io import fits
from astropy.table import MaskedColumn, QTable, Table
from hypothesis import given, settings
from hypothesis import strategies as st

from astrotl.errors import MissingDependencyError
from astrotl.tables import check_ending, find_ids, find_positions, read_table, write_table

BIG = 587722981745295616
MADE = {"task": "similar", "parameters": {"k": 5, "bands": ["g", "r"]}, "store": None, "quality": 0.25}


@pytest.fixture
def answer():
    table = Table({"id": [str(BIG), "ngc 1068"], "score": [0.25, np.nan], "row": [BIG, 7], "seen": [True, False]})
    table["ra"] = [150.1, 2.0] * u.deg
    table.meta["astrotl"] = MADE
    return table


@pytest.mark.parametrize("ending", ["ecsv", "csv", "fits", "fit", "vot", "xml", "parquet", "ECSV", "FITS"])
def test_what_is_written_is_read(tmp_path, answer, ending):
    path = tmp_path / f"answer.{ending}"
    write_table(answer, path)
    again = read_table(path)
    assert again.colnames == answer.colnames
    assert [str(name) for name in again["id"]] == [str(BIG), "ngc 1068"]
    assert again["row"].tolist() == [BIG, 7]
    assert np.allclose(np.ma.filled(again["score"], np.nan), [0.25, np.nan], equal_nan=True)
    assert [str(value) for value in again["seen"]] == ["True", "False"]
    if not ending.lower().endswith("csv") or ending.lower() == "ecsv":
        assert again.meta["astrotl"] == MADE
        assert again["ra"].unit == u.deg
    assert sorted(os.listdir(tmp_path)) == [path.name]
    assert answer.meta == {"astrotl": MADE}


@pytest.mark.parametrize("ending", ["ecsv", "fits", "vot", "parquet"])
def test_numbers_of_numpy_in_the_description(tmp_path, answer, ending):
    answer.meta["astrotl"] = {"k": np.int64(3), "width": np.float32(0.5), "rows": np.arange(2)}
    write_table(answer, tmp_path / f"a.{ending}")
    meta = read_table(tmp_path / f"a.{ending}").meta["astrotl"]
    assert meta["k"] == 3
    assert meta["width"] == 0.5
    assert list(meta["rows"]) == [0, 1]


def test_the_description_in_fits_is_a_card_that_others_can_read(tmp_path, answer):
    answer.meta["astrotl"] = {"long": "µ " * 300}
    write_table(answer, tmp_path / "a.fits")
    assert fits.getheader(tmp_path / "a.fits", 1)["ASTROTL"].startswith('{"astrotl": {"long": ')
    assert read_table(tmp_path / "a.fits").meta["astrotl"] == {"long": "µ " * 300}


def test_masked_and_empty_tables(tmp_path):
    table = Table({"id": ["a", "b"], "mass": MaskedColumn([1.5, 2.5], mask=[False, True])})
    for ending in ("ecsv", "csv", "fits", "vot", "parquet"):
        write_table(table, tmp_path / f"a.{ending}")
        mass = np.ma.asarray(read_table(tmp_path / f"a.{ending}")["mass"]).astype(float)
        assert np.isnan(mass.filled(np.nan)).tolist() == [False, True]
        write_table(table[:0], tmp_path / f"b.{ending}")
        assert len(read_table(tmp_path / f"b.{ending}")) == 0


@pytest.mark.parametrize("name", ["a.txt", "a", "a.csv.gz", "a.xlsx"])
def test_an_ending_that_is_no_format_is_refused(tmp_path, answer, name):
    for act in (check_ending, lambda path: write_table(answer, path)):
        with pytest.raises(ValueError, match=r": the ending says the format, one of \.ecsv, \.csv, \.fits"):
            act(tmp_path / name)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("ending", ["fits", "ecsv", "parquet"])
def test_a_table_that_cannot_be_written_leaves_nothing_and_harms_nothing(tmp_path, answer, ending):
    path = tmp_path / f"answer.{ending}"
    write_table(answer, path)
    before = path.read_bytes()
    answer["what"] = [object(), object()]
    with pytest.raises(Exception, match=r"."):
        write_table(answer, path)
    assert path.read_bytes() == before
    with pytest.raises(Exception, match=r"."):
        write_table(answer, tmp_path / f"new.{ending}")
    assert os.listdir(tmp_path) == [path.name]


def test_a_folder_that_is_not_there_is_named(tmp_path, answer):
    with pytest.raises(FileNotFoundError, match=r"nowhere/a\.csv: there is no folder .*nowhere$"):
        write_table(answer, tmp_path / "nowhere" / "a.csv")


@pytest.mark.parametrize("name", ["a.ecsv", "a.fits", "a.vot", "a.parquet", "a.xyz", "a", "a.txt", "a.csv.gz"])
@pytest.mark.parametrize("content", [b"", b"\x00\x01\x02 \xff\xfe no table\n,,\n", None])
def test_a_file_that_is_no_table_is_named_on_one_line(tmp_path, name, content):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises((ValueError, FileNotFoundError)) as caught:
        read_table(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert len(str(caught.value).splitlines()) == 1
    assert isinstance(caught.value, FileNotFoundError) == (content is None)


def test_an_image_is_no_table(tmp_path):
    fits.PrimaryHDU(np.ones((3, 3))).writeto(tmp_path / "a.fits")
    with pytest.raises(ValueError, match=r"a\.fits: cannot be read as a table"):
        read_table(tmp_path / "a.fits")


@pytest.mark.parametrize("name", ["a.txt", "a.dat", "a.cat", "a.tsv", "a.csv.gz", "a.csv.bz2", "a.fits.gz"])
def test_plain_text_and_packed_catalogues(tmp_path, name):
    table = Table({"id": [1, 2], "ra": [10.5, 11.5], "dec": [1.0, 2.0]})
    kind = {"tsv": "ascii.tab", "csv": "ascii.csv", "fits": "fits"}.get(name.split(".")[1], "ascii")
    if name.endswith(("gz", "bz2")) and kind == "ascii.csv":
        import bz2
        import gzip

        text = b"id,ra,dec\n1,10.5,1.0\n2,11.5,2.0\n"
        (tmp_path / name).write_bytes((gzip if name.endswith("gz") else bz2).compress(text))
    else:
        table.write(tmp_path / name, format=kind)
    again = read_table(tmp_path / name)
    assert again.colnames == ["id", "ra", "dec"]
    assert again["ra"].tolist() == [10.5, 11.5]


NAMES = [
    ("ra", "dec"),
    ("RA", "DEC"),
    ("Ra", "De"),
    ("RAJ2000", "DEJ2000"),
    ("_RAJ2000", "_DEJ2000"),
    ("RA_ICRS", "DE_ICRS"),
    ("ALPHA_J2000", "DELTA_J2000"),
    ("ALPHAWIN_J2000", "DELTAWIN_J2000"),
    ("raMean", "decMean"),
    ("ra_deg", "dec_deg"),
    ("RAdeg", "DEdeg"),
    ("coord_ra", "coord_dec"),
    ("right_ascension", "declination"),
    ("TARGET_RA", "TARGET_DEC"),
]


@pytest.mark.parametrize(("ra", "dec"), NAMES)
def test_positions_by_their_usual_names(ra, dec):
    table = Table({"flux": [5.0], dec: [-20.5], ra: [10.25]})
    at = find_positions(table, "a.csv")
    assert at.ra.deg == pytest.approx(10.25)
    assert at.dec.deg == pytest.approx(-20.5)


def test_both_columns_come_from_one_pair():
    table = Table({"DEJ2000": [1.0], "ra": [99.0], "RAJ2000": [10.0]})
    assert find_positions(table, "a.csv").ra.deg == pytest.approx(10)
    assert find_positions(Table({"ra": [1.0], "DEJ2000": [1.0]}), "a.csv") is None
    assert find_positions(Table({"x": [1.0]}), "a.csv") is None


@pytest.mark.parametrize(
    ("ra", "dec"),
    [
        ([150.25, 10] * u.deg, [-2.5, 3] * u.deg),
        (np.radians([150.25, 10]) * u.rad, np.radians([-2.5, 3]) * u.rad),
        (np.array([150.25, 10]) / 15 * u.hourangle, [-2.5, 3] * u.deg),
        (np.array([150.25, 10]) / 15 * u.hour, [-150, 180] * u.arcmin),
        (np.array([150.25, 10], ">f8"), np.array([-2.5, 3], ">f4")),
        (["150.25", "10"], ["-2.5", "3"]),
        (["10:01:00", "00:40:00"], ["-02:30:00", "+03:00:00"]),
        (["10h01m00s", "0h40m"], ["-2d30m", "3d"]),
        (["10 01 00", "00 40 00.0"], ["-02 30 00", "+03 00 00"]),
        ([b"10:01:00", b"00:40:00"], [b"-02:30:00", b"+03:00:00"]),
        (np.array(["10:01:00", "00:40:00"], object), np.array(["-02:30:00", "3:00:00"], object)),
        (["10:01:00", "00:40:00"], [-2.5, 3.0]),
        (Longitude([150.25, 10], u.deg), Latitude([-2.5, 3], u.deg)),
        (Angle([150.25, 10], u.deg).to(u.rad), Angle([-2.5, 3], u.deg)),
    ],
)
@pytest.mark.parametrize("kind", [Table, QTable])
def test_positions_in_every_spelling(kind, ra, dec):
    at = find_positions(kind({"ra": ra, "dec": dec}), "a.csv")
    assert at.frame.name == "icrs"
    assert np.allclose(at.ra.deg, [150.25, 10])
    assert np.allclose(at.dec.deg, [-2.5, 3])


@pytest.mark.parametrize("unit", ["degrees", "DEG", "deg"])
def test_units_that_catalogues_spell_in_their_own_way(tmp_path, unit):
    columns = [fits.Column(name, "D", unit=unit, array=[10.0]) for name in ("RA", "DEC")]
    fits.BinTableHDU.from_columns(columns).writeto(tmp_path / "a.fits")
    assert find_positions(read_table(tmp_path / "a.fits"), "a.fits").ra.deg == pytest.approx(10)


def test_a_unit_that_is_no_angle_is_refused():
    table = Table({"ra": [1.0] * u.kg, "dec": [1.0] * u.deg})
    with pytest.raises(ValueError, match=r"^a\.csv: ra is in kg, which is no angle; give degrees$"):
        find_positions(table, "a.csv")


@pytest.mark.parametrize(
    ("ra", "dec"),
    [
        ([1.0, np.nan, 3.0, 4.0], [1.0, 2.0, 91.0, 4.0]),
        (MaskedColumn([1.0, 2.0, 3.0, 4.0], mask=[0, 1, 0, 0]), MaskedColumn([1.0, 2.0, 3.0, 4.0], mask=[0, 0, 1, 0])),
        (MaskedColumn([1, 2, 3, 4], mask=[0, 1, 1, 0]), [1, 2, 3, 4]),
        (["1", "", "nan", "4"], ["1", "2", "3", "4"]),
        (MaskedColumn(["1:0:0", "2:0:0", "3:0:0", "4:0:0"], mask=[0, 1, 1, 0]), ["1", "2", "3", "4"]),
        ([1.0, np.inf, -np.inf, 2.0], [1.0, 2.0, 3.0, 4.0]),
    ],
)
def test_rows_without_a_position_are_counted(ra, dec):
    with pytest.raises(ValueError, match=r"^a\.csv: 2 rows have no valid position in RA, dec; the first is row 1$"):
        find_positions(Table({"RA": ra, "dec": dec}), "a.csv")


def test_text_that_is_no_angle_is_shown():
    with pytest.raises(ValueError, match=r"^a\.csv: dec in row 1 is no angle: 'north'$"):
        find_positions(Table({"ra": ["1", "2"], "dec": ["1", "north"]}), "a.csv")


def test_a_column_of_coordinates_comes_first(tmp_path):
    at = SkyCoord([10, 20], [30, 40], unit="deg", frame="galactic")
    table = Table({"ra": [1.0, 2.0], "dec": [1.0, 2.0], "place": at})
    found = find_positions(table, "a.csv")
    assert found.frame.name == "galactic"
    assert found.separation(at).arcsec.max() < 1e-6
    table.write(tmp_path / "a.ecsv")
    assert find_positions(read_table(tmp_path / "a.ecsv"), "a").separation(at).arcsec.max() < 1e-6
    table["place"] = SkyCoord([10, np.nan], [30, 40], unit="deg")
    with pytest.raises(ValueError, match=r"^a\.csv: 1 rows have no valid position in place; the first is row 1$"):
        find_positions(table, "a.csv")


@pytest.mark.parametrize("ending", ["csv", "ecsv", "fits", "vot", "parquet"])
@pytest.mark.parametrize("name", ["id", "objID", "OBJECT_ID", "source_id", "name", "dr7objid"])
def test_ids_are_found_by_name_and_kept_exactly(tmp_path, ending, name):
    ids = np.array([BIG, BIG + 1, -3])
    write_table(Table({"ra": [1.0, 2.0, 3.0], name: ids}), tmp_path / f"a.{ending}")
    assert find_ids(read_table(tmp_path / f"a.{ending}"), "a").tolist() == [str(BIG), str(BIG + 1), "-3"]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=5, unique=True))
def test_any_whole_number_is_kept_exactly(tmp_path_factory, numbers):
    path = tmp_path_factory.mktemp("ids") / "a.csv"
    write_table(Table({"id": np.array(numbers, dtype=np.int64)}), path)
    assert find_ids(read_table(path), "a").tolist() == [str(number) for number in numbers]


@pytest.mark.parametrize("ending", ["csv", "ecsv", "fits", "vot", "parquet"])
def test_ids_that_are_text(tmp_path, ending):
    table = Table({"id": ["NGC 1068", "a"], "name": ["x", "y"]})
    write_table(table, tmp_path / f"a.{ending}")
    again = read_table(tmp_path / f"a.{ending}")
    assert find_ids(again, "a").tolist() == ["NGC 1068", "a"]
    assert find_ids(again, "a", "name").tolist() == ["x", "y"]


def test_rows_are_numbered_where_nothing_names_them():
    assert find_ids(Table({"ra": [1.0, 2.0]}), "a.csv").tolist() == ["0", "1"]


def test_whole_numbers_that_became_floats():
    assert find_ids(Table({"id": [1.0, 22.0]}), "a.csv").tolist() == ["1", "22"]
    with pytest.raises(ValueError, match=r"^a\.csv: id holds floating-point numbers too long to be exact"):
        find_ids(Table({"id": [float(BIG)]}), "a.csv")


@pytest.mark.parametrize(
    "ids",
    [
        MaskedColumn([1, 2, 3], mask=[0, 1, 1]),
        MaskedColumn(["a", "b", "c"], mask=[0, 1, 1]),
        MaskedColumn([b"a", b"b", b"c"], mask=[0, 1, 1]),
        ["a", "", "  "],
        [1.0, np.nan, np.nan],
        np.array(["a", None, None], object),
    ],
)
def test_missing_ids_are_counted(ids):
    with pytest.raises(ValueError, match=r"^a\.csv: 2 rows have no id in objid; the first is row 1$"):
        find_ids(Table({"objid": ids}), "a.csv")


def test_a_named_column_that_is_not_there():
    expected = r"^id_column: a\.csv has no column 'objd' \(did you mean 'objid'\?\); it has objid$"
    with pytest.raises(ValueError, match=expected):
        find_ids(Table({"objid": [1]}), "a.csv", "objd")


def test_parquet_without_its_packages_says_which_extra_brings_them(tmp_path, monkeypatch):
    write_table(Table({"id": ["a"]}), tmp_path / "a.parquet")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    for call in (
        lambda: read_table(tmp_path / "a.parquet"),
        lambda: write_table(Table({"id": ["a"]}), tmp_path / "b.parquet"),
    ):
        with pytest.raises(MissingDependencyError, match=r'parquet: .*: pip install "astrotl\[parquet\]"'):
            call()
    assert not (tmp_path / "b.parquet").exists()


def test_unknown_truths_stay_unknown_in_fits(tmp_path):
    table = Table({"damaged": MaskedColumn([True, False, True], mask=[False, False, True])})
    write_table(table, tmp_path / "a.fits")
    back = read_table(tmp_path / "a.fits")["damaged"]
    assert back.mask.tolist() == [False, False, True]
    assert back[:2].tolist() == [1, 0]
