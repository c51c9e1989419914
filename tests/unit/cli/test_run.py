"""`quintet run` against a server that speaks the part of Airflow's REST API that it uses."""

from __future__ import annotations

from typing import Any

import pytest

from quintet.follow import follow
from quintet.ops.airflow_api import AirflowApi
from quintet.progress import UserError

RUN = "/api/v2/dags/forest/dagRuns/manual-1"


def task(task_id: str, state: str, map_index: int = -1, **more: Any) -> dict[str, Any]:
    times = {"start_date": "2026-01-01T00:00:00Z", "end_date": "2026-01-01T00:00:02.500Z"}
    identity = {"dag_id": "forest", "dag_run_id": "manual-1", "task_id": task_id, "map_index": map_index}
    return {**identity, **times, "state": state, "try_number": 1, "rendered_map_index": None, **more}


def test_each_task_is_shown_once_with_its_seconds_and_result(
    airflow: AirflowApi, answers: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    running, done = task("extract", "running"), task("extract", "success")
    mapped = task("train", "success", 0, rendered_map_index="svc")
    answers[RUN] = [{"state": "running"}, {"state": "running"}, {"state": "success"}]
    answers[f"{RUN}/taskInstances"] = [
        {"task_instances": [running]},
        {"task_instances": [done]},
        {"task_instances": [done, mapped]},
    ]
    answers[f"{RUN}/taskInstances/extract/xcomEntries/return_value"] = {"value": {"rows": 3}}

    tasks = follow(airflow, "forest", airflow.trigger("forest", {"seed": 7}))

    assert [task["result"] for task in tasks] == [{"rows": 3}, None]
    assert capsys.readouterr().out.splitlines() == [
        "▸ forest manual-1",
        '  ✓ extract success 2.5 s  {"rows": 3}',
        "  ✓ train[svc] success 2.5 s",
    ]


@pytest.mark.parametrize(
    ("log", "reason"),
    [
        (
            [
                {"event": "starts"},
                {"event": "failed", "error_detail": [{"exc_value": "row 3 has 12 fields"}]},
            ],
            "row 3 has 12 fields",
        ),
        ([{"event": "first"}, {"event": "last"}], "first\nlast"),
    ],
)
def test_a_failed_run_ends_with_the_reason_of_its_task(
    airflow: AirflowApi, answers: dict[str, Any], log: list[dict[str, Any]], reason: str
) -> None:
    answers[RUN] = {"state": "failed"}
    answers[f"{RUN}/taskInstances"] = {
        "task_instances": [task("load", "failed"), task("export", "upstream_failed")]
    }
    answers[f"{RUN}/taskInstances/load/logs/1"] = {"content": log}
    with pytest.raises(UserError, match=r"^forest manual-1: load failed: ") as failure:
        follow(airflow, "forest", "manual-1")
    assert str(failure.value).endswith(reason)
    document = failure.value.document
    assert (document["dag"], document["run"], document["state"]) == ("forest", "manual-1", "failed")
    load, export = document["tasks"]
    assert load == {"task": "load", "state": "failed", "seconds": 2.5, "result": None, "reason": reason}
    assert (export["task"], export["state"], export["reason"]) == ("export", "upstream_failed", None)


def test_a_skipped_task_says_why(
    airflow: AirflowApi, answers: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    answers[RUN] = {"state": "success"}
    answers[f"{RUN}/taskInstances"] = {"task_instances": [task("load", "skipped")]}
    answers[f"{RUN}/taskInstances/load/logs/1"] = {
        "content": [{"event": "Skipping", "reason": "no new rows"}]
    }
    follow(airflow, "forest", "manual-1")
    assert "- load skipped 2.5 s  no new rows" in capsys.readouterr().out


def test_a_parameter_that_the_dag_lacks_is_refused_by_name(airflow: AirflowApi) -> None:
    with pytest.raises(UserError, match="forest has no parameter sead; it takes seed"):
        airflow.trigger("forest", {"sead": 7})


def test_a_dag_that_is_not_there_is_named(airflow: AirflowApi) -> None:
    with pytest.raises(UserError, match="nothing at /api/v2/dags/forst/details: not here"):
        airflow.trigger("forst", {})
