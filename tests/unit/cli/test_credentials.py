"""Other values for the platform's Secrets, and who has to take them up."""

from __future__ import annotations

import base64
import json
from types import SimpleNamespace
from typing import Any

import pytest
from kubernetes.client import ApiClient

from quintet.ops.credentials import finished, readers, renewed

POSTGRES = {
    "username": "mlflow",
    "password": "a" * 32,
    "url": f"postgresql://mlflow:{'a' * 32}@postgres:5432/mlflow_db",
}


def test_a_url_has_the_new_password_of_its_secret() -> None:
    fresh = renewed("postgres-mlflow", POSTGRES)
    assert fresh.keys() == POSTGRES.keys()
    assert fresh["url"] == POSTGRES["url"].replace(POSTGRES["password"], fresh["password"])
    assert fresh["username"] == "mlflow"
    assert fresh["password"] != POSTGRES["password"]
    assert len(fresh["password"]) == 32


def test_a_password_that_was_edited_by_hand_is_mended_with_its_url() -> None:
    fresh = renewed("postgres-mlflow", {**POSTGRES, "password": "by hand"})
    assert fresh["url"] == f"postgresql://mlflow:{fresh['password']}@postgres:5432/mlflow_db"
    assert len(fresh["password"]) == 32


@pytest.mark.parametrize("name", ["postgres-superuser", "mlflow-admin"])
def test_who_changes_its_own_password_finds_the_former_one(name: str) -> None:
    data = {"username": "admin", "password": "b" * 32}
    fresh = renewed(name, data)
    assert fresh["former-password"] == data["password"]
    assert finished(fresh) == {"username": "admin", "password": fresh["password"]}
    assert fresh["password"] != data["password"]


def test_an_access_key_stands_beside_the_former_one() -> None:
    first = {"access-key": "forest-steps", "secret-key": "c" * 32}
    fresh = renewed("minio-forest-steps", first)
    again = renewed("minio-forest-steps", finished(fresh))
    for before, after in ((first, fresh), (finished(fresh), again)):
        assert after["former-access-key"] == before["access-key"]
        assert after["access-key"] != before["access-key"]
        assert after["secret-key"] != before["secret-key"]
        # What the setup of MinIO takes for one of its own.
        word, _, suffix = after["access-key"].rpartition("-")
        assert (word, len(suffix)) == ("forest-steps", 8)


def test_the_former_fernet_key_still_decrypts() -> None:
    former = base64.b64encode(b"d" * 32).decode()
    fresh = renewed("airflow-keys", {"fernet-key": former, "jwt-secret": "e" * 64})
    new, old = fresh["fernet-key"].split(",")
    assert old == former
    assert len(base64.urlsafe_b64decode(new)) == 32
    assert finished(fresh)["fernet-key"] == new
    assert fresh["jwt-secret"] != "e" * 64


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("mlflow-admin", {"username": "admin", "password": "b" * 32}),
        ("minio-forest", {"access-key": "forest", "secret-key": "c" * 32}),
        ("airflow-keys", {"fernet-key": "f" * 44}),
    ],
)
def test_a_change_that_was_not_finished_goes_on_with_its_new_values(name: str, data: dict[str, str]) -> None:
    fresh = renewed(name, data)
    assert renewed(name, fresh) == fresh


def workload(name: str, **container: Any) -> Any:
    pod = {"containers": [{"name": "main", **container}]}
    fields = {"metadata": {"name": name}, "spec": {"selector": {}, "template": {"spec": pod}}}
    return ApiClient().deserialize(SimpleNamespace(data=json.dumps(fields)), "V1Deployment")


def from_secret(secret: str, key: str) -> dict[str, Any]:
    return {"name": "X", "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}


def test_who_reads_a_value_at_its_start_is_restarted() -> None:
    workloads = [
        workload(
            "mlflow", env=[from_secret("minio-mlflow", "secret-key"), from_secret("mlflow-admin", "password")]
        ),
        workload("inference-forest", env=[{"name": "PORT", "value": "8000"}]),
        workload("postgres", env=[from_secret("postgres-superuser", "username")]),
    ]
    assert readers(workloads, ["mlflow-admin", "postgres-superuser"]) == ["mlflow"]
    assert readers(workloads, ["mlflow-forest"]) == []
