"""Every password, key and token is changed while predictions are asked for and a DAG runs."""

from __future__ import annotations

import base64
from typing import Any

import boto3
import psycopg2
import requests
from botocore.exceptions import ClientError

from quintet.follow import follow
from quintet.kind.cluster import Platform
from quintet.ops import rotate
from quintet.ops.airflow_api import AirflowApi
from quintet.ops.kube import Kube
from tests.e2e import evidence, load

DAG = "modelo_penguin"
"""Its steps use Postgres, S3, MLflow and the right to promote."""
RATE = 50


def held(kube: Kube) -> dict[str, dict[str, str]]:
    """What each Secret of the release holds."""
    return {
        place: {key: base64.b64decode(value).decode() for key, value in data.items()}
        for place, data in evidence.secrets(kube).items()
    }


def test_every_password_is_changed_under_load_and_a_running_dag(kube: Kube, platform: Platform) -> None:
    before = held(kube)
    with AirflowApi.connect(kube) as airflow:
        airflow.unpause(DAG)
        run = airflow.trigger(DAG, {})
        evidence.wait_for("the first task to end", lambda: _ended(airflow, run), seconds=120)
    body = evidence.FOREST.example.read_text(encoding="utf-8")
    with load.steady(kube, body, RATE) as requested:
        evidence.wait_for("answers", lambda: requested.counts().get("answered", 0) > RATE, seconds=60)
        rotate.main(kube, "all", 5)
        with AirflowApi.connect(kube) as airflow:
            follow(airflow, DAG, run)
            assert airflow.run(DAG, run)["state"] == "success"
        counts = requested.counts()
    print(f"predictions: {counts}")
    assert counts.keys() == {"answered"}
    after = held(kube)
    assert {place: data.keys() for place, data in after.items()} == {
        place: data.keys() for place, data in before.items()
    }
    stayed = {
        (place, key)
        for place, data in before.items()
        for key, value in data.items()
        if key != "username" and after[place][key] == value
    }
    assert stayed == set()
    for data in (before, after):
        assert _let_in(kube, data) == dict.fromkeys(("postgres", "s3", "mlflow"), data is after)


def _ended(airflow: AirflowApi, run: str) -> bool:
    return any(task["state"] == "success" for task in airflow.tasks(DAG, run))


def _let_in(kube: Kube, secrets: dict[str, dict[str, str]]) -> dict[str, bool]:
    """Which servers take what some Secrets hold."""
    answers: dict[str, bool] = {}
    of: dict[str, Any] = {
        name: secrets[f"{kube.namespace}/{name}"]
        for name in ("postgres-superuser", "minio-airflow", "mlflow-admin")
    }
    with kube.forward("postgres", 5432) as port:
        user = of["postgres-superuser"]
        try:
            psycopg2.connect(
                host="127.0.0.1",
                port=port,
                dbname="postgres",
                user=user["username"],
                password=user["password"],
            ).close()
            answers["postgres"] = True
        except psycopg2.OperationalError as error:
            answers["postgres"] = "password authentication failed" not in str(error)
    with kube.forward("minio", 9000) as port:
        client = boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{port}",
            aws_access_key_id=of["minio-airflow"]["access-key"],
            aws_secret_access_key=of["minio-airflow"]["secret-key"],
            region_name="us-east-1",
        )
        try:
            client.list_objects_v2(Bucket="airflow-logs", MaxKeys=1)
            answers["s3"] = True
        except ClientError:
            answers["s3"] = False
    with kube.forward("mlflow", 5000) as port:
        user = of["mlflow-admin"]
        answers["mlflow"] = requests.get(
            f"http://127.0.0.1:{port}/api/2.0/mlflow/users/get",
            params={"username": user["username"]},
            auth=(user["username"], user["password"]),
            timeout=30,
        ).ok
    return answers
