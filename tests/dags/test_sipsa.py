"""The SIPSA DAG: what it is, and whole runs of it in Airflow's own task runner."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from airflow.models.dagrun import DagRun
from airflow.sdk import DAG, RetryDecision
from airflow.serialization.serialized_objects import DagSerialization

from tests.dags.apiserver import Cluster, Ending, Pod
from tests.dags.conftest import read

REPORTS = {
    "promediosSipsaCiudad",
    "promediosSipsaParcial",
    "promediosSipsaSemanaMadr",
    "promediosSipsaMesMadr",
    "promedioAbasSipsaMesMadr",
}
RUN_AFTER = datetime(2026, 3, 2, 19, 30, tzinfo=UTC)


@pytest.fixture
def dag(step_files: object) -> DAG:
    return read("sipsa")["dane_sipsa_prices_ingestion"]


def options_of(pod: Pod) -> dict[str, str]:
    words = (option.removeprefix("--").partition("=") for option in pod["spec"]["containers"][0]["args"])
    return {name: value for name, _, value in words}


def kubelet(cluster: Cluster, **endings: Ending) -> None:
    """Make each step end well with a result of its report, but the ones given for the report by city."""

    def ending(pod: Pod) -> Ending:
        step = pod["metadata"]["labels"]["step"].removeprefix("sipsa-")
        operation = options_of(pod)["operation"]
        if step in endings and operation == "promediosSipsaCiudad":
            return endings[step]
        return Ending(message=json.dumps({"raw_uri": f"s3://data/{operation}", "sha256": f"of {operation}"}))

    cluster.ending = ending


def asked(cluster: Cluster, step: str) -> dict[str, dict[str, str]]:
    pods = [pod for pod in cluster.requested if pod["metadata"]["labels"]["step"] == f"sipsa-{step}"]
    options = [options_of(pod) for pod in pods]
    return {given.pop("operation"): given for given in options}


def states(run: DagRun) -> dict[str, str | None]:
    return {ti.task_id: ti.state for ti in run.get_task_instances()}


def test_each_report_has_its_three_steps(dag: DAG) -> None:
    edges = {task.task_id: sorted(task.downstream_task_ids) for task in dag.tasks}
    assert edges == {
        f"{report}.{step}": after
        for report in REPORTS
        for step, after in (("extract", [f"{report}.stage"]), ("stage", [f"{report}.merge"]), ("merge", []))
    }


def test_it_runs_once_a_day_after_two_in_bogota(dag: DAG) -> None:
    timetable: Any = dag.timetable
    assert (timetable.expression, str(timetable.timezone)) == ("30 14 * * *", "America/Bogota")
    assert (dag.max_active_runs, dag.catchup, dag.owner) == (1, False, "sipsa")
    assert dag.doc_md


def test_the_scheduler_can_read_it(dag: DAG) -> None:
    serialized = DagSerialization.to_dict(dag)
    read: Any = DagSerialization.from_dict(json.loads(json.dumps(serialized)))
    assert {task.task_id for task in read.tasks} == {task.task_id for task in dag.tasks}


def test_steps_are_told_of_their_report_and_the_settings_also_when_they_are_tried_again(
    dag: DAG, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    kubelet(cluster)
    well = cluster.ending
    down = iter([Ending(exit_code=75, message='{"message": "SIPSA does not answer"}')])
    cluster.ending = lambda pod: next(down, None) or well(pod)
    monkeypatch.setenv("AIRFLOW_VAR_SIPSA_RETRY_DELAY_MINUTES", "0.001")
    monkeypatch.setenv("AIRFLOW_VAR_SIPSA_WSDL_URL", "https://sipsa.example/ws?WSDL")
    monkeypatch.setenv("AIRFLOW_VAR_SIPSA_HISTORICAL_START_DATE", "2022-02-01")
    run = dag.test(run_after=RUN_AFTER, logical_date=None)
    assert set(states(run).values()) == {"success"}
    assert asked(cluster, "extract") == {
        report: {"wsdl-url": "https://sipsa.example/ws?WSDL"} for report in REPORTS
    }
    assert asked(cluster, "stage") == {
        report: {
            "raw-uri": f"s3://data/{report}",
            "raw-sha256": f"of {report}",
            "run-after": RUN_AFTER.isoformat(),
            "historical-start-date": "2022-02-01",
        }
        for report in REPORTS
    }
    assert asked(cluster, "merge") == {report: {} for report in REPORTS}
    assert len(cluster.requested) == 3 * len(REPORTS) + 1


def test_a_report_that_is_the_same_skips_and_what_is_not_set_is_left_to_the_steps(
    dag: DAG, cluster: Cluster
) -> None:
    kubelet(cluster, stage=Ending(exit_code=99, message='{"message": "the same"}'))
    run = dag.test(run_after=RUN_AFTER, logical_date=None)
    found = states(run)
    assert str(run.state) == "success"
    assert found["promediosSipsaCiudad.stage"] == found["promediosSipsaCiudad.merge"] == "skipped"
    assert list(found.values()).count("success") == 13
    assert asked(cluster, "extract") == {report: {} for report in REPORTS}
    assert asked(cluster, "stage").keys() == REPORTS
    assert all("historical-start-date" not in given for given in asked(cluster, "stage").values())


def test_refused_input_fails_its_report_alone(dag: DAG, cluster: Cluster) -> None:
    kubelet(cluster, extract=Ending(exit_code=2, message='{"message": "no SOAP 1.2"}'))
    run = dag.test(run_after=RUN_AFTER, logical_date=None)
    found = states(run)
    assert str(run.state) == "failed"
    assert found["promediosSipsaCiudad.extract"] == "failed"
    assert found["promediosSipsaCiudad.merge"] == "upstream_failed"
    assert found["promediosSipsaParcial.merge"] == "success"


def test_the_variable_says_how_long_a_failed_try_waits(dag: DAG, monkeypatch: pytest.MonkeyPatch) -> None:
    policies = {task.retry_policy for task in dag.tasks}
    (policy,) = policies
    assert policy.evaluate(RuntimeError(), 1, 2) == RetryDecision.default()
    monkeypatch.setenv("AIRFLOW_VAR_SIPSA_RETRY_DELAY_MINUTES", "7")
    decision = policy.evaluate(RuntimeError(), 1, 2)
    assert (decision.action.value, decision.retry_delay) == ("retry", timedelta(minutes=7))
