"""One platform from its installation to its removal. The tests are stages: each builds on those before it."""

from __future__ import annotations

import json
import multiprocessing
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from typing import Any

import pytest

from quintet.follow import follow
from quintet.kind.cluster import Platform
from quintet.ops import predict, release, status
from quintet.ops.airflow_api import AirflowApi
from quintet.ops.first_runs import await_champion, await_dags, start
from quintet.ops.kube import Kube
from tests.e2e import admission, credentials, evidence, load, same_tables
from tests.e2e.conftest import E2E, helm, helm_command, install
from tests.e2e.evidence import CAPTURE, FOREST, TRAINING

ENDED = ("success", "failed")
CHAMPION_SECONDS = 60
"""Enough where a training of the schedule takes the two cores meanwhile; what it took is printed."""
SAMPLES = 200
TRAINED_WITH = {"n_estimators": 20, "svc_max_rows": 2000, "svc_components": 50, "min_captures": 3}
"""The variables of values.yaml, as parameters of a run."""


def run(kube: Kube, dag: str, *, first: bool = False) -> list[dict[str, Any]]:
    """Trigger a DAG, or unpause it, follow the run to its successful end, and return its task instances."""
    with AirflowApi.connect(kube) as airflow:
        return follow(airflow, dag, start(airflow, dag) if first else airflow.trigger(dag, {}))


def body(kube: Kube) -> dict[str, Any]:
    """A request for predictions of rows that the pipelines brought in."""
    return {"samples": json.loads(evidence.samples(kube, SAMPLES).to_json(orient="records"))}


def test_install(platform: Platform, kube: Kube) -> None:
    install(platform)
    not_ready = [
        deployment.metadata.name for deployment in kube.workloads() if not deployment.status.ready_replicas
    ]
    assert not_ready == []
    troubled = {pod.metadata.name: status.trouble(pod) for pod in evidence.running(kube)}
    assert {name: trouble for name, trouble in troubled.items() if trouble} == {}


def test_before_the_first_champion_the_api_says_so(kube: Kube, platform: Platform) -> None:
    assert status.metadata(kube, "forest")["model"] is None


def test_a_pod_gets_the_secrets_of_its_own_step_alone(kube: Kube, platform: Platform) -> None:
    assert admission.wrong(kube, "forest-promote", "postgres-forest-promotion", "forest-train") == {}


def test_dags_arrive(kube: Kube, platform: Platform) -> None:
    with AirflowApi.connect(kube) as airflow:
        await_dags(airflow, FOREST.dags)


def test_first_capture(kube: Kube, platform: Platform) -> None:
    assert {task["state"] for task in run(kube, CAPTURE, first=True)} == {"success"}


def test_capture_with_a_killed_load_pod(kube: Kube, platform: Platform) -> None:
    killed: list[str] = []
    with AirflowApi.connect(kube) as airflow:
        triggered = airflow.trigger(CAPTURE, {})
        # The schedule may begin a run at the same time.
        killer = threading.Thread(target=_kill_first_load_pod, args=(kube, triggered, killed))
        killer.start()
        tasks = follow(airflow, CAPTURE, triggered)
    killer.join()
    assert len(killed) == 1
    (load_task,) = (task for task in tasks if task["task_id"] == "load")
    assert (load_task["state"], load_task["try_number"]) == ("success", 2)


def _kill_first_load_pod(kube: Kube, run_id: str, killed: list[str]) -> None:
    for pod in evidence.changing_task_pods(kube, "task_id=load", 120):
        of_the_run = {"RUN_ID": run_id}.items() <= evidence.variables(pod).items()
        # The work may take less time than the kubelet takes to tell of its beginning.
        if of_the_run and pod.spec.node_name and pod.status.phase in ("Pending", "Running"):
            kube.core.delete_namespaced_pod(pod.metadata.name, kube.tasks_namespace, grace_period_seconds=0)
            killed.append(pod.metadata.name)
            return


def test_third_capture(kube: Kube, platform: Platform) -> None:
    assert {task["state"] for task in run(kube, CAPTURE)} == {"success"}


def test_no_row_is_lost_and_none_is_there_twice(kube: Kube, platform: Platform) -> None:
    with AirflowApi.connect(kube) as airflow:
        evidence.wait_for("captures to end", lambda: airflow.last_run(CAPTURE)["state"] in ENDED, 180)
        airflow.pause(CAPTURE)
    served = evidence.rows_served(kube, group=3)
    columns = ", ".join([*evidence.FEATURES, "cover_type"])
    ((rows, distinct),) = evidence.query(
        kube, f"SELECT count(*), count(DISTINCT ({columns})) FROM {evidence.TABLE}"
    )
    assert rows == distinct == len(served)


def test_train_and_promote(kube: Kube, platform: Platform) -> None:
    tasks = run(kube, TRAINING, first=True)
    assert await_champion(kube, "forest") == "1"
    assert sorted(task["task_id"] for task in tasks if task["state"] == "success") == [
        "evaluate",
        "preprocess_forest_data",
        "promote",
        *["train_forest_models"] * 3,
    ]


@pytest.fixture(scope="module")
def made_here(kube: Kube, platform: Platform) -> Iterator[Future[dict[str, str]]]:
    """What comes of the cluster's captures without one: made beside the stages that wait for its pods."""
    batches = evidence.query(kube, "SELECT batch_number FROM forest.ingest_audit ORDER BY finished_at")
    assert batches == [(number,) for number in range(len(batches))]
    # A process of its own, as MLflow's client finds its server in the environment.
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        yield pool.submit(same_tables.of_local, len(batches), TRAINED_WITH)


