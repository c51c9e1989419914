"""What holds for every pod that the charts make; tests/dags/test_pods.py holds it for step pods."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.charts.render import ChartError, Manifest, containers, named, of_kind, pod_templates, render
from tests.go_programs import asked, built

LAUNCHERS = {"Deployment airflow-scheduler", "Deployment airflow-triggerer"}
PODS = pod_templates(render("quintet"))


@pytest.fixture(scope="session")
def judge() -> Path:
    """Kubernetes' own Pod Security library."""
    return built(Path(__file__).with_name("podsecurity"))


def refusals(judge: Path, pods: dict[str, Manifest]) -> dict[str, str]:
    """Why Pod Security `restricted` refuses pods, by name; those that it admits are left out."""
    reasons = asked(judge, [{"metadata": pod["metadata"], "spec": pod["spec"]} for pod in pods.values()])
    return {name: reason for name, reason in zip(pods, reasons, strict=True) if reason}


def test_pod_security_restricted_admits_every_pod(judge: Path) -> None:
    assert refusals(judge, PODS) == {}


def test_pods_have_the_ids_of_the_values_or_none() -> None:
    ids: dict[str, Any] = {"runAsUser": "", "runAsGroup": "", "fsGroup": ""}
    release = render("quintet", {"global": {"securityContext": ids}})
    for name, pod in pod_templates(release).items():
        assert not ids.keys() & pod["spec"]["securityContext"].keys(), name
        assert pod["spec"]["securityContext"]["runAsNonRoot"], name
        assert pod["spec"]["securityContext"].items() <= PODS[name]["spec"]["securityContext"].items(), name
    steps = json.loads(named(release, "ConfigMap", "airflow-step-pods")["data"]["pods.json"])
    own = json.loads(named(render("quintet"), "ConfigMap", "airflow-step-pods")["data"]["pods.json"])
    assert not ids.keys() & steps["security_context"].keys()
    assert own["security_context"] == PODS["Deployment mlflow"]["spec"]["securityContext"]
    assert (
        own["security_context"].items() >= {"runAsUser": 10001, "runAsGroup": 10001, "fsGroup": 10001}.items()
    )
    (alone,) = pod_templates(
        render("api-data", {"global": {"securityContext": {**ids, "fsGroup": 7}}})
    ).values()
    assert alone["spec"]["securityContext"]["fsGroup"] == 7
    assert "runAsUser" not in alone["spec"]["securityContext"]


def test_an_id_that_is_null_is_refused_as_helm_would_lose_it() -> None:
    with pytest.raises(ChartError, match=r"global\.securityContext\.fsGroup is null.* write \"\""):
        render("quintet", {"global": {"securityContext": {"fsGroup": None}}})


def test_pod_security_restricted_refuses_a_pod_that_may_be_root(judge: Path) -> None:
    pod = {"metadata": {"name": "root"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    assert "runAsNonRoot" in refusals(judge, {"root": pod})["root"]


@pytest.mark.parametrize("name", PODS)
def test_containers_cannot_write_to_their_image(name: str) -> None:
    assert all(c["securityContext"]["readOnlyRootFilesystem"] for c in containers(PODS[name]))


@pytest.mark.parametrize("name", PODS)
def test_containers_request_and_are_limited(name: str) -> None:
    for container in containers(PODS[name]):
        assert {"cpu", "memory"} <= container["resources"]["requests"].keys()
        assert "memory" in container["resources"]["limits"]


@pytest.mark.parametrize("name", PODS)
def test_every_empty_directory_has_a_size_limit(name: str) -> None:
    volumes = [volume["emptyDir"] for volume in PODS[name]["spec"].get("volumes", []) if "emptyDir" in volume]
    assert all("sizeLimit" in volume for volume in volumes)


@pytest.mark.parametrize("name", PODS)
def test_only_the_launchers_of_step_pods_hold_a_token(name: str) -> None:
    assert PODS[name]["spec"]["automountServiceAccountToken"] is (name in LAUNCHERS)


@pytest.mark.parametrize("name", [name for name in PODS if not name.startswith("Pod ")])
def test_pod_labels_are_those_that_never_change(name: str) -> None:
    labels = PODS[name]["metadata"]["labels"]
    assert {label for label in labels if "/" in label} <= {
        "app.kubernetes.io/name",
        "app.kubernetes.io/instance",
        "app.kubernetes.io/component",
        "quintet/client",
    }


@pytest.mark.parametrize("name", [name for name in PODS if name.startswith(("Deployment", "StatefulSet"))])
def test_long_lived_pods_are_probed(name: str) -> None:
    for container in PODS[name]["spec"]["containers"]:
        assert "startupProbe" in container
        assert "livenessProbe" in container


def test_selectors_match_exactly_the_pods_they_name() -> None:
    release = render("quintet")
    for workload in of_kind(release, "Deployment", "StatefulSet"):
        labels = workload["spec"]["template"]["metadata"]["labels"]
        assert workload["spec"]["selector"]["matchLabels"].items() <= labels.items()
    for service in of_kind(release, "Service"):
        selector = service["spec"]["selector"].items()
        selected = [name for name, pod in PODS.items() if selector <= pod["metadata"]["labels"].items()]
        assert len(selected) == 1
        ports = {port.get("name") for c in containers(PODS[selected[0]]) for port in c.get("ports", [])}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports


def test_the_autoscaler_rules_a_deployment_that_names_no_replicas() -> None:
    release = render("quintet")
    for autoscaler in of_kind(release, "HorizontalPodAutoscaler"):
        target = autoscaler["spec"]["scaleTargetRef"]["name"]
        (deployment,) = [m for m in of_kind(release, "Deployment") if m["metadata"]["name"] == target]
        assert "replicas" not in deployment["spec"]


def references(pod: Manifest) -> set[tuple[str, str]]:
    """Every ConfigMap, Secret and claim that a pod names, but those it can do without."""
    found: set[tuple[str, str]] = set()

    def walk(node: Any) -> None:
        if isinstance(node, list):
            for child in node:
                walk(child)
        elif isinstance(node, dict) and not node.get("optional"):
            for key, child in node.items():
                kind = {"secretKeyRef": "Secret", "secretRef": "Secret", "secret": "Secret"}.get(key) or {
                    "configMapKeyRef": "ConfigMap",
                    "configMapRef": "ConfigMap",
                    "configMap": "ConfigMap",
                    "persistentVolumeClaim": "PersistentVolumeClaim",
                }.get(key)
                if kind and not child.get("optional"):
                    found.add((kind, child.get("name") or child.get("secretName") or child.get("claimName")))
                walk(child)

    walk(pod["spec"])
    return found


def test_whatever_a_pod_refers_to_is_part_of_the_release() -> None:
    made = {
        (m["kind"], m["metadata"]["name"])
        for m in render("quintet")
        if m["metadata"].get("namespace") == "quintet"
    }
    for name, pod in PODS.items():
        assert references(pod) <= made, name


def test_the_whole_platform_asks_for_at_most_one_core() -> None:
    long_lived = [pod for name, pod in PODS.items() if name.startswith(("Deployment", "StatefulSet"))]
    requests = [c["resources"]["requests"]["cpu"] for pod in long_lived for c in pod["spec"]["containers"]]
    cores = [
        float(cpu[:-1]) / 1000 if re.fullmatch(r"\d+m", cpu) else float(cpu) for cpu in map(str, requests)
    ]
    assert sum(cores) <= 1.0
