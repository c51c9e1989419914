"""A team's own repository as its people use it: commands in a folder of theirs, and what is left of it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2 import sql

from quintet.ops.kube import Kube
from quintet.paths import PLATFORM
from tests.e2e import evidence
from tests.e2e.conftest import E2E

NAMESPACED = ("secrets", "configmaps", "jobs", "deployments", "services", "networkpolicies", "pods")
OF_CLUSTER = ("validatingadmissionpolicies", "validatingadmissionpolicybindings")


def quintet(folder: Path, *words: str, fails: bool = False) -> str:
    """Run a command in a folder that is not the checkout and return what it says.

    Args:
        folder: where it is typed.
        words: of the command.
        fails: whether it has to fail.
    """
    told = {"KUBECONFIG": str(E2E.kubeconfig)}
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | told
    command = [sys.executable, str(PLATFORM / "quintet"), "--context", f"kind-{E2E.name}", *words]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=240
    )
    assert bool(done.returncode) == fails, f"{' '.join(words)}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def changed_files() -> str:
    """What Git says of the files of the checkout."""
    command = ["git", "-C", str(PLATFORM), "status", "--porcelain"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def servers(kube: Kube, *own: str) -> dict[str, tuple[str, int]]:
    """Each pod that serves, with its uid and restarts, but those of some pipelines' own releases."""
    found = {}
    for pod in evidence.running(kube):
        owners = {owner.kind for owner in pod.metadata.owner_references or []}
        if owners & {"ReplicaSet", "StatefulSet"} and instance(pod) not in own:
            restarts = sum(status.restart_count for status in pod.status.container_statuses or [])
            found[pod.metadata.name] = (pod.metadata.uid, restarts)
    return found


def instance(thing: Any) -> str:
    """The release that an object says it is of."""
    return str((thing.metadata.labels or {}).get("app.kubernetes.io/instance", ""))


def left_of(kube: Kube, platform: Any, pipeline: str) -> list[str]:
    """Objects of Kubernetes that a pipeline's own release has, by kind and name; Helm's own notes too."""
    labels = ("--selector", f"app.kubernetes.io/instance={pipeline}", "--output", "name")
    found = []
    for namespace in (kube.namespace, kube.tasks_namespace):
        found += platform.kubectl("get", ",".join(NAMESPACED), "--namespace", namespace, *labels).split()
    found += platform.kubectl("get", ",".join(OF_CLUSTER), *labels).split()
    notes = ("--selector", f"owner=helm,name={pipeline}", "--output", "name")
    return found + platform.kubectl("get", "secrets", "--namespace", kube.namespace, *notes).split()


def as_owner(kube: Kube, statement: str, *values: object) -> list[tuple[Any, ...]]:
    """The rows of a statement of the owner of all tables; one that returns none returns an empty list."""
    with (
        evidence.database(kube, "owner") as url,
        contextlib.closing(psycopg2.connect(url)) as connection,
        connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(statement, values)
        return cursor.fetchall() if cursor.description else []


def rows(kube: Kube, pipeline: str) -> int:
    """How many rows the starter's table has, as the owner sees it."""
    table = sql.Identifier(pipeline, "readings")
    with (
        evidence.database(kube, "owner") as url,
        contextlib.closing(psycopg2.connect(url)) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(sql.SQL("SELECT count(*) FROM {}").format(table))
        ((found,),) = cursor.fetchall()
    return int(found)


def in_postgres(kube: Kube, pipeline: str) -> tuple[bool, bool]:
    """Whether Postgres has the pipeline's schema, and whether its role may log in."""
    ((schema, role),) = as_owner(
        kube,
        "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = %s),"
        " EXISTS (SELECT FROM pg_roles WHERE rolname = %s AND rolcanlogin)",
        pipeline,
        pipeline,
    )
    return bool(schema), bool(role)


def objects(kube: Kube, pipeline: str) -> int:
    """How many objects S3 has below the pipeline's prefix, as the root user sees it."""
    import boto3

    with kube.forward("minio", 9000) as port:
        found = boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{port}",
            aws_access_key_id=kube.secret("minio-root", "username"),
            aws_secret_access_key=kube.secret("minio-root", "password"),
            region_name="us-east-1",
        ).list_objects_v2(Bucket="data", Prefix=f"{pipeline}/")
    return int(found["KeyCount"])
