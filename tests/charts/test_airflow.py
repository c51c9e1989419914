"""What the airflow chart tells Airflow and the step pods."""

from __future__ import annotations

import json
from typing import Any

import pytest

from quintet.pipelines import pipelines
from tests.charts.render import ChartError, Manifest, named, of_kind, render


def step_pods(values: dict[str, Any] | None = None) -> dict[str, Any]:
    config = named(render("airflow", values), "ConfigMap", "airflow-step-pods")
    content: dict[str, Any] = json.loads(config["data"]["pods.json"])
    return content


def config(values: dict[str, Any] | None = None) -> dict[str, str]:
    content: dict[str, str] = named(render("airflow", values), "ConfigMap", "airflow-config")["data"]
    return content


def container(release: tuple[Manifest, ...], name: str) -> Manifest:
    """The one container of a Deployment."""
    (found,) = named(release, "Deployment", name)["spec"]["template"]["spec"]["containers"]
    content: Manifest = found
    return content


def test_each_step_of_a_pipeline_has_its_image() -> None:
    own = "registry.example.org/forest-load@sha256:ab"
    release = render(
        "airflow", {"global": {"image": {"registry": "r", "tag": "7"}, "images": {"forest-load": own}}}
    )
    images = json.loads(named(release, "ConfigMap", "airflow-step-images")["data"]["images.json"])
    names = {step.image for pipeline in pipelines().values() for step in pipeline.steps.values()}
    assert images == {name: own if name == "forest-load" else f"r/{name}:7" for name in names}


def test_steps_find_the_services_of_their_release() -> None:
    pods = step_pods()
    assert pods["namespace"] == "quintet-tasks"
    assert pods["env"]["AWS_ENDPOINT_URL_S3"] == "http://minio.quintet.svc:9000"
    assert pods["env"]["MLFLOW_TRACKING_URI"] == "http://mlflow.quintet.svc:5000"
    source = named(render("quintet"), "ConfigMap", "sources")
    assert source["metadata"]["namespace"] == pods["namespace"]
    assert source["data"] == {
        "bitcoin": "https://data-api.binance.vision",
        "crime": "https://data.cityofchicago.org",
        "forest": "http://api-data.quintet.svc",
        "sipsa": "https://appweb.dane.gov.co",
    }


def test_every_secret_of_a_step_stands_in_the_namespace_of_steps() -> None:
    pods = step_pods()
    layers = [pods, *pods["steps"].values()]
    asked = {ref["secret"] for layer in layers for ref in layer["secret_env"].values()}
    made = {
        secret["metadata"]["name"]
        for secret in of_kind(render("quintet"), "Secret")
        if secret["metadata"]["namespace"] == pods["namespace"]
    }
    assert {f"postgres-{name}" for name in pipelines()} <= asked
    assert asked <= made


def test_promotion_alone_has_the_right_to_write_a_decision_and_move_an_alias() -> None:
    asked = {
        step: {ref["secret"] for ref in layer["secret_env"].values()}
        for step, layer in step_pods()["steps"].items()
    }
    promotes = {"bitcoin-promote", "crime-promote", "forest-promote", "penguins-publish"}
    may = {step: {secret for secret in secrets if "-promotion" in secret} for step, secrets in asked.items()}
    assert {step: secrets for step, secrets in may.items() if secrets} == {
        step: {f"{server}-{step.partition('-')[0]}-promotion" for server in ("mlflow", "postgres")}
        for step in promotes
    }


def test_a_secret_of_ones_own_reaches_the_steps() -> None:
    pods = step_pods({"global": {"secrets": {"existing": {"postgres-forest": "mine"}}}})
    assert pods["steps"]["forest-load"]["secret_env"]["DATABASE_URL"] == {"secret": "mine", "key": "url"}


def test_config_wins_over_what_the_chart_sets() -> None:
    assert config()["AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION"] == "True"
    assert config({"dagsPaused": False})["AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION"] == "False"
    own = config({"config": {"AIRFLOW__API__WORKERS": 2}})
    assert own["AIRFLOW__API__WORKERS"] == "2"
    assert own["AIRFLOW__CORE__PARALLELISM"] == "4"


def test_a_setting_that_is_none_of_airflows_is_refused() -> None:
    with pytest.raises(ChartError, match="AIRFLOW_CORE__PARALLELISM"):
        render("airflow", {"config": {"AIRFLOW_CORE__PARALLELISM": 2}})


def test_links_lead_to_the_ingress() -> None:
    ingress = {"enabled": True, "host": "airflow.example.org", "tlsSecret": "tls"}
    assert config()["AIRFLOW__API__BASE_URL"] == "http://localhost:8080"
    assert config({"ingress": ingress})["AIRFLOW__API__BASE_URL"] == "https://airflow.example.org"


@pytest.mark.parametrize("bucket", ["airflow-logs", ""])
def test_logs_go_to_s3_where_a_bucket_is_named(bucket: str) -> None:
    release = render("airflow", {"logs": {"bucket": bucket}})
    variables = {variable["name"]: variable for variable in container(release, "airflow-scheduler")["env"]}
    settings = named(release, "ConfigMap", "airflow-config")["data"]
    assert settings.get("AIRFLOW__LOGGING__REMOTE_LOGGING") == ("True" if bucket else None)
    assert ("AIRFLOW_CONN_MINIO_LOGS" in variables) == bool(bucket)


