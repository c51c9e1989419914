"""Which objects a release makes: a new one, or a lost one, is a line of this file."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import urlsplit

import pytest

from quintet.pipelines import pipelines
from tests.charts.render import NAMES, ChartError, decoded, named, of_kind, plain_name, render

SAMPLES = pipelines()
PROMOTING = [name for name, pipeline in SAMPLES.items() if pipeline.promotes]
ASKING = [name for name, pipeline in SAMPLES.items() if "source" in pipeline.given]
MODELS = [pipeline.model for pipeline in SAMPLES.values() if pipeline.model]
OF_A_MODEL = ("Deployment", "HorizontalPodAutoscaler", "NetworkPolicy", "Service")
OBJECTS = {
    "postgres": {
        ("ConfigMap", "postgres-config"),
        ("ConfigMap", "postgres-setup"),
        ("ConfigMap", "postgres-migrations"),
        ("Job", "postgres-setup"),
        ("NetworkPolicy", "postgres"),
        ("Secret", "postgres-airflow"),
        ("Secret", "postgres-mlflow"),
        ("Secret", "postgres-mlflow-auth"),
        ("Secret", "postgres-owner"),
        ("Secret", "postgres-superuser"),
        *(("Secret", f"postgres-{name}") for name in SAMPLES),
        *(("Secret", f"postgres-{name}-{of}") for name in PROMOTING for of in ("promotion", "serving")),
        ("Service", "postgres"),
        ("StatefulSet", "postgres"),
    },
    "minio": {
        ("ConfigMap", "minio-setup"),
        ("Job", "minio-setup"),
        ("NetworkPolicy", "minio"),
        ("Secret", "minio-airflow"),
        ("Secret", "minio-dags-publisher"),
        ("Secret", "minio-dags-reader"),
        ("Secret", "minio-mlflow"),
        ("Secret", "minio-root"),
        ("Secret", "minio-serving"),
        *(("Secret", f"minio-{name}") for name in SAMPLES),
        ("Service", "minio"),
        ("StatefulSet", "minio"),
    },
    "mlflow": {
        ("ConfigMap", "mlflow-scripts"),
        ("ConfigMap", "mlflow-users"),
        ("Deployment", "mlflow"),
        ("Job", "mlflow-rollback"),
        ("CronJob", "mlflow-retention"),
        ("Job", "mlflow-upgrade"),
        ("Job", "mlflow-users"),
        ("NetworkPolicy", "mlflow"),
        ("Secret", "mlflow-admin"),
        ("Secret", "mlflow-flask"),
        ("Secret", "mlflow-serving"),
        *(("Secret", f"mlflow-{name}{of}") for name in PROMOTING for of in ("", "-promotion")),
        ("Service", "mlflow"),
    },
    "airflow": {
        ("ConfigMap", "airflow-config"),
        ("ConfigMap", "airflow-dags"),
        ("ConfigMap", "airflow-scripts"),
        ("ConfigMap", "airflow-step-images"),
        ("ConfigMap", "airflow-step-pods"),
        ("ConfigMap", "airflow-variables"),
        ("Deployment", "airflow-api-server"),
        ("Deployment", "airflow-dag-processor"),
        ("Deployment", "airflow-scheduler"),
        ("Deployment", "airflow-triggerer"),
        ("CronJob", "airflow-retention"),
        ("Job", "airflow-migrate"),
        ("Job", "airflow-rollback"),
        ("LimitRange", "steps"),
        ("Namespace", "quintet-tasks"),
        ("NetworkPolicy", "airflow"),
        ("NetworkPolicy", "airflow-release"),
        ("NetworkPolicy", "airflow-api-server"),
        ("NetworkPolicy", "airflow-launcher"),
        ("NetworkPolicy", "steps"),
        ("ResourceQuota", "steps"),
        ("Role", "airflow-launcher"),
        ("RoleBinding", "airflow-launcher"),
        ("Secret", "airflow-admin"),
        ("Secret", "airflow-keys"),
        ("Service", "airflow-api-server"),
        ("ServiceAccount", "airflow"),
        ("ServiceAccount", "airflow-launcher"),
        ("ServiceAccount", "step"),
        ("ValidatingAdmissionPolicy", "quintet-tasks-secrets"),
        ("ValidatingAdmissionPolicyBinding", "quintet-tasks-secrets"),
    },
    "inference": {
        ("NetworkPolicy", "inference"),
        ("Secret", "inference-admin"),
        *((kind, f"inference-{model}") for kind in OF_A_MODEL for model in MODELS),
    },
    "api-data": {
        ("Deployment", "api-data"),
        ("NetworkPolicy", "api-data"),
        ("PersistentVolumeClaim", "api-data"),
        ("Service", "api-data"),
    },
    "sources": {
        ("ConfigMap", "sources"),
        *(("NetworkPolicy", f"source-{name}") for name in ASKING),
    },
}
# What the umbrella has beside its parts, or has more of.
PLATFORM = {
    ("ConfigMap", "pipelines"),
    ("NetworkPolicy", "client-airflow"),
    ("NetworkPolicy", "client-api-data"),
    ("NetworkPolicy", "client-inference"),
    ("NetworkPolicy", "client-minio"),
    ("NetworkPolicy", "client-mlflow"),
    ("NetworkPolicy", "client-postgres"),
    ("NetworkPolicy", "client-sources"),
    ("NetworkPolicy", "default-deny"),
    ("NetworkPolicy", "client-kubernetes-api"),
    ("Pod", "test-network"),
    ("Pod", "test-network-of-steps"),
    ("Pod", "test-airflow"),
    ("Pod", "test-api-data"),
    ("Pod", "test-minio"),
    ("Pod", "test-mlflow"),
    ("Pod", "test-postgres"),
    *(("Pod", f"test-{kind}-{model}") for kind in ("inference", "prediction") for model in MODELS),
}
IN_THE_TASKS_NAMESPACE = {
    ("ConfigMap", "sources"),
    ("LimitRange", "steps"),
    ("NetworkPolicy", "default-deny"),
    ("NetworkPolicy", "steps"),
    ("Pod", "test-network-of-steps"),
    ("ResourceQuota", "steps"),
    ("Role", "airflow-launcher"),
    ("RoleBinding", "airflow-launcher"),
    *(("Secret", f"mlflow-{name}{of}") for name in PROMOTING for of in ("", "-promotion")),
    ("ServiceAccount", "step"),
    *(("NetworkPolicy", f"source-{name}") for name in ASKING),
    *(("Secret", f"{server}-{name}") for server in ("minio", "postgres") for name in SAMPLES),
    *(("Secret", f"postgres-{name}-promotion") for name in PROMOTING),
}
OUTSIDE_POSTGRES: dict[str, Any] = {
    "global": {"secrets": {"existing": {"postgres-superuser": "my-superuser"}}},
    "postgres": {
        "external": {"enabled": True, "host": "db.example.com", "port": 6432, "sslMode": "require"},
    },
}
INGRESS = {"enabled": True, "host": "quintet.example.com", "tlsSecret": "certificate"}


@pytest.mark.parametrize("chart", [name for name in NAMES if name != "quintet"])
def test_each_chart_installs_alone_with_exactly_its_objects(chart: str) -> None:
    assert {(m["kind"], plain_name(m)) for m in render(chart)} == OBJECTS[chart]


def test_the_platform_is_its_parts_and_what_joins_them() -> None:
    parts = set().union(*OBJECTS.values())
    assert {(m["kind"], plain_name(m)) for m in render("quintet")} == parts | PLATFORM


def test_only_what_steps_need_stands_in_the_tasks_namespace() -> None:
    namespaced = [m for m in render("quintet") if m["metadata"].get("namespace") == "quintet-tasks"]
    assert {(m["kind"], plain_name(m)) for m in namespaced} == IN_THE_TASKS_NAMESPACE


@pytest.mark.parametrize("part", sorted(OBJECTS))
def test_a_part_that_is_switched_off_leaves_no_object(part: str) -> None:
    values: dict[str, Any] = {part: {"enabled": False}}
    if part == "api-data":
        # Its pipelines have to ask somebody else.
        elsewhere = {"source": {"url": "https://data.example.org"}}
        asking = {name: elsewhere for name in ASKING if SAMPLES[name].given["source"].get("url") is None}
        values["global"] = {"pipelines": asking}
    left = {(m["kind"], plain_name(m)) for m in render("quintet", values)}
    assert not left & OBJECTS[part]


def with_ingress(chart: str, ingress: dict[str, Any]) -> dict[str, Any]:
    """Values of a chart that ask for an ingress; in `inference` each model has its own."""
    values = {"ingress": ingress}
    return {"models": {MODELS[0]: values}} if chart == "inference" else values


@pytest.mark.parametrize("chart", ["airflow", "mlflow", "minio", "api-data", "inference"])
def test_an_ingress_is_made_with_its_certificate(chart: str) -> None:
    (ingress,) = of_kind(render(chart, with_ingress(chart, INGRESS)), "Ingress")
    assert ingress["spec"]["rules"][0]["host"] == INGRESS["host"]
    assert ingress["spec"]["tls"] == [{"hosts": [INGRESS["host"]], "secretName": "certificate"}]
    backend = ingress["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]
    ports = named(render(chart), "Service", backend["name"])["spec"]["ports"]
    assert backend["port"]["name"] in {port["name"] for port in ports}


@pytest.mark.parametrize("chart", ["airflow", "mlflow", "minio", "api-data", "inference"])
def test_an_ingress_without_a_host_is_refused(chart: str) -> None:
    with pytest.raises(ChartError, match=r"needs ingress\.host"):
        render(chart, with_ingress(chart, {"enabled": True}))


def test_an_outside_postgres_replaces_the_server_in_every_address() -> None:
    release = render("quintet", OUTSIDE_POSTGRES)
    assert not {("StatefulSet", "postgres"), ("Service", "postgres")} & {
        (m["kind"], plain_name(m)) for m in release
    }
    job = named(release, "Job", "postgres-setup")["spec"]["template"]["spec"]["containers"][0]
    environment = {entry["name"]: entry["value"] for entry in job["env"]}
    assert environment == {"PGHOST": "db.example.com", "PGPORT": "6432", "PGSSLMODE": "require"}
    urls = {
        m["metadata"]["name"]: decoded(m)["url"] for m in of_kind(release, "Secret") if "url" in m["data"]
    }
    assert urls.keys() == {
        f"postgres-{role}"
        for role in (
            *("owner", "airflow", "mlflow", "mlflow-auth"),
            *SAMPLES,
            *(f"{name}-{of}" for name in PROMOTING for of in ("promotion", "serving")),
        )
    }
    for url in map(urlsplit, urls.values()):
        assert (url.hostname, url.port, url.query) == ("db.example.com", 6432, "sslmode=require")


def test_an_outside_postgres_without_its_superuser_is_refused() -> None:
    with pytest.raises(ChartError, match=r"global\.secrets\.existing\.postgres-superuser"):
        render("quintet", {"postgres": OUTSIDE_POSTGRES["postgres"]})


@pytest.mark.parametrize(
    ("pipelines_given", "there"),
    [
        pytest.param({}, True, id="no pipelines"),
        pytest.param({"a": {"server": {"service": "api-data"}}}, True, id="the source of one"),
        pytest.param(
            {"a": {"url": "https://a.org", "server": {"service": "api-data"}}}, False, id="elsewhere"
        ),
        pytest.param({"a": {"server": {"service": "another"}}}, False, id="another source"),
        pytest.param({"a": {}}, False, id="no source"),
    ],
)
def test_the_data_api_is_there_where_a_pipeline_reads_from_it(
    pipelines_given: dict[str, Any], there: bool
) -> None:
    given = {name: {"steps": {"extract": {}}, "source": source} for name, source in pipelines_given.items()}
    release = render("api-data", {"global": {"pipelines": given}, "ingress": INGRESS}, samples=False)
    kinds = {"Deployment", "Ingress", "NetworkPolicy", "PersistentVolumeClaim", "Service"}
    assert {m["kind"] for m in release} == (kinds if there else set())


@pytest.mark.parametrize("workers", [1, 3])
def test_the_data_api_has_as_many_processes_as_its_values_say(workers: int) -> None:
    values = {} if workers == 1 else {"workers": workers}
    (container,) = named(render("api-data", values), "Deployment", "api-data")["spec"]["template"]["spec"][
        "containers"
    ]
    assert {"name": "WEB_CONCURRENCY", "value": str(workers)} in container["env"]


def test_each_pipeline_gets_its_tables_as_its_own_role() -> None:
    migrations = named(render("postgres"), "ConfigMap", "postgres-migrations")["data"]
    for pipeline in SAMPLES:
        assert "CREATE" in migrations[f"pipelines.{pipeline}.migrations.0001_tables.sql"]


def test_a_pipeline_without_tables_is_refused() -> None:
    with pytest.raises(ChartError, match=r"pipelines/tableless/migrations/0001_tables\.sql is missing"):
        render("postgres", {"global": {"pipelines": {"tableless": {"schemas": ["tableless"]}}}})


@pytest.mark.parametrize(
    ("bucket", "days"),
    [
        ("data", {key: days for each in SAMPLES.values() for key, days in each.expire_days.items()}),
        ("airflow-logs", {"": 30}),
    ],
)
def test_temporary_data_goes_after_its_days_and_nothing_else(bucket: str, days: dict[str, int]) -> None:
    setup = named(render("minio"), "ConfigMap", "minio-setup")["data"]
    rules = json.loads(setup[f"lifecycle-{bucket}.json"])["Rules"]
    assert {rule["Filter"]["Prefix"]: rule["Expiration"] for rule in rules} == {
        prefix: {"Days": number} for prefix, number in days.items()
    }
    assert {rule["Status"] for rule in rules} == {"Enabled"}
    assert len({rule["ID"] for rule in rules}) == len(rules)
    commands = setup["setup.sh"].splitlines()
    assert f"python3 /etc/minio-setup/lifecycle.py {bucket} /etc/minio-setup/lifecycle-{bucket}.json" in [
        command.strip() for command in commands
    ]
    assert {key for key in setup if key.startswith("lifecycle-")} == {
        "lifecycle-data.json",
        "lifecycle-airflow-logs.json",
    }


@pytest.mark.parametrize(("user", "bucket"), [("mlflow", "mlflow-artifacts"), ("airflow", "airflow-logs")])
def test_each_s3_user_is_confined_to_its_bucket(user: str, bucket: str) -> None:
    setup = named(render("minio"), "ConfigMap", "minio-setup")["data"]
    assert f"user {user}" in setup["setup.sh"].splitlines()
    statements = json.loads(setup[f"policy-{user}.json"])["Statement"]
    resources = {resource for statement in statements for resource in statement["Resource"]}
    assert resources == {f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"}
    actions = {action for statement in statements for action in statement["Action"]}
    # Without the right to list, a missing object looks like a refusal.
    assert {"s3:GetObject", "s3:ListBucket"} <= actions
    assert any(re.match("s3:(Put|Delete|Abort)", action) for action in actions)
