"""The penguins' DAG: by hand only, from reset to publication."""

from __future__ import annotations

import json
from typing import Any

import pytest
from airflow.sdk import DAG

from tests.dags.apiserver import Cluster, Ending, Pod
from tests.dags.conftest import read

SNAPSHOT = {"snapshot_uri": "s3://data/penguins/s.parquet", "snapshot_sha256": "cd"}
TRAINED = {"algorithm": "random_forest", "mlflow_run_id": "<1>", "bundle_digest": "ab", "accuracy": 0.98}
RESULTS: dict[str, dict[str, Any]] = {
    "reset-schema": {"schema": "penguins", "dropped": []},
    "create-raw-table": {"table": "penguins.raw_penguins"},
    "load-raw": {"rows": 344},
    "preprocess": SNAPSHOT,
    "train": TRAINED,
    "validate": {"evaluation_uri": "s3://data/e.json", "verdict": "promote"},
    "publish": {"verdict": "promoted", "champion": "random_forest", "version": 1},
}


@pytest.fixture
def dag(step_files: object) -> DAG:
    return read("penguins")["modelo_penguin"]


def options_of(pod: Pod) -> dict[str, str]:
    words = (option.removeprefix("--").partition("=") for option in pod["spec"]["containers"][0]["args"])
    return {name: value for name, _, value in words}


def step_of(pod: Pod) -> str:
    return str(pod["metadata"]["labels"]["step"]).removeprefix("penguins-")


def test_it_runs_by_hand_only_and_once_at_a_time(dag: DAG) -> None:
    assert dag.schedule is None
    assert (dag.max_active_runs, dag.catchup, dag.owner) == (1, False, "penguins")


def test_a_run_goes_from_reset_to_publication(
    dag: DAG, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.ending = lambda pod: Ending(message=json.dumps(RESULTS[step_of(pod)]))
    monkeypatch.setenv("AIRFLOW_VAR_PENGUINS_MIN_METRIC", "0.8")
    run = dag.test(logical_date=None, run_conf={"seed": 7})
    assert run.state == "success"
    assert [step_of(pod) for pod in cluster.requested] == list(RESULTS)
    asked = {step_of(pod): options_of(pod) for pod in cluster.requested}
    assert asked["reset-schema"] == asked["create-raw-table"] == asked["load-raw"] == {}
    decisive = json.loads(asked["preprocess"]["training-parameters"])
    assert (decisive["seed"], decisive["n_estimators"], decisive["min_metric"]) == ("7", "100", "0.8")
    assert decisive["code"] == "registry.test/quintet/penguins-train:1"
    assert (asked["train"]["seed"], asked["train"]["snapshot-sha256"]) == ("7", "cd")
    assert json.loads(asked["validate"]["trained"]) == TRAINED
    assert asked["validate"]["min-metric"] == "0.8"
    assert "min-gain" not in asked["validate"]
    assert asked["publish"] == {"evaluation-uri": "s3://data/e.json"}


def test_what_decides_a_training_is_json_whatever_a_variable_holds(
    dag: DAG, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.ending = lambda pod: Ending(message=json.dumps(RESULTS[step_of(pod)]))
    value = '0.5", "seed": "8\\'
    monkeypatch.setenv("AIRFLOW_VAR_PENGUINS_MIN_GAIN", value)
    dag.test(logical_date=None, run_conf={"seed": 7})
    (preprocess,) = (options_of(pod) for pod in cluster.requested if step_of(pod) == "preprocess")
    decisive = json.loads(preprocess["training-parameters"])
    assert (decisive["min_gain"], decisive["seed"]) == (value, "7")


def test_a_reset_that_is_refused_ends_the_run_before_anything_is_made(dag: DAG, cluster: Cluster) -> None:
    cluster.ending = lambda pod: Ending(exit_code=2, message='{"message": "schema penguins is not reset"}')
    run = dag.test(logical_date=None)
    assert run.state == "failed"
    assert len(cluster.requested) == 1
