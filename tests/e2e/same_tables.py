"""What the steps made on the cluster and what they make without one, each as a hash under its name."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mlflow

from quintet.ops.airflow_api import AirflowApi
from quintet.ops.kube import Kube
from stepkit.s3 import split
from tests import table_hash
from tests.e2e import evidence
from tests.e2e.evidence import CAPTURE, TRAINING
from tests.local.conftest import Local, local

# A bundle names the Python that it was trained by, which is Debian's in an image and here the laptop's: its
# digest differs, and the digests of its arrays and known answers are compared instead.
DIGESTS = {"bundle_digest"}
LEFT_OUT_TOO = {
    "forest.promotion_decisions": {"challenger_digest", "champion_digest"},
    # The code that trained is part of it: an image there, the files of the checkout here.
    "forest.trainings": {"parameters_sha256"},
}


def of_cluster(kube: Kube) -> dict[str, str]:
    """Returns the hashes of the first training's run on the cluster, and of all tables."""
    ((run,),) = evidence.query(kube, "SELECT run_id FROM forest.trainings")
    with AirflowApi.connect(kube) as airflow:
        tasks = airflow.tasks(TRAINING, run)
        results = {_name(task): airflow.result(task) for task in tasks}
    with evidence.database(kube) as url:
        hashes = table_hash.tables(url, LEFT_OUT_TOO)
    with evidence.s3(kube) as client:
        hashes["snapshot"] = _snapshot(client, results)
    with evidence.mlflow_of(kube):
        return hashes | _trainings(results)


def of_local(captures: int, parameters: Mapping[str, Any]) -> dict[str, str]:
    """Captures and trains on a platform without a cluster, and gives the hashes of what came of it."""
    with local() as here:
        return _made(here, captures, parameters)


def _made(here: Local, captures: int, parameters: Mapping[str, Any]) -> dict[str, str]:
    for _ in range(captures):
        here.run(CAPTURE)
    results = {_name(task): task["result"] for task in here.run(TRAINING, dict(parameters))}
    hashes = table_hash.tables(here.database, LEFT_OUT_TOO)
    hashes["snapshot"] = _snapshot(here.s3, results)
    with evidence.environment(MLFLOW_TRACKING_URI=here.platform.url("mlflow")):
        return hashes | _trainings(results)


def _name(task: Mapping[str, Any]) -> str:
    return str(task["rendered_map_index"] or task["task_id"])


def _snapshot(client: Any, results: Mapping[str, Any]) -> str:
    bucket, key = split(results["preprocess_forest_data"]["snapshot_uri"])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "snapshot.parquet")
        client.download_file(bucket, key, str(path))
        return table_hash.parquet(path)


def _trainings(results: Mapping[str, Any]) -> dict[str, str]:
    """Returns the hashes of each algorithm's scores, and of each file of its bundle but the contract."""
    hashes = {}
    for algorithm in ("logistic_regression", "random_forest", "svc"):
        hashes[algorithm] = table_hash.result(results[algorithm], DIGESTS)
        run = results[algorithm]["mlflow_run_id"]
        with tempfile.TemporaryDirectory() as folder:
            path = mlflow.artifacts.download_artifacts(
                run_id=run, artifact_path="bundle/digests.json", dst_path=folder
            )
            digests = json.loads(Path(path).read_text())
        del digests["contract.json"]
        hashes |= {f"{algorithm} {name}": digest for name, digest in digests.items()}
    return hashes
