"""Services of one's own: nothing in the release still points to what an S3 service or an MLflow replaces."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

import pytest

from quintet.pipelines import pipelines
from tests.charts.render import (
    CHARTS,
    NAMES,
    ChartError,
    Manifest,
    containers,
    default_values,
    named,
    pod_templates,
    render,
)

S3 = "https://s3.example.com"
MLFLOW = "https://mlflow.example.com"
MODELS = [pipeline.model for pipeline in pipelines().values() if pipeline.model]
NO_REGISTRY: dict[str, Any] = {
    "airflow": {"steps": {"env": {"MLFLOW_ENABLE_MODEL_REGISTRY": "false"}}},
    "inference": {"models": {name: {"runUri": f"s3://data/{name}/latest_model.json"} for name in MODELS}},
}


def existing(*names: str) -> dict[str, Any]:
    """Global values that name a Secret of one's own for each of these."""
    return {"secrets": {"existing": {name: f"own-{name}" for name in names}}}


def variables(release: tuple[Manifest, ...], name: str) -> dict[str, str]:
    """Each variable of this name that a pod of the release is given as a value, by pod."""
    return {
        pod_name: variable["value"]
        for pod_name, pod in pod_templates(release).items()
        for container in containers(pod)
        for variable in container.get("env", [])
        if variable["name"] == name and "value" in variable
    }


def step_env(release: tuple[Manifest, ...]) -> dict[str, str]:
    pods = json.loads(named(release, "ConfigMap", "airflow-step-pods")["data"]["pods.json"])
    env: dict[str, str] = pods["env"]
    return env


def text(release: tuple[Manifest, ...]) -> str:
    """All of a release but its NetworkPolicies, which name pods that may not be there."""
    return json.dumps([m for m in release if m["kind"] != "NetworkPolicy"])


def spoken_of(release: tuple[Manifest, ...], names: Iterable[str]) -> set[str]:
    """Those of some names of Secrets that stand in the release, also in the JSON of a ConfigMap."""
    everything = text(release).replace("\\", "")
    return {name for name in names if f'"{name}"' in everything}


def test_an_outside_s3_replaces_minio_in_every_address_and_key() -> None:
    platform = ("mlflow", "airflow", "dags-reader", "dags-publisher", "serving")
    users = [f"minio-{name}" for name in (*platform, *pipelines())]
    release = render(
        "quintet",
        {
            "global": existing(*users),
            "minio": {"enabled": False},
            "mlflow": {"s3": {"endpointUrl": S3}},
            "airflow": {
                "logs": {"endpointUrl": S3},
                "releases": {"endpointUrl": S3},
                "steps": {"env": {**NO_REGISTRY["airflow"]["steps"]["env"], "AWS_ENDPOINT_URL_S3": S3}},
            },
            "inference": {**NO_REGISTRY["inference"], "s3": {"endpointUrl": S3}},
        },
    )
    assert variables(release, "MLFLOW_S3_ENDPOINT_URL") == {"Deployment mlflow": S3}
    assert variables(release, "AWS_ENDPOINT_URL_S3") == {
        f"Deployment inference-{name}": S3 for name in MODELS
    }
    assert step_env(release)["AWS_ENDPOINT_URL_S3"] == S3
    connections = variables(release, "AIRFLOW_CONN_MINIO_LOGS").values()
    assert {json.loads(connection)["extra"]["endpoint_url"] for connection in connections} == {S3}
    assert "http://minio" not in text(release)
    own = {f"own-{user}" for user in users}
    assert spoken_of(release, own | {*users, "minio-root"}) == own


