"""Pods that ask for Secrets of the steps, which the API server takes or refuses without making them."""

from __future__ import annotations

import json
from typing import Any

from kubernetes.client import ApiException

from quintet.kube import Kube


def refusal(kube: Kube, step: str, secret: str, command: list[str] | None = None) -> str:
    """Ask for a pod of a step's image with a value of a Secret, and return why it is refused, or nothing.

    Args:
        kube: the platform.
        step: whose image, such as ``forest-train``.
        secret: of the tasks namespace.
        command: in place of the image's own.
    """
    images = kube.core.read_namespaced_config_map("airflow-step-images", kube.namespace).data["images.json"]
    reference = {"name": secret, "key": "password"}
    container: dict[str, Any] = {
        "name": "step",
        "image": json.loads(images)[step],
        "command": command,
        "env": [{"name": "PASSWORD", "valueFrom": {"secretKeyRef": reference}}],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    security = {"runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}}
    spec = {"containers": [container], "securityContext": security, "serviceAccountName": "step"}
    pod = {"metadata": {"name": "asks"}, "spec": spec}
    try:
        kube.core.create_namespaced_pod(kube.tasks_namespace, pod, dry_run="All")
    except ApiException as error:
        return str(json.loads(error.body)["message"])
    return ""