def test_the_connection_of_logs_holds_no_key_but_a_reference() -> None:
    variables = {v["name"]: v for v in container(render("airflow"), "airflow-scheduler")["env"]}
    connection = json.loads(variables["AIRFLOW_CONN_MINIO_LOGS"]["value"])
    assert (connection["login"], connection["password"]) == ("$(LOGS_ACCESS_KEY)", "$(LOGS_SECRET_KEY)")
    assert list(variables).index("LOGS_SECRET_KEY") < list(variables).index("AIRFLOW_CONN_MINIO_LOGS")


def test_dags_are_mounted_where_their_code_runs_and_not_in_the_api_server() -> None:
    release = render("airflow")
    mounting = {
        deployment["metadata"]["name"]
        for deployment in of_kind(release, "Deployment")
        for volume in deployment["spec"]["template"]["spec"]["volumes"]
        if volume.get("configMap", {}).get("name") == "airflow-dags"
    }
    assert mounting == {"airflow-scheduler", "airflow-dag-processor", "airflow-triggerer"}


def test_airflow_does_not_walk_the_hidden_copy_of_a_mounted_folder() -> None:
    files = named(render("airflow"), "ConfigMap", "airflow-dags")["data"]
    assert "..*" in files[".airflowignore"].splitlines()
    assert "forest.py" in files


LAUNCHER_RIGHTS = {
    "pods": {"create", "get", "list", "watch", "patch", "delete"},
    "pods/log": {"get"},
    "events": {"list", "watch"},
}


@pytest.mark.parametrize(
    ("operator", "rights"),
    [
        pytest.param("hybrid", LAUNCHER_RIGHTS, id="hybrid"),
        pytest.param("stock", LAUNCHER_RIGHTS | {"pods/exec": {"get", "create"}}, id="stock"),
    ],
)
def test_launchers_may_run_pods_in_the_namespace_of_steps_and_nothing_else(
    operator: str, rights: dict[str, set[str]]
) -> None:
    release = render("airflow", {"steps": {"operator": operator}})
    (role,) = of_kind(release, "Role")
    (binding,) = of_kind(release, "RoleBinding")
    assert not of_kind(release, "ClusterRole", "ClusterRoleBinding")
    assert role["metadata"]["namespace"] == binding["metadata"]["namespace"] == "quintet-tasks"
    assert [subject["name"] for subject in binding["subjects"]] == ["airflow-launcher"]
    given = {resource: set(rule["verbs"]) for rule in role["rules"] for resource in rule["resources"]}
    assert given == rights


def test_the_namespace_of_steps_is_restricted_and_outlives_the_release() -> None:
    namespace = named(render("airflow"), "Namespace", "quintet-tasks")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert namespace["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
    assert not of_kind(render("airflow", {"steps": {"createNamespace": False}}), "Namespace")


@pytest.mark.parametrize(
    ("kind", "given", "sources"),
    [
        ("variables", {}, ["airflow-variables"]),
        ("variables", {"existingSecret": "mine"}, ["airflow-variables", "mine"]),
        ("connections", {}, ["postgres-sipsa"]),
        ("connections", {"existingSecret": "mine"}, ["postgres-sipsa", "mine"]),
        ("connections", {"values": {"name": "value"}}, ["airflow-connections", "postgres-sipsa"]),
    ],
)
def test_the_migration_mounts_what_it_adds_from(kind: str, given: dict[str, Any], sources: list[str]) -> None:
    release = render("airflow", {kind: given})
    pod = named(release, "Job", "airflow-migrate")["spec"]["template"]["spec"]
    (volume,) = [volume for volume in pod["volumes"] if volume["name"] == kind]
    names = [next(iter(source.values()))["name"] for source in volume["projected"]["sources"]]
    assert names == sources
    mount = {"name": kind, "mountPath": f"/opt/quintet/setup/{kind}", "readOnly": True}
    assert mount in pod["containers"][0]["volumeMounts"]


def test_variables_may_be_read_by_all_and_connections_may_not() -> None:
    release = render("airflow", {"connections": {"values": {"name": "value"}}})
    variables = named(release, "ConfigMap", "airflow-variables")["data"]
    assert variables["sipsa_historical_start_date"] == "2020-01-01"
    assert named(release, "Secret", "airflow-connections")["stringData"] == {"name": "value"}


def test_a_connection_is_a_key_of_a_secret_and_its_value_stands_nowhere() -> None:
    pod = named(render("airflow"), "Job", "airflow-migrate")["spec"]["template"]["spec"]
    (volume,) = [volume for volume in pod["volumes"] if volume["name"] == "connections"]
    assert volume["projected"]["sources"] == [
        {"secret": {"name": "postgres-sipsa", "items": [{"key": "url", "path": "postgres_sipsa"}]}}
    ]


def test_another_variable_makes_another_migration() -> None:
    def job(values: dict[str, Any]) -> str:
        name: str = named(render("airflow", values), "Job", "airflow-migrate")["metadata"]["name"]
        return name

    assert job({}) == job({"scheduler": {"resources": {"limits": {"memory": "2Gi"}}}})
    assert job({}) != job({"variables": {"values": {"forest_min_rows": 100}}})
    assert job({}) != job({"connections": {"existingSecret": "mine"}})