def test_an_outside_mlflow_replaces_the_server_in_every_address_and_key() -> None:
    users = ["mlflow-serving", *(f"mlflow-{name}{of}" for name in MODELS for of in ("", "-promotion"))]
    release = render(
        "quintet",
        {
            "global": existing(*users),
            "mlflow": {"enabled": False},
            "airflow": {"steps": {"env": {"MLFLOW_TRACKING_URI": MLFLOW}}},
            "inference": {"mlflowTrackingUri": MLFLOW},
        },
    )
    assert variables(release, "MLFLOW_TRACKING_URI") == {
        f"Deployment inference-{name}": MLFLOW for name in MODELS
    }
    assert step_env(release)["MLFLOW_TRACKING_URI"] == MLFLOW
    assert "http://mlflow" not in text(release)
    own = {f"own-{user}" for user in users}
    assert spoken_of(release, own | {*users, "mlflow-admin", "mlflow-flask"}) == own


def test_the_values_that_operations_names_exist() -> None:
    values = {name: default_values(name) for name in NAMES}
    values["global"] = default_values("quintet")["global"]
    page = (CHARTS.parent / "docs" / "operations.md").read_text(encoding="utf-8")
    section = page.partition("## Parts of your own\n")[2].partition("\n## ")[0]
    named_paths = re.findall(r"`((?:global|postgres|minio|mlflow|airflow|inference)\.[\w.-]+)", section)
    assert len(named_paths) > 20
    # These hold what a user names.
    of_users = ("inference.models.", "global.secrets.existing.", "global.pipelines.")
    for path in named_paths:
        found: Any = values
        *parents, last = path.split(".")
        for key in parents if not path.startswith(of_users) else parents[:2]:
            found = found[key]
        assert path.startswith(of_users) or last in found, path


BY_AUTHORITY: dict[str, Any] = {
    "global": {"secrets": {"existing": {"postgres-superuser": "own"}}, "postgres": {"caSecret": "authority"}},
    "postgres": {"external": {"enabled": True, "host": "db.example.com", "sslMode": "verify-full"}},
}


def test_who_connects_to_postgres_has_its_authority() -> None:
    release = render("quintet", BY_AUTHORITY)
    clients = set()
    for name, pod in pod_templates(release).items():
        for container in containers(pod):
            env = {variable["name"]: variable for variable in container.get("env", [])}
            if "PGHOST" not in env and not re.search(
                r'"postgres-[a-z-]+", "key": "url"', json.dumps(list(env.values()))
            ):
                continue
            clients.add(f"{name} {container['name']}")
            assert env["PGSSLROOTCERT"]["value"] == "/etc/postgres-ca/ca.crt", name
            mount = {"name": "postgres-ca", "mountPath": "/etc/postgres-ca", "readOnly": True}
            assert mount in container["volumeMounts"], name
            secret = {"secretName": "authority", "items": [{"key": "ca.crt", "path": "ca.crt"}]}
            assert {"name": "postgres-ca", "secret": secret} in pod["spec"]["volumes"], name
    assert {"Job postgres-setup setup", "Job mlflow-upgrade upgrade", "Deployment mlflow mlflow"} <= clients
    assert {"Deployment airflow-scheduler scheduler", "Job airflow-rollback check"} <= clients
    assert {f"Deployment inference-{name} inference" for name in MODELS} <= clients
    pods = json.loads(named(release, "ConfigMap", "airflow-step-pods")["data"]["pods.json"])
    assert pods["secret_files"] == {"/etc/postgres-ca": "authority"}
    assert pods["env"]["PGSSLROOTCERT"] == "/etc/postgres-ca/ca.crt"
    assert "PGSSLROOTCERT" not in text(render("quintet"))


PROXY = {"url": "http://proxy.example.com:3128", "peers": [{"ipBlock": {"cidr": "198.51.100.7/32"}}]}
OTHERS: dict[str, Any] = {
    "global": {
        "caSecret": "corp.authorities",
        "postgres": {"caSecret": "corp.authorities"},
        "s3": {"checksums": "when_required"},
    },
    "airflow": {"steps": {"proxy": {**PROXY, "noProxy": ["s3.example.com"]}}},
}
"""What a network asks for whose S3, proxy and authorities are its own."""


