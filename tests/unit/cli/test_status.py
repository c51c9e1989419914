"""What `quintet status` reads out of a pod."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from kubernetes.client import ApiClient

from quintet.ops.status import pod_state, trouble


def pod(status: dict[str, Any]) -> Any:
    """A pod as the Kubernetes client gives it."""
    fields = {"metadata": {"name": "mlflow-1"}, "status": status}
    return ApiClient().deserialize(SimpleNamespace(data=json.dumps(fields)), "V1Pod")


def container(state: dict[str, Any], **more: Any) -> dict[str, Any]:
    required = {
        "name": "main",
        "image": "i",
        "imageID": "",
        "ready": False,
        "restartCount": 0,
        "lastState": {},
    }
    return {**required, "state": state, **more}


WAITING = {"waiting": {"reason": "ImagePullBackOff"}}
KILLED = {"terminated": {"reason": "OOMKilled", "exitCode": 137}}
UNSCHEDULED = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({"phase": "Pending", "containerStatuses": [container(WAITING)]}, "ImagePullBackOff"),
        ({"phase": "Pending", "initContainerStatuses": [container(WAITING)]}, "ImagePullBackOff"),
        (
            {
                "phase": "Pending",
                "containerStatuses": [container({"waiting": {"reason": "PodInitializing"}})],
            },
            "",
        ),
        (
            {"phase": "Running", "containerStatuses": [container({"running": {}}, lastState=KILLED)]},
            "OOMKilled",
        ),
        ({"phase": "Pending", "conditions": [UNSCHEDULED]}, "Unschedulable"),
        ({"phase": "Running"}, ""),
    ],
)
def test_trouble_is_named_by_kubernetes_own_word(status: dict[str, Any], expected: str) -> None:
    assert trouble(pod(status)) == expected


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}, "Ready"),
        ({"phase": "Succeeded"}, "Succeeded"),
        (
            {"phase": "Pending", "containerStatuses": [container(WAITING, restartCount=2)]},
            "ImagePullBackOff, 2 restarts",
        ),
    ],
)
def test_a_pod_is_told_in_a_few_words(status: dict[str, Any], expected: str) -> None:
    assert pod_state(pod(status)) == expected
