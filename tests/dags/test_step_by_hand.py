"""The pod that `quintet step` makes is the one that a run makes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG
from kubernetes.client import ApiClient
from pods import step

from quintet.ops.step_pod import BY, DEADLINE_SECONDS, manifest
from quintet.pipelines import pipelines
from tests.dags.conftest import PODS

OPTIONS = ["--table=forest.forest_cover_samples"]
TASK = {"DAG_ID": "{{ dag.dag_id }}", "RUN_ID": "{{ run_id }}", "TASK_ID": "{{ ti.task_id }}"}
DEFAULTS = ("hostNetwork", "terminationMessagePolicy")
"""What the provider says, as Kubernetes itself would."""
TASK |= {"TRY_NUMBER": "{{ ti.try_number }}", "OMP_NUM_THREADS": "2"}


def without_nothing(value: Any) -> Any:
    """Leave out what says nothing."""
    if isinstance(value, dict):
        cleaned = {key: without_nothing(each) for key, each in value.items() if key not in DEFAULTS}
        return {key: each for key, each in cleaned.items() if each not in (None, {}, [])}
    return [without_nothing(each) for each in value] if isinstance(value, list) else value


def sorted_variables(pod: dict[str, Any]) -> dict[str, Any]:
    (container,) = pod["spec"]["containers"]
    container["env"].sort(key=lambda variable: variable["name"])
    return pod


def in_a_run(name: str) -> dict[str, Any]:
    with DAG("pods", schedule=None):
        task = step(
            "forest",
            name,
            arguments={"table": "forest.forest_cover_samples"},
            environment={"OMP_NUM_THREADS": "2"},
            timeout=timedelta(seconds=DEADLINE_SECONDS),
        )
    pod = ApiClient().sanitize_for_serialization(task.build_pod_request_obj(dry_run=True))
    return sorted_variables(without_nothing(pod))


def by_hand(name: str) -> dict[str, Any]:
    asked = pipelines()["forest"].steps[name]
    image = f"registry.test/quintet/forest-{name}:1"
    return sorted_variables(without_nothing(manifest(PODS, asked, image, OPTIONS, TASK)))


def test_it_differs_from_that_of_a_run_in_its_name_and_in_who_it_belongs_to() -> None:
    for name in ("extract", "promote"):
        run, hand = in_a_run(name), by_hand(name)
        assert hand["spec"] == run["spec"]
        assert hand["metadata"]["namespace"] == run["metadata"]["namespace"]
        labels = hand["metadata"]["labels"]
        assert labels.pop(BY)
        assert labels.items() <= run["metadata"]["labels"].items()
