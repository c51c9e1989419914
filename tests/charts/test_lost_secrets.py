"""A Secret that somebody has deleted, where the data stayed that know its password."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.charts.cluster import cluster
from tests.charts.render import CHARTS, ChartError, Manifest, decoded, named, of_kind, render
from tests.scripted_http import response, serving

CLAIM = {
    "apiVersion": "v1",
    "kind": "PersistentVolumeClaim",
    "metadata": {"name": "data-postgres-0", "namespace": "quintet"},
    "spec": {"resources": {"requests": {"storage": "8Gi"}}},
}
TASKS = "quintet-tasks"


def secrets(release: tuple[Manifest, ...], *lost: str, copies_too: bool = True) -> list[Manifest]:
    """The Secrets that a release has made, without those that were deleted, and their copies for steps."""

    def is_lost(secret: Manifest) -> bool:
        name, namespace = secret["metadata"]["name"], secret["metadata"]["namespace"]
        return name in lost and (copies_too or namespace != TASKS)

    return [secret for secret in of_kind(release, "Secret") if not is_lost(secret)]


def upgraded(chart: str, held: list[Any], values: dict[str, Any] | None = None) -> tuple[Manifest, ...]:
    with cluster(held) as url:
        return render(chart, values, cluster=url, upgrade=True)


def secret(release: tuple[Manifest, ...], name: str, namespace: str = "quintet") -> Manifest:
    (found,) = [
        each
        for each in of_kind(release, "Secret")
        if (each["metadata"]["name"], each["metadata"]["namespace"]) == (name, namespace)
    ]
    return found


def job(release: tuple[Manifest, ...], name: str) -> str:
    found: str = named(release, "Job", name)["metadata"]["name"]
    return found


@pytest.mark.parametrize(
    ("chart", "lost", "setup", "key"),
    [
        ("postgres", "postgres-forest", "postgres-setup", "password"),
        ("minio", "minio-mlflow", "minio-setup", "secret-key"),
        ("minio", "minio-root", "minio-setup", "password"),
        ("mlflow", "mlflow-serving", "mlflow-users", "password"),
    ],
)
def test_a_password_that_is_made_again_is_told_to_its_server(
    chart: str, lost: str, setup: str, key: str
) -> None:
    before = render(chart)
    held = [CLAIM, *secrets(before)]
    assert job(upgraded(chart, held), setup) == job(before, setup)
    after = upgraded(chart, [CLAIM, *secrets(before, lost)])
    assert decoded(secret(after, lost))[key] != decoded(secret(before, lost))[key]
    assert job(after, setup) != job(before, setup)
    # Later upgrades find what that one has made, and run nothing again.
    later = upgraded(chart, [CLAIM, *secrets(after)])
    assert secret(later, lost) == secret(after, lost)
    assert job(later, setup) == job(after, setup)


def test_a_password_of_steps_is_found_in_the_other_copy() -> None:
    before = render("postgres")
    held = [CLAIM, *secrets(before, "postgres-forest", copies_too=False)]
    after = upgraded("postgres", held)
    assert secret(after, "postgres-forest") == secret(before, "postgres-forest")
    assert job(after, "postgres-setup") == job(before, "postgres-setup")


@pytest.mark.parametrize(
    ("chart", "lost", "kind", "name"),
    [
        ("mlflow", "mlflow-flask", "Deployment", "mlflow"),
        ("airflow", "airflow-admin", "Deployment", "airflow-api-server"),
        ("inference", "inference-admin", "Deployment", "inference-forest"),
        ("minio", "minio-root", "StatefulSet", "minio"),
    ],
)
def test_what_has_read_a_secret_that_is_made_again_is_restarted(
    chart: str, lost: str, kind: str, name: str
) -> None:
    def pod(release: tuple[Manifest, ...]) -> Any:
        return named(release, kind, name)["spec"]["template"]

    before = render(chart)
    # Secrets of other charts are there: only this one was deleted.
    others = ["postgres-airflow", "minio-airflow", "postgres-mlflow", "postgres-mlflow-auth", "minio-mlflow"]
    others += ["mlflow-serving", "minio-serving", "minio-dags-reader"]
    known = {each["metadata"]["name"] for each in secrets(before)}
    kept = [
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": other, "namespace": "quintet"},
            "data": {"a": ""},
        }
        for other in others
        if other not in known
    ]
    assert pod(upgraded(chart, [*kept, *secrets(before)])) == pod(before)
    after = upgraded(chart, [*kept, *secrets(before, lost)])
    assert pod(after) != pod(before)
    assert pod(upgraded(chart, [*kept, *secrets(after)])) == pod(after)


def deployment(name: str) -> Manifest:
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": "quintet"}}


@pytest.mark.parametrize(
    ("chart", "lost", "witness", "sentence"),
    [
        ("postgres", "postgres-superuser", CLAIM, "kubectl -n quintet exec postgres-0 -c postgres -- cat"),
        ("mlflow", "mlflow-admin", deployment("mlflow"), "printenv MLFLOW_AUTH_ADMIN_PASSWORD"),
        ("mlflow", "mlflow-admin", None, "printenv MLFLOW_AUTH_ADMIN_PASSWORD"),
        ("airflow", "airflow-keys", deployment("airflow-scheduler"), "printenv AIRFLOW__CORE__FERNET_KEY"),
        ("airflow", "airflow-keys", None, "printenv AIRFLOW__CORE__FERNET_KEY"),
    ],
)
def test_what_nobody_could_tell_a_server_is_refused_before_anything_changes(
    chart: str, lost: str, witness: Manifest | None, sentence: str
) -> None:
    held = [witness] if witness else secrets(render(chart), lost)
    with pytest.raises(ChartError) as refused:
        upgraded(chart, held)
    assert f"The Secret {lost} of namespace quintet, or its key" in str(refused.value)
    assert sentence in str(refused.value)


def test_an_administrator_whose_password_was_made_anew_is_told_apart_from_an_outage(tmp_path: Path) -> None:
    (tmp_path / "admin").mkdir()
    for name in ("username", "password"):
        (tmp_path / "admin" / name).write_text("admin")
    (tmp_path / "grants.json").write_text('{"experiments": [], "models": [], "users": {}}')
    with serving(response(200), response(401)) as server:
        told = {"url": server.url, "secrets": tmp_path, "grants": tmp_path / "grants.json"}
        options = [f"--{name}={value}" for name, value in told.items()]
        ended = subprocess.run(
            [sys.executable, CHARTS / "mlflow/files/scripts/users.py", *options],
            capture_output=True,
            text=True,
        )
    assert ended.returncode == 1
    assert ended.stderr.startswith(
        "MLflow knows another password of admin than the Secret mlflow-admin holds"
    )


def test_a_first_installation_and_a_secret_of_ones_own_lose_nothing() -> None:
    assert upgraded("postgres", [])
    assert upgraded("postgres", [CLAIM], {"global": {"secrets": {"existing": {"postgres-superuser": "own"}}}})
