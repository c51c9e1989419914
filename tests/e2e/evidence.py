"""What the tests look at from outside: raw answers in S3, rows in Postgres, secrets, pods, the model."""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar
from urllib.parse import urlsplit

import boto3
import pandas as pd
import psycopg2
import requests
from kubernetes import client, watch
from urllib3.exceptions import HTTPError

from quintet.ops.kube import Kube
from quintet.pipelines import pipelines

FOREST = pipelines()["forest"]
CAPTURE, TRAINING = FOREST.training or ("", "")
FEATURES = [
    "elevation",
    "aspect",
    "slope",
    "horizontal_distance_to_hydrology",
    "vertical_distance_to_hydrology",
    "horizontal_distance_to_roadways",
    "hillshade_9am",
    "hillshade_noon",
    "hillshade_3pm",
    "horizontal_distance_to_fire_points",
    "wilderness_area",
    "soil_type",
]
TABLE = "forest.forest_cover_samples"


Answer = TypeVar("Answer")


def wait_for(what: str, ask: Callable[[], Answer], seconds: float, every: float = 1.0) -> Answer:
    """Ask until the answer is true and return it; what is awaited stands in the failure."""
    deadline = time.monotonic() + seconds
    while not (answer := ask()):
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s in vain for {what}"
        threading.Event().wait(every)
    return answer


@contextlib.contextmanager
def s3(kube: Kube, pipeline: str = "forest") -> Iterator[Any]:
    """A boto3 client with the pipeline's own key, for as long as the block runs."""
    with kube.forward("minio", 9000) as port:
        yield boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{port}",
            aws_access_key_id=kube.secret(f"minio-{pipeline}", "access-key"),
            aws_secret_access_key=kube.secret(f"minio-{pipeline}", "secret-key"),
            region_name="us-east-1",
        )


def rows_served(kube: Kube, group: int) -> set[tuple[str, ...]]:
    """The distinct rows in all raw answers that the source gave a group."""
    with s3(kube) as client:
        pages = client.get_paginator("list_objects_v2").paginate(
            Bucket="data", Prefix=f"forest/raw/group-{group}/"
        )
        keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
        answers = [json.load(client.get_object(Bucket="data", Key=key)["Body"]) for key in keys]
    assert len(answers) >= 3
    return {tuple(row) for answer in answers for row in answer["data"]}


@contextlib.contextmanager
def database(kube: Kube, pipeline: str = "forest") -> Iterator[str]:
    """The URL of the pipelines' database, as the pipeline's own role, for as long as the block runs."""
    url = urlsplit(kube.secret(f"postgres-{pipeline}", "url"))
    with kube.forward("postgres", 5432) as port:
        yield url._replace(netloc=f"{url.netloc.rpartition('@')[0]}@127.0.0.1:{port}").geturl()


def query(kube: Kube, statement: str, pipeline: str = "forest") -> list[tuple[Any, ...]]:
    """The rows of a statement, as the pipeline's own role."""
    with (
        database(kube, pipeline) as url,
        contextlib.closing(psycopg2.connect(url)) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)
        return cursor.fetchall()


def samples(kube: Kube, count: int) -> pd.DataFrame:
    """Some rows of the table, as the features that a client sends."""
    rows = query(kube, f"SELECT {', '.join(FEATURES)} FROM {TABLE} ORDER BY id LIMIT {count}")
    return pd.DataFrame(rows, columns=FEATURES)


@contextlib.contextmanager
def mlflow_of(kube: Kube) -> Iterator[None]:
    """Leads MLflow's client to the platform's server, with the rights of a step, while the block runs."""
    with (
        kube.forward("mlflow", 5000) as port,
        environment(
            MLFLOW_TRACKING_URI=f"http://127.0.0.1:{port}",
            MLFLOW_TRACKING_USERNAME=kube.secret("mlflow-forest", "username"),
            MLFLOW_TRACKING_PASSWORD=kube.secret("mlflow-forest", "password"),
            MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD="false",
        ),
    ):
        yield


def model_labels(kube: Kube, frame: pd.DataFrame) -> list[int]:
    """What the champion's scikit-learn model says, loaded from MLflow by its alias."""
    import mlflow

    with mlflow_of(kube):
        model = mlflow.pyfunc.load_model("models:/forest@champion")
        numbers = frame.select_dtypes("number").astype(float)
        return [int(label) for label in model.predict(frame.assign(**numbers))]


def changing_task_pods(kube: Kube, labels: str, seconds: float) -> Iterator[client.V1Pod]:
    """The pods of steps each time that one changes; a watch whose connection breaks is begun again."""
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        with contextlib.suppress(HTTPError):
            for event in watch.Watch().stream(
                kube.core.list_namespaced_pod,
                kube.tasks_namespace,
                label_selector=labels,
                timeout_seconds=int(left) + 1,
            ):
                yield event["object"]


def secrets(kube: Kube) -> dict[str, Any]:
    """All secret values of both namespaces, without Helm's own records."""
    found = [
        secret
        for namespace in (kube.namespace, kube.tasks_namespace)
        for secret in kube.core.list_namespaced_secret(namespace).items
        if secret.type != "helm.sh/release.v1"
    ]
    return {f"{secret.metadata.namespace}/{secret.metadata.name}": secret.data for secret in found}


def variables(pod: client.V1Pod) -> dict[str, str]:
    """The environment of a pod's first container, without what it takes from elsewhere."""
    return {variable.name: variable.value for variable in pod.spec.containers[0].env or []}


def running(kube: Kube) -> list[client.V1Pod]:
    """The long-lived pods."""
    found = kube.core.list_namespaced_pod(kube.namespace, field_selector="status.phase=Running")
    return list(found.items)


def pods(kube: Kube) -> dict[str, int]:
    """The long-lived pods by uid, with their restarts."""
    return {
        pod.metadata.uid: sum(status.restart_count for status in pod.status.container_statuses)
        for pod in running(kube)
    }


@contextlib.contextmanager
def steady_requests(kube: Kube, body: dict[str, Any]) -> Iterator[list[tuple[int, str]]]:
    """Ask for predictions while the block runs; yields (status, model version) of each answer so far.

    A request that gets none has status 0 and says what became of it.
    """
    answers: list[tuple[int, str]] = []
    stop = threading.Event()

    def ask(port: int) -> None:
        with requests.Session() as session:
            while not stop.wait(0.1):
                try:
                    answer = session.post(f"http://127.0.0.1:{port}/predict", json=body, timeout=10)
                except requests.RequestException as error:
                    answers.append((0, repr(error)))
                    continue
                answers.append(
                    (answer.status_code, str(answer.json()["version"]) if answer.ok else answer.text)
                )

    with kube.forward("inference-forest", 80) as port:
        thread = threading.Thread(target=ask, args=(port,))
        thread.start()
        try:
            yield answers
        finally:
            stop.set()
            thread.join()


@contextlib.contextmanager
def environment(**variables: str) -> Iterator[None]:
    """Sets environment variables while the block runs."""
    former = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(former)
