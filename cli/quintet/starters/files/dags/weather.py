"""Weather: the files of the landing zone are merged into a table."""

from __future__ import annotations

from datetime import UTC, datetime

from airflow.sdk import DAG
from pods import step

with DAG(
    dag_id="weather_files",
    schedule=None,
    doc_md="`load` merges the files of the landing zone into a table (no file is a skip).",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args={"owner": "weather"},
    tags=["weather", "ingest"],
):
    step("weather", "load")
