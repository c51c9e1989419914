"""Merges the bars of a run into the table: each bar once, in one transaction with audit and watermark."""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import dataclass
from typing import Annotated

from psycopg2.extensions import cursor

from bitcoin import capture
from bitcoin.capture import MAX_REFUSED_SHARE, Capture
from bitcoin.schema import COLUMNS, Bar, moment
from stepkit import postgres
from stepkit.errors import NothingToDo
from stepkit.options import Option
from stepkit.refused_rows import MaxRefusedShare, RefusedRows
from stepkit.s3 import ObjectStore
from stepkit.settings import Run, Settings
from stepkit.step import run

TABLE = "bitcoin.bars"
_LISTED_GAPS = 20
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Loaded:
    """What became of the bars, and where the table has holes."""

    table: str
    rows_read: int
    rows_new: int
    rows_duplicate: int
    missing_bars: int
    """Bars that the exchange never had, in the whole table."""
    gaps: list[str]
    """The latest holes, each from its first missing bar to the next that is there."""
    rows_refused: int = 0
    """Of the rows read: `bitcoin.ingest_audit` has the reasons."""


@dataclass(frozen=True)
class Source:
    """What is loaded, and where it comes from."""

    uri: str
    sha256: str
    capture: Capture
    bars: list[Bar]
    refused: RefusedRows


def load(
    settings: Settings,
    *,
    raw_uri: Annotated[str, Option("S3 URI of the bars that extract stored")],
    max_refused_share: MaxRefusedShare = MAX_REFUSED_SHARE,
) -> Loaded:
    """Merges closed bars into the table; a try that finds its run already loaded returns the same again."""
    body = ObjectStore().get(raw_uri)
    found = capture.read(body, raw_uri)
    bars, refused = found.bars(raw_uri, max_refused_share)
    source = Source(raw_uri, hashlib.sha256(body).hexdigest(), found, bars, refused)
    with postgres.transaction(settings) as rows:
        loaded = merge(rows, settings.run, source)
    _logger.info("%s: %d rows read, %d new", TABLE, loaded.rows_read, loaded.rows_new)
    if not loaded.rows_new:
        raise NothingToDo(
            f"all {loaded.rows_duplicate} bars of {raw_uri} were in {TABLE} already", file=raw_uri
        )
    return loaded


def merge(rows: cursor, run: Run, source: Source) -> Loaded:
    """Stages bars, merges the new ones, and writes audit and watermark.

    Nothing is visible to others until the cursor's transaction commits. A second try waits for the first
    one's end, finds its audit row and returns what it says.

    Args:
        rows: a cursor in the transaction.
        run: which with the symbol and the interval names the load.
        source: the bars.
    """
    series = [source.capture.symbol, source.capture.interval]
    rows.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [TABLE])
    rows.execute(
        "SELECT rows_read, rows_new, rows_duplicate, rows_refused FROM bitcoin.ingest_audit"
        " WHERE (dag_id, run_id, symbol, interval) = (%s, %s, %s, %s)",
        [run.dag_id, run.required_id, *series],
    )
    if before := rows.fetchone():
        _logger.info("a former try has loaded this run")
    read, new, duplicate, refused = before or _add(rows, run, source)
    return Loaded(TABLE, read, new, duplicate, *gaps(rows, *series), refused)


def gaps(rows: cursor, symbol: str, interval: str) -> tuple[int, list[str]]:
    """Returns how many bars are missing between the first and the last of the table, and the latest holes."""
    rows.execute(
        "SELECT missing_from, missing_until, missing_bars FROM bitcoin.bar_gaps"
        " WHERE (symbol, interval) = (%s, %s) ORDER BY missing_from DESC",
        [symbol, interval],
    )
    holes = rows.fetchall()
    listed = [
        f"{first.isoformat()} to {behind.isoformat()}: {bars}" for first, behind, bars in holes[:_LISTED_GAPS]
    ]
    return sum(bars for _, _, bars in holes), listed


def _add(rows: cursor, run: Run, source: Source) -> tuple[int, int, int, int]:
    series = [source.capture.symbol, source.capture.interval]
    names, refused = ", ".join(COLUMNS), source.refused
    rows.execute(
        f"CREATE TEMPORARY TABLE staged ON COMMIT DROP AS SELECT {names} FROM {TABLE} LIMIT 0"  # noqa: S608
    )
    staged = postgres.copy(rows, "staged", COLUMNS, (bar.fields() for bar in source.bars))
    rows.execute(
        f"INSERT INTO {TABLE} (symbol, interval, {names}) SELECT %s, %s, {names} FROM staged"  # noqa: S608
        " ON CONFLICT DO NOTHING",
        series,
    )
    rows_new = rows.rowcount
    rows.execute(
        "INSERT INTO bitcoin.ingest_audit (dag_id, run_id, symbol, interval, source_uri, source_sha256,"
        " server_time, rows_read, rows_new, rows_duplicate, rows_refused, refusals)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        [
            *(run.dag_id, run.required_id, *series, source.uri, source.sha256),
            moment(source.capture.server_time),
            *(refused.read, rows_new, staged - rows_new, refused.refused),
            json.dumps(refused.reasons, ensure_ascii=False),
        ],
    )
    if source.bars:
        rows.execute(
            "INSERT INTO bitcoin.ingest_watermarks AS mark (symbol, interval, open_time, run_id)"
            " VALUES (%s, %s, %s, %s) ON CONFLICT (symbol, interval) DO UPDATE"
            " SET (open_time, run_id) = (excluded.open_time, excluded.run_id)"
            " WHERE mark.open_time < excluded.open_time",
            [*series, moment(source.bars[-1].open_time), run.run_id],
        )
    return refused.read, rows_new, staged - rows_new, refused.refused


if __name__ == "__main__":
    run(load)
