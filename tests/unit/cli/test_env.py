"""Whose rights the exports of `quintet env` have."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from quintet.env import connections
from quintet.kube import Kube

SECRETS = "/api/v1/namespaces/quintet/secrets"
PORTS = {"postgres": 1, "s3": 2, "mlflow": 3}


@pytest.mark.parametrize(
    ("promotion", "role", "user"),
    [(False, "forest", "mlflow-forest"), (True, "forest_promotion", "mlflow-forest-promotion")],
)
def test_only_who_asks_for_them_has_the_rights_of_promotion(
    answers: dict[str, Any], kube: Kube, promotion: bool, role: str, user: str
) -> None:
    held = {
        "postgres-forest": {"url": "postgresql://forest:p@postgres.quintet.svc:5432/quintet"},
        "postgres-forest-promotion": {
            "url": "postgresql://forest_promotion:p@postgres.quintet.svc:5432/quintet"
        },
        "minio-forest": {"access-key": "forest", "secret-key": "s"},
        "mlflow-forest": {"username": "mlflow-forest", "password": "m"},
        "mlflow-forest-promotion": {"username": "mlflow-forest-promotion", "password": "m"},
    }
    answers[SECRETS] = {"items": []}
    for name, data in held.items():
        encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
        answers[f"{SECRETS}/{name}"] = {"data": encoded}
    exports = connections(kube, PORTS, promotion=promotion)
    assert exports["DATABASE_URL"] == f"postgresql://{role}:p@localhost:1/quintet"
    assert exports["MLFLOW_TRACKING_USERNAME"] == user
