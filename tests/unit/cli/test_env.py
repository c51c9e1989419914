"""Whose rights the exports of `quintet env` have."""

from __future__ import annotations

import argparse
import base64
import os
import subprocess
from typing import Any

import pytest

from quintet import env, shell_variables
from quintet.env import connections
from quintet.kube import Kube

SECRETS = "/api/v1/namespaces/quintet/secrets"
PORTS = {"postgres": 1, "s3": 2, "mlflow": 3}


@pytest.fixture
def held(answers: dict[str, Any]) -> None:
    """The Secrets of forest."""
    secrets = {
        "postgres-forest": {"url": "postgresql://forest:p@postgres.quintet.svc:5432/quintet"},
        "postgres-forest-promotion": {
            "url": "postgresql://forest_promotion:p@postgres.quintet.svc:5432/quintet"
        },
        "minio-forest": {"access-key": "forest", "secret-key": "s"},
        "mlflow-forest": {"username": "mlflow-forest", "password": "m"},
        "mlflow-forest-promotion": {"username": "mlflow-forest-promotion", "password": "m"},
    }
    answers[SECRETS] = {"items": []}
    for name, data in secrets.items():
        encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
        answers[f"{SECRETS}/{name}"] = {"data": encoded}


@pytest.mark.usefixtures("held")
@pytest.mark.parametrize(
    ("promotion", "role", "user"),
    [(False, "forest", "mlflow-forest"), (True, "forest_promotion", "mlflow-forest-promotion")],
)
def test_only_who_asks_for_them_has_the_rights_of_promotion(
    kube: Kube, promotion: bool, role: str, user: str
) -> None:
    exports = connections(kube, PORTS, promotion=promotion)
    assert exports["DATABASE_URL"] == f"postgresql://{role}:p@localhost:1/quintet"
    assert exports["MLFLOW_TRACKING_USERNAME"] == user


@pytest.mark.usefixtures("held")
def test_what_a_shell_has_of_another_platform_is_forgotten(
    kube: Kube, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(env, "_tools", lambda: {"KUBECONFIG": "/ours"})
    monkeypatch.setenv("NO_PROXY", ".corp,localhost")
    monkeypatch.delenv("no_proxy", raising=False)
    env.main(kube, argparse.Namespace(postgres_port=1, s3_port=2, mlflow_port=3, promotion=False))
    printed = capsys.readouterr().out
    others = dict.fromkeys(
        shell_variables.OF_S3 + shell_variables.OF_POSTGRES + shell_variables.OF_MLFLOW, "another"
    )
    others |= dict.fromkeys(shell_variables.OF_THE_CLUSTER, "another")
    assert {
        "AWS_SESSION_TOKEN",
        "AWS_PROFILE",
        "PGPASSFILE",
        "PGSERVICE",
        "MLFLOW_TRACKING_TOKEN",
    } <= others.keys()
    shell = subprocess.run(
        ["sh", "-c", 'eval "$1"; exec env -0', "sh", printed],
        env={"PATH": os.environ["PATH"], "AWS_ACCESS_KEY_ID": "theirs", "KUBECONFIG": "/theirs", **others},
        capture_output=True,
        text=True,
        check=True,
    )
    left = dict(entry.split("=", 1) for entry in shell.stdout.split("\0") if entry)
    assert "another" not in left.values()
    assert (left["AWS_ACCESS_KEY_ID"], left["KUBECONFIG"]) == ("forest", "/ours")
    assert (left["NO_PROXY"], left["no_proxy"]) == (".corp,localhost,127.0.0.1", "localhost,127.0.0.1")
