"""Reads a raw answer into its staging table: checked, dates in Bogotá's days, in one transaction."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Annotated

from psycopg2 import sql
from psycopg2.extensions import cursor

from sipsa import ledger, records
from sipsa.schema import REPORTS, Operation, Report
from sipsa.values import Row, RowParser
from stepkit import postgres
from stepkit.errors import Code, InvalidInput, InvalidRow, NothingToDo
from stepkit.options import Option
from stepkit.refused_rows import MaxRefusedShare
from stepkit.s3 import ObjectStore
from stepkit.settings import Settings
from stepkit.step import run

FIRST_DAY = date(1990, 1, 1)
MAX_REFUSED_SHARE = 0.01
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Staged:
    """What the staging table holds."""

    operation: str
    rows_read: int
    rows_staged: int
    rows_before_start: int
    rows_refused: int


def stage(
    settings: Settings,
    *,
    operation: Annotated[Operation, Option("report that the answer is of")],
    raw_uri: Annotated[str, Option("S3 URI of the raw answer that extract stored")],
    raw_sha256: Annotated[str, Option("sha256 of that object")],
    run_after: Annotated[datetime, Option("time of the run, ISO 8601")],
    historical_start_date: Annotated[date, Option("first day to keep")] = FIRST_DAY,
    max_refused_share: MaxRefusedShare = MAX_REFUSED_SHARE,
) -> Staged:
    """Replaces what the report's staging table holds by the rows of one answer."""
    report = REPORTS[operation]
    source = ledger.Source(
        operation, settings.run.dag_id, settings.run.required_id, raw_uri, raw_sha256, run_after,
        historical_start_date,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "answer.xml.gz")
        if ObjectStore().download(raw_uri, path) != raw_sha256:
            raise InvalidInput(
                f"{raw_uri} is not what extract stored: run extract again", Code.INPUT_REPLACED, file=raw_uri
            )
        counts = ledger.Counts()
        with postgres.transaction(settings) as cursor:
            ledger.lock(cursor, operation)
            ledger.refuse_what_is_merged(cursor, source)
            counts.rows_staged = fill(cursor, report, read(path, report, source, counts))
            if not counts.rows_read:
                raise NothingToDo(f"{raw_uri} holds no rows", file=raw_uri)
            counts.refused.check(raw_uri, max_refused_share)
            ledger.note_staged(cursor, source, counts)
    found = Staged(
        operation, counts.rows_read, counts.rows_staged, counts.rows_before_start, counts.refused.refused
    )
    _logger.info("%s: %s", raw_uri, found)
    return found


def read(path: Path, report: Report, source: ledger.Source, counts: ledger.Counts) -> Iterator[Row]:
    """Returns the rows to stage, each with its number in the answer as last value.

    Args:
        path: the answer, as gzip.
        report: what it is of.
        source: its name, and the first day to keep.
        counts: what it finds is counted here.

    Raises:
        InvalidInput: the answer is malformed around its rows, or holds something else.
    """
    parser = RowParser(report)
    parse = parser.parse
    day = report.names.index(report.date)
    start = source.start_date.isoformat()
    for number, fields in enumerate(records.rows(path, source.raw_uri), 1):
        counts.refused.read = number
        try:
            if isinstance(fields, InvalidRow):
                raise fields
            values = parse(fields)
        except InvalidRow as fault:
            counts.refused.refuse(number, fault)
            continue
        if str(values[day]) < start:
            counts.rows_before_start += 1
            continue
        yield (*values, str(number))
    if parser.unknown:
        _logger.warning(
            "%s has fields that no column holds: %s", source.raw_uri, ", ".join(sorted(parser.unknown))
        )


def fill(rows: cursor, report: Report, values: Iterator[Row]) -> int:
    """Replaces the rows of the report's staging table and returns their number."""
    rows.execute(sql.SQL("TRUNCATE {}").format(postgres.identifier(report.staging)))
    return postgres.copy(rows, report.staging, [*report.names, "answer_row"], values)


if __name__ == "__main__":
    run(stage)
