"""Every password, key and token is changed while predictions are asked for and all pipelines run again."""

from __future__ import annotations

import base64
from typing import Any

import boto3
import psycopg2
import requests
from botocore.exceptions import ClientError

from quintet.follow import follow
from quintet.kind.cluster import Platform
from quintet.ops import first_runs, land, rotate, run_all
from quintet.ops.airflow_api import AirflowApi
from quintet.ops.kube import Kube
from tests.e2e import evidence, load, tables

RATE = 50
AFTERWARDS = 10 * RATE
"""Answers that are awaited when only the new passwords hold."""


def held(kube: Kube) -> dict[str, dict[str, str]]:
    """What each Secret of the release holds."""
    return {
        place: {key: base64.b64decode(value).decode() for key, value in data.items()}
        for place, data in evidence.secrets(kube).items()
    }


def test_every_password_is_changed_under_load_and_running_dags_which_leave_the_same_rows(
    kube: Kube, platform: Platform
) -> None:
    rows = tables.contents(kube)
    before = held(kube)
    with AirflowApi.connect(kube) as airflow:
        first, *later = run_all.waves_of(dag["dag_id"] for dag in airflow.dags())
        land.main(kube, run_all.examples(first))
        runs = _start(airflow, first)
        evidence.wait_for("the first task to end", lambda: _ended(airflow, runs), seconds=120)
    body = evidence.FOREST.example.read_text(encoding="utf-8")
    with load.steady(kube, body, RATE) as requested:
        evidence.wait_for("answers", lambda: requested.counts().get("answered", 0) > RATE, seconds=60)
        rotate.main(kube, "all", 5)
        enough = requested.counts()["answered"] + AFTERWARDS
        evidence.wait_for("answers", lambda: requested.counts()["answered"] > enough, seconds=60)
        counts = requested.counts()
    print(f"predictions: {counts}")
    assert counts.keys() == {"answered"}
    with AirflowApi.connect(kube) as airflow:
        _follow(airflow, runs)
        for wave in later:
            _follow(airflow, _start(airflow, wave))
    assert tables.contents(kube) == rows
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


def _start(airflow: AirflowApi, dags: list[str]) -> dict[str, str]:
    """Start a run of each DAG and return their ids."""
    return {dag: first_runs.start(airflow, dag) for dag in dags}


def _follow(airflow: AirflowApi, runs: dict[str, str]) -> None:
    """Follow runs to their successful ends, after which no schedule begins another."""
    for dag, run in runs.items():
        follow(airflow, dag, run)
        airflow.pause(dag)


def _ended(airflow: AirflowApi, runs: dict[str, str]) -> bool:
    return any(task["state"] == "success" for dag, run in runs.items() for task in airflow.tasks(dag, run))


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
