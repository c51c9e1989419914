"""Loads every workbook that was parsed, each once and in one transaction with its audit row."""

from __future__ import annotations

import dataclasses
import io
import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import psycopg2
import pyarrow.parquet as pq
from psycopg2 import sql
from psycopg2.extensions import cursor

from excel.manifest import LEFT, LandedFile, Manifest, Outcome, Parsed, Status, outcomes_to_json
from excel.schema import LAYOUTS, Layout
from stepkit import postgres
from stepkit.options import Option
from stepkit.s3 import ObjectStore
from stepkit.settings import Settings
from stepkit.step import run

_LOCK = "excel_data.file_audit"
_NOTHING = {"rows_new": 0, "rows_changed": 0, "rows_unchanged": 0}
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Loaded:
    """What became of the files of the run, and where that stands file by file."""

    outcomes_uri: str
    files_loaded: int
    files_refused: int
    files_duplicate: int
    files_left: int
    rows_read: int
    rows_new: int
    rows_changed: int


def load(
    settings: Settings,
    *,
    manifest_uri: Annotated[str, Option("S3 URI of scan's manifest")],
) -> Loaded:
    """Merges the prices of each file; a try that finds a file loaded by a former one says the same of it."""
    store = ObjectStore()
    manifest = Manifest.read(store, manifest_uri)
    outcomes = []
    for index, file in enumerate(manifest.files):
        found = Parsed.find(store, manifest.parsed_uri(index))
        if found is None or found.replaced:
            outcomes.append(Outcome(file, "replaced" if found else "unparsed", None, [], {}))
            continue
        prices = [] if found.refused else _prices(store, manifest.prices_uri(index))
        try:
            with postgres.transaction(settings) as rows:
                outcome = load_file(rows, settings, file, found, prices)
        except (psycopg2.DataError, psycopg2.IntegrityError) as error:
            # The prices are what the reader says of a stranger's file: the others are loaded nevertheless.
            reason = f"the database refuses its prices: {str(error).splitlines()[0]:.300}"
            with postgres.transaction(settings) as rows:
                outcome = load_file(rows, settings, file, dataclasses.replace(found, refused=reason), [])
        _logger.info("%s: %s %s", file.name, outcome.status, outcome.summary)
        outcomes.append(outcome)
    store.put(manifest.outcomes_uri, outcomes_to_json(outcomes), "application/json")
    statuses = [outcome.status for outcome in outcomes]
    return Loaded(
        outcomes_uri=manifest.outcomes_uri,
        files_loaded=sum(status.startswith("loaded") for status in statuses),
        files_refused=statuses.count("refused"),
        files_duplicate=statuses.count("duplicate"),
        files_left=sum(status in LEFT for status in statuses),
        rows_read=sum(outcome.summary.get("rows_read", 0) for outcome in outcomes),
        rows_new=sum(outcome.summary.get("rows_new", 0) for outcome in outcomes),
        rows_changed=sum(outcome.summary.get("rows_changed", 0) for outcome in outcomes),
    )


def load_file(
    rows: cursor, settings: Settings, file: LandedFile, found: Parsed, prices: Sequence[Sequence[Any]]
) -> Outcome:
    """Merges one file and writes its audit row; nothing is visible to others until the transaction commits.

    Files are loaded one after another, also those of two runs, so that bytes that are there twice find
    themselves loaded, and a correction replaces the whole of what it corrects.

    Args:
        rows: a cursor in the transaction.
        settings: the run, which with the file's name names the load.
        file: as it was scanned.
        found: what `parse` says of it.
        prices: rows of the layout's columns.
    """
    rows.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [_LOCK])
    if before := _of_this_run(rows, settings, file):
        _logger.info("a former try has dealt with %s", file.name)
        return before
    if found.refused:
        return _record(rows, settings, file, found, "refused", [found.refused, *found.reasons], _NOTHING)
    rows.execute(
        "SELECT file_name, run_id FROM excel_data.file_audit"
        " WHERE sha256 = %s AND status IN ('loaded', 'loaded_with_refusals')",
        [found.sha256],
    )
    if same := rows.fetchone():
        reason = f"the same bytes were loaded as {same[0]} by run {same[1]}"
        return _record(rows, settings, file, found, "duplicate", [reason], _NOTHING)
    merged = merge(rows, LAYOUTS[str(found.layout)], prices, str(found.sha256))
    status: Status = "loaded_with_refusals" if found.rows_refused else "loaded"
    return _record(rows, settings, file, found, status, found.reasons, merged)


