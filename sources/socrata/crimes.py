"""Synthetic crimes, made day by day from 5,000 real ones.

A made row is a real row moved: another day and minute, some metres away, under a number of its own. Whether
it ends in an arrest is drawn again, from the real rows' rates by kind, place and hour: copies of one real
row do not share their ending, so that a model that learns rows by heart gains nothing.

As in the portal, a row is shown a week after its day; some are reported late, and some are corrected: an
arrest made later, a place described better. Each correction is a version with a newer `updated_on`.
"""

import csv
import gzip
import json
import math
import random
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from socrata.clock import CHICAGO, REFRESH
from socrata.columns import CRIMES

CRIMES_FILE = Path(__file__).parent / "data" / "crimes.csv.gz"
WITHHELD = timedelta(days=7)
FIRST_DAY = date(2000, 1, 1)
FOREVER = "9999-12-31"

_LATE_SHARE, _LATE_DAYS = 0.03, (1, 45)
_LATER_ARREST_SHARE, _DESCRIBED_SHARE, _CORRECTION_DAYS = 0.08, 0.01, (3, 60)
_SPREAD_FEET = 150.0
_FEET_PER_DEGREE_LATITUDE = 364_600.0
_FEET_PER_DEGREE_LONGITUDE = 271_700.0
_SUMMER = 0.12
_SHRINK = 10.0
_NO_ADDRESS = json.dumps(dict.fromkeys(("address", "city", "state", "zip"), ""))

Row = dict[str, Any]


@dataclass(frozen=True)
class Version:
    """What a crime was known as from one refresh until the next that changed it."""

    shown_from: str
    shown_until: str
    row: Row


class Crimes:
    """Makes the crimes of any day; the same seed, rate and day give the same rows."""

    def __init__(self, rows_per_year: int, seed: int, path: Path = CRIMES_FILE) -> None:
        """Reads the real rows.

        Args:
            rows_per_year: how many to make for 365 days.
            seed: of everything random.
            path: the real rows, gzipped CSV.
        """
        self._real, self._arrest_rate = _read(path)
        self._places = sorted({row["location_description"] for row in self._real} - {None})
        self._per_day = rows_per_year / 365
        self._ids_per_day = math.ceil(self._per_day * 2)
        self._seed = seed

    def of(self, day: date) -> Iterator[Version]:
        """Returns all versions of the crimes of a day, whenever they became known."""
        draw = random.Random(f"{self._seed}/{day.isoformat()}")  # noqa: S311 - a sample, no secret
        season = 1 + _SUMMER * math.sin((day.timetuple().tm_yday - 105) / 365 * math.tau)
        mean = self._per_day * season * (1.06 if day.weekday() in (4, 5) else 0.976)
        count = min(self._ids_per_day, max(1, round(draw.gauss(mean, math.sqrt(mean)))))
        first_id = (day - FIRST_DAY).days * self._ids_per_day
        for number in range(count):
            yield from self._versions(first_id + number, day, draw)

    def _versions(self, identifier: int, day: date, draw: random.Random) -> Iterator[Version]:
        real = draw.choice(self._real)
        row = {**real, **_moved(real, draw)}
        moment = _valid(datetime.combine(day, real["date"].time()) + timedelta(minutes=draw.randint(-20, 20)))
        if moment.date() != day:
            moment = moment.replace(year=day.year, month=day.month, day=day.day)
        row |= {
            "id": identifier,
            "case_number": f"J{chr(65 + day.year % 26)}{identifier % 1_000_000:06d}",
            "date": floating(moment),
            "year": day.year,
            "arrest": draw.random() < self._arrest_rate(real),
        }
        shown = day + WITHHELD
        if draw.random() < _LATE_SHARE:
            shown += timedelta(days=draw.randint(*_LATE_DAYS))
        corrected = shown + timedelta(days=draw.randint(*_CORRECTION_DAYS))
        before: Row = {}
        if row["arrest"] and draw.random() < _LATER_ARREST_SHARE:
            before["arrest"] = False
        if draw.random() < _DESCRIBED_SHARE:
            before["location_description"] = draw.choice(self._places)
        if not before:
            yield Version(shown.isoformat(), FOREVER, {**row, "updated_on": _updated(shown)})
            return
        first = {**row, **before, "updated_on": _updated(shown)}
        yield Version(shown.isoformat(), corrected.isoformat(), first)
        yield Version(corrected.isoformat(), FOREVER, {**row, "updated_on": _updated(corrected)})


