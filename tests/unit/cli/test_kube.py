"""What the command line learns from the release about names that the user chose."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any

from quintet.ops.kube import Kube

SECRETS = "/api/v1/namespaces/quintet/secrets"


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def releases(*values: dict[str, Any]) -> dict[str, Any]:
    """The Secrets in which Helm keeps a revision with each of the values, the latest first."""
    secrets = []
    for version, config in enumerate(values, 1):
        release = json.dumps({"name": "quintet", "version": version, "config": config})
        packed = encoded(base64.b64encode(gzip.compress(release.encode())).decode())
        secrets.insert(
            0,
            {
                "metadata": {"labels": {"name": "quintet", "version": str(version)}},
                "data": {"release": packed},
            },
        )
    return {"items": secrets}


def test_without_choices_names_are_the_platforms_own(answers: dict[str, Any], kube: Kube) -> None:
    answers[SECRETS] = releases({})
    answers[f"{SECRETS}/airflow-admin"] = {"data": {"password": encoded("generated")}}
    assert kube.tasks_namespace == "quintet-tasks"
    assert kube.secret("airflow-admin", "password") == "generated"


def test_the_users_own_secret_and_namespace_are_found(answers: dict[str, Any], kube: Kube) -> None:
    chosen = {"secrets": {"existing": {"airflow-admin": "vault"}}, "tasks": {"namespace": "steps"}}
    answers[SECRETS] = releases({}, {"global": chosen})
    answers[f"{SECRETS}/vault"] = {"data": {"password": encoded("theirs")}}
    assert kube.tasks_namespace == "steps"
    assert kube.secret("airflow-admin", "password") == "theirs"


def test_before_the_first_release_names_are_the_platforms_own(answers: dict[str, Any], kube: Kube) -> None:
    answers[SECRETS] = {"items": []}
    assert kube.tasks_namespace == "quintet-tasks"
