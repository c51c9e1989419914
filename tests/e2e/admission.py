"""Pods that ask for Secrets of the steps, which the API server takes or refuses without making them."""

from __future__ import annotations

import json
from typing import Any

from kubernetes.client import ApiException

from quintet.ops.kube import Kube
from tests import pod_requests


def wrong(kube: Kube, step: str, secret: str, other: str) -> dict[str, str]:
    """Return what the API server says to pods, by their titles, where that is not what the table has.

    Args:
        kube: the platform.
        step: whose program alone gets a Secret.
        secret: that one.
        other: a step that is not given it.
    """
    images = _config(kube, "airflow-step-images", "images.json")
    pods = pod_requests.brief(pod_requests.of_values(_config(kube, "airflow-step-pods", "pods.json"), images))
    pods += pod_requests.by_other_ways(images, step, secret, other)
    said = [(pod, _refusal(kube, pod.manifest(images))) for pod in pods]
    return {pod.title: what for pod, what in said if not pod.expects(what)}


def _config(kube: Kube, name: str, key: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(kube.core.read_namespaced_config_map(name, kube.namespace).data[key])
    return found


def _refusal(kube: Kube, pod: dict[str, Any]) -> str:
    try:
        kube.core.create_namespaced_pod(kube.tasks_namespace, pod, dry_run="All")
    except ApiException as error:
        return str(json.loads(error.body)["message"])
    return ""
