"""Whom MLflow's server lets in, and what it takes from whom: less than MLflow's own authentication does.

MLflow lets every user make experiments and models, at any place of the server's disk and buckets, list all
users, and change a password that other pods go by. Here an administrator alone does that. Others write into
what is there, as far as MLflow's permissions let them, and read.
"""

from __future__ import annotations

import re
from typing import Any

from flask import Response, request
from mlflow.exceptions import MlflowException
from mlflow.protos.model_registry_pb2 import CreateModelVersion
from mlflow.server import auth, handlers

WRITES: dict[str, set[str] | None] = {
    "experiments": {"search"},
    "logged-models": None,
    "mlflow-artifacts": None,
    "model-versions": None,
    "registered-models": {"alias", "get-latest-versions"},
    "runs": None,
}
"""What others than administrators may send to, by the first part of the path and, unless all, the second."""
NOT_READ = ("users", "list")
VERSION = ["model-versions", "create"]


def authenticate() -> Any:
    """Return who asks, or the answer to who may not: MLflow calls it for each request."""
    found = auth.authenticate_request_basic_auth()
    if isinstance(found, Response) or _is_taken() or auth.store.get_user(found.username).is_admin:
        return found
    return auth.make_forbidden_response()


def _is_taken() -> bool:
    parts = request.path.strip("/").split("/")
    if parts[0] in ("api", "ajax-api"):
        parts = parts[2:]  # without the version
    parts = parts[1:] if parts[:1] == ["mlflow"] else parts
    if request.method in ("GET", "HEAD"):
        return tuple(parts[:2]) != NOT_READ
    if parts == VERSION and not _is_of_its_run():
        return False
    family, action = [*parts, "", ""][:2]
    return family in WRITES and ((actions := WRITES[family]) is None or action in actions)


def _is_of_its_run() -> bool:
    """Return whether a version's files are artifacts of the run that it names, and lie nowhere else."""
    asked = handlers._get_request_message(CreateModelVersion())
    try:
        place = handlers._get_tracking_store().get_run(asked.run_id).info.artifact_uri
    except MlflowException:
        return False
    return bool(re.fullmatch(f"{re.escape(place)}(/[A-Za-z0-9_-][A-Za-z0-9_.-]*)+", asked.source))
