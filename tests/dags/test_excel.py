"""The DAG of the Excel landing zone: a pod a file, how many only the run knows."""

from __future__ import annotations

import json
from typing import Any

import pytest
from airflow.models.dagrun import DagRun
from airflow.sdk import DAG

from tests.dags.apiserver import Cluster, Ending, Pod
from tests.dags.conftest import read

SCANNED = {
    "manifest_uri": "s3://data/excel/r/manifest.json",
    "files": [{"index": 0}, {"index": 1}, {"index": 2}],
}
RESULTS: dict[str, dict[str, Any]] = {
    "scan": SCANNED,
    "parse": {"index": 0, "parsed_uri": "s3://data/excel/r/0.json"},
    "load": {"outcomes_uri": "s3://data/excel/r/outcomes.json", "files_loaded": 3},
    "archive": {"files_archived": 3},
}
NOTHING = Ending(exit_code=99, message='{"message": "no file is in s3://data/landing_zone/"}')
BUG = Ending(exit_code=1, message='{"message": "KeyError"}')


def read_dag() -> DAG:
    return read("excel")["file_ingestion_from_excel"]


@pytest.fixture
def dag(step_files: object) -> DAG:
    return read_dag()


def kubelet(cluster: Cluster, **endings: Ending) -> None:
    """Make each step end well with its result, but for those given: by step, or `parse_<index>`."""

    def ending(pod: Pod) -> Ending:
        step = pod["metadata"]["labels"]["step"].removeprefix("excel-")
        name = f"parse_{options_of(pod)['index']}" if step == "parse" else step
        return endings.get(name) or Ending(message=json.dumps(RESULTS[step]))

    cluster.ending = ending


def options_of(pod: Pod) -> dict[str, str]:
    words = (option.removeprefix("--").partition("=") for option in pod["spec"]["containers"][0]["args"])
    return {name: value for name, _, value in words}


def asked(cluster: Cluster, step: str) -> list[dict[str, str]]:
    pods = [pod for pod in cluster.requested if pod["metadata"]["labels"]["step"] == f"excel-{step}"]
    return [options_of(pod) for pod in pods]


def states(run: DagRun) -> dict[tuple[str, int], str | None]:
    return {(ti.task_id, ti.map_index): ti.state for ti in run.get_task_instances()}


def test_a_pod_reads_each_file_that_scan_found(
    dag: DAG, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    kubelet(cluster)
    monkeypatch.setenv("AIRFLOW_VAR_EXCEL_MAX_MEGABYTES", "5")
    run = dag.test(logical_date=None, run_conf={"max_files": 3})
    assert run.state == "success"
    assert set(states(run)) == {
        ("scan", -1),
        ("parse", 0),
        ("parse", 1),
        ("parse", 2),
        ("load", -1),
        ("archive", -1),
    }
    assert asked(cluster, "scan") == [{"max-files": "3"}]
    parsed = asked(cluster, "parse")
    assert sorted(options["index"] for options in parsed) == ["0", "1", "2"]
    assert {(options["manifest-uri"], options["max-megabytes"]) for options in parsed} == {
        (SCANNED["manifest_uri"], "5")
    }
    assert asked(cluster, "load") == [{"manifest-uri": SCANNED["manifest_uri"]}]
    assert asked(cluster, "archive") == [{"outcomes-uri": RESULTS["load"]["outcomes_uri"]}]


def test_an_empty_landing_zone_skips_the_run(dag: DAG, cluster: Cluster) -> None:
    kubelet(cluster, scan=NOTHING)
    run = dag.test(logical_date=None)
    assert set(states(run).values()) == {"skipped"}
    assert len(cluster.requested) == 1


def test_a_file_that_cannot_be_parsed_keeps_no_other_from_being_loaded(dag: DAG, cluster: Cluster) -> None:
    refusal = Ending(exit_code=2, message='{"message": "a.xls: parse failed"}')
    kubelet(cluster, parse_1=BUG, archive=refusal)
    run = dag.test(logical_date=None)
    assert states(run)["parse", 1] == "failed"
    assert states(run)["load", -1] == "success"
    assert run.state == "failed"


def test_no_file_that_can_be_parsed_ends_the_run(dag: DAG, cluster: Cluster) -> None:
    kubelet(cluster, **{f"parse_{index}": BUG for index in range(3)})
    run = dag.test(logical_date=None)
    assert states(run)["load", -1] == "upstream_failed"


def test_how_often_it_looks_is_an_airflow_variable(dag: DAG, monkeypatch: pytest.MonkeyPatch) -> None:
    timetable: Any = dag.timetable
    assert (timetable.expression, dag.max_active_runs, dag.catchup) == ("*/5 * * * *", 1, False)
    monkeypatch.setenv("AIRFLOW_VAR_EXCEL_SCHEDULE", "0 * * * *")
    changed: Any = read_dag().timetable
    assert changed.expression == "0 * * * *"
