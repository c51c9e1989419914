"""Causes that Kubernetes names: a pod that does not start, or is taken away."""

import re

from dags.pod_report import CONFIG_REASON, IMAGE_REASONS
from quintet.diagnosis.cause import Cause, Kind
from quintet.diagnosis.evidence import Evidence

SLOW_START_SECONDS = 30
"""A pod that waits this long without a word from Kubernetes is held up."""


def taken_away(evidence: Evidence) -> Cause | None:
    """Name why Kubernetes stopped a pod: time, disk, memory of the node."""
    pod = evidence.pod
    if pod is None or not (pod.reason or pod.disrupted):
        return None
    if pod.reason == "DeadlineExceeded":
        return Cause(
            Kind.DEADLINE,
            "It ran longer than its time limit, so Kubernetes stopped it.",
            "See in its log what took the time; `timeout=` of the step in its DAG is the limit.",
        )
    if re.search(r"ephemeral|emptydir|disk", pod.message, re.IGNORECASE):
        return Cause(
            Kind.DISK_FULL,
            f"It used more disk than it may, so Kubernetes evicted it: {pod.message}",
            "Let it write less to /tmp; if it is the node that is full, free its disk.",
        )
    return Cause(
        Kind.EVICTED,
        f"Its pod was taken away: {pod.hindrance}",
        "Airflow tries again by itself; if it happens often, give nodes or the step more room.",
    )


def not_started(evidence: Evidence) -> Cause | None:
    """Name why a pod does not start: image, Secret, room, or something that takes too long."""
    pod = evidence.pod
    if pod is None or pod.exit_code is not None or pod.phase != "Pending":
        return None
    if pod.waiting in IMAGE_REASONS:
        return _no_image(pod.image, pod.waiting_message)
    if pod.waiting == CONFIG_REASON:
        lacks = re.search(r'(secret|configmap) "([^"]+)" not found', pod.waiting_message)
        what = f"the {lacks[1]} {lacks[2]}" if lacks else f"a value: {pod.waiting_message}"
        return Cause(
            Kind.SECRET_MISSING,
            f"Its pod needs {what}, which is not there.",
            "Make it in the tasks namespace, or correct secretEnv and configEnv under airflow.steps.",
        )
    if pod.unscheduled:
        return Cause(
            Kind.UNSCHEDULABLE,
            f"No node takes its pod: {pod.unscheduled.partition('. ')[0]}.",
            "Lower its requests (pipeline.yaml, or airflow.steps.overrides.IMAGE.resources) or add a node.",
        )
    if evidence.state in ("running", "deferred") and (evidence.seconds or 0) < SLOW_START_SECONDS:
        return None
    return Cause(
        Kind.START_TIMEOUT,
        f"Its pod has a node but does not start: {pod.hindrance}",
        "Mend what the last event names; a slow registry or a volume that cannot be mounted is usual.",
    )


def _no_image(image: str, message: str) -> Cause:
    if re.search(r"not found|manifest unknown|couldn't parse|invalid", message, re.IGNORECASE):
        return Cause(
            Kind.IMAGE_MISSING,
            f"There is no image {image} in the registry.",
            "`make up` builds and pushes it; elsewhere `make push`, and correct its name in global.images.",
        )
    if re.search(r"denied|unauthorized|forbidden|\b40[13]\b", message, re.IGNORECASE):
        advice = "Give global.image.pullSecrets a login that may read it."
        return Cause(Kind.IMAGE_MISSING, f"The registry refuses to give the image {image}.", advice)
    return Cause(
        Kind.IMAGE_MISSING,
        f"The registry does not give the image {image}: {message}",
        "See whether the registry is up and the node reaches it.",
        certain=False,
    )
