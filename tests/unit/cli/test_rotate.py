"""In which order `quintet rotate` changes Secrets, servers and pods."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace as Fields
from typing import Any, cast
from urllib.parse import SplitResult, urlsplit

import pytest

from quintet.ops import rotate
from quintet.ops.airflow_api import AirflowApi
from quintet.ops.kube import Kube
from quintet.progress import UserError
from tests.unit.cli.rotation import CONNECTIONS, SECRETS, Cluster


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

    def airflow_cli(_kube: Kube, words: list[str]) -> None:
        made.done.append(" ".join(words))
        assert "," in made.data["quintet", "airflow-keys"]["fernet-key"]

    monkeypatch.setattr(rotate.AirflowApi, "connect", connect)
    monkeypatch.setattr(rotate.services, "airflow_cli", airflow_cli)
    monkeypatch.setattr(rotate.time, "sleep", lambda _: None)
    return made


def run(cluster: Cluster, secret: str, minutes: float = 1) -> None:
    rotate.main(cast(Kube, cluster), secret, minutes)


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
        *["write minio-forest"] * 2,
        "write mlflow-admin",
        "run minio-setup",
        "run airflow-migrate",
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


def test_that_of_serving_is_told_to_postgres_before_predictions_restart(cluster: Cluster) -> None:
    run(cluster, "postgres-forest-serving")
    written = ["write postgres-forest-serving"]
    assert cluster.done == [*written, "run postgres-setup", "restart inference-forest"]


def test_a_former_key_of_s3_stays_until_steps_that_hold_it_have_ended(cluster: Cluster) -> None:
    long_ago, later = (datetime.now(UTC) + timedelta(hours=hours) for hours in (-1, 1))

    def step(phase: str, made: datetime) -> Any:
        return Fields(status=Fields(phase=phase), metadata=Fields(name="step", creation_timestamp=made))

    running = [step("Running", long_ago), step("Running", later), step("Succeeded", long_ago)]
    cluster.steps = [running, running, running[1:]]
    run(cluster, "minio-forest")
    assert cluster.done == [
        *["write minio-forest"] * 2,
        "run minio-setup",
        *["look at steps"] * 3,
        *["write minio-forest"] * 2,
        "run minio-setup",
    ]
    cluster.done.clear()
    cluster.steps = [running]
    run(cluster, "minio-forest", minutes=0)
    assert cluster.done.count("look at steps") == 1
    assert "former-access-key" not in cluster.data["quintet-tasks", "minio-forest"]


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
    with pytest.raises(
        UserError, match=r"SECRET=…, or all\. There are airflow-keys, minio-forest, minio-root, "
    ):
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
