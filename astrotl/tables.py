"""Catalogues in, result tables out: anything that astropy's Table reads and writes, known by the ending."""

from __future__ import annotations

import json
import os
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from astropy import units as u
from astropy.coordinates import Angle, SkyCoord
from astropy.table import MaskedColumn, Table

from astrotl._params import nearest, plain
from astrotl.errors import MissingDependencyError, first_line

__all__ = ["check_ending", "find_ids", "find_positions", "read_table", "write_table"]

_FORMATS = {
    ".ecsv": "ascii.ecsv",
    ".csv": "ascii.csv",
    ".fits": "fits",
    ".fit": "fits",
    ".vot": "votable",
    ".xml": "votable",
    ".parquet": "parquet",
}
#: Endings that may stand for any plain text table, of which astropy finds out the kind.
_PLAIN = (".cat", ".dat", ".mrt", ".tbl", ".tsv", ".txt")
_POSITIONS = (
    ("ra", "dec"),
    ("ra", "de"),
    ("raj2000", "dej2000"),
    ("raj2000", "decj2000"),
    ("ra_icrs", "de_icrs"),
    ("_ra", "_de"),
    ("_raj2000", "_dej2000"),
    ("ra_j2000", "dec_j2000"),
    ("ra2000", "dec2000"),
    ("ra_deg", "dec_deg"),
    ("radeg", "decdeg"),
    ("radeg", "dedeg"),
    ("ramean", "decmean"),
    ("alpha_j2000", "delta_j2000"),
    ("alphawin_j2000", "deltawin_j2000"),
    ("alpha", "delta"),
    ("right_ascension", "declination"),
    ("rightascension", "declination"),
    ("coord_ra", "coord_dec"),
    ("target_ra", "target_dec"),
)
ID_NAMES = (
    "id", "objid", "object_id", "source_id", "objectid", "obj_id", "sourceid", "name", "ids", "object", "number",
    "dr7objid", "dr8objid",
)  # fmt: skip


def read_table(path: str | os.PathLike[str]) -> Table:
    """Read a catalogue: CSV, ECSV, FITS, VOTable, Parquet, or whatever else `~astropy.table.Table` knows."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: there is no such file")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            table = Table.read(path, format=_kind_to_read(path))
    except ImportError as error:
        raise _missing(path, error) from error
    except Exception as error:
        raise ValueError(f"{path}: cannot be read as a table ({first_line(error)})") from error
    if not table.colnames:
        raise ValueError(f"{path}: cannot be read as a table (it has no columns)")
    return _nested_meta(table)


def write_table(table: Table, path: str | os.PathLike[str]) -> None:
    """Write a table in the format that the ending names; the file appears whole or not at all."""
    path, kind = Path(path), check_ending(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path}: there is no folder {path.parent}")
    part = path.with_name(f".{path.name}.part")
    try:
        with warnings.catch_warnings():
            if kind == "fits":
                table = _with_unknown_truths(table)
            if kind in ("fits", "votable"):
                warnings.simplefilter("ignore")
                table = _flat_meta(table, "ASTROTL" if kind == "fits" else "description")
            table.write(str(part), format=kind, overwrite=True)
        os.replace(part, path)
    except ImportError as error:
        raise _missing(path, error) from error
    finally:
        part.unlink(missing_ok=True)


def _with_unknown_truths(table: Table) -> Table:
    """Write booleans of which some are unknown as 0 and 1, for FITS has no unknown boolean."""
    table = table.copy(copy_data=False)
    for name in table.colnames:
        column = table[name]
        if isinstance(column, MaskedColumn) and column.dtype.kind == "b" and column.mask.any():
            known = np.ma.filled(column.data.astype(np.int32), -1)
            table[name] = MaskedColumn(known, mask=column.mask, fill_value=-1, description=column.description)
    return table


def _missing(path: Path, error: ImportError) -> MissingDependencyError:
    remedy = ': pip install "astrotl[parquet]"' if path.suffix.lower() == ".parquet" else ""
    return MissingDependencyError(f"{path}: {first_line(error)}{remedy}")


def check_ending(path: str | os.PathLike[str]) -> str:
    """Name the format that a table's ending stands for, or refuse the ending."""
    kind = _FORMATS.get(Path(path).suffix.lower())
    if kind is None:
        raise ValueError(f"{path}: the ending says the format, one of {', '.join(_FORMATS)}")
    return kind


def find_positions(table: Table, where: str) -> SkyCoord | None:
    """Find the columns of right ascension and declination; None if there are none."""
    coordinates = next((column for column in table.columns.values() if isinstance(column, SkyCoord)), None)
    if coordinates is not None:
        lon, lat = (_filled(angle.deg) for angle in (coordinates.spherical.lon, coordinates.spherical.lat))
        _check_positions(lon, lat, where, coordinates.info.name)
        return SkyCoord(lon, lat, unit="deg", frame=coordinates.frame.replicate_without_data())
    lower = {column.lower(): column for column in reversed(table.colnames)}
    pair = next(((lower[ra], lower[dec]) for ra, dec in _POSITIONS if ra in lower and dec in lower), None)
    if pair is None:
        return None
    # Sexagesimal strings count hours in right ascension; plain numbers as text are degrees.
    lon, lat = (_degrees(table[name], unit, where) for name, unit in zip(pair, (u.hourangle, u.deg), strict=True))
    _check_positions(lon, lat, where, ", ".join(pair))
    return SkyCoord(lon, lat, unit="deg")


