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

from sipsa import answer, ledger
from sipsa.schema import REPORTS, Operation, Report
from sipsa.values import Row, RowParser
from stepkit import postgres
from stepkit.options import Option
from stepkit.outcomes import Code, InvalidRowError, NothingToDo, RefusedInput
from stepkit.s3 import ObjectStore
from stepkit.settings import Settings
from stepkit.step import run

FIRST_DAY = date(1990, 1, 1)
REFUSALS_KEPT = 20
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
    max_refused_share: Annotated[
        float, Option("largest share of rows that may be unusable", minimum=0, maximum=1)
    ] = 0.01,
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
            raise RefusedInput(
                f"{raw_uri} is not what extract stored: run extract again", Code.INPUT_REPLACED, file=raw_uri
            )
        counts = ledger.Counts()
        with postgres.transaction(settings) as cursor:
            ledger.lock(cursor, operation)
            ledger.refuse_what_is_merged(cursor, source)
            counts.rows_staged = fill(cursor, report, read(path, report, source, counts))
            _check(counts, raw_uri, max_refused_share)
            ledger.note_staged(cursor, source, counts)
    found = Staged(
        operation, counts.rows_read, counts.rows_staged, counts.rows_before_start, counts.rows_refused
    )
    _logger.info("%s: %s", raw_uri, found)
    return found


def read(path: Path, report: Report, source: ledger.Source, counts: ledger.Counts) -> Iterator[Row]:
    """Gives the rows to stage, each with its number in the answer as last value.

    Args:
        path: the answer, as gzip.
        report: what it is of.
        source: its name, and the first day to keep.
        counts: what it finds is counted here.

    Raises:
        RefusedInput: the answer is no well-formed XML.
    """
    parser = RowParser(report)
    parse = parser.parse
    day = report.names.index(report.date)
    start = source.start_date.isoformat()
    for number, fields in enumerate(answer.rows(path, source.raw_uri), 1):
        counts.rows_read = number
        try:
            values = parse(fields)
        except InvalidRowError as error:
            counts.rows_refused += 1
            if counts.rows_refused <= REFUSALS_KEPT:
                counts.refusals.append(f"row {number} {error}")
                counts.first_refusal = counts.first_refusal or (number, error.column)
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
    """Replaces the rows of the report's staging table and gives their number."""
    rows.execute(sql.SQL("TRUNCATE {}").format(postgres.identifier(report.staging)))
    return postgres.copy(rows, report.staging, [*report.names, "answer_row"], values)


def _check(counts: ledger.Counts, raw_uri: str, max_refused_share: float) -> None:
    if not counts.rows_read:
        raise NothingToDo(f"{raw_uri} holds no rows", file=raw_uri)
    if counts.rows_refused > max_refused_share * counts.rows_read:
        row, column = counts.first_refusal or (None, "")
        raise RefusedInput(
            f"{raw_uri}: {counts.rows_refused} of {counts.rows_read} rows are unusable, more than"
            f" --max-refused-share {max_refused_share:g}; the first: {counts.refusals[0]}",
            Code.INVALID_ROW,
            file=raw_uri,
            row=row,
            column=column,
        )


if __name__ == "__main__":
    run(stage)
