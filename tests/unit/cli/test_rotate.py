"""In which order `quintet rotate` changes Secrets, servers and pods."""

from __future__ import annotations

import argparse
import base64
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace as Fields
from typing import Any, cast
from urllib.parse import SplitResult, urlsplit

import pytest
import yaml
from kubernetes import client

from quintet import rotate
from quintet.airflow_api import AirflowApi
from quintet.kube import Kube
from quintet.progress import UserError

SECRETS = {
    "airflow-keys": {"fernet-key": "f" * 44, "jwt-secret": "j" * 64},
    "minio-root": {"username": "root", "password": "r" * 32},
    "minio-steps": {"access-key": "steps", "secret-key": "s" * 32},
    "mlflow-admin": {"username": "admin", "password": "a" * 32},
    "mlflow-serving": {"username": "serving", "password": "v" * 32},
    "postgres-sipsa": {
        "username": "sipsa",
        "password": "p" * 32,
        "url": f"postgresql://sipsa:{'p' * 32}@postgres.quintet.svc:5432/quintet",
    },
}
IN_BOTH = {"minio-steps", "postgres-sipsa"}
READS = {
    "airflow-api-server": "airflow-keys",
    "airflow-scheduler": "airflow-keys",
    "inference-forest": "mlflow-serving",
    "minio": "minio-root",
    "mlflow": "mlflow-admin",
    "postgres": "none",
}
JOBS = ("airflow-migrate-1", "minio-setup-1", "mlflow-users-1", "mlflow-users-2", "postgres-setup-1")
CONNECTIONS = client.V1Volume(
    name="connections",
    projected=client.V1ProjectedVolumeSource(
        sources=[
            client.V1VolumeProjection(
                secret=client.V1SecretProjection(
                    name="postgres-sipsa", items=[client.V1KeyToPath(key="url", path="postgres_sipsa")]
                )
            )
        ]
    ),
)


def encoded(data: Mapping[str, str]) -> dict[str, str]:
    return {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}