def find_ids(table: Table, where: str, id_column: str | None = None) -> np.ndarray:
    """Take the ids from the named column, or from one with a usual name; otherwise the row numbers serve."""
    column = find_id_column(table.colnames, where, id_column)
    if column is None:
        return np.arange(len(table)).astype(np.str_)
    values = _items(table[column])
    absent = [row for row, value in enumerate(values) if value is None or value != value or not str(value).strip()]
    if absent:
        raise ValueError(f"{where}: {len(absent)} rows have no id in {column}; the first is row {absent[0]}")
    if any(isinstance(value, float) for value in values):
        values = [_whole(value, where, column) for value in values]
    return np.array([str(value).strip() for value in values], dtype=np.str_)


def find_id_column(columns: Sequence[str], where: str, id_column: str | None = None) -> str | None:
    """Name the column that holds the ids: the wanted one, or one with a usual name; None if there is none."""
    if id_column is not None and id_column not in columns:
        raise ValueError(
            f"id_column: {where} has no column {id_column!r}{nearest(id_column, columns)}; it has {', '.join(columns)}"
        )
    lower = {column.lower(): column for column in reversed(columns)}
    return id_column or next((lower[name] for name in ID_NAMES if name in lower), None)


def _items(column: Any) -> list[Any]:
    """List a column's values as Python's own; None for those that are masked."""
    masked = np.broadcast_to(getattr(column, "mask", False), len(column)).tolist()
    values = [value.decode() if isinstance(value, bytes) else value for value in column.tolist()]
    return [None if hidden else value for value, hidden in zip(values, masked, strict=True)]


def _whole(value: Any, where: str, column: str) -> Any:
    """Write a whole number without a point; beyond 2^53 the number that was meant is lost."""
    if isinstance(value, float) and abs(value) >= 2**53:
        raise ValueError(
            f"{where}: {column} holds floating-point numbers too long to be exact; save it as integers or text"
        )
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _degrees(column: Any, sexagesimal: u.UnitBase, where: str) -> np.ndarray:
    """Give angles in degrees; NaN for what is masked or empty."""
    if column.dtype.kind in "USO" and any(isinstance(value, (str, bytes)) for value in column.tolist()):
        return _parsed(column, sexagesimal, where)
    values = _filled(column.value if isinstance(column, u.Quantity) else np.ma.asarray(column.data).astype(np.float64))
    unit = _angular_unit(column.unit)
    try:
        return values if unit is None else (values * unit).to_value(u.deg)
    except (u.UnitsError, ValueError, TypeError) as error:
        raise ValueError(f"{where}: {column.info.name} is in {column.unit}, which is no angle; give degrees") from error


def _parsed(column: Any, sexagesimal: u.UnitBase, where: str) -> np.ndarray:
    values = np.full(len(column), np.nan)
    texts = {row: str(value).strip() for row, value in enumerate(_items(column)) if value is not None}
    for row, text in texts.items():
        if not text or text.lower() in ("nan", "none", "null", "--"):
            continue
        decimal = re.fullmatch(r"[-+]?[\d.]+(e[-+]?\d+)?", text, re.IGNORECASE)
        try:
            values[row] = float(text) if decimal else Angle(text, unit=sexagesimal).deg
        except ValueError as error:
            raise ValueError(f"{where}: {column.name} in row {row} is no angle: {text!r}") from error
    return values


def _angular_unit(unit: Any) -> Any:
    """Understand the units of angles that catalogues spell in their own way."""
    if unit == u.hour:
        return u.hourangle
    return u.deg if str(unit).lower() in ("degree", "degrees", "deg.") or str(unit) == "DEG" else unit


def _check_positions(lon: np.ndarray, lat: np.ndarray, where: str, columns: str) -> None:
    bad = np.flatnonzero(~(np.isfinite(lon) & (np.abs(lat) <= 90)))
    if len(bad):
        raise ValueError(f"{where}: {len(bad)} rows have no valid position in {columns}; the first is row {bad[0]}")


def _filled(values: Any) -> np.ndarray:
    """Put NaN where a masked array, of NumPy or of astropy, has no value."""
    if isinstance(values, np.ma.MaskedArray):
        return np.asarray(values.filled(np.nan))
    return np.asarray(values.filled(np.nan) if hasattr(values, "unmasked") else values, dtype=np.float64)


def _kind_to_read(path: Path) -> str | None:
    endings = [ending.lower() for ending in path.suffixes]
    if endings[-1:] in (["." + packed] for packed in ("gz", "bz2")):
        endings.pop()
    ending = endings[-1] if endings else ""
    return "ascii" if ending in _PLAIN else _FORMATS.get(ending)


def _flat_meta(table: Table, key: str) -> Table:
    """Write the nested description as one line of JSON, for formats that hold none."""
    flat = table.copy(copy_data=False)
    flat.meta = {key: json.dumps({"astrotl": plain(flat.meta["astrotl"])})} if "astrotl" in flat.meta else {}
    return flat


def _nested_meta(table: Table) -> Table:
    """Undo `_flat_meta`."""
    for key in ("ASTROTL", "description"):
        text = table.meta.get(key)
        if isinstance(text, str) and text.startswith('{"astrotl"'):
            table.meta["astrotl"] = json.loads(text)["astrotl"]
            del table.meta[key]
    return table
