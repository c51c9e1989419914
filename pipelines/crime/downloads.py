"""The record of downloads in Postgres: what each run received, and where a later one goes on."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from datetime import date, datetime
from typing import Any, Self

from psycopg2 import sql
from psycopg2.extensions import cursor

from crime.crimes_file import moment
from crime.schema import CHICAGO
from crime.window import Window
from stepkit.settings import Settings

_TABLE = sql.Identifier("crime", "downloads")


@dataclass(frozen=True)
class Download:
    """One download and the files that it left."""

    as_of: datetime
    """The time of the refresh that was read: the source's own now."""
    window_first: date
    window_end: date
    is_full: bool
    """Whether all of the window was asked for, not only the news."""
    rows_received: int
    rows_new: int
    rows_corrected: int
    rows: int
    """In the window's file."""
    updated_on: str
    """The newest of these rows."""
    crimes_uri: str
    crimes_sha256: str
    stations_uri: str
    stations_sha256: str
    received_sha256: str
    """Of the rows as they were received."""
    rows_refused: int = 0
    """Of the rows received; they are in no file but the report of them."""
    rows_vanished: int = 0
    """Of the window: what the portal no longer has."""

    @property
    def window(self) -> Window:
        """The months of the file."""
        return Window(self.window_first, self.window_end)

    @property
    def updated_until(self) -> datetime | None:
        """When a later download's corrections begin, by Chicago's clocks; None when that is not known.

        Never after the refresh that was read: a row of a later time would hide all corrections before it.
        """
        newest = moment(self.updated_on)
        return newest and min(newest, self.as_of.astimezone(CHICAGO).replace(tzinfo=None))

    def to_json(self) -> str:
        """Writes the document that `from_json` reads."""
        return json.dumps(asdict(self), default=lambda value: value.isoformat(), indent=1)

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Reads a document of `to_json`."""
        values: dict[str, Any] = json.loads(text)
        values["as_of"] = datetime.fromisoformat(values["as_of"])
        for name in ("window_first", "window_end"):
            values[name] = date.fromisoformat(values[name])
        return cls(**values)


class Downloads:
    """The record; one transaction lasts as long as the cursor's."""

    def __init__(self, rows: cursor, settings: Settings) -> None:
        self._rows = rows
        self._run = [settings.run.dag_id, settings.run.required_id]

    def of_this_run(self) -> Download | None:
        """Returns what a former try of this run has recorded."""
        return self._first("WHERE (dag_id, run_id) = (%s, %s)", self._run)

    def newest(self) -> Download | None:
        """Returns the last download that was recorded."""
        return self._first("ORDER BY download_id DESC LIMIT 1", [])

    def record(self, download: Download) -> None:
        """Adds a download."""
        values = asdict(download)
        self._rows.execute(
            sql.SQL("INSERT INTO {} (dag_id, run_id, {}) VALUES (%s, %s, {})").format(
                _TABLE,
                sql.SQL(", ").join(map(sql.Identifier, values)),
                sql.SQL(", ").join([sql.Placeholder()] * len(values)),
            ),
            [*self._run, *values.values()],
        )

    def _first(self, clause: str, values: list[str]) -> Download | None:
        columns = sql.SQL(", ").join(sql.Identifier(field.name) for field in fields(Download))
        self._rows.execute(
            sql.SQL("SELECT {} FROM {} {}").format(columns, _TABLE, sql.SQL(clause)),
            values,
        )
        found = self._rows.fetchone()
        return None if found is None else Download(*found)