def merge(rows: cursor, layout: Layout, prices: Sequence[Sequence[Any]], sha256: str) -> dict[str, int]:
    """Adds the prices that are new, corrects those that differ, and returns how many of each there are."""
    columns = _names(layout.all_columns)
    target = postgres.identifier(layout.table)
    rows.execute(
        sql.SQL("CREATE TEMPORARY TABLE staged ON COMMIT DROP AS SELECT {} FROM {} WITH NO DATA").format(
            columns, target
        )
    )
    count = postgres.copy(rows, "staged", layout.all_columns, prices)
    corrected = [*layout.values, "file_sha256"]
    rows.execute(
        sql.SQL(
            "WITH merged AS (INSERT INTO {target} AS kept ({columns}, file_sha256)"
            " SELECT {columns}, %s FROM staged ON CONFLICT ({key}) DO UPDATE SET ({corrected}) = ROW({given})"
            " WHERE ({values}) IS DISTINCT FROM ({others}) RETURNING xmax = 0 AS is_new)"
            " SELECT count(*) FILTER (WHERE is_new), count(*) FILTER (WHERE NOT is_new) FROM merged"
        ).format(
            target=target,
            columns=columns,
            key=_names(layout.key),
            corrected=_names(corrected),
            given=_names(corrected, "excluded"),
            values=_names(layout.values, "kept"),
            others=_names(layout.values, "excluded"),
        ),
        [sha256],
    )
    new, changed = rows.fetchone() or (0, 0)
    return {"rows_new": new, "rows_changed": changed, "rows_unchanged": count - new - changed}


def _record(
    rows: cursor,
    settings: Settings,
    file: LandedFile,
    found: Parsed,
    status: Status,
    reasons: list[str],
    merged: dict[str, int],
) -> Outcome:
    counts = {
        "rows_read": found.rows_read,
        **merged,
        "rows_missing": found.rows_missing,
        "rows_refused": found.rows_refused,
    }
    entry = {
        "dag_id": settings.run.dag_id,
        "run_id": settings.run.required_id,
        "file_name": file.name,
        "sha256": found.sha256,
        "file_bytes": file.size,
        "layout": found.layout,
        "status": status,
        **counts,
        "reasons": json.dumps(reasons, ensure_ascii=False),
        "received_at": file.received_at,
        "started_at": found.started_at,
    }
    rows.execute(
        sql.SQL("INSERT INTO excel_data.file_audit ({}) VALUES ({})").format(
            _names(list(entry)), sql.SQL(", ").join(sql.Placeholder() * len(entry))
        ),
        list(entry.values()),
    )
    return Outcome(file, status, found.sha256, reasons, {"layout": found.layout, **counts})


def _of_this_run(rows: cursor, settings: Settings, file: LandedFile) -> Outcome | None:
    rows.execute(
        "SELECT status, sha256, reasons, layout, rows_read, rows_new, rows_changed, rows_unchanged,"
        " rows_missing, rows_refused FROM excel_data.file_audit"
        " WHERE dag_id = %s AND run_id = %s AND file_name = %s",
        [settings.run.dag_id, settings.run.required_id, file.name],
    )
    if (found := rows.fetchone()) is None:
        return None
    names = [column.name for column in rows.description or ()]
    status, sha256, reasons = found[:3]
    return Outcome(file, status, sha256, reasons, dict(zip(names[3:], found[3:], strict=True)))


def _prices(store: ObjectStore, uri: str) -> list[Sequence[Any]]:
    table = pq.read_table(io.BytesIO(store.get(uri)))
    return list(zip(*(column.to_pylist() for column in table.columns), strict=True))


def _names(columns: Sequence[str], of: str = "") -> sql.Composed:
    names: Iterator[sql.Identifier] = (
        sql.Identifier(of, column) if of else sql.Identifier(column) for column in columns
    )
    return sql.SQL(", ").join(names)


if __name__ == "__main__":
    run(load)
