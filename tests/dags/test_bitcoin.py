"""The bitcoin DAGs: what they are, and whole runs of them in Airflow's own task runner."""

from __future__ import annotations

import json
from typing import Any

import pytest
from airflow.models.dagrun import DagRun
from airflow.sdk import DAG, Asset

from tests.dags.apiserver import Cluster, Ending, Pod
from tests.dags.conftest import read

RESULTS: dict[str, dict[str, Any]] = {
    "extract": {"raw_uri": "s3://data/bitcoin/raw/BTCUSDT-1h/r/bars.json", "sha256": "ab", "bars": 24},
    "load": {"table": "bitcoin.bars", "rows_read": 24, "rows_new": 24, "rows_duplicate": 0},
    "export": {"csv_uri": "s3://data/c.csv", "rows": 24, "latest_uri": "s3://data/l.json"},
    "features": {"snapshot_uri": "s3://data/s.parquet", "snapshot_sha256": "cd", "rows": 5000},
    "tune": {"study": "s", "trials": 30, "best_trial": 7},
    "train": {
        "algorithm": "xgboost",
        "mlflow_run_id": "<1>",
        "roc_auc": 0.53,
        "parameters": {"max_depth": 3},
    },
    "evaluate": {"evaluation_uri": "s3://data/e/evaluation-0a.json", "verdict": "promote"},
    "promote": {"verdict": "promoted", "champion": "xgboost", "version": 1},
}


@pytest.fixture
def dags(step_files: object) -> dict[str, DAG]:
    return read("bitcoin")


def step_of(pod: Pod) -> str:
    return str(pod["metadata"]["labels"]["step"]).removeprefix("bitcoin-")


def kubelet(cluster: Cluster, **endings: Ending) -> None:
    """Make each step end well with its result, but for those given."""
    cluster.ending = lambda pod: (
        endings.get(step_of(pod)) or Ending(message=json.dumps(RESULTS[step_of(pod)]))
    )


def asked(cluster: Cluster, step: str) -> list[dict[str, str]]:
    found = []
    for pod in cluster.requested:
        if step_of(pod) == step:
            words = (
                option.removeprefix("--").partition("=") for option in pod["spec"]["containers"][0]["args"]
            )
            found.append({name: value for name, _, value in words})
    return found


def states(run: DagRun) -> dict[str, list[str | None]]:
    found: dict[str, list[str | None]] = {}
    for ti in run.get_task_instances():
        found.setdefault(ti.task_id, []).append(ti.state)
    return found


def test_dags_and_their_edges(dags: dict[str, DAG]) -> None:
    edges = {
        dag_id: {task.task_id: sorted(task.downstream_task_ids) for task in dag.tasks}
        for dag_id, dag in dags.items()
    }
    assert edges == {
        "bitcoin_data_ingestion": {"extract": ["load"], "load": ["export"], "export": []},
        "bitcoin_training_pipeline": {
            "features": ["tune"],
            "tune": ["train"],
            "train": ["evaluate"],
            "evaluate": ["promote"],
            "promote": [],
        },
    }
    for dag in dags.values():
        assert (dag.max_active_runs, dag.catchup) == (1, False)
        assert dag.doc_md
        assert "bitcoin" in dag.tags


def test_schedules_and_the_asset_that_load_changes(dags: dict[str, DAG]) -> None:
    cron = {dag_id: getattr(dag.timetable, "expression", None) for dag_id, dag in dags.items()}
    assert cron == {"bitcoin_data_ingestion": "2 * * * *", "bitcoin_training_pipeline": "30 0 * * *"}
    load = dags["bitcoin_data_ingestion"].get_task("load")
    assert [outlet.name for outlet in load.outlets if isinstance(outlet, Asset)] == ["bitcoin_bars"]


def test_ingestion_leaves_the_defaults_to_the_steps(dags: dict[str, DAG], cluster: Cluster) -> None:
    kubelet(cluster)
    run = dags["bitcoin_data_ingestion"].test(logical_date=None)
    assert states(run) == {"extract": ["success"], "load": ["success"], "export": ["success"]}
    assert asked(cluster, "extract") == [{}]
    assert asked(cluster, "load") == [{"raw-uri": RESULTS["extract"]["raw_uri"]}]
    assert asked(cluster, "export") == [{}]


def test_no_new_bar_is_a_skip(dags: dict[str, DAG], cluster: Cluster) -> None:
    kubelet(cluster, extract=Ending(exit_code=99, message='{"message": "no bar has closed"}'))
    run = dags["bitcoin_data_ingestion"].test(logical_date=None)
    assert states(run) == {"extract": ["skipped"], "load": ["skipped"], "export": ["skipped"]}


def test_training_tunes_in_two_pods_on_one_study(
    dags: dict[str, DAG], cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    kubelet(cluster)
    monkeypatch.setenv("AIRFLOW_VAR_BITCOIN_TRIALS", "6")
    monkeypatch.setenv("AIRFLOW_VAR_BITCOIN_REQUIRE_PROFIT", "true")
    monkeypatch.setenv("AIRFLOW_VAR_BITCOIN_COST_BPS", "7.5")
    run = dags["bitcoin_training_pipeline"].test(logical_date=None, run_conf={"max_estimators": 60})
    assert states(run) == {
        "features": ["success"],
        "tune": ["success"] * 2,
        "train": ["success"],
        "evaluate": ["success"],
        "promote": ["success"],
    }
    (features,) = asked(cluster, "features")
    decisive = json.loads(features["training-parameters"])
    assert (decisive["trials"], decisive["max_estimators"], decisive["cost_bps"]) == ("6", "60", "7.5")
    assert decisive["code"] == "registry.test/quintet/bitcoin-train:1"
    assert features["cost-bps"] == "7.5"
    tuned = asked(cluster, "tune")
    assert sorted(options.pop("worker") for options in tuned) == ["0", "1"]
    shared = {"snapshot-uri": "s3://data/s.parquet", "snapshot-sha256": "cd", "seed": "42"}
    assert tuned == [{**shared, "trials": "6", "max-estimators": "60"}] * 2
    (evaluate,) = asked(cluster, "evaluate")
    assert json.loads(evaluate["candidate"]) == RESULTS["train"]
    assert (evaluate["require-profit"], evaluate["cost-bps"]) == ("true", "7.5")
    assert asked(cluster, "promote") == [{"evaluation-uri": "s3://data/e/evaluation-0a.json"}]
