"""The data sets in SQLite's memory: every version of a row, with the days on which it is what is shown."""

import csv
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from socrata.columns import CRIMES, STATIONS, Dataset
from socrata.crimes import FIRST_DAY, FOREVER, WITHHELD, Crimes, location
from socrata.soql import functions

STATIONS_FILE = Path(__file__).parent / "data" / "police_stations.csv"
_ROWS_AT_ONCE = 1000


class Store:
    """Answers queries about what was known at a refresh; crimes of new days are made as the clock moves."""

    def __init__(self, crimes: Crimes, today: Callable[[], date], months: int) -> None:
        """Makes the crimes up to today.

        Args:
            crimes: makes them.
            today: returns the day of the last refresh.
            months: how many months before it the crimes begin.
        """
        self._crimes = crimes
        self._today = today
        first = (today().year * 12 + today().month - 1) - months
        self._next = max(FIRST_DAY, date(first // 12, first % 12 + 1, 1))
        self._uri = f"file:socrata-{id(self)}?mode=memory&cache=shared"
        self._lock = threading.Lock()
        self._kept = self._connect()  # a database in memory is there as long as a connection is
        for dataset in (CRIMES, STATIONS):
            self._create(dataset)
        with STATIONS_FILE.open(encoding="utf-8", newline="") as file:
            self._insert(STATIONS, (("", FOREVER, _station(row)) for row in csv.DictReader(file)))
        self._catch_up()

    def select(self, sql: str, arguments: Sequence[Any]) -> tuple[list[str], Iterator[tuple[Any, ...]]]:
        """Runs a query that was made by `soql`.

        Args:
            sql: `:today` stands for the day of the refresh.
            arguments: the values of `:p0`, `:p1` and so on.

        Returns:
            The names of the result's columns, and its rows as they are needed.

        Raises:
            sqlite3.Error: SQLite cannot run it.
        """
        today = self._catch_up()
        connection = self._connect()
        values = {f"p{number}": argument for number, argument in enumerate(arguments)}
        try:
            cursor = connection.execute(sql, {"today": today.isoformat(), **values})
        except sqlite3.Error:
            connection.close()
            raise
        return [column[0] for column in cursor.description], _rows(connection, cursor)

    def _catch_up(self) -> date:
        today = self._today()
        with self._lock:
            while self._next + WITHHELD <= today:
                versions = self._crimes.of(self._next)
                self._insert(CRIMES, ((v.shown_from, v.shown_until, v.row) for v in versions))
                self._next += timedelta(days=1)
        return today

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._uri, uri=True, check_same_thread=False, isolation_level=None)
        # Readers of a shared cache would wait for the days that are being added, and do not see them anyway.
        connection.execute("PRAGMA read_uncommitted = true")
        for name, (arguments, code) in functions().items():
            connection.create_function(name, arguments, code, deterministic=True)
        return connection

    def _create(self, dataset: Dataset) -> None:
        kinds = {"number": "NUMERIC", "checkbox": "INTEGER"}
        columns = ", ".join(f'"{column.name}" {kinds.get(column.type, "TEXT")}' for column in dataset.columns)
        table = dataset.table
        self._kept.execute(f"CREATE TABLE {table} (shown_from TEXT, shown_until TEXT, {columns})")
        if dataset is CRIMES:
            self._kept.execute(f"CREATE INDEX {table}_id ON {table} (id)")
            self._kept.execute(f"CREATE INDEX {table}_date ON {table} (date)")

    def _insert(self, dataset: Dataset, versions: Iterator[tuple[str, str, dict[str, Any]]]) -> None:
        names = dataset.names
        marks = ", ".join("?" * (len(names) + 2))
        self._kept.execute("BEGIN")
        self._kept.executemany(
            f"INSERT INTO {dataset.table} VALUES ({marks})",  # noqa: S608 - our own table's name
            ((start, end, *map(row.get, names)) for start, end, row in versions),
        )
        self._kept.execute("COMMIT")


def _rows(connection: sqlite3.Connection, cursor: sqlite3.Cursor) -> Iterator[tuple[Any, ...]]:
    with closing(connection):
        while rows := cursor.fetchmany(_ROWS_AT_ONCE):
            yield from rows


def _station(fields: dict[str, str]) -> dict[str, Any]:
    row: dict[str, Any] = {name: text or None for name, text in fields.items()}
    latitude, longitude = float(fields["latitude"]), float(fields["longitude"])
    return row | {
        "latitude": latitude,
        "longitude": longitude,
        "location": location(latitude, longitude),
    }
