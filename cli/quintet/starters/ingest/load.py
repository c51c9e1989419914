"""Merges the readings of a run into their table, in one transaction with its audit row."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from stepkit import postgres
from stepkit.options import Option
from stepkit.errors import InvalidRow
from stepkit.s3 import ObjectStore
from stepkit.settings import Settings
from stepkit.step import run


@dataclass(frozen=True)
class Loaded:
    """What was merged."""

    table: str
    rows: int


def load(
    settings: Settings,
    *,
    readings_uri: Annotated[str, Option("S3 URI of observe's readings")],
    observed_at: Annotated[datetime, Option("time of the readings")],
) -> Loaded:
    """Merges readings by station and time; a retry finds the audit row of its run and merges nothing."""
    degrees = parse(ObjectStore().get(readings_uri).decode(), readings_uri)
    with postgres.transaction(settings) as rows:
        rows.execute(
            "INSERT INTO weather.load_audit (dag_id, run_id, readings_uri, rows_read)"
            " VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING",
            [settings.run.dag_id, settings.run.required_id, readings_uri, len(degrees)],
        )
        if rows.rowcount:
            rows.executemany(
                "INSERT INTO weather.readings (station, observed_at, degrees)"
                " VALUES (%s, %s, %s) ON CONFLICT (station, observed_at)"
                " DO UPDATE SET degrees = excluded.degrees",
                [(station, observed_at, number) for station, number in degrees.items()],
            )
    return Loaded("weather.readings", len(degrees))


def parse(text: str, source: str) -> dict[str, float]:
    """Returns the degrees of each station.

    Raises:
        InvalidInput: a line holds no station or no temperature, or repeats a station; names line and column.
    """
    found: dict[str, float] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        station, _, degrees = (part.strip() for part in line.partition(","))
        if not station or station in found:
            raise InvalidRow(f"{station!r} is empty or repeated", "station").at(source, number, "line")
        if not re.fullmatch(r"-?\d{1,2}(\.\d+)?", degrees):
            raise InvalidRow(f"{degrees!r} is not like -3.5", "degrees").at(source, number, "line")
        found[station] = float(degrees)
    return found


if __name__ == "__main__":
    run(load)
