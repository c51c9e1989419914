"""Writes the table's bars to S3: all of them as CSV for people, the latest as JSON for serving."""

from __future__ import annotations

import csv
import json
import logging
import tempfile
from collections import deque
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

from bitcoin.schema import COLUMNS, Interval, moment
from stepkit import postgres
from stepkit.errors import NothingToDo
from stepkit.options import Option
from stepkit.s3 import ObjectStore
from stepkit.settings import Settings
from stepkit.spreadsheets import SpreadsheetSafe, as_text
from stepkit.step import run

_PRICES = ("open", "high", "low", "close", "volume")
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Exported:
    """Where the files are, and what they hold."""

    csv_uri: str
    rows: int
    latest_uri: str
    latest_open_time: str


def export(
    settings: Settings,
    *,
    symbol: Annotated[str, Option("what is traded")] = "BTCUSDT",
    interval: Annotated[Interval, Option("length of a bar")] = "1h",
    latest_bars: Annotated[int, Option("bars that serving finds", minimum=1)] = 500,
    bucket: Annotated[str, Option("bucket of the files", env="DATA_BUCKET")] = "data",
    spreadsheet_safe: SpreadsheetSafe = True,
) -> Exported:
    """Writes the bars of one symbol and interval, the oldest first; each file is replaced whole."""
    store = ObjectStore()
    name = f"{symbol}-{interval}"
    csv_uri = f"s3://{bucket}/bitcoin/export/{name}.csv"
    latest_uri = f"s3://{bucket}/bitcoin/latest/{name}.json"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "bars.csv")
        shown = as_text(symbol) if spreadsheet_safe else symbol
        write_csv(settings, symbol, interval, path, shown)
        rows, latest = latest_bars_of(path, latest_bars)
        if not latest:
            raise NothingToDo(f"the table has no bars of {symbol} {interval}")
        store.upload(path, csv_uri)
    document = {"symbol": symbol, "interval": interval, "bars": latest}
    store.put(latest_uri, json.dumps(document).encode(), "application/json")
    _logger.info("%d bars in %s, %d in %s", rows, csv_uri, len(latest), latest_uri)
    return Exported(csv_uri, rows, latest_uri, moment(latest[-1]["open_time"]).isoformat())


def write_csv(settings: Settings, symbol: str, interval: str, path: Path, shown: str) -> None:
    """Writes the bars of the table as CSV with a header; times are ISO 8601 in UTC.

    Args:
        settings: with the database.
        symbol: of the bars.
        interval: of the bars.
        path: the file to write.
        shown: what the file calls the symbol, its only text that is not ours.

    Raises:
        DependencyUnavailable: Postgres does not answer.
    """
    times = {
        name: f'to_char({name}, \'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"\') AS {name}'
        for name in ("open_time", "close_time")
    }
    columns = ", ".join(times.get(name, name) for name in COLUMNS)
    with postgres.transaction(settings) as rows, path.open("wb") as file:
        query = rows.mogrify(
            f"SELECT %s AS symbol, interval, {columns} FROM bitcoin.bars AS bars"  # noqa: S608 (names from above)
            " WHERE (symbol, interval) = (%s, %s) ORDER BY bars.open_time",
            [shown, symbol, interval],
        ).decode()
        rows.copy_expert(f"COPY ({query}) TO STDOUT WITH (FORMAT csv, HEADER)", file)


def latest_bars_of(path: Path, count: int) -> tuple[int, list[dict[str, Any]]]:
    """Returns how many bars a file of `write_csv` has, and the last of them as serving takes them."""
    with path.open(newline="", encoding="utf-8") as text:
        last: deque[tuple[int, dict[str, str]]] = deque(enumerate(csv.DictReader(text), 1), maxlen=count)
    bars = [
        {"open_time": _milliseconds(line["open_time"]), **{name: float(line[name]) for name in _PRICES}}
        for _, line in last
    ]
    return last[-1][0] if last else 0, bars


def _milliseconds(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


if __name__ == "__main__":
    run(export)
