"""Merges a staged answer into its report's table: adds what is new, corrects what differs, no more."""

from __future__ import annotations

import logging
from dataclasses import astuple, dataclass
from typing import Annotated

from psycopg2 import sql
from psycopg2.extensions import cursor

from sipsa import ledger
from sipsa.schema import REPORTS, Operation, Report
from stepkit import postgres
from stepkit.errors import NothingToDo
from stepkit.options import Option
from stepkit.settings import Settings
from stepkit.step import run

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Merged:
    """What became of the rows of an answer."""

    table: str
    rows_read: int
    rows_new: int
    rows_changed: int
    rows_same: int
    rows_duplicate: int
    """Rows that another of the same answer replaced: the last of a key counts."""
    newest: str | None
    """The last day, week or month of the answer."""
    rows_vanished: int = 0
    """Rows of the table, of days that the answer tells of, that it does not hold. They stay."""


def merge(
    settings: Settings, *, operation: Annotated[Operation, Option("report whose staged answer to merge")]
) -> Merged:
    """Merges what this run has staged; a try that finds it merged already returns the same result again."""
    report = REPORTS[operation]
    with postgres.transaction(settings) as rows:
        merged = merge_staged(rows, report, settings.run.dag_id, settings.run.required_id)
    _logger.info("%s", merged)
    if not merged.rows_new and not merged.rows_changed:
        raise NothingToDo(f"all {merged.rows_same} rows of {operation} were in {merged.table} already")
    return merged


def merge_staged(rows: cursor, report: Report, dag_id: str, run_id: str) -> Merged:
    """Merges the staging table of a report, with its audit row and watermark, in the cursor's transaction.

    Raises:
        InvalidInput: the staging table holds another run's rows.
        NothingToDo: a newer run has merged already.
    """
    ledger.lock(rows, report.operation)
    rows.execute(
        "SELECT table_name, rows_read, rows_new, rows_changed, rows_same, rows_duplicate, newest::text,"
        " rows_vanished FROM sipsa_data.ingest_audit WHERE (dag_id, run_id, operation) = (%s, %s, %s)",
        [dag_id, run_id, report.operation],
    )
    if before := rows.fetchone():
        _logger.info("a former try has merged this run")
        return Merged(*before)
    staged = ledger.staged_by(rows, report.operation, dag_id, run_id)
    ledger.refuse_what_is_merged(rows, staged.source)
    if report.city:
        _rename_cities(rows, report)
    incoming = _collect(rows, report)
    changed = _change(rows, report, staged)
    new = _add(rows, report, staged)
    rows.execute(sql.SQL("SELECT max({})::text FROM incoming").format(sql.Identifier(report.date)))
    (newest,) = rows.fetchone() or (None,)
    merged = Merged(
        report.table, staged.rows_read, new, changed, incoming - new - changed,
        staged.rows_staged - incoming, newest, _vanished(rows, report),
    )  # fmt: skip
    if merged.rows_vanished:
        _logger.warning(
            "%d rows of %s are no longer in %s; they stay",
            merged.rows_vanished, report.table, report.operation,
        )  # fmt: skip
    _record(rows, staged.source, merged)
    return merged


def _rename_cities(rows: cursor, report: Report) -> None:
    """Updates the names of rows that are there already to those of the map of cities."""
    key = [name for name in report.key if name != report.city]
    rows.execute(
        sql.SQL(
            "UPDATE {table} AS kept SET {city} = names.city FROM sipsa_data.city_names AS names"
            " WHERE kept.{city} = names.source_name AND NOT EXISTS (SELECT FROM {table} AS other"
            " WHERE other.{city} = names.city AND {same})"
        ).format(
            table=postgres.identifier(report.table),
            city=sql.Identifier(str(report.city)),
            same=_equal("other", "kept", key),
        )
    )


def _collect(rows: cursor, report: Report) -> int:
    """Makes the table `incoming`: each key of the staged answer once, cities by their names of today."""
    # 700,000 rows are sorted once; the default of 4 MB would do it on disk.
    rows.execute("SET LOCAL work_mem = '64MB'")
    selected = sql.SQL(", ").join(
        sql.SQL("coalesce(names.city, staged.{name}) AS {name}").format(name=sql.Identifier(name))
        if name == report.city
        else sql.SQL("staged.{}").format(sql.Identifier(name))
        for name in report.names
    )
    mapped = (
        sql.SQL(" LEFT JOIN sipsa_data.city_names AS names ON names.source_name = staged.{}").format(
            sql.Identifier(report.city)
        )
        if report.city
        else sql.SQL("")
    )
    key = sql.SQL(", ").join(map(sql.Identifier, report.key))
    rows.execute(
        sql.SQL(
            "CREATE TEMPORARY TABLE incoming ON COMMIT DROP AS SELECT DISTINCT ON ({key}) * FROM"
            " (SELECT {selected}, staged.answer_row FROM {staging} AS staged{mapped}) AS named"
            " ORDER BY {key}, answer_row DESC"
        ).format(key=key, selected=selected, staging=postgres.identifier(report.staging), mapped=mapped)
    )
    found = int(rows.rowcount)
    rows.execute("ANALYZE incoming")
    return found


