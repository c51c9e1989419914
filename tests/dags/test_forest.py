"""The forest DAGs: what they are, and whole runs of them in Airflow's own task runner."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from airflow.models.asset import AssetEvent
from airflow.models.dagrun import DagRun
from airflow.models.xcom import XComModel
from airflow.sdk import DAG, Asset
from airflow.utils.session import create_session
from sqlalchemy import func, select

from tests.dags.apiserver import Cluster, Ending, Pod
from tests.dags.conftest import read

NAMES = ("logistic_regression", "random_forest", "svc")
RESULTS: dict[str, dict[str, Any]] = {
    "extract": {
        "raw_uri": "s3://data/forest/raw/r/data.json",
        "sha256": "ab",
        "rows": 5810,
        "batch_number": 3,
    },
    "load": {"table": "t", "rows_read": 5810, "rows_new": 5000, "rows_duplicate": 810, "batch_number": 3},
    "export": {"csv_uri": "s3://data/c.csv", "rows": 5810, "batch_number": 3},
    "preprocess": {"snapshot_uri": "s3://data/s.parquet", "snapshot_sha256": "cd", "rows": 5000},
    "evaluate": {"evaluation_uri": "s3://data/e.json", "verdict": "promote"},
    "promote": {"verdict": "promoted", "champion": "random_forest", "version": 4},
}


@pytest.fixture
def dags(step_files: object) -> dict[str, DAG]:
    return read("forest")


def kubelet(cluster: Cluster, **endings: Ending) -> None:
    """Make each step end well with its result, but for those given."""

    def ending(pod: Pod) -> Ending:
        step = pod["metadata"]["labels"]["step"].removeprefix("forest-")
        if step == "train":
            algorithm = options_of(pod)["algorithm"]
            return Ending(
                message=json.dumps({"algorithm": algorithm, "f1_macro": 0.9, "mlflow_run_id": "<1>"})
            )
        return endings.get(step) or Ending(message=json.dumps(RESULTS[step]))

    cluster.ending = ending


def options_of(pod: Pod) -> dict[str, str]:
    words = (option.removeprefix("--").partition("=") for option in pod["spec"]["containers"][0]["args"])
    return {name: value for name, _, value in words}


def asked(cluster: Cluster, step: str) -> list[dict[str, str]]:
    return [
        options_of(pod) for pod in cluster.requested if pod["metadata"]["labels"]["step"] == f"forest-{step}"
    ]


def states(run: DagRun) -> dict[str, str | None]:
    return {ti.task_id: ti.state for ti in run.get_task_instances()}


def asset_events() -> int:
    with create_session() as session:
        return session.scalar(select(func.count()).select_from(AssetEvent)) or 0


def test_dags_and_their_edges(dags: dict[str, DAG]) -> None:
    edges = {
        dag_id: {task.task_id: sorted(task.downstream_task_ids) for task in dag.tasks}
        for dag_id, dag in dags.items()
    }
    assert edges == {
        "forest_cover_data_pipeline": {"extract": ["load"], "load": ["export"], "export": []},
        "forest_cover_data_extraction": {"extract": ["load"], "load": []},
        "forest_training_pipeline": {
            "preprocess_forest_data": ["train_forest_models"],
            "train_forest_models": ["evaluate"],
            "evaluate": ["promote"],
            "promote": [],
        },
    }


def test_schedules(dags: dict[str, DAG]) -> None:
    cron = {dag_id: getattr(dag.timetable, "expression", None) for dag_id, dag in dags.items()}
    assert cron["forest_cover_data_pipeline"] == "*/3 * * * *"
    training: Any = dags["forest_training_pipeline"].timetable
    assert training.timetable.expression == "*/15 * * * *"
    assert [asset.name for asset in training.asset_condition.objects] == ["forest_cover_samples"]


def test_every_dag_runs_once_at_a_time_and_says_whose_it_is(dags: dict[str, DAG]) -> None:
    for dag in dags.values():
        assert (dag.max_active_runs, dag.catchup) == (1, False)
        assert dag.doc_md
        assert "forest" in dag.tags
        assert dag.owner == "forest"


def test_every_task_retries_with_back_off_in_the_pool_of_steps(dags: dict[str, DAG]) -> None:
    for dag in dags.values():
        for task in dag.tasks:
            made: Any = task.partial_kwargs if task.is_mapped else vars(task)
            assert made["pool"] == "steps"
            assert made["retries"] == 2
            assert made["retry_exponential_backoff"] == 2.0
            assert made["execution_timeout"] > timedelta(seconds=made["active_deadline_seconds"])


def test_new_rows_make_an_asset_event(dags: dict[str, DAG], cluster: Cluster) -> None:
    kubelet(cluster)
    before = asset_events()
    run_after = datetime(2026, 3, 1, 12, 3, tzinfo=UTC)
    run = dags["forest_cover_data_pipeline"].test(run_after=run_after, logical_date=None)
    assert states(run) == {"extract": "success", "load": "success", "export": "success"}
    assert asset_events() == before + 1
    assert asked(cluster, "extract") == [{}]
    (load,) = asked(cluster, "load")
    assert asked(cluster, "export") == [load]
    assert load == {
        "raw-uri": "s3://data/forest/raw/r/data.json",
        "table": "forest.forest_cover_samples",
        "run-after": "2026-03-01T12:03:00+00:00",
    }
    environment = {
        entry["name"]: entry.get("value") for entry in cluster.requested[1]["spec"]["containers"][0]["env"]
    }
    assert environment["DAG_ID"] == "forest_cover_data_pipeline"
    assert environment["RUN_ID"] == run.run_id
    assert (environment["TASK_ID"], environment["TRY_NUMBER"]) == ("load", "1")


def test_nothing_new_is_a_skip_without_an_asset_event(dags: dict[str, DAG], cluster: Cluster) -> None:
    kubelet(cluster, load=Ending(exit_code=99, message='{"message": "No new rows."}'))
    before = asset_events()
    run = dags["forest_cover_data_pipeline"].test(logical_date=None)
    assert states(run) == {"extract": "success", "load": "skipped", "export": "skipped"}
    assert asset_events() == before


def test_refused_input_fails_the_run_at_the_first_try(dags: dict[str, DAG], cluster: Cluster) -> None:
    kubelet(cluster, extract=Ending(exit_code=2, message='{"message": "Row 3 has 12 fields."}'))
    run = dags["forest_cover_data_extraction"].test(logical_date=None)
    assert states(run) == {"extract": "failed", "load": "upstream_failed"}
    assert len(cluster.requested) == 1


def test_training_maps_over_the_models_and_shows_the_champion(
    dags: dict[str, DAG], cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    kubelet(cluster)
    monkeypatch.setenv("AIRFLOW_VAR_FOREST_MIN_ROWS", "1000")
    monkeypatch.setenv("AIRFLOW_VAR_FOREST_MIN_METRIC", "0.3")
    run = dags["forest_training_pipeline"].test(logical_date=None)
    assert set(states(run).values()) == {"success"}
    (preprocess,) = asked(cluster, "preprocess")
    assert preprocess["min-rows"] == "1000"
    assert "min-classes" not in preprocess
    decisive = {"seed": "42", "n_estimators": "100", "svc_max_rows": "20000", "svc_components": "300"}
    decisive |= {
        "min_metric": "0.3",
        "min_gain": "",
        "incomparable": "",
        "code": "registry.test/quintet/forest-train:1",
    }
    assert json.loads(preprocess["training-parameters"]) == decisive
    trained = asked(cluster, "train")
    assert sorted(options["algorithm"] for options in trained) == sorted(NAMES)
    assert {options["snapshot-uri"] for options in trained} == {"s3://data/s.parquet"}
    (evaluate,) = asked(cluster, "evaluate")
    assert evaluate["min-metric"] == "0.3"
    assert "min-gain" not in evaluate
    candidates = json.loads(evaluate["candidates"])
    assert [candidate["algorithm"] for candidate in candidates] == list(NAMES)
    assert {candidate["mlflow_run_id"] for candidate in candidates} == {"<1>"}
    with create_session() as session:
        found = session.execute(
            select(XComModel.key, XComModel.value).where(
                XComModel.run_id == run.run_id, XComModel.task_id == "promote"
            )
        )
        xcoms = {row.key: row.value for row in found}
    assert (xcoms["champion"], xcoms["version"]) == ("random_forest", 4)


def test_asset_of_the_samples_is_the_one_that_load_changes(dags: dict[str, DAG]) -> None:
    load = dags["forest_cover_data_pipeline"].get_task("load")
    assert [outlet.name for outlet in load.outlets if isinstance(outlet, Asset)] == ["forest_cover_samples"]
    assert dags["forest_cover_data_extraction"].get_task("load").outlets == []
