"""As much of a cluster as a rotation of Secrets touches."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import UTC, datetime
from types import SimpleNamespace as Fields
from typing import Any

import yaml
from kubernetes import client

SECRETS = {
    "airflow-keys": {"fernet-key": "f" * 44, "jwt-secret": "j" * 64},
    "minio-root": {"username": "root", "password": "r" * 32},
    "minio-forest": {"access-key": "forest", "secret-key": "s" * 32},
    "mlflow-admin": {"username": "admin", "password": "a" * 32},
    "mlflow-serving": {"username": "serving", "password": "v" * 32},
    "postgres-forest-serving": {
        "username": "forest_serving",
        "password": "q" * 32,
        "url": f"postgresql://forest_serving:{'q' * 32}@postgres:5432/quintet",
    },
    "postgres-sipsa": {
        "username": "sipsa",
        "password": "p" * 32,
        "url": f"postgresql://sipsa:{'p' * 32}@postgres.quintet.svc:5432/quintet",
    },
}
IN_BOTH = {"minio-forest", "postgres-sipsa"}
READS = {
    "airflow-api-server": [("airflow-keys", "fernet-key")],
    "airflow-scheduler": [("airflow-keys", "fernet-key")],
    "inference-forest": [("mlflow-serving", "password"), ("postgres-forest-serving", "url")],
    "minio": [("minio-root", "password")],
    "mlflow": [("mlflow-admin", "password")],
    "postgres": [],
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
        references = [
            Fields(name=self.existing_secrets.get(secret, secret), key=key) for secret, key in READS[name]
        ]
        env = [Fields(value_from=Fields(secret_key_ref=reference)) for reference in references]
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