def _change(rows: cursor, report: Report, staged: ledger.StagedAnswer) -> int:
    """Updates the rows of which a value differs; an upsert would lock and rewrite all others too."""
    values = [name for name in report.names if name not in report.key]
    rows.execute(
        sql.SQL(
            "UPDATE {table} AS kept SET {assigned}, changed_at = %s FROM incoming"
            " WHERE {same} AND ({kept}) IS DISTINCT FROM ({incoming})"
        ).format(
            table=postgres.identifier(report.table),
            assigned=sql.SQL(", ").join(
                sql.SQL("{name} = incoming.{name}").format(name=sql.Identifier(name)) for name in values
            ),
            same=_equal("kept", "incoming", report.key),
            kept=_columns("kept", values),
            incoming=_columns("incoming", values),
        ),
        [staged.source.run_after],
    )
    return int(rows.rowcount)


def _add(rows: cursor, report: Report, staged: ledger.StagedAnswer) -> int:
    rows.execute(
        sql.SQL(
            "INSERT INTO {table} ({names}, changed_at) SELECT {incoming}, %s FROM incoming"
            " WHERE NOT EXISTS (SELECT FROM {table} AS kept WHERE {same})"
        ).format(
            table=postgres.identifier(report.table),
            names=sql.SQL(", ").join(map(sql.Identifier, report.names)),
            incoming=_columns("incoming", report.names),
            same=_equal("kept", "incoming", report.key),
        ),
        [staged.source.run_after],
    )
    return int(rows.rowcount)


def _vanished(rows: cursor, report: Report) -> int:
    """Counts the rows that an answer lacks, from its first day on: some reports tell of a year alone."""
    rows.execute(
        sql.SQL(
            "SELECT count(*) FROM {table} AS kept WHERE kept.{date} >= (SELECT min({date}) FROM incoming)"
            " AND NOT EXISTS (SELECT FROM incoming WHERE {same})"
        ).format(
            table=postgres.identifier(report.table),
            date=sql.Identifier(report.date),
            same=_equal("kept", "incoming", report.key),
        )
    )
    (count,) = rows.fetchone() or (0,)
    return int(count)


def _record(rows: cursor, source: ledger.Source, merged: Merged) -> None:
    rows.execute(
        "INSERT INTO sipsa_data.ingest_audit (dag_id, run_id, operation, source_uri, source_sha256,"
        " run_after, start_date, rows_before_start, rows_refused, refusals,"
        " table_name, rows_read, rows_new, rows_changed, rows_same, rows_duplicate, newest, rows_vanished)"
        " SELECT dag_id, run_id, operation, source_uri, source_sha256, run_after, start_date,"
        " rows_before_start, rows_refused, refusals, %s, %s, %s, %s, %s, %s, %s, %s"
        " FROM sipsa_data.staged_answers WHERE operation = %s",
        [*astuple(merged), source.operation],
    )
    rows.execute(
        "INSERT INTO sipsa_data.ingest_watermarks"
        " (operation, dag_id, run_id, run_after, source_sha256, start_date, newest)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT (operation) DO UPDATE"
        " SET (dag_id, run_id, run_after, source_sha256, start_date, newest) = (excluded.dag_id,"
        " excluded.run_id, excluded.run_after, excluded.source_sha256, excluded.start_date, excluded.newest)",
        [
            *(source.operation, source.dag_id, source.run_id, source.run_after, source.sha256),
            *(source.start_date, merged.newest),
        ],
    )


def _columns(table: str, names: tuple[str, ...] | list[str]) -> sql.Composable:
    return sql.SQL(", ").join(sql.Identifier(table, name) for name in names)


def _equal(table: str, other: str, names: tuple[str, ...] | list[str]) -> sql.Composable:
    return sql.SQL(" AND ").join(
        sql.SQL("{} = {}").format(sql.Identifier(table, name), sql.Identifier(other, name)) for name in names
    )


if __name__ == "__main__":
    run(merge)
