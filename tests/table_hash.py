"""Hashes of what deterministic steps leave, to compare two platforms: values decoded, typed and sorted.

``python -m tests.table_hash postgresql://…`` prints those of a database as JSON.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2 import sql

# What differs between two runs of the same data, by table; every other column is compared.
LEFT_OUT: dict[str, set[str]] = {
    # `id` counts attempts, also those that ended in a retry; `captured_at` is the time of the run.
    "forest.forest_cover_samples": {"id", "captured_at"},
    "forest_full.forest_cover_samples": {"id", "captured_at"},
    "train_data.forest_cover_data": {"id", "captured_at"},
    # Names of runs, and their times; `source_uri` holds the run's name.
    "forest.ingest_audit": {"run_id", "source_uri", "captured_at", "finished_at"},
    "forest.ingest_watermarks": {"run_id", "captured_at"},
    # The same, and MLflow's ids, which are random.
    "forest.promotion_decisions": {
        "decision_id",
        "run_id",
        "challenger_mlflow_run_id",
        "champion_mlflow_run_id",
        "decided_at",
        "snapshot_uri",
    },
    "forest.trainings": {"run_id", "finished_at"},
}
# Random, as above.
LEFT_OUT_OF_RESULTS = {"mlflow_run_id"}


def tables(url: str, left_out_too: Mapping[str, set[str]] | None = None) -> dict[str, str]:
    """Returns the sha256 of each table of a database of the platform, without the columns of `LEFT_OUT`.

    Args:
        url: of the database.
        left_out_too: by table, more columns that this comparison has a reason to leave out.
    """
    hashes = {}
    connection = psycopg2.connect(url)
    try:
        rows = connection.cursor()
        for table, left_out in LEFT_OUT.items():
            schema, name = table.split(".")
            rows.execute(
                "SELECT column_name FROM information_schema.columns"
                " WHERE (table_schema, table_name) = (%s, %s) ORDER BY ordinal_position",
                [schema, name],
            )
            passed_over = left_out | (left_out_too or {}).get(table, set())
            columns = [column for (column,) in rows.fetchall() if column not in passed_over]
            names = sql.SQL(", ").join(map(sql.Identifier, columns))
            rows.execute(sql.SQL("SELECT {} FROM {}").format(names, sql.Identifier(schema, name)))
            hashes[table] = of_rows(columns, rows.fetchall())
    finally:
        connection.close()
    return hashes


def parquet(path: Path) -> str:
    """Returns the sha256 of the rows of a Parquet file, whichever library wrote it."""
    import pyarrow.parquet as pq  # not every step that compares tables has it

    table = pq.read_table(path)
    columns = [table.column(name).to_pylist() for name in table.column_names]
    return of_rows(table.column_names, zip(*columns, strict=True))


def result(of_training: Mapping[str, Any], left_out_too: set[str] | None = None) -> str:
    """Returns the sha256 of what a training returned: its algorithm, its scores, the digest of its bundle."""
    passed_over = LEFT_OUT_OF_RESULTS | (left_out_too or set())
    kept = {name: value for name, value in of_training.items() if name not in passed_over}
    return of_rows(sorted(kept), [[kept[name] for name in sorted(kept)]])


def of_rows(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Returns the sha256 of rows in the order of their values; 1, 1.0 and '1' are different values."""
    digest = hashlib.sha256(json.dumps(list(columns)).encode())
    for line in sorted("\t".join(map(_typed, row)) for row in rows):
        digest.update(line.encode() + b"\n")
    return digest.hexdigest()


def _typed(value: Any) -> str:
    text = value.hex() if isinstance(value, float) else json.dumps(value, sort_keys=True, default=str)
    return f"{type(value).__name__}:{text}"


if __name__ == "__main__":
    print(json.dumps(tables(sys.argv[1]), indent=1))
