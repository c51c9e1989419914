"""What of a champion the credentials of a step can move, tried against the servers."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import boto3
import psycopg2
import requests
from botocore.exceptions import ClientError

from quintet.ops.kube import Kube

PERMISSION_DENIED = 403
RECORD = (
    "INSERT INTO forest.promotion_decisions (model_name, dag_id, run_id, verdict, reason, data_sha256,"
    " challenger_algorithm, challenger_mlflow_run_id, challenger_digest, metrics)"
    " VALUES ('forest', 'd', 'r', 'promoted', 'I say so', 'h', 'svc', 'm', 'b', '{}')"
)
LOCK = "SELECT FROM forest.promotion_lock FOR UPDATE"


def of_step(kube: Kube, step: str) -> dict[str, str]:
    """The secret variables that the chart gives a step, such as ``forest-train``, by name."""
    pods = json.loads(
        kube.core.read_namespaced_config_map("airflow-step-pods", kube.namespace).data["pods.json"]
    )
    references = pods["secret_env"] | pods["steps"][step]["secret_env"]
    return {name: kube.secret(ref["secret"], ref["key"]) for name, ref in references.items()}


def what_it_moves(kube: Kube, step: str) -> set[str]:
    """The deeds at the forest's champion that the credentials of a step suffice for.

    None changes who is champion, or its bundle: a file that could be written to its run lies beside that.
    """
    held = of_step(kube, step)
    deeds: dict[str, Callable[[], bool]] = {}
    with contextlib.ExitStack() as stack:
        if "DATABASE_URL" in held:
            port = stack.enter_context(kube.forward("postgres", 5432))
            url = urlsplit(held["DATABASE_URL"])
            here = url._replace(netloc=f"{url.netloc.rpartition('@')[0]}@127.0.0.1:{port}").geturl()
            deeds["record"] = lambda: _executes(here, RECORD)
            deeds["lock"] = lambda: _executes(here, LOCK)
        if "MLFLOW_TRACKING_USERNAME" in held:
            mlflow = stack.enter_context(_mlflow(kube, held))
            admin = {
                "MLFLOW_TRACKING_USERNAME": kube.secret("mlflow-admin", "username"),
                "MLFLOW_TRACKING_PASSWORD": kube.secret("mlflow-admin", "password"),
            }
            of_all = stack.enter_context(_mlflow(kube, admin))
            version = of_all("GET", "mlflow/registered-models/alias?name=forest&alias=champion").json()[
                "model_version"
            ]
            run = of_all("GET", f"mlflow/runs/get?run_id={version['run_id']}").json()["run"]["info"]
            place = f"{run['experiment_id']}/{run['run_id']}/artifacts/of-a-test.json"
            named = {"name": "forest", "version": version["version"]}
            stage = {**named, "key": "stage", "value": "Production"}
            deeds["alias"] = lambda: _is_let(
                mlflow("POST", "mlflow/registered-models/alias", {**named, "alias": "champion"})
            )
            deeds["tag"] = lambda: _is_let(mlflow("POST", "mlflow/model-versions/set-tag", stage))
            deeds["run"] = lambda: _is_let(mlflow("PUT", f"mlflow-artifacts/artifacts/{place}", {}))
        if "AWS_ACCESS_KEY_ID" in held:
            port = stack.enter_context(kube.forward("minio", 9000))
            deeds["bucket"] = lambda: _writes(f"http://127.0.0.1:{port}", held)
        return {name for name, succeeds in deeds.items() if succeeds()}


def _executes(url: str, statement: str) -> bool:
    """Return whether a role may do this; it is rolled back."""
    with contextlib.closing(psycopg2.connect(url)) as connection, connection.cursor() as rows:
        try:
            rows.execute(statement)
        except psycopg2.errors.InsufficientPrivilege:
            return False
    return True


@contextlib.contextmanager
def _mlflow(kube: Kube, held: dict[str, str]) -> Iterator[Callable[..., requests.Response]]:
    """Requests to MLflow's API with a user's password."""
    login = (held["MLFLOW_TRACKING_USERNAME"], held["MLFLOW_TRACKING_PASSWORD"])
    with kube.forward("mlflow", 5000) as port:

        def ask(method: str, path: str, body: Any = None) -> requests.Response:
            address = f"http://127.0.0.1:{port}/api/2.0/{path}"
            return requests.request(method, address, json=body, auth=login, timeout=30)

        yield ask


def _is_let(answer: requests.Response) -> bool:
    assert answer.ok or answer.status_code == PERMISSION_DENIED, answer.text
    return answer.ok


def _writes(endpoint: str, held: dict[str, str]) -> bool:
    """Return whether a key writes to the bucket that only MLflow should write to."""
    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        aws_access_key_id=held["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=held["AWS_SECRET_ACCESS_KEY"],
        region_name="us-east-1",
    )
    try:
        client.put_object(Bucket="mlflow-artifacts", Key="of-a-test", Body=b"")
    except ClientError as error:
        if error.response["Error"]["Code"] != "AccessDenied":
            raise
        return False
    return True
