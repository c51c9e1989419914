"""Every pipeline on the platform that test_platform.py has installed: pods are killed, and all run again."""

from __future__ import annotations

import argparse
import json
import threading
from typing import Any

import pytest
from kubernetes import watch

from quintet import predict, run_all
from quintet.airflow_api import AirflowApi
from quintet.cluster import Platform
from quintet.first_runs import CAPTURE, TRAINING
from quintet.kube import Kube
from tests.e2e import evidence

KILLED = {"bitcoin-load", "crime-enrich-data", "excel-load", "penguins-load-raw", "sipsa-merge"}
"""Steps whose first pod is killed as soon as it runs."""
ROWS = {
    "bitcoin": ["bitcoin.bars"],
    "excel": ["excel_data.weekly_prices"],
    "penguins": ["penguins.raw_penguins"],
    "sipsa": ["sipsa_data.promedios_sipsa_ciudad", "sipsa_data.promedios_sipsa_parcial"],
}
SECONDS = 900
MODELS = ("bitcoin", "crime", "forest", "penguins")


def rows(kube: Kube) -> dict[str, Any]:
    """The count and an order-free hash of each table's rows, and the hash of the newest file of crimes."""
    found: dict[str, Any] = {}
    for pipeline, tables in ROWS.items():
        for table in tables:
            # A sum does not ask for an order.
            statement = (
                "SELECT count(*), sum(hashtextextended((to_jsonb(t) - 'changed_at')::text, 0)::numeric)"
                f" FROM {table} AS t"
            )
            (found[table],) = evidence.query(kube, statement, pipeline)
    statement = "SELECT rows, crimes_sha256 FROM crime.downloads ORDER BY download_id DESC LIMIT 1"
    (found["crimes"],) = evidence.query(kube, statement, "crime")
    return found


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
    run_all.main(kube, argparse.Namespace(no_example=False))
    killer.join(timeout=10)
    assert killed == KILLED
    counts = {table: count for table, (count, _) in rows(kube).items()}
    with capsys.disabled():
        print(counts)
    assert all(counts.values())


def test_again_leaves_the_same_rows(kube: Kube, platform: Platform) -> None:
    before = rows(kube)
    run_all.main(kube, argparse.Namespace(no_example=False))
    assert rows(kube) == before


@pytest.mark.parametrize("model", MODELS)
def test_a_model_predicts(model: str, kube: Kube, platform: Platform) -> None:
    assert json.loads(predict.ask(kube, model))["predictions"]


def _kill(kube: Kube, killed: set[str]) -> None:
    """Delete the first running pod of each of some steps, at once."""
    events = watch.Watch().stream(
        kube.core.list_namespaced_pod, kube.tasks_namespace, timeout_seconds=SECONDS
    )
    for event in events:
        pod = event["object"]
        step = (pod.metadata.labels or {}).get("step")
        statuses = pod.status.container_statuses
        if step in KILLED - killed and statuses and statuses[0].state.running:
            kube.core.delete_namespaced_pod(pod.metadata.name, kube.tasks_namespace, grace_period_seconds=0)
            killed.add(step)
        if killed == KILLED:
            return