def test_who_asks_s3_mlflow_or_a_source_trusts_the_authorities_of_the_values() -> None:
    release = render("quintet", OTHERS)
    path = "/etc/authorities/ca.crt"
    clients = set()
    for name, pod in pod_templates(release).items():
        for container in containers(pod):
            env = {variable["name"]: variable.get("value") for variable in container.get("env", [])}
            if not {"AWS_ACCESS_KEY_ID", "LOGS_ACCESS_KEY", "MODEL_ALIAS"} & set(env):
                continue
            clients.add(name)
            for variable in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "AWS_CA_BUNDLE"):
                assert env[variable] == path, name
            mount = {"name": "authorities", "mountPath": "/etc/authorities", "readOnly": True}
            assert mount in container["volumeMounts"], name
            secret = {"secretName": "corp.authorities", "items": [{"key": "ca.crt", "path": "ca.crt"}]}
            assert {"name": "authorities", "secret": secret} in pod["spec"]["volumes"], name
    assert {"Deployment mlflow", "Deployment airflow-scheduler", "Deployment inference-forest"} <= clients
    pods = json.loads(named(release, "ConfigMap", "airflow-step-pods")["data"]["pods.json"])
    assert pods["secret_files"] == {
        "/etc/authorities": "corp.authorities",
        "/etc/postgres-ca": "corp.authorities",
    }
    assert {pods["env"][name] for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "AWS_CA_BUNDLE")} == {path}
    assert "/etc/authorities" not in text(render("quintet"))


def test_every_client_of_s3_leaves_checksums_out_where_the_values_say_so() -> None:
    release = render("quintet", OTHERS)
    keys = {"AWS_ACCESS_KEY_ID", "LOGS_ACCESS_KEY"}
    clients = {
        name
        for name, pod in pod_templates(release).items()
        for container in containers(pod)
        if keys & {variable["name"] for variable in container.get("env", [])}
    }
    assert {"Deployment mlflow", "Deployment airflow-scheduler", "Deployment inference-bitcoin"} <= clients
    for variable in ("AWS_REQUEST_CHECKSUM_CALCULATION", "AWS_RESPONSE_CHECKSUM_VALIDATION"):
        assert clients <= {name for name, value in variables(release, variable).items() if value}
        assert set(variables(release, variable).values()) == {"when_required"}
        assert step_env(release)[variable] == "when_required"
    assert "AWS_REQUEST_CHECKSUM" not in text(render("quintet"))


def test_steps_go_out_through_the_proxy_of_the_values() -> None:
    release = render("quintet", OTHERS)
    env = step_env(release)
    assert {env["HTTP_PROXY"], env["HTTPS_PROXY"]} == {PROXY["url"]}
    assert env["NO_PROXY"] == "localhost,127.0.0.1,.svc,.cluster.local,s3.example.com"
    egress = named(release, "NetworkPolicy", "steps")["spec"]["egress"]
    assert {"to": PROXY["peers"], "ports": [{"port": 3128}]} in egress
    assert "PROXY" not in json.dumps(step_env(render("quintet")))


@pytest.mark.parametrize(("url", "port"), [("http://proxy.example.com", 80), ("https://[fd00::7]", 443)])
def test_a_proxy_without_a_port_has_that_of_its_scheme(url: str, port: int) -> None:
    release = render("airflow", {"steps": {"proxy": {**PROXY, "url": url}}})
    assert {"to": PROXY["peers"], "ports": [{"port": port}]} in named(release, "NetworkPolicy", "steps")[
        "spec"
    ]["egress"]


def test_a_proxy_that_no_policy_leads_to_is_refused() -> None:
    with pytest.raises(ChartError, match=r"airflow\.steps\.proxy\.url .*airflow\.steps\.proxy\.peers"):
        render("airflow", {"steps": {"proxy": {"url": PROXY["url"]}}})


def test_a_server_that_must_prove_itself_needs_an_authority() -> None:
    values = {**BY_AUTHORITY, "global": {"secrets": BY_AUTHORITY["global"]["secrets"]}}
    with pytest.raises(ChartError, match=r"sslMode is verify-full.*global\.postgres\.caSecret"):
        render("quintet", values)
