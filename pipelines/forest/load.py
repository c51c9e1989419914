"""Merges a capture, or a whole file, into a table: each row once, in one transaction with its audit row."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from psycopg2 import sql
from psycopg2.extensions import cursor

from forest.capture import parse_capture
from forest.schema import SOURCE_NAMES, TABLES, Sample, SampleParser, Table
from stepkit import csv_files, postgres
from stepkit.errors import Code, InvalidInput, InvalidRow, NothingToDo
from stepkit.options import Option
from stepkit.refused_rows import RefusedRows
from stepkit.s3 import ObjectStore, file_sha256
from stepkit.settings import Settings
from stepkit.step import run

FILE_BATCH = 0
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Source:
    """What is loaded, and what the audit says about it."""

    uri: str
    sha256: str
    batch_number: int
    captured_at: datetime
    run_id: str
    rows: Iterator[Sample]
    refused: RefusedRows = field(default_factory=RefusedRows)


@dataclass(frozen=True)
class Loaded:
    """What became of the rows."""

    table: str
    rows_read: int
    rows_new: int
    rows_duplicate: int
    batch_number: int
    rows_refused: int = 0


def load(
    settings: Settings,
    *,
    table: Annotated[Table, Option("table to merge into")],
    raw_uri: Annotated[str | None, Option("S3 URI of a raw answer of the API")] = None,
    file: Annotated[
        Path | None, Option("CSV file, .gz or not, with the source's header, instead of an answer")
    ] = None,
    run_after: Annotated[datetime | None, Option("time of the capture; for a file its last change")] = None,
) -> Loaded:
    """Merges samples into a table; a try that finds its run already loaded returns the same result again."""
    if (raw_uri is None) == (file is None):
        raise InvalidInput("give either --raw-uri (RAW_URI) or --file (FILE)", Code.INVALID_SETTING)
    source = _of_file(file, settings, run_after) if file else _of_answer(str(raw_uri), settings, run_after)
    with postgres.transaction(settings) as rows:
        loaded = merge(rows, table, settings.run.dag_id, source)
    _logger.info("%s: %d rows read, %d new", table, loaded.rows_read, loaded.rows_new)
    if not loaded.rows_new:
        raise NothingToDo(
            f"all {loaded.rows_read} rows of {source.uri} were in {table} already", file=source.uri
        )
    return loaded


def merge(rows: cursor, table: str, dag_id: str, source: Source) -> Loaded:
    """Stages the rows of a source, merges the new ones into the table, and writes audit and watermark.

    Nothing is visible to others until the cursor's transaction commits. A second try waits for the first
    one's end, finds its audit row and returns what it says.

    Args:
        rows: a cursor in the transaction.
        table: one of `TABLES`.
        dag_id: the DAG, which with the run's id and the table names the load.
        source: the rows and where they come from.
    """
    rows.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [table])
    rows.execute(
        "SELECT table_name, rows_read, rows_new, rows_duplicate, batch_number, rows_refused"
        " FROM forest.ingest_audit WHERE dag_id = %s AND run_id = %s AND table_name = %s",
        [dag_id, source.run_id, table],
    )
    if before := rows.fetchone():
        _logger.info("a former try has loaded this run")
        return Loaded(*before)
    columns = TABLES[table]
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    target = postgres.identifier(table)
    rows.execute(
        sql.SQL("CREATE TEMPORARY TABLE staged ON COMMIT DROP AS SELECT {} FROM {} WITH NO DATA").format(
            names, target
        )
    )
    rows_read = postgres.copy(rows, "staged", columns, source.rows)
    rows.execute(
        sql.SQL(
            "INSERT INTO {} ({names}, batch_number, captured_at) SELECT {names}, %s, %s FROM staged"
            " ON CONFLICT DO NOTHING"
        ).format(target, names=names),
        [source.batch_number, source.captured_at],
    )
    rows_new = rows.rowcount
    loaded = Loaded(
        table, rows_read, rows_new, rows_read - rows_new, source.batch_number, source.refused.refused
    )
    _record(rows, dag_id, source, loaded)
    return loaded


def _record(rows: cursor, dag_id: str, source: Source, loaded: Loaded) -> None:
    rows.execute(
        "INSERT INTO forest.ingest_audit (dag_id, run_id, table_name, source_uri, source_sha256,"
        " rows_read, rows_new, rows_duplicate, batch_number, captured_at, rows_refused, refusals)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        [
            *(dag_id, source.run_id, loaded.table, source.uri, source.sha256),
            *(
                loaded.rows_read,
                loaded.rows_new,
                loaded.rows_duplicate,
                loaded.batch_number,
                source.captured_at,
            ),
            *(loaded.rows_refused, json.dumps(source.refused.reasons, ensure_ascii=False)),
        ],
    )
    rows.execute(
        "INSERT INTO forest.ingest_watermarks AS mark (table_name, batch_number, captured_at, run_id)"
        " VALUES (%s, %s, %s, %s) ON CONFLICT (table_name) DO UPDATE SET (batch_number, captured_at, run_id)"
        " = (excluded.batch_number, excluded.captured_at, excluded.run_id)"
        " WHERE mark.captured_at < excluded.captured_at",
        [loaded.table, loaded.batch_number, source.captured_at, source.run_id],
    )


def _of_answer(raw_uri: str, settings: Settings, run_after: datetime | None) -> Source:
    if run_after is None:
        raise InvalidInput(
            "--run-after (RUN_AFTER) is required with --raw-uri: it is the time of the capture",
            Code.INVALID_SETTING,
        )
    body = ObjectStore().get(raw_uri)
    # How many rows may be refused is for extract to say.
    capture = parse_capture(body, raw_uri, max_refused_share=1)
    return Source(
        uri=raw_uri,
        sha256=hashlib.sha256(body).hexdigest(),
        batch_number=capture.batch_number,
        captured_at=run_after,
        run_id=settings.run.required_id,
        rows=iter(capture.rows),
        refused=capture.refused,
    )


def _of_file(path: Path, settings: Settings, run_after: datetime | None) -> Source:
    """Returns the source of a file; without a run id its content names the load: it is loaded once."""
    if not path.is_file():
        raise InvalidInput(f"there is no file {path}: correct --file (FILE)", Code.MISSING_INPUT, file=path)
    sha256 = file_sha256(path)
    changed = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    return Source(
        uri=path.resolve().as_uri(),
        sha256=sha256,
        batch_number=FILE_BATCH,
        captured_at=run_after or changed,
        run_id=settings.run.run_id or f"file-{sha256[:12]}",
        rows=read_csv(path),
    )


def read_csv(path: Path) -> Iterator[Sample]:
    """Returns the samples of a CSV file, one after another.

    Raises:
        InvalidInput: it is not a CSV file with the source's header, or a line of it is not a sample.
    """
    parser = SampleParser()
    for number, fields in csv_files.lines(path, SOURCE_NAMES):
        try:
            yield parser.parse(fields)
        except InvalidRow as error:
            raise error.at(path, number, "line") from None


if __name__ == "__main__":
    run(load)
