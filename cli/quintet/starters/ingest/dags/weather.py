"""Weather: the readings that a run is given are kept and merged into a table."""

from __future__ import annotations

from datetime import UTC, datetime

from airflow.sdk import DAG
from pods import RUN_AFTER, param, result, setting, step

with DAG(
    dag_id="weather_observations",
    schedule=None,
    doc_md="`observe` keeps readings in S3 (none is a skip), `load` merges them into a table.",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args={"owner": "weather"},
    tags=["weather", "ingest"],
    params={"readings": param("string", "Lines `station,degrees`, in degrees Celsius.")},
):
    given = {"readings": setting("weather", "readings")}
    observe = step("weather", "observe", arguments=given)
    readings = {"readings_uri": result("observe", "readings_uri"), "observed_at": RUN_AFTER}
    load = step("weather", "load", arguments=readings)
    observe >> load
