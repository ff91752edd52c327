"""Catalogues in, result tables out: anything that astropy's Table reads and writes, known by the ending."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import Table

from astrotl._params import nearest

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
_RA = ("ra", "raj2000", "ra_icrs", "_ra", "_raj2000", "ra_deg", "alpha_j2000", "right_ascension", "radeg", "alpha")
_DEC = ("dec", "dej2000", "de_icrs", "_de", "_dej2000", "dec_deg", "delta_j2000", "declination", "decdeg", "delta", "decj2000")
_IDS = ("id", "objid", "object_id", "source_id", "objectid", "obj_id", "name", "ids", "object", "number", "dr7objid", "dr8objid")


def read_table(path: str | os.PathLike[str]) -> Table:
    """Read a catalogue: CSV, ECSV, FITS, VOTable, Parquet, or whatever else `~astropy.table.Table` knows."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: there is no such file")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return Table.read(path, format=_FORMATS.get(path.suffix.lower()))
    except ImportError as error:
        raise ValueError(f"{path}: {str(error).splitlines()[0]}") from error
    except Exception as error:
        raise ValueError(f"{path}: cannot be read as a table ({_first_line(error)})") from error


def write_table(table: Table, path: str | os.PathLike[str]) -> None:
    """Write a table in the format that the ending names; the file appears whole or not at all."""
    path, kind = Path(path), check_ending(path)
    part = path.with_name(f".{path.name}.part")
    try:
        with warnings.catch_warnings():
            if kind in ("fits", "votable"):
                # Neither can hold the nested description in meta["astrotl"]; FITS gets it as one line of JSON.
                warnings.simplefilter("ignore")
                table = _flat_meta(table)
            table.write(part, format=kind, overwrite=True)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def check_ending(path: str | os.PathLike[str]) -> str:
    """Name the format that a table's ending stands for, or refuse the ending."""
    kind = _FORMATS.get(Path(path).suffix.lower())
    if kind is None:
        raise ValueError(f"{path}: the ending says the format, one of {', '.join(_FORMATS)}")
    return kind


def find_positions(table: Table, where: str) -> SkyCoord | None:
    """Find the columns of right ascension and declination; None if there are none."""
    for column in table.columns.values():
        if isinstance(column, SkyCoord):
            return column
    ra, dec = _column(table, _RA), _column(table, _DEC)
    if ra is None or dec is None:
        return None
    if table[ra].dtype.kind in "US":
        # Sexagesimal strings count hours in right ascension; plain numbers as text are degrees.
        unit = (u.hourangle, u.deg) if any(mark in str(table[ra][0]) for mark in ": hd") else (u.deg, u.deg)
        return SkyCoord(table[ra].astype(str), table[dec].astype(str), unit=unit)
    lon, lat = (_degrees(table, column) for column in (ra, dec))
    if not (np.isfinite(lon) & np.isfinite(lat)).all() or (np.abs(lat) > 90).any():
        bad = np.flatnonzero(~(np.isfinite(lon) & (np.abs(lat) <= 90)))
        raise ValueError(f"{where}: {len(bad)} rows have no valid position in {ra}, {dec}; the first is row {bad[0]}")
    return SkyCoord(lon, lat, unit="deg")


def find_ids(table: Table, where: str, id_column: str | None = None) -> np.ndarray:
    """Take the ids from the named column, or from one with a usual name; otherwise the row numbers serve."""
    if id_column is not None and id_column not in table.colnames:
        raise ValueError(
            f"id_column: {where} has no column {id_column!r}{nearest(id_column, table.colnames)}; "
            f"it has {', '.join(table.colnames)}"
        )
    column = id_column or _column(table, _IDS)
    if column is None:
        return np.arange(len(table)).astype(np.str_)
    return np.array([str(value).strip() for value in table[column].tolist()], dtype=np.str_)


def _column(table: Table, names: tuple[str, ...]) -> str | None:
    lower = {column.lower(): column for column in reversed(table.colnames)}
    return next((lower[name] for name in names if name in lower), None)


def _degrees(table: Table, column: str) -> np.ndarray:
    values = np.ma.filled(np.ma.asarray(table[column].data, dtype=np.float64), np.nan)
    unit = table[column].unit
    return values if unit is None else (values * unit).to_value(u.deg)


def _flat_meta(table: Table) -> Table:
    import json

    flat = table.copy(copy_data=False)
    flat.meta = {"ASTROTL": json.dumps(flat.meta["astrotl"])} if "astrotl" in flat.meta else {}
    return flat


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).strip().splitlines()[0]
