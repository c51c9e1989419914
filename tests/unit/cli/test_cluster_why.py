"""`quintet why` on a platform, whose answers are as Airflow and Kubernetes gave them on a cluster."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dags.pod_report import REPORT_KEY, PodReport
from quintet.diagnosis import Kind, cause_of, explanation
from quintet.diagnosis.evidence import Evidence, Run, Said
from quintet.ops.airflow_api import AirflowApi
from quintet.ops.cluster_evidence import ClusterRuns
from quintet.ops.kube import Kube
from quintet.progress import UserError

PODS = Path(__file__).with_name("pods")
RUN = "/api/v2/dags/forest/dagRuns/manual-1"
SAID = "http://127.0.0.1:9/data?group_number=3 did not answer (NewConnectionError), 5 times over"
ENDING = {"code": "SERVICE_DOWN", "message": SAID, "exit_code": 75, "service": "127.0.0.1:9"}
STEP_LOG = [
    {"event": "::group::Pre Execute", "level": "info"},
    {
        "event": "[step] logs: "
        + json.dumps({"time": "2026-11-25T16:05:18.563+00:00", "level": "ERROR", "message": SAID}),
        "level": "info",
    },
    {"event": "[step] logs: " + json.dumps(ENDING), "level": "info"},
    {"event": "Deleting pod: forest-extract-yy20sv67", "level": "info"},
    {
        "event": "Task failed with exception",
        "level": "error",
        "error_detail": [
            {"exc_type": "AirflowException", "exc_value": f"forest-extract ended with exit code 75: {SAID}"}
        ],
    },
]
STOCK_LOG = [
    {
        "event": "Task failed with exception",
        "error_detail": [
            {
                "exc_type": "AirflowException",
                "exc_value": f"Pod x returned a failure.\n{json.dumps(ENDING)}",
            }
        ],
    }
]


def task(state: str | None, **more: Any) -> dict[str, Any]:
    times = {"start_date": "2026-11-25T16:05:00Z", "end_date": "2026-11-25T16:05:02.500Z"}
    identity = {"dag_id": "forest", "dag_run_id": "manual-1", "task_id": "extract", "map_index": -1}
    tries = {"try_number": 1, "max_tries": 2, "rendered_map_index": None, "pool": "steps"}
    return {**identity, **times, **tries, "state": state, **more}


def run(state: str, name: str = "manual-1", dag: str = "forest") -> dict[str, Any]:
    return {"dag_id": dag, "dag_run_id": name, "state": state}


@pytest.fixture
def runs(answers: dict[str, Any], airflow: AirflowApi, kube: Kube) -> ClusterRuns:
    answers |= {
        "/api/v2/dags": {"dags": [{"dag_id": "forest"}]},
        "/api/v2/dags/forest": {"is_paused": False, "relative_fileloc": "forest.py"},
        "/api/v2/importErrors": {"import_errors": [], "total_entries": 0},
        "/api/v2/dags/~/dagRuns": {"dag_runs": [run("failed")]},
        "/api/v2/dags/forest/dagRuns": {"dag_runs": [run("failed")]},
        "/api/v2/pools/steps": {"slots": 2, "open_slots": 1},
        "/api/v1/namespaces/quintet/secrets": {"items": []},
    }
    return ClusterRuns(kube, airflow)


def recorded(name: str) -> dict[str, Any]:
    return dict(json.loads((PODS / f"{name}.json").read_text()))


def first(runs: ClusterRuns, state: str = "failed") -> Evidence:
    return next(runs.evidence(Run("forest", "manual-1", state)))


@pytest.mark.parametrize("log", [STEP_LOG, STOCK_LOG], ids=["step", "stock"])
def test_a_step_that_left_no_report_is_read_from_its_log(
    runs: ClusterRuns, answers: dict[str, Any], log: list[dict[str, Any]]
) -> None:
    answers[f"{RUN}/taskInstances"] = {"task_instances": [task("failed")]}
    answers[f"{RUN}/taskInstances/extract/logs/1"] = {"content": log}
    evidence = first(runs)
    assert (evidence.exit_code, evidence.said) == (75, Said(SAID, "SERVICE_DOWN", service="127.0.0.1:9"))
    assert (evidence.attempt, evidence.attempts, evidence.seconds) == (1, 3, 2.5)
    assert cause_of(evidence).kind == Kind.SOURCE_DOWN


def test_facts_come_before_the_cause_and_the_log_is_the_steps_own(
    runs: ClusterRuns, answers: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    report = PodReport("Failed", 75, "Error", json.dumps(ENDING), image="forest:1")
    answers[f"{RUN}/taskInstances"] = {
        "task_instances": [task("failed"), task("upstream_failed", task_id="load", start_date=None)]
    }
    answers[f"{RUN}/taskInstances/extract/logs/1"] = {"content": STEP_LOG}
    answers[f"{RUN}/taskInstances/extract/xcomEntries/{REPORT_KEY}"] = {"value": report.fields()}
    explanation.explain(runs, [])
    assert capsys.readouterr().out.splitlines() == [
        "forest manual-1: failed",
        "  task       extract, try 1 of 3, failed, after 2.5 s",
        "  exit code  75",
        f"  said       {SAID}",
        "  code       SERVICE_DOWN",
        "  service    127.0.0.1:9",
        "  pod        Error, image forest:1",
        f"  log        16:05:18 ERROR {SAID}",
        "  also       load upstream_failed: upstream failed",
        "  cause      source down. The source 127.0.0.1:9 does not answer as it should.",
        "  do         See whether it is up, and its address (ConfigMap `sources`) right. Then run it again.",
    ]


def test_a_pod_that_nothing_has_ended_is_asked_for(runs: ClusterRuns, answers: dict[str, Any]) -> None:
    pod = recorded("unschedulable")
    name = pod["pod"]["metadata"]["name"]
    answers[f"{RUN}/taskInstances"] = {"task_instances": [task("deferred", end_date=None)]}
    answers[f"{RUN}/taskInstances/extract/xcomEntries/pod_name"] = {"value": name}
    answers[f"/api/v1/namespaces/quintet-tasks/pods/{name}"] = pod["pod"]
    answers["/api/v1/namespaces/quintet-tasks/events"] = {"items": pod["events"]}
    evidence = first(runs, "running")
    assert evidence.pod is not None
    assert "FailedScheduling" in [reason for reason, _ in evidence.pod.events]
    assert cause_of(evidence).kind == Kind.UNSCHEDULABLE


def test_a_second_try_that_is_at_work_does_not_hide_why_the_first_failed(
    runs: ClusterRuns, answers: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    answers["/api/v2/dags/forest/dagRuns"] = {"dag_runs": [run("running")]}
    answers[f"{RUN}/taskInstances"] = {"task_instances": [task("running", try_number=2, end_date=None)]}
    answers[f"{RUN}/taskInstances/extract/logs/1"] = {"content": STEP_LOG}
    explanation.explain(runs, ["forest"])
    said = capsys.readouterr().out
    assert "extract, try 1 of 3, up_for_retry" in said
    assert "source down" in said
    assert "also       extract running: at work" in said


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({}, Kind.AT_WORK),
        ({"/api/v2/dags/forest": {"is_paused": True}}, Kind.PAUSED),
        (
            {"/api/v2/dags/forest/dagRuns": {"dag_runs": [run("running", "manual-0")]}},
            Kind.WAITS_FOR_RUN,
        ),
    ],
)
def test_a_queued_run_says_what_it_waits_for(
    runs: ClusterRuns, answers: dict[str, Any], changes: dict[str, Any], kind: Kind
) -> None:
    answers["/api/v2/dags/forest/dagRuns"] = {"dag_runs": []}
    answers |= changes
    assert cause_of(first(runs, "queued")).kind == kind


@pytest.mark.parametrize(
    ("pool", "said"),
    [
        ({"slots": 2, "open_slots": 0}, "steps, whose 2 slots are taken"),
        (None, "steps, which does not exist"),
    ],
)
def test_a_task_without_a_slot_says_so(
    runs: ClusterRuns, answers: dict[str, Any], pool: dict[str, int] | None, said: str
) -> None:
    answers["/api/v2/pools/steps"] = pool
    answers[f"{RUN}/taskInstances"] = {"task_instances": [task("scheduled", start_date=None)]}
    evidence = first(runs, "running")
    assert evidence.pool == said
    assert cause_of(evidence).kind == Kind.WAITS_FOR_POOL


def test_a_file_that_cannot_be_read_is_told_whatever_has_run(
    runs: ClusterRuns, answers: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    error = {"filename": "crime.py", "stack_trace": "Traceback\nModuleNotFoundError: No module named 'pds'\n"}
    answers["/api/v2/importErrors"] = {"import_errors": [error]}
    answers["/api/v2/dags/~/dagRuns"] = {"dag_runs": []}
    with pytest.raises(UserError, match="No run has failed or stands still"):
        explanation.explain(runs, [])
    said = capsys.readouterr().out
    assert "crime.py" in said
    assert "DAG import error" in said
    assert "No module named 'pds'" in said


def test_runs_that_share_an_id_are_told_apart(runs: ClusterRuns, answers: dict[str, Any]) -> None:
    answers["/api/v2/dags/~/dagRuns"] = {"dag_runs": [run("failed"), run("failed", dag="crime")]}
    with pytest.raises(UserError, match="crime and forest each have a run manual-1"):
        explanation.explain(runs, ["manual-1"])


def test_a_run_that_goes_well_is_passed_over(runs: ClusterRuns, answers: dict[str, Any]) -> None:
    answers["/api/v2/dags/forest/dagRuns"] = {"dag_runs": [run("running")]}
    answers[f"{RUN}/taskInstances"] = {"task_instances": [task("running", end_date=None)]}
    with pytest.raises(UserError, match="No run of forest has failed or stands still"):
        explanation.explain(runs, ["forest"])
