"""Crimes as CSV: from the portal's rows to a file, and two files made one. All values are texts here."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from crime.schema import CHICAGO, PLACE_COLUMNS, RAW_COLUMNS, REQUIRED_COLUMNS
from crime.window import Window
from stepkit import csv_tables
from stepkit.csv_files import Writer
from stepkit.errors import InvalidRow
from stepkit.refused_rows import RefusedRows
from stepkit.text import normalise

_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?")
_AHEAD = timedelta(days=2)
_LONGEST_ID = 18
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?")


def moment(text: Any) -> datetime | None:
    """Returns a time of the portal, by Chicago's clocks; None when the text is not a time."""
    if not isinstance(text, str) or not _TIME.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def write_rows(
    rows: Iterable[dict[str, Any]],
    path: Path,
    columns: Sequence[str],
    check: Callable[[dict[str, Any]], None] | None = None,
) -> RefusedRows:
    """Writes rows of the portal as they come, and returns how many there were and which are not written.

    Args:
        rows: what is null has no entry.
        path: the file to write.
        columns: of the file; entries with other names are left out.
        check: raises `InvalidRow` for a row that is to be set aside.
    """
    refused = RefusedRows()
    with path.open("w", encoding="utf-8", newline="") as file:
        lines = Writer(file)
        lines.write(columns)
        for number, row in enumerate(rows, 1):
            refused.read = number
            try:
                if check:
                    check(row)
                lines.write([_text(name, row.get(name)) for name in columns])
            except InvalidRow as error:
                refused.refuse(number, error, f"with id {str(row.get('id'))[:50]!r}")
    return refused


def check(row: dict[str, Any]) -> None:
    """Refuses a crime that has not what every crime has.

    Raises:
        InvalidRow: it lacks a column that is never null, its id or place is invalid, or a time is invalid
            or is still to come.
    """
    for name in REQUIRED_COLUMNS:
        if row.get(name) in (None, ""):
            raise InvalidRow("is missing", name)
    key = str(row["id"])
    if not (key.isascii() and key.isdigit() and len(key) <= _LONGEST_ID):
        raise InvalidRow("is not a whole number", "id")
    latest = datetime.now(CHICAGO).replace(tzinfo=None) + _AHEAD
    for name in ("date", "updated_on"):
        found = moment(row[name])
        if found is None or found > latest:
            raise InvalidRow(
                f"is {str(row[name])[:50]!r}, not a time until today of the form 2026-01-31T12:00:00",
                name,
            )
    for name in ("arrest", "domestic"):
        if not isinstance(row[name], bool):
            raise InvalidRow(f"is {str(row[name])[:50]!r}, which is not true or false", name)
    for name in PLACE_COLUMNS:
        if row.get(name) not in (None, "") and not _NUMBER.fullmatch(str(row[name])):
            raise InvalidRow(f"is {str(row[name])[:50]!r}, which is not a number", name)


def read(path: Path, columns: Sequence[str] = RAW_COLUMNS) -> pa.Table:
    """Reads a file of `write_rows` or `csv_tables.write`; an empty field is null.

    Raises:
        InvalidInput: it lacks a column, or is not CSV.
    """
    return csv_tables.read(path, dict.fromkeys(columns, pa.string()), "crimes", columns)


@dataclass(frozen=True)
class Merged:
    """The crimes of a window, each once, by id; and how the received ones changed what was there."""

    table: pa.Table
    new: int
    corrected: int

    @property
    def updated_on(self) -> str:
        """The newest `updated_on`."""
        values: str = pa.compute.max(self.table["updated_on"]).as_py()
        return values


def merge(former: pa.Table | None, received: pa.Table, window: Window) -> Merged:
    """Puts received crimes into those that were there; of one id, the row with the newest `updated_on` stays.

    Merging the same rows again changes nothing. Rows outside the window go.

    Args:
        former: the crimes of an earlier window, or of this one.
        received: rows that are new, late or corrected, in any order.
        window: the months to keep.
    """
    tables = [received] if former is None else [former, received]
    table = pa.concat_tables(tables).combine_chunks()
    keys = pd.DataFrame(
        {
            "id": table["id"].cast(pa.int64()).to_numpy(),
            "updated_on": table["updated_on"].to_pandas(),
            "received": np.arange(len(table)) >= (0 if former is None else len(former)),
        }
    )
    date = table["date"].to_pandas().str.slice(0, 10)
    keys = keys[(date >= window.first.isoformat()) & (date < window.end.isoformat())]
    # Sorting is stable: of rows of the same refresh, the one that was received last stays.
    newest = keys.sort_values(["id", "updated_on"], kind="stable").drop_duplicates("id", keep="last")
    known = set() if former is None else set(former["id"].cast(pa.int64()).to_pylist())
    taken = newest[newest["received"]]
    is_known = taken["id"].isin(known)
    merged = table.take(pa.array(newest.index.to_numpy()))
    corrected = _changed(table, former, taken[is_known]) if former is not None else 0
    return Merged(merged, int((~is_known).sum()), corrected)


def without(table: pa.Table, ids: Sequence[int]) -> pa.Table:
    """Returns the crimes of a table but for those with these ids."""
    gone = pa.compute.is_in(table["id"].cast(pa.int64()), pa.array(ids, pa.int64()))
    return table.filter(pa.compute.invert(gone))


def _changed(table: pa.Table, former: pa.Table, taken: pd.DataFrame) -> int:
    """Returns how many rows differ from what was there under their id."""
    place = dict(zip(former["id"].cast(pa.int64()).to_pylist(), range(len(former)), strict=True))
    before = former.take(pa.array([place[key] for key in taken["id"]], pa.int64())).to_pylist()
    after = table.take(pa.array(taken.index.to_numpy())).to_pylist()
    return sum(one != other for one, other in zip(before, after, strict=True))


def _text(column: str, value: Any) -> str | None:
    match value:
        case str() if "\0" in value:
            raise InvalidRow(f"holds {value[:100]!r}, which is not a text", column)
        case None:
            return None
        case str():
            return normalise(value)
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)
        case {"url": str(url)}:
            return url
        case _:
            raise InvalidRow(f"holds {json.dumps(value, default=str):.100}, which is not one value", column)
