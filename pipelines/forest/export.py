"""Writes the batch that a run captured to S3 as CSV, for people."""

from __future__ import annotations

import logging
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from psycopg2 import sql

from forest.schema import TABLES, Table
from stepkit import postgres
from stepkit.options import Option
from stepkit.outcomes import RefusedInput
from stepkit.s3 import ObjectStore
from stepkit.settings import Settings
from stepkit.step import run

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Exported:
    """Where the CSV file is, and what it holds."""

    csv_uri: str
    rows: int
    batch_number: int


def export(
    settings: Settings,
    *,
    table: Annotated[Table, Option("table to read")],
    bucket: Annotated[str, Option("bucket of the CSV file", env="DATA_BUCKET")] = "data",
) -> Exported:
    """Writes the rows of this run's batch, as far as they were captured by then, in column order."""
    csv_uri = f"s3://{bucket}/forest/export/{settings.run.key}/{table.split('.')[1]}.csv"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "export.csv")
        batch_number, rows = write_csv(settings, table, path)
        ObjectStore().upload(path, csv_uri)
    _logger.info("batch %d: %d rows in %s", batch_number, rows, csv_uri)
    return Exported(csv_uri, rows, batch_number)


def write_csv(settings: Settings, table: str, path: Path) -> tuple[int, int]:
    """Writes the CSV file and gives the batch and the number of rows.

    Raises:
        RefusedInput: this run has loaded nothing into the table.
        OutsideDown: Postgres does not answer.
    """
    this = settings.run
    with postgres.transaction(settings) as rows, path.open("wb") as file:
        rows.execute(
            "SELECT batch_number, captured_at FROM forest.ingest_audit"
            " WHERE dag_id = %s AND run_id = %s AND table_name = %s",
            [this.dag_id, this.required_id, table],
        )
        audit = rows.fetchone()
        if audit is None:
            raise RefusedInput(f"run {this.run_id} has loaded nothing into {table}: run load first")
        names = sql.SQL(", ").join(map(sql.Identifier, TABLES[table]))
        batch_number, captured_at = audit
        rows.copy_expert(
            sql.SQL(
                "COPY (SELECT {names}, batch_number, captured_at FROM {table} WHERE batch_number = {batch}"
                " AND captured_at <= {captured_at} ORDER BY {names}) TO STDOUT WITH (FORMAT csv, HEADER)"
            ).format(
                names=names,
                table=postgres.identifier(table),
                batch=sql.Literal(batch_number),
                captured_at=sql.Literal(captured_at),
            ),
            file,
        )
        return batch_number, rows.rowcount


if __name__ == "__main__":
    run(export)
