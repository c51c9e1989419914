"""The pod that a step gets, from the DAG's side and from the two files that the chart mounts."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowFailException
from kubernetes.client import ApiClient
from kubernetes.client import models as k8s
from pods import step
from step_operator import StockStepOperator

from tests.dags.conftest import PODS


def pod_of(name: str, **settings: Any) -> dict[str, Any]:
    with DAG("pods", schedule=None):
        task = step("forest", name, **settings)
    return ApiClient().sanitize_for_serialization(task.build_pod_request_obj(dry_run=True))


def environment_of(pod: dict[str, Any]) -> dict[str, Any]:
    return {
        entry["name"]: entry.get("value", entry.get("valueFrom"))
        for entry in pod["spec"]["containers"][0]["env"]
    }


def test_pod_is_restricted_and_holds_no_token() -> None:
    pod = pod_of("extract", timeout=timedelta(minutes=5))
    assert pod["metadata"]["namespace"] == "quintet-tasks"
    assert (
        pod["metadata"]["labels"]
        | {
            "app.kubernetes.io/name": "step",
            "pipeline": "forest",
            "step": "forest-extract",
        }
        == pod["metadata"]["labels"]
    )
    spec = pod["spec"]
    assert spec["serviceAccountName"] == "step"
    assert spec["automountServiceAccountToken"] is False
    assert spec["restartPolicy"] == "Never"
    assert spec["activeDeadlineSeconds"] == 300
    assert spec["imagePullSecrets"] == [{"name": "registry"}]
    assert spec["securityContext"] == PODS["security_context"]
    (container,) = spec["containers"]
    assert container["image"] == "registry.test/quintet/forest-extract:1"
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert set(container["resources"]) == {"requests", "limits"}
    assert container["terminationMessagePolicy"] == "File"


def test_settings_of_the_step_win_and_secrets_are_references() -> None:
    environment = environment_of(pod_of("promote"))
    assert environment["GROUP_NUMBER"] == "3"
    assert environment["DATA_BUCKET"] == "data"
    assert environment["IMAGE_REFERENCE"] == "registry.test/quintet/forest-promote:1"
    assert environment["RESULT_PATH"] == "/dev/termination-log"
    assert environment["DATABASE_URL"] == {
        "secretKeyRef": {"name": "postgres-forest-promotion", "key": "url"}
    }
    assert environment["MLFLOW_TRACKING_PASSWORD"] == {
        "secretKeyRef": {"name": "mlflow-forest-promotion", "key": "password"}
    }


def test_only_a_step_that_asks_a_source_has_its_address_and_the_label_that_opens_the_way_to_it() -> None:
    extract, promote = pod_of("extract"), pod_of("promote")
    address = {"configMapKeyRef": {"name": "sources", "key": "forest"}}
    assert environment_of(extract)["SOURCE_API_BASE_URL"] == address
    assert extract["metadata"]["labels"]["quintet/source"] == "forest"
    assert "SOURCE_API_BASE_URL" not in environment_of(promote)
    assert "quintet/source" not in promote["metadata"]["labels"]


def test_resources_are_those_of_the_step_else_small_ones() -> None:
    promote = PODS["steps"]["forest-promote"]["resources"]  # type: ignore[index]
    assert pod_of("promote")["spec"]["containers"][0]["resources"] == promote
    assert pod_of("extract")["spec"]["containers"][0]["resources"] == {
        "requests": {"cpu": "100m", "memory": "128Mi"},
        "limits": {"cpu": "1", "memory": "512Mi"},
    }


def test_resources_of_one_task_win_over_those_of_its_step() -> None:
    own = k8s.V1ResourceRequirements(limits={"memory": "64Mi"})
    pod = pod_of("promote", container_resources=own)
    assert pod["spec"]["containers"][0]["resources"] == {"limits": {"memory": "64Mi"}}


def test_a_step_has_the_files_of_secrets_that_the_chart_names(step_files: Path) -> None:
    files = {"/etc/postgres-ca": "corp.authorities", "/etc/authorities": "corp.authorities"}
    (step_files / "pods.json").write_text(json.dumps({**PODS, "secret_files": files}))
    spec = pod_of("extract")["spec"]
    for path, name in (("/etc/postgres-ca", "etc-postgres-ca"), ("/etc/authorities", "etc-authorities")):
        assert {"name": name, "secret": {"secretName": "corp.authorities"}} in spec["volumes"]
        mount = {"name": name, "mountPath": path, "readOnly": True}
        assert mount in spec["containers"][0]["volumeMounts"]


def test_options_are_one_word_each_and_an_empty_one_is_left_out() -> None:
    pod = pod_of("extract", arguments={"raw_uri": "s3://data/x", "min_gain": -1, "seed": ""})
    assert pod["spec"]["containers"][0]["args"] == ["--raw-uri=s3://data/x", "--min-gain=-1"]


def test_no_option_stands_for_the_images_own_command() -> None:
    assert not pod_of("extract")["spec"]["containers"][0].get("command")


def test_stock_operator_is_one_value_away(step_files: Path) -> None:
    (step_files / "pods.json").write_text(json.dumps({**PODS, "operator": "stock"}))
    with DAG("pods", schedule=None):
        task = step("forest", "extract", skip_on_exit_code=99)
    assert type(task) is StockStepOperator
    pod = ApiClient().sanitize_for_serialization(task.build_pod_request_obj(dry_run=True))
    container, sidecar = pod["spec"]["containers"]
    assert environment_of(pod)["RESULT_PATH"] == "/airflow/xcom/return.json"
    assert sidecar["image"] == container["image"]
    assert sidecar["securityContext"] == container["securityContext"]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "STEP_PODS_FILE is not set"),
        ("{", "cannot be read as JSON"),
        ('{"operator": "quick"}', "names the operator 'quick': use hybrid or stock or process"),
    ],
)
def test_missing_or_wrong_settings_are_refused_in_one_sentence(
    step_files: Path, monkeypatch: pytest.MonkeyPatch, content: str | None, sentence: str
) -> None:
    if content is None:
        monkeypatch.delenv("STEP_PODS_FILE")
    else:
        (step_files / "pods.json").write_text(content)
    with pytest.raises(AirflowFailException, match=sentence):
        pod_of("extract")


def test_step_without_an_image_is_named(step_files: Path) -> None:
    (step_files / "images.json").write_text('{"forest-load": "x"}')
    with pytest.raises(AirflowFailException, match=r"No image for forest-extract.*forest-load"):
        pod_of("extract")


def test_a_pod_has_nothing_that_the_tasks_namespace_refuses_beside_a_secret_of_its_program_alone() -> None:
    spec = pod_of("promote")["spec"]
    (container,) = spec["containers"]
    hooks = {"lifecycle", "livenessProbe", "readinessProbe", "startupProbe"}
    assert not {key for key in {*hooks, "command", "workingDir"} if container.get(key)}
    assert not [key for key in ("initContainers", "shareProcessNamespace") if spec.get(key)]
    kinds = {key for volume in spec["volumes"] for key in volume if key != "name"}
    assert kinds <= {"emptyDir", "secret"}


def test_the_operator_keeps_what_values_say_of_pods(step_files: Path) -> None:
    gpu = {"key": "nvidia.com/gpu", "operator": "Exists"}
    spread = {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}
    volume = {"name": "more", "configMap": {"name": "more"}}
    everywhere = {
        "nodeSelector": {"pool": "steps"},
        "tolerations": [{"key": "steps", "operator": "Exists"}],
        "affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}},
        "topologySpreadConstraints": [spread],
        "priorityClassName": "low",
        "podAnnotations": {"example.com/a": "b"},
        "podLabels": {"example.com/team": "data"},
        "imagePullSecrets": ["registry", "second"],
        "terminationGracePeriodSeconds": 77,
        "tmpSize": "9Gi",
        "extraEnv": {"EXTRA": "1", "HOST": {"valueFrom": {"fieldRef": {"fieldPath": "status.hostIP"}}}},
        "envFrom": [{"configMapRef": {"name": "more"}}],
        "extraVolumes": [volume],
        "extraVolumeMounts": [{"name": "more", "mountPath": "/etc/more"}],
    }
    one = {"nodeSelector": {"pool": "gpu"}, "tolerations": [gpu], "serviceAccount": {"name": "reader"}}
    steps = {"forest-extract": {"pods": one}}
    (step_files / "pods.json").write_text(json.dumps({**PODS, "pods": everywhere, "steps": steps}))
    pod = pod_of("extract")
    spec = pod["spec"]
    container = spec["containers"][0]
    assert spec["nodeSelector"] == {"pool": "gpu"}
    assert spec["tolerations"] == [*everywhere["tolerations"], gpu]
    assert spec["affinity"] == everywhere["affinity"]
    alike = {"labelSelector": {"matchLabels": {"app.kubernetes.io/name": "step"}}}
    assert spec["topologySpreadConstraints"] == [{**spread, **alike}]
    assert spec["priorityClassName"] == "low"
    assert pod["metadata"]["annotations"]["example.com/a"] == "b"
    assert pod["metadata"]["labels"].items() >= everywhere["podLabels"].items()
    assert spec["imagePullSecrets"] == [{"name": "registry"}, {"name": "second"}]
    assert spec["serviceAccountName"] == "reader"
    assert spec["terminationGracePeriodSeconds"] == 77
    assert {"name": "tmp", "emptyDir": {"sizeLimit": "9Gi"}} in spec["volumes"]
    assert volume in spec["volumes"]
    assert everywhere["extraVolumeMounts"][0] in container["volumeMounts"]
    assert container["envFrom"] == everywhere["envFrom"]
    env = environment_of(pod)
    assert env["EXTRA"] == "1"
    assert env["HOST"] == everywhere["extraEnv"]["HOST"]["valueFrom"]