class Cluster:
    """As much of a cluster as a rotation touches; what is done to it is written down in `done`."""

    namespace, tasks_namespace = "quintet", "quintet-tasks"

    def __init__(self, own: Mapping[str, str]) -> None:
        self.core = self.apps = self.batch = self
        self.api_client = client.ApiClient()
        self.existing_secrets = dict(own)
        self.done: list[str] = []
        self.failing = "none"
        self.steps: list[list[Any]] = []
        self.replicas = dict.fromkeys(READS, 1)
        self.jobs: dict[str, Any] = {}
        self.data = {
            (namespace, own.get(name, name)): dict(data)
            for name, data in SECRETS.items()
            for namespace in ("quintet", "quintet-tasks")
            if namespace == "quintet" or name in IN_BOTH
        }
        kept = {"helm.sh/resource-policy": "keep"}
        manifests: list[Any] = [
            {"kind": "Secret", "metadata": {"name": name, "namespace": namespace, "annotations": kept}}
            for namespace, name in self.data
            if name not in own.values()
        ]
        manifests += [{"kind": "Service", "metadata": {"name": "mlflow"}}, None]
        self.release = {"manifest": yaml.safe_dump_all(manifests)}

    def workloads(self, name: str = "") -> list[Any]:
        return [self.workload(found) for found in READS if found.startswith(name)]

    def workload(self, name: str) -> Any:
        reference = Fields(name=self.existing_secrets.get(READS[name], READS[name]), key="password")
        env = [Fields(value_from=Fields(secret_key_ref=reference))]
        pod = Fields(init_containers=None, containers=[Fields(env=env)])
        count = self.replicas[name]
        return Fields(
            metadata=Fields(name=name, generation=1),
            spec=Fields(
                replicas=count,
                selector=Fields(match_labels={}),
                template=Fields(spec=pod),
                strategy=None,
            ),
            status=Fields(
                updated_replicas=count, ready_replicas=count, replicas=count, observed_generation=1
            ),
        )

    def pods(self, _selector: dict[str, str]) -> list[Any]:
        return []

    def read_namespaced_secret(self, name: str, namespace: str) -> Any:
        return Fields(data=encoded(self.data[namespace, name]))

    def replace_namespaced_secret(self, name: str, namespace: str, secret: Any) -> None:
        self.data[namespace, name] = {
            key: base64.b64decode(value).decode() for key, value in secret.data.items()
        }
        self.done.append(f"write {name}")

    def patch_namespaced_deployment(self, name: str, _namespace: str, _change: Any) -> None:
        self.done.append(f"restart {name}")

    def patch_namespaced_deployment_scale(self, name: str, _namespace: str, change: Any) -> None:
        self.replicas[name] = change["spec"]["replicas"]
        self.done.append(f"scale {name} {self.replicas[name]}")

    def list_namespaced_job(self, _namespace: str) -> Any:
        return Fields(items=[self.job(name) for name in JOBS])

    def job(self, name: str) -> Any:
        template = client.V1PodTemplateSpec(
            metadata=client.V1ObjectMeta(
                labels={"app": "setup", "job-name": name, "batch.kubernetes.io/controller-uid": "1"}
            ),
            spec=client.V1PodSpec(
                restart_policy="OnFailure", containers=[client.V1Container(name=name)], volumes=[CONNECTIONS]
            ),
        )
        made = datetime(2026, 1, int(name[-1]), tzinfo=UTC)
        return Fields(metadata=Fields(name=name, creation_timestamp=made), spec=Fields(template=template))

    def create_namespaced_job(self, _namespace: str, job: dict[str, Any]) -> Any:
        name = f"{job['metadata']['generateName']}x"
        self.jobs[name] = job
        self.done.append(f"run {name.removesuffix('-again-x')}")
        return Fields(metadata=Fields(name=name))

    def read_namespaced_job_status(self, name: str, _namespace: str) -> Any:
        failed = name.startswith(self.failing)
        status = Fields(conditions=[Fields(type="Failed")] if failed else None, succeeded=not failed)
        return Fields(metadata=Fields(name=name), status=status)

    def delete_namespaced_job(self, _name: str, _namespace: str, propagation_policy: str) -> None:
        assert propagation_policy == "Background"

    def list_namespaced_pod(self, namespace: str, label_selector: str) -> Any:
        assert (namespace, label_selector) == ("quintet-tasks", "app.kubernetes.io/component=step")
        self.done.append("look at steps")
        return Fields(items=self.steps.pop(0) if self.steps else [])


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Cluster:
    """A cluster, whose Airflow writes down what it is asked too."""
    made = Cluster(getattr(request, "param", {}))

    class Airflow:
        def set_connection_password(self, name: str, url: SplitResult) -> None:
            made.done.append(f"connection {name}")
            assert url.password == made.data["quintet", "postgres-sipsa"]["password"]

    @contextmanager
    def connect(_kube: Kube) -> Iterator[Airflow]:
        yield Airflow()

    def airflow_cli(_kube: Kube, arguments: argparse.Namespace) -> None:
        made.done.append(" ".join(arguments.arguments))
        assert "," in made.data["quintet", "airflow-keys"]["fernet-key"]

    monkeypatch.setattr(rotate.AirflowApi, "connect", connect)
    monkeypatch.setattr(rotate.services, "airflow_cli", airflow_cli)
    monkeypatch.setattr(rotate.time, "sleep", lambda _: None)
    return made


def run(cluster: Cluster, secret: str, minutes: float = 1) -> None:
    rotate.main(cast(Kube, cluster), argparse.Namespace(secret=secret, wait=minutes))


def test_all_are_changed_with_each_server_before_who_uses_it(cluster: Cluster) -> None:
    run(cluster, "all")
    begun = cluster.done.index("run postgres-setup")
    assert cluster.done[0] == "scale airflow-scheduler 0"
    assert sorted(set(cluster.done[1 : begun - 1])) == sorted(f"write {name}" for name in SECRETS)
    assert cluster.done[begun - 1 :] == [
        "restart minio",
        "run postgres-setup",
        "run minio-setup",
        "restart mlflow",
        "run mlflow-users",
        "restart airflow-api-server",
        "restart inference-forest",
        "scale airflow-scheduler 1",
        "rotate-fernet-key",
        "connection postgres_sipsa",
        "look at steps",
        "write airflow-keys",
        *["write minio-steps"] * 2,
        "write mlflow-admin",
        "run minio-setup",
    ]
    for name, before in SECRETS.items():
        held = cluster.data["quintet", name]
        assert held.keys() == before.keys()
        assert all((held[key] == value) == (key == "username") for key, value in before.items())
        assert cluster.data.get(("quintet-tasks", name), held) == held


