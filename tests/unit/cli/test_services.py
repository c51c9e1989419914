"""`quintet logs`: of a service's own containers, whatever else a mesh has put into its pods."""

from __future__ import annotations

from typing import Any

import pytest

from quintet.ops import services
from quintet.ops.kube import Kube

CORE = "/api/v1/namespaces/quintet"


def test_logs_are_those_of_the_services_own_container(
    answers: dict[str, Any],
    asked: list[tuple[str, str, Any]],
    kube: Kube,
    capsys: pytest.CaptureFixture[str],
) -> None:
    labels = {"app.kubernetes.io/name": "mlflow"}
    spec = {
        "selector": {"matchLabels": labels},
        "template": {"spec": {"containers": [{"name": "mlflow"}]}},
    }
    answers |= {
        "/apis/apps/v1/namespaces/quintet/deployments": {
            "items": [{"metadata": {"name": "mlflow"}, "spec": spec}]
        },
        "/apis/apps/v1/namespaces/quintet/statefulsets": {"items": []},
        f"{CORE}/pods": {"items": [{"metadata": {"name": "mlflow-1"}, "status": {"phase": "Running"}}]},
        f"{CORE}/pods/mlflow-1/log": "listening",
    }
    services.logs(kube, "mlflow")
    assert capsys.readouterr().out == 'mlflow-1 "listening"'
    (path,) = [path for _, path, _ in asked if "/log?" in path]
    assert "container=mlflow&" in path
