"""What a file of readings holds."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

from stepkit import csv_files
from stepkit.errors import InvalidRow

HEADER = ("station", "observed_at", "degrees")
DEGREES = re.compile(r"-?\d{1,2}(\.\d+)?")
Reading = tuple[str, datetime, float]


def read(path: Path) -> list[Reading]:
    """Returns the readings of a file.

    Raises:
        InvalidInput: it is not a CSV file with `HEADER`, or a line holds no reading; names line and column.
    """
    found: dict[tuple[str, datetime], Reading] = {}
    for number, fields in csv_files.lines(path, HEADER):
        try:
            station, observed_at, degrees = _reading(fields)
        except InvalidRow as fault:
            raise fault.at(path.name, number, "line") from None
        found[station, observed_at] = (station, observed_at, degrees)
    return list(found.values())


def _reading(fields: list[str]) -> Reading:
    if len(fields) != len(HEADER):
        raise InvalidRow(f"has {len(fields)} fields, not {len(HEADER)}")
    station, moment, degrees = (field.strip() for field in fields)
    if not station:
        raise InvalidRow("is empty", "station")
    try:
        observed_at = datetime.fromisoformat(moment)
    except ValueError:
        raise InvalidRow(f"{moment!r} is not like 2026-01-31T12:00:00+00:00", "observed_at") from None
    if observed_at.tzinfo is None:
        raise InvalidRow(f"{moment!r} has no time zone", "observed_at")
    if not DEGREES.fullmatch(degrees):
        raise InvalidRow(f"{degrees!r} is not like -3.5", "degrees")
    return station, observed_at, float(degrees)
