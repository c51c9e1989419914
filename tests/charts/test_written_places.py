"""What pods can write to: never DAGs, settings, scripts or migrations, which the release gives them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.charts.render import Manifest, containers, named, of_kind, pod_templates, render

MORE_VOLUMES: dict[str, Any] = {
    "global": {"caSecret": "authorities", "postgres": {"caSecret": "authority"}},
    "inference": {"defaults": {"clientKeysSecret": "clients"}},
}
"""Values that add a volume each."""
PODS = {
    f"{name}, {values}": pod
    for values, release in {
        "as it is": render("quintet"),
        "more volumes": render("quintet", MORE_VOLUMES),
    }.items()
    for name, pod in pod_templates(release).items()
}
GIVEN = {"configMap", "secret", "projected"}
"""Volumes whose content comes from outside the pod."""
RUN_DAGS = ("airflow-dag-processor", "airflow-scheduler", "airflow-triggerer")
DAG_FILES = {
    "airflow-dags": "/opt/airflow/dags",
    "airflow-step-images": "/opt/quintet/images",
    "airflow-step-pods": "/opt/quintet/pods",
    "airflow-scripts": "/opt/quintet/scripts",
}
"""The ConfigMaps that such a pod runs or is told by, and their folders."""


def volumes(pod: Manifest) -> dict[str, str]:
    """The kind of each volume of a pod, by its name; claims of a StatefulSet are not among them."""
    return {each["name"]: kind for each in pod["spec"].get("volumes", []) for kind in each if kind != "name"}


def mounts(pod: Manifest) -> list[Manifest]:
    return [mount for container in containers(pod) for mount in container.get("volumeMounts", [])]


@pytest.mark.parametrize("name", PODS)
def test_no_container_can_write_to_what_the_release_gives_it(name: str) -> None:
    given = {volume for volume, kind in volumes(PODS[name]).items() if kind in GIVEN}
    assert [m for m in mounts(PODS[name]) if m["name"] in given and not m.get("readOnly")] == []


@pytest.mark.parametrize("name", PODS)
def test_every_volume_is_given_by_the_release_or_named_here(name: str) -> None:
    own = {volume for volume, kind in volumes(PODS[name]).items() if kind not in GIVEN | {"emptyDir"}}
    assert own == ({"state"} if name.startswith("Deployment api-data") else set())


@pytest.mark.parametrize("workload", RUN_DAGS)
@pytest.mark.parametrize("values", ["as it is", "more volumes"])
def test_where_dags_run_only_two_empty_folders_can_be_written(workload: str, values: str) -> None:
    pod = PODS[f"Deployment {workload}, {values}"]
    assert {m["name"] for m in mounts(pod) if not m.get("readOnly")} == {"tmp", "home"}
    kinds = volumes(pod)
    assert (kinds["tmp"], kinds["home"]) == ("emptyDir", "emptyDir")
    config_maps = {v["configMap"]["name"]: v["name"] for v in pod["spec"]["volumes"] if "configMap" in v}
    places = {m["name"]: m["mountPath"] for m in mounts(pod)}
    assert {name: places[config_maps[name]] for name in DAG_FILES} == DAG_FILES


def test_dags_are_in_no_other_pod_and_airflow_reads_others_from_the_bucket_of_releases_alone() -> None:
    release = render("quintet")
    told = named(release, "ConfigMap", "airflow-config")["data"]
    assert not [name for name in told if "DAGS_FOLDER" in name or "PLUGINS" in name]
    bundles = json.loads(told["AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST"])
    assert {bundle["classpath"]: bundle["kwargs"].keys() for bundle in bundles} == {
        "airflow.dag_processing.bundles.local.LocalDagBundle": set(),
        "pipeline_releases.bundle.PipelineReleases": {"refresh_interval"},
    }
    assert {name for name in told if "DAG_BUNDLE" in name} == {
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST",
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH",
    }
    with_dags = {
        name
        for name, pod in pod_templates(release).items()
        for volume in pod["spec"].get("volumes", [])
        if volume.get("configMap", {}).get("name") == "airflow-dags"
    }
    assert with_dags == {f"Deployment {workload}" for workload in RUN_DAGS}


def test_nobody_of_the_platform_may_change_a_config_map() -> None:
    rules = [rule for role in of_kind(render("quintet"), "Role", "ClusterRole") for rule in role["rules"]]
    assert rules
    assert not [rule for rule in rules if {"configmaps", "*"} & set(rule["resources"])]
