"""The Excel landing zone: workbooks of prices that people drop are loaded once each, and moved away.

The numbers that people turn are Airflow variables named `excel_...`, and for one run the parameters of the
DAG. One that is not set leaves the default to the step. How often the landing zone is looked at is the
variable `excel_schedule`, a cron expression, which Airflow reads each time it parses this file.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial

from airflow.sdk import DAG, CronTriggerTimetable, Variable
from pods import param, result, step
from pods import setting as setting_of

setting = partial(setting_of, "excel")
MANIFEST = {"manifest_uri": "{{ ti.xcom_pull(task_ids='scan', key='manifest_uri') }}"}

with DAG(
    dag_id="file_ingestion_from_excel",
    schedule=CronTriggerTimetable(Variable.get("excel_schedule", default="*/5 * * * *"), timezone="UTC"),
    doc_md="""Loads the workbooks in `landing_zone/`, daily or weekly prices, `.xls` or `.xlsx`.

`scan` lists them (none is a skip), `parse` reads each in a pod of its own, `load` merges each in
one transaction with its row in `excel_data.file_audit`, `archive` moves it to `archive/`, or to `rejected/`
with a report beside it. The same bytes are loaded once, whatever the file is called.""",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args={"owner": "excel"},
    tags=["excel", "ingest"],
    params={
        "max_files": param("integer", "Most files of one run; the others wait for the next.", 1),
        "max_megabytes": param("integer", "Most megabytes of a workbook.", 1),
        "max_refused_share": param("number", "Share of refused rows that refuses the file.", 0),
    },
):
    scan = step("excel", "scan", arguments={"max_files": setting("max_files")}, returns="files")
    parse = step(
        "excel",
        "parse",
        arguments={
            **MANIFEST,
            "max_megabytes": setting("max_megabytes"),
            "max_refused_share": setting("max_refused_share"),
        },
        variants=scan.output,
        max_active_tis_per_dagrun=2,
    )
    # One file that cannot be parsed, whatever the reason, keeps no other from being loaded.
    load = step(
        "excel",
        "load",
        arguments=MANIFEST,
        trigger_rule="all_done_min_one_success",
    )
    archive = step("excel", "archive", arguments={"outcomes_uri": result("load", "outcomes_uri")})
    scan >> parse >> load >> archive
