"""How the DAGs of a pipeline's own release get to Airflow: what its Jobs publish, when, and by which keys."""

from __future__ import annotations

import json
from typing import Any

from tests.charts.render import Manifest, containers, named, of_kind, render
from tests.charts.test_own_release import WEATHER, changed, own, sample

CONNECTED = changed(connections={"weather_db": {"secret": "postgres-weather", "key": "url"}})


def job(name: str, release: tuple[Manifest, ...] | None = None) -> Manifest:
    """One of its hooks, whose names have no hash."""
    full = f"airflow-dags-{name}-weather"
    (found,) = [m for m in of_kind(release or own(), "Job") if m["metadata"]["name"] == full]
    return found


def secrets_of(manifest: dict[str, Any], container: str) -> set[str]:
    (found,) = [each for each in containers(manifest["spec"]["template"]) if each["name"] == container]
    return {entry["valueFrom"]["secretKeyRef"]["name"] for entry in found["env"] if "valueFrom" in entry}


def files_of(release: tuple[Manifest, ...]) -> dict[str, Any]:
    data = named(release, "ConfigMap", "airflow-dags-weather")["data"]
    return {name: json.loads(text) if name.endswith(".json") else text for name, text in data.items()}


def test_what_is_published_is_the_dag_files_and_what_the_platform_would_know_of_the_steps() -> None:
    files, platform = files_of(own()), sample()
    assert files["weather.py"] == "dag = 1"
    pods = json.loads(named(platform, "ConfigMap", "airflow-step-pods")["data"]["pods.json"])
    # The address of the source stands in a ConfigMap of the release's own.
    sources = {"config_map": "sources-weather", "key": "weather"}
    pods["steps"]["weather-observe"]["config_env"]["SOURCE_API_BASE_URL"] = sources
    images = json.loads(named(platform, "ConfigMap", "airflow-step-images")["data"]["images.json"])
    assert files["steps.json"] == {"images": images, "steps": pods["steps"]}
    assert files["release.json"]["claims"]["DAG"] == list(WEATHER["dags"])


def test_what_is_checked_before_is_what_is_published_after() -> None:
    checked = named(own(), "ConfigMap", "airflow-dags-check-weather")
    assert checked["data"] == named(own(), "ConfigMap", "airflow-dags-weather")["data"]
    hooks = {
        name: job(name)["metadata"]["annotations"]["helm.sh/hook"] for name in ("check", "publish", "removal")
    }
    assert hooks == {
        "check": "pre-install,pre-upgrade",
        "publish": "post-install,post-upgrade,post-rollback",
        "removal": "pre-delete",
    }


def test_the_code_of_the_pipeline_runs_beside_no_key_and_each_job_has_its_own_alone() -> None:
    assert secrets_of(job("check"), "parse") == set()
    assert secrets_of(job("check"), "check") == {"minio-dags-reader"}
    for name, command in (("publish", "publish"), ("removal", "withdraw")):
        assert secrets_of(job(name), command) == {"minio-dags-publisher"}
    assert secrets_of(job("objects"), "objects") == {"postgres-airflow", "airflow-keys"}
    (policy,) = [
        json.loads(text)
        for name, text in named(render("quintet"), "ConfigMap", "minio-setup")["data"].items()
        if name == "policy-dags-reader.json"
    ]
    allowed = {action for part in policy["Statement"] for action in part["Action"]}
    assert allowed == {"s3:GetBucketLocation", "s3:ListBucket", "s3:GetObject"}


def test_variables_and_connections_come_after_the_dags_and_go_with_them() -> None:
    release = own(CONNECTED)
    assert named(release, "ConfigMap", "airflow-dags-variables-weather")["data"] == WEATHER["variables"]
    for name in ("objects", "objects-removal"):
        volumes = job(name, release)["spec"]["template"]["spec"]["volumes"]
        (sources,) = [each["projected"]["sources"] for each in volumes if each["name"] == "connections"]
        items = [{"key": "url", "path": "weather_db"}]
        assert sources == [{"secret": {"name": "postgres-weather", "items": items}}]
    weights = [
        int(job(name, release)["metadata"]["annotations"]["helm.sh/hook-weight"])
        for name in ("publish", "objects")
    ]
    assert weights == sorted(weights)
    plain = own(changed(variables={}))
    assert not [m for m in of_kind(plain, "Job") if "objects" in m["metadata"]["name"]]


def test_without_airflow_there_is_nothing_to_publish() -> None:
    assert not [m for m in own(airflow={"enabled": False}) if "dags" in m["metadata"]["name"]]


def test_airflow_looks_into_its_folder_and_into_the_bucket() -> None:
    release = render("airflow")
    config = named(release, "ConfigMap", "airflow-config")["data"]
    bundles = json.loads(config["AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST"])
    assert [bundle["name"] for bundle in bundles] == ["dags-folder", "releases"]
    for name in ("scheduler", "dag-processor", "api-server", "triggerer"):
        (container,) = named(release, "Deployment", f"airflow-{name}")["spec"]["template"]["spec"][
            "containers"
        ]
        reads = any(entry["name"] == "DAGS_SECRET_KEY" for entry in container["env"])
        assert reads is (name in ("scheduler", "dag-processor"))
    without = render("airflow", {"releases": {"bucket": ""}})
    assert "minio-dags-reader" not in json.dumps(of_kind(without, "Deployment"))
    assert "DAG_BUNDLE_CONFIG_LIST" not in json.dumps(named(without, "ConfigMap", "airflow-config"))