def test_a_job_that_runs_again_is_the_newest_and_keeps_a_failed_pod(cluster: Cluster) -> None:
    run(cluster, "mlflow-serving")
    (job,) = cluster.jobs.values()
    assert job["spec"]["template"] == {
        "metadata": {"labels": {"app": "setup"}},
        "spec": {
            "restartPolicy": "Never",
            "containers": [{"name": "mlflow-users-2"}],
            "volumes": [cluster.api_client.sanitize_for_serialization(CONNECTIONS)],
        },
    }


def test_one_that_only_steps_use_restarts_nothing(cluster: Cluster) -> None:
    run(cluster, "postgres-sipsa")
    assert cluster.done == [*["write postgres-sipsa"] * 2, "run postgres-setup", "connection postgres_sipsa"]


def test_a_former_key_of_s3_stays_until_steps_that_hold_it_have_ended(cluster: Cluster) -> None:
    long_ago, later = (datetime.now(UTC) + timedelta(hours=hours) for hours in (-1, 1))

    def step(phase: str, made: datetime) -> Any:
        return Fields(status=Fields(phase=phase), metadata=Fields(name="step", creation_timestamp=made))

    running = [step("Running", long_ago), step("Running", later), step("Succeeded", long_ago)]
    cluster.steps = [running, running, running[1:]]
    run(cluster, "minio-steps")
    assert cluster.done == [
        *["write minio-steps"] * 2,
        "run minio-setup",
        *["look at steps"] * 3,
        *["write minio-steps"] * 2,
        "run minio-setup",
    ]
    cluster.done.clear()
    cluster.steps = [running]
    run(cluster, "minio-steps", minutes=0)
    assert cluster.done.count("look at steps") == 1
    assert "former-access-key" not in cluster.data["quintet-tasks", "minio-steps"]


def test_a_failed_server_is_named_and_the_same_command_goes_on(cluster: Cluster) -> None:
    cluster.failing = "mlflow-users"
    with pytest.raises(UserError, match="kubectl -n quintet logs job/mlflow-users-again-x"):
        run(cluster, "all")
    assert cluster.done[-1] == "scale airflow-scheduler 1"
    given = cluster.data["quintet", "mlflow-admin"]
    assert given["former-password"] == SECRETS["mlflow-admin"]["password"]
    cluster.failing = "none"
    run(cluster, "all")
    assert cluster.data["quintet", "mlflow-admin"] == {"username": "admin", "password": given["password"]}


@pytest.mark.parametrize("cluster", [{"postgres-sipsa": "ours", "mlflow-serving": "theirs"}], indirect=True)
def test_what_ones_own_secret_holds_is_brought_to_server_and_pods(
    cluster: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    run(cluster, "mlflow-serving")
    assert cluster.done == ["run mlflow-users", "restart inference-forest"]
    run(cluster, "all")
    assert not {"write ours", "write theirs"} & set(cluster.done)
    assert (
        "yours    mlflow-serving, postgres-sipsa: change each in your own Secret" in capsys.readouterr().out
    )


@pytest.mark.parametrize("name", ["", "postgres"])
def test_a_secret_that_is_not_there_is_refused_with_those_that_are(name: str, cluster: Cluster) -> None:
    with pytest.raises(UserError, match=r"SECRET=…, or all\. There are airflow-keys, minio-root, "):
        run(cluster, name)
    assert cluster.done == []


@pytest.mark.parametrize(
    ("found", "changes"),
    [
        ({"login": "sipsa", "host": "postgres", "schema": "quintet"}, 1),
        ({"login": "sipsa", "host": "a-copy", "schema": "quintet"}, 0),
        (None, 0),
    ],
)
def test_a_connection_that_leads_elsewhere_keeps_its_password(
    found: dict[str, str] | None,
    changes: int,
    answers: dict[str, Any],
    asked: list[tuple[str, str, Any]],
    airflow: AirflowApi,
) -> None:
    path = "/api/v2/connections/postgres_sipsa"
    answers[path] = found and {"conn_type": "postgres", **found}
    airflow.set_connection_password(
        "postgres_sipsa", urlsplit("postgresql://sipsa:a%20b@postgres:5432/quintet")
    )
    body = {"connection_id": "postgres_sipsa", "conn_type": "postgres", "password": "a b"}
    assert asked[2:] == [("PATCH", f"{path}?update_mask=password", body)] * changes
