"""What an upgrade makes of the Secrets that a cluster holds."""

from __future__ import annotations

import base64

import pytest

from tests.charts.cluster import cluster
from tests.charts.render import ChartError, decoded, named, render


def upgraded(chart: str, name: str, held: dict[str, str]) -> dict[str, str]:
    """What a Secret holds after an upgrade of a chart in a cluster that holds it."""
    data = {key: base64.b64encode(value.encode()).decode() for key, value in held.items()}
    metadata = {"name": name, "namespace": "quintet"}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data}
    with cluster([secret]) as url:
        return decoded(named(render(chart, cluster=url), "Secret", name))


def test_a_password_and_its_url_stay() -> None:
    url = "postgresql+psycopg2://mlflow:kept@postgres:5432/mlflow_db"
    held = {"username": "mlflow", "password": "kept", "url": url}
    assert upgraded("postgres", "postgres-mlflow", held) == held


def test_the_password_of_serving_stays_too() -> None:
    url = "postgresql://forest_serving:kept@postgres:5432/quintet"
    held = {"username": "forest_serving", "password": "kept", "url": url}
    assert upgraded("postgres", "postgres-forest-serving", held) == held


def test_a_password_that_was_edited_by_hand_is_refused() -> None:
    url = "postgresql+psycopg2://mlflow:kept@postgres:5432/mlflow_db"
    with pytest.raises(ChartError) as refused:
        upgraded("postgres", "postgres-mlflow", {"username": "mlflow", "password": "edited", "url": url})
    assert (
        "The Secret postgres-mlflow of namespace quintet has a password that its url does not hold: it was "
        "edited by hand, and Postgres does not know it. `make rotate SECRET=postgres-mlflow` gives it "
        "another one everywhere."
    ) in str(refused.value)
    assert "kept" not in str(refused.value)
    assert "edited" not in str(refused.value).replace("edited by hand", "")


def test_an_access_key_that_was_rotated_stays() -> None:
    held = {"access-key": "mlflow-1a2b3c4d", "secret-key": "kept"}
    assert upgraded("minio", "minio-mlflow", held) == held
