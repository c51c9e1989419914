"""Failures in step pods, made on purpose on a running platform and taken away again.

failing_dags.py goes beside the platform's DAGs; nothing that the platform's own DAGs use is changed.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from quintet.diagnosis import Kind
from quintet.ops.airflow_api import AirflowApi
from quintet.ops.kube import Kube
from tests.e2e.evidence import s3, wait_for

FILE = "why_failing_dags.py"
SOURCE = Path(__file__).with_name("failing_dags.py")
ARRIVAL_SECONDS = 120
FAILURE_SECONDS = 180
ENDED = ("success", "failed")
LEAVING_SECONDS = 120
FAILURES = {
    "image_missing": Kind.IMAGE_MISSING,
    "step_without_image": Kind.IMAGE_MISSING,
    "oom_kill": Kind.OUT_OF_MEMORY,
    "unschedulable": Kind.UNSCHEDULABLE,
    "missing_secret": Kind.SECRET_MISSING,
    "start_timeout": Kind.START_TIMEOUT,
    "source_down": Kind.SOURCE_DOWN,
    "fields_changed": Kind.FIELDS_CHANGED,
    "empty_answer": Kind.EMPTY_INPUT,
    "s3_down": Kind.S3_DOWN,
    "mlflow_down": Kind.MLFLOW_DOWN,
    "disk_full": Kind.DISK_FULL,
    "disk_limit": Kind.DISK_FULL,
    "code_exception": Kind.CODE_EXCEPTION,
    "postgres_down": Kind.POSTGRES_DOWN,
    "nothing_to_do": Kind.SKIPPED,
    "time_limit": Kind.DEADLINE,
}
"""What each DAG `why_<name>` fails of."""
DAGS = {f"why_{name}" for name in FAILURES}
PREFIX = "forest/why/"
"""Of the keys of the objects that the failing steps leave."""


@contextlib.contextmanager
def failing_dags(kube: Kube) -> Iterator[dict[str, str]]:
    """Put the failing DAGs on a platform, let a run of each fail, and take all away when the block ends.

    Yields:
        The runs' ids by the failures' names, once all failures have come about.
    """
    with AirflowApi.connect(kube) as airflow:
        _put(kube, SOURCE.read_text(encoding="utf-8"))
        try:
            wait_for("the failing DAGs", lambda: _present(airflow) == DAGS, ARRIVAL_SECONDS)
            runs = {name: airflow.trigger(f"why_{name}", {}) for name in FAILURES}
            for name, run in runs.items():
                wait_for(f"{name} to fail", partial(_has_failed, kube, airflow, name, run), FAILURE_SECONDS)
            yield runs
        finally:
            _put(kube, None)
            _forget(kube, airflow)


def _has_failed(kube: Kube, airflow: AirflowApi, name: str, run: str) -> bool:
    """Return whether a run has ended; the one whose pod no node takes goes on, so look at that itself."""
    if name == "unschedulable":
        return _unscheduled(kube)
    return airflow.run(f"why_{name}", run)["state"] in ENDED


def _unscheduled(kube: Kube) -> bool:
    pods = kube.core.list_namespaced_pod(kube.tasks_namespace, label_selector="dag_id=why_unschedulable")
    return any(
        condition.type == "PodScheduled" and condition.status == "False"
        for pod in pods.items
        for condition in pod.status.conditions or []
    )


def _present(airflow: AirflowApi) -> set[str]:
    return {dag["dag_id"] for dag in airflow.dags()} & DAGS


def _put(kube: Kube, source: str | None) -> None:
    """Change the DAG folder, and touch the pods that mount it, so that the kubelet looks at once."""
    kube.core.patch_namespaced_config_map("airflow-dags", kube.namespace, {"data": {FILE: source}})
    touched = {"metadata": {"annotations": {"quintet/touched": str(time.time())}}}
    for pod in kube.pods({"app.kubernetes.io/name": "airflow"}):
        kube.core.patch_namespaced_pod(pod.metadata.name, kube.namespace, touched)


def _forget(kube: Kube, airflow: AirflowApi) -> None:
    """End the runs, delete pods, objects, and the DAGs once their file is out of Airflow's sight."""
    arrived = _present(airflow)
    for dag in arrived:
        for run in airflow.runs(dag, states=["queued", "running"]):
            airflow.fail(dag, run["dag_run_id"])
    selector = f"dag_id in ({','.join(sorted(DAGS))})"
    kube.core.delete_collection_namespaced_pod(kube.tasks_namespace, label_selector=selector)
    _delete_objects(kube)
    wait_for("the failing DAGs to leave", lambda: not _present(airflow), LEAVING_SECONDS)
    for dag in arrived:
        airflow.delete(dag)


def _delete_objects(kube: Kube) -> None:
    with s3(kube) as client:
        found = client.list_objects_v2(Bucket="data", Prefix=PREFIX).get("Contents", [])
        for entry in found:
            client.delete_object(Bucket="data", Key=entry["Key"])
