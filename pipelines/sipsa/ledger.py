"""What is staged and what was merged last: the rows by which the steps know of each other's work."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import date, datetime

from psycopg2.extensions import cursor

from stepkit.errors import Code, InvalidInput, NothingToDo
from stepkit.refused_rows import RefusedRows


@dataclass(frozen=True)
class Source:
    """An answer, and the run that asked for it."""

    operation: str
    dag_id: str
    run_id: str
    raw_uri: str
    sha256: str
    run_after: datetime
    start_date: date
    """The first day that is kept of it."""


@dataclass
class Counts:
    """What became of the rows of an answer while it was read."""

    rows_staged: int = 0
    rows_before_start: int = 0
    refused: RefusedRows = field(default_factory=RefusedRows)

    @property
    def rows_read(self) -> int:
        """All rows of the answer."""
        return self.refused.read


@dataclass(frozen=True)
class StagedAnswer:
    """What the staging table of a report holds."""

    source: Source
    rows_read: int
    rows_staged: int


def lock(rows: cursor, operation: str) -> None:
    """Waits until no other step works on the report, and keeps others away till the transaction ends."""
    rows.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [f"sipsa/{operation}"])


def refuse_what_is_merged(rows: cursor, source: Source) -> None:
    """Ends the step if this answer, or a newer one, has been merged by another run.

    Each answer is the whole history: an older one would undo corrections.

    Raises:
        NothingToDo: it has.
    """
    rows.execute(
        "SELECT run_id, run_after, source_sha256, start_date FROM sipsa_data.ingest_watermarks"
        " WHERE operation = %s AND (dag_id, run_id) <> (%s, %s)",
        [source.operation, source.dag_id, source.run_id],
    )
    last = rows.fetchone()
    if last is None:
        return
    run_id, run_after, sha256, start_date = last
    if run_after > source.run_after:
        raise NothingToDo(f"the newer run {run_id} has merged {source.operation} already")
    if (sha256, start_date) == (source.sha256, source.start_date):
        raise NothingToDo(f"{source.operation} is the same as in run {run_id}, which has merged it")


def note_staged(rows: cursor, source: Source, counts: Counts) -> None:
    """Records what the staging table holds from now on."""
    rows.execute("DELETE FROM sipsa_data.staged_answers WHERE operation = %s", [source.operation])
    rows.execute(
        "INSERT INTO sipsa_data.staged_answers (operation, dag_id, run_id, source_uri, source_sha256,"
        " run_after, start_date, rows_read, rows_staged, rows_before_start, rows_refused, refusals)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        [
            *(source.operation, source.dag_id, source.run_id, source.raw_uri, source.sha256),
            *(source.run_after, source.start_date),
            *(counts.rows_read, counts.rows_staged, counts.rows_before_start, counts.refused.refused),
            json.dumps(counts.refused.reasons, ensure_ascii=False),
        ],
    )


def staged_by(rows: cursor, operation: str, dag_id: str, run_id: str) -> StagedAnswer:
    """Returns what a run has staged of a report.

    Raises:
        InvalidInput: the staging table holds another run's rows.
    """
    rows.execute(
        "SELECT dag_id, run_id, source_uri, source_sha256, run_after, start_date, rows_read, rows_staged"
        " FROM sipsa_data.staged_answers WHERE operation = %s",
        [operation],
    )
    found = rows.fetchone()
    if found is None or found[:2] != (dag_id, run_id):
        other = f"holds the rows of run {found[1]}" if found else "is empty"
        raise InvalidInput(
            f"the staging table of {operation} {other}: run stage again before merge", Code.STATE_CONFLICT
        )
    return StagedAnswer(Source(operation, *found[:6]), *found[6:])
