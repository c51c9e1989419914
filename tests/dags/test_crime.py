"""The crime DAG: its steps in their order, once a month by Chicago's clocks."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from airflow.sdk import DAG

from tests.dags.conftest import read

STEPS = (
    "setup_s3", "download_data", "enrich_data", "split_data", "process_outliers", "encode_data", "scale_data",
    "balance_data", "extract_features", "train", "evaluate", "promote",
)  # fmt: skip


@pytest.fixture
def dag(step_files: object) -> DAG:
    return read("crime")["etl_with_taskflow"]


def test_twelve_steps_follow_each_other(dag: DAG) -> None:
    assert len(dag.tasks) == len(STEPS)
    for before, after in pairwise(STEPS):
        assert dag.get_task(before).downstream_task_ids == {after}


def test_it_runs_once_a_month_when_the_month_before_is_complete(dag: DAG) -> None:
    timetable: Any = dag.timetable
    assert (timetable.expression, str(timetable.timezone)) == ("0 9 9 * *", "America/Chicago")
    assert (dag.catchup, dag.max_active_runs) == (False, 1)


def test_judging_stands_on_the_rows_that_no_stage_has_touched(dag: DAG) -> None:
    asked = dag.get_task("evaluate").arguments
    assert any("ti.xcom_pull(task_ids='split_data')['document_uri']" in option for option in asked)
    told = " ".join(dag.get_task("download_data").arguments)
    for name in ("n_estimators", "smote_ratio", "min_gain", "code_of('crime-encode-data')"):
        assert name in told