@pytest.mark.usefixtures("made_here")
@pytest.mark.parametrize(
    ("step", "moved"),
    [
        ("forest-promote", {"record", "lock", "alias", "tag"}),
        ("forest-extract", {"run"}),
        ("forest-train", {"run"}),
        ("crime-train", set()),
        ("crime-promote", set()),
        ("excel-load", set()),
        ("sipsa-extract", set()),
    ],
)
def test_only_promotion_chooses_a_champion(
    kube: Kube, platform: Platform, step: str, moved: set[str]
) -> None:
    assert credentials.what_it_moves(kube, step) == moved


def test_a_prediction_in_the_cluster_is_what_the_model_itself_says(kube: Kube, platform: Platform) -> None:
    frame = evidence.samples(kube, SAMPLES)
    answer = json.loads(
        predict.ask(kube, "forest", body=json.dumps({"samples": json.loads(frame.to_json(orient="records"))}))
    )
    served = [prediction["cover_type"] for prediction in answer["predictions"]]
    assert served == evidence.model_labels(kube, frame)


def test_a_pod_is_added_under_load(kube: Kube, platform: Platform) -> None:
    with load.job(kube, json.dumps(body(kube))):
        evidence.wait_for("a second pod", lambda: _replicas(kube) == 2, seconds=240)


def test_helm_test(platform: Platform) -> None:
    helm(platform, "test", "quintet", "--timeout", "5m")


def test_the_added_pod_has_gone_with_the_load(kube: Kube, platform: Platform) -> None:
    # `helm test` has run since, as nobody has to wait for the autoscaler.
    evidence.wait_for("one pod again", lambda: _replicas(kube) == 1, seconds=240)


def test_the_same_data_and_seeds_give_the_same_without_a_cluster(
    kube: Kube, platform: Platform, made_here: Future[dict[str, str]]
) -> None:
    assert made_here.result() == same_tables.of_cluster(kube)


def _replicas(kube: Kube) -> int:
    return int(kube.workloads("inference-forest")[0].status.ready_replicas or 0)


def test_a_new_champion_fails_no_request(kube: Kube, platform: Platform) -> None:
    """More rows, more trees and no gain to show bring a new version, while requests go on."""
    with AirflowApi.connect(kube) as airflow:
        # New rows trigger a training too, which must not end before the requests begin.
        airflow.pause(TRAINING)
        airflow.unpause(CAPTURE)
        airflow.set_variable("forest_n_estimators", "60")
        airflow.set_variable("forest_min_gain", "-1")
    run(kube, CAPTURE)
    request = body(kube)
    with evidence.steady_requests(kube, request) as answers:
        evidence.wait_for("a first answer", lambda: answers, seconds=30)
        with AirflowApi.connect(kube) as airflow:
            airflow.unpause(TRAINING)
        run(kube, TRAINING)
        begun = time.monotonic()
        evidence.wait_for(
            "a new version", lambda: answers[-1][1] != answers[0][1], seconds=CHAMPION_SECONDS, every=0.1
        )
        print(f"the new champion answered {time.monotonic() - begun:.1f} s after its training")
    assert {code for code, _ in answers} == {200}
    versions = [version for _, version in answers]
    assert versions == sorted(versions)


def test_upgrade_changes_no_secret_and_restarts_no_pod(kube: Kube, platform: Platform) -> None:
    before = evidence.secrets(kube), evidence.pods(kube)
    install(platform)
    assert (evidence.secrets(kube), evidence.pods(kube)) == before


def test_an_upgrade_takes_back_one_that_was_killed(kube: Kube, platform: Platform) -> None:
    before = evidence.secrets(kube)
    pending = {"label_selector": "owner=helm,status=pending-upgrade"}
    words = helm_command(platform, "upgrade", "quintet", str(release.CHART), "--reuse-values", "--wait")
    child = subprocess.Popen(words)
    try:
        evidence.wait_for(
            "the upgrade to begin",
            lambda: kube.core.list_namespaced_secret(kube.namespace, **pending).items,
            seconds=60,
            every=0.05,
        )
    finally:
        child.kill()
        child.wait()
    assert _release_status(platform) == "pending-upgrade"
    install(platform)
    assert _release_status(platform) == "deployed"
    assert evidence.secrets(kube) == before


def _release_status(platform: Platform) -> str:
    return str(json.loads(helm(platform, "status", "quintet", "--output", "json"))["info"]["status"])


def test_helm_rollback(kube: Kube, platform: Platform) -> None:
    before = evidence.secrets(kube)
    helm(platform, "rollback", "quintet", "1", "--wait", "--timeout", "5m")
    assert evidence.secrets(kube) == before
    assert json.loads(predict.ask(kube, "forest"))["predictions"]


def test_uninstall_keeps_secrets_and_data(kube: Kube, platform: Platform) -> None:
    before = evidence.secrets(kube)
    helm(platform, "uninstall", "quintet", "--wait", "--timeout", "5m")
    kept = evidence.secrets(kube)
    print("kept secrets:", ", ".join(sorted(kept)))
    claims = [
        claim.metadata.name
        for claim in kube.core.list_namespaced_persistent_volume_claim(E2E.namespace).items
    ]
    print("kept volumes:", ", ".join(sorted(claims)))
    assert kept == before
    for part in ("api-data", "minio", "postgres"):
        assert any(part in claim for claim in claims), part
    evidence.wait_for("the pods to go", lambda: not evidence.pods(kube), seconds=180)
