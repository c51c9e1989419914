"""Every pipeline on the platform that test_platform.py has installed, while pods are killed."""

from __future__ import annotations

import json
import threading

import pytest

from quintet.kind.cluster import Platform
from quintet.ops import predict, run_all
from quintet.ops.airflow_api import AirflowApi
from quintet.ops.kube import Kube
from tests.e2e import evidence, tables
from tests.e2e.evidence import CAPTURE, TRAINING

KILLED_AT_WORK = {"bitcoin-tune", "crime-enrich-data", "sipsa-merge"}
"""Steps whose first pod is killed as soon as it is seen running."""
KILLED_AT_ONCE = {"bitcoin-load", "excel-load", "penguins-load-raw"}
"""Their work may take less time than the kubelet takes to tell of its beginning."""
SECONDS = 900
MODELS = ("bitcoin", "crime", "forest", "penguins")


def test_every_dag_ends_well_though_pods_are_killed(
    kube: Kube, platform: Platform, capsys: pytest.CaptureFixture[str]
) -> None:
    with AirflowApi.connect(kube) as airflow:
        # Their schedules would take the two slots that all steps share.
        for dag in (CAPTURE, TRAINING):
            airflow.pause(dag)
    killed: set[str] = set()
    killer = threading.Thread(target=_kill, args=(kube, killed), daemon=True)
    killer.start()
    with capsys.disabled():
        run_all.main(kube, example=True)
        print(f"killed: {', '.join(sorted(killed))}; rows: {tables.contents(kube)}")
    assert killed == KILLED_AT_WORK | KILLED_AT_ONCE
    assert {table for table, (count, _) in tables.contents(kube).items() if not count} == tables.EMPTY


@pytest.mark.parametrize("model", MODELS)
def test_a_model_predicts(model: str, kube: Kube, platform: Platform) -> None:
    assert json.loads(predict.ask(kube, model))["predictions"]


def _kill(kube: Kube, killed: set[str]) -> None:
    """Deletes the first pod of some steps."""
    for pod in evidence.changing_task_pods(kube, "step", SECONDS):
        step = (pod.metadata.labels or {}).get("step")
        if step in killed or pod.metadata.deletion_timestamp:
            continue
        running = any(status.state.running for status in pod.status.container_statuses or [])
        begun = pod.spec.node_name and pod.status.phase in ("Pending", "Running")
        if (step in KILLED_AT_WORK and running) or (step in KILLED_AT_ONCE and begun):
            kube.core.delete_namespaced_pod(pod.metadata.name, kube.tasks_namespace, grace_period_seconds=0)
            killed.add(step)
        if killed == KILLED_AT_WORK | KILLED_AT_ONCE:
            return