@cache
def _read(path: Path) -> tuple[list[Row], Callable[[Row], float]]:
    """Reads the real rows, which all that are made in a process share, and their rates of arrests."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        rows = [_typed(row) for row in csv.DictReader(file)]
    return rows, _arrest_rates(rows)


def floating(moment: datetime) -> str:
    """Spells a time as the portal does: local, without a zone, with milliseconds."""
    return moment.isoformat(timespec="milliseconds")


def _updated(day: date) -> str:
    return floating(datetime.combine(day, REFRESH))


def _valid(moment: datetime) -> datetime:
    """Moves a time that the clocks jump over, in spring, behind the jump."""
    aware = moment.replace(tzinfo=CHICAGO)
    return datetime.fromtimestamp(aware.timestamp(), CHICAGO).replace(tzinfo=None)


def _moved(real: Row, draw: random.Random) -> Row:
    if real["x_coordinate"] is None:
        return {}
    east, north = draw.gauss(0, _SPREAD_FEET), draw.gauss(0, _SPREAD_FEET)
    latitude = round(real["latitude"] + north / _FEET_PER_DEGREE_LATITUDE, 9)
    longitude = round(real["longitude"] + east / _FEET_PER_DEGREE_LONGITUDE, 9)
    return {
        "x_coordinate": round(real["x_coordinate"] + east),
        "y_coordinate": round(real["y_coordinate"] + north),
        "latitude": latitude,
        "longitude": longitude,
        "location": location(latitude, longitude),
    }


def location(latitude: float, longitude: float) -> str:
    """Returns the JSON of a `location` value."""
    return json.dumps({"latitude": str(latitude), "longitude": str(longitude), "human_address": _NO_ADDRESS})


def _typed(fields: dict[str, str]) -> Row:
    row: Row = {}
    for column in CRIMES.columns:
        text = fields[column.name]
        match column.type:
            case _ if not text:
                row[column.name] = None
            case "number":
                row[column.name] = float(text) if "." in text else int(text)
            case "checkbox":
                row[column.name] = text == "True"
            case _:
                row[column.name] = text
    row["date"] = datetime.fromisoformat(fields["date"])
    # The file holds a Python dict here, as it was saved by pandas; the portal gives JSON.
    row["location"] = None if row["latitude"] is None else location(row["latitude"], row["longitude"])
    return row


def _arrest_rates(rows: list[Row]) -> Callable[[Row], float]:
    """Returns the chance of an arrest by kind, then place, relation and hour; rare ones lean on the mean."""
    overall = sum(row["arrest"] for row in rows) / len(rows)
    by_kind = _groups(rows, lambda row: row["primary_type"])
    kind = {
        name: _log_odds((sum(row["arrest"] for row in group) + _SHRINK * overall) / (len(group) + _SHRINK))
        for name, group in by_kind.items()
    }
    shifts: list[tuple[Callable[[Row], Any], dict[Any, float]]] = []
    for key in (
        lambda row: row["location_description"],
        lambda row: row["domestic"],
        lambda row: row["date"].hour // 6,
    ):
        shifts.append((key, {name: _shift(group, kind) for name, group in _groups(rows, key).items()}))

    def rate(row: Row) -> float:
        score = kind[row["primary_type"]] + sum(shift[key(row)] for key, shift in shifts)
        return 1 / (1 + math.exp(-score))

    return rate


def _groups(rows: list[Row], key: Callable[[Row], Any]) -> dict[Any, list[Row]]:
    groups = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    return groups


def _shift(group: list[Row], kind: dict[str, float]) -> float:
    """Returns by how much the log odds of a group exceed those that its kinds explain."""
    found = sum(row["arrest"] for row in group)
    expected = sum(1 / (1 + math.exp(-kind[row["primary_type"]])) for row in group)
    return math.log((found + _SHRINK) / (expected + _SHRINK))


def _log_odds(share: float) -> float:
    return math.log(share / (1 - share))
