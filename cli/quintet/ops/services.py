"""``quintet logs``, ``quintet restart`` and ``quintet airflow-cli``: work on the pods of a service."""

import contextlib
import sys
import threading
import time
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

from quintet.ops.kube import Kube, is_ready, own_container
from quintet.progress import Stage, UserError, stage

RESTART_SECONDS = 300


def logs(kube: Kube, service: str) -> None:
    """Follow the logs of a service's pods until interrupted, each line behind its pod's name."""
    threads = [
        threading.Thread(target=_follow, args=(kube, pod.metadata.name, own_container(workload)), daemon=True)
        for workload in kube.workloads(service)
        for pod in kube.pods(workload.spec.selector.match_labels)
    ]
    for thread in threads:
        thread.start()
    with contextlib.suppress(KeyboardInterrupt):
        for thread in threads:
            thread.join()


def restart(kube: Kube, service: str) -> None:
    """Restart a service and wait until its new pods are ready.

    Raises:
        UserError: when they do not become ready in time.
    """
    names = [item.metadata.name for item in kube.workloads(service)]
    with stage("restart", ", ".join(names)) as current:
        restart_each(kube, names, current)


def restart_each(kube: Kube, names: Collection[str], current: Stage) -> None:
    """Restart some Deployments and StatefulSets at once and wait until their new pods are ready.

    Raises:
        UserError: when they do not become ready in time.
    """
    annotation = {"kubectl.kubernetes.io/restartedAt": datetime.now(UTC).isoformat()}
    change = {"spec": {"template": {"metadata": {"annotations": annotation}}}}
    for item in _named(kube, names):
        kind = "deployment" if hasattr(item.spec, "strategy") else "stateful_set"
        getattr(kube.apps, f"patch_namespaced_{kind}")(item.metadata.name, kube.namespace, change)
    await_settled(kube, names, current)


def await_settled(kube: Kube, names: Collection[str], current: Stage) -> None:
    """Wait until all pods of some Deployments and StatefulSets are of their latest templates, and ready.

    Raises:
        UserError: when they do not become ready in time.
    """
    deadline = time.monotonic() + RESTART_SECONDS
    while waiting := [item.metadata.name for item in _named(kube, names) if not _is_settled(item)]:
        if time.monotonic() > deadline:
            raise UserError(
                f"{', '.join(waiting)}: not ready after {RESTART_SECONDS} s; `quintet status` says why."
            )
        current.say(f"waiting for {', '.join(waiting)}")
        time.sleep(1)


def _named(kube: Kube, names: Collection[str]) -> list[Any]:
    return [item for item in kube.workloads() if item.metadata.name in names] if names else []


def airflow_cli(kube: Kube, words: list[str]) -> None:
    """Run Airflow's command line in the scheduler's pod.

    Raises:
        UserError: when no scheduler is ready, or with the code that the command failed with.
    """
    from kubernetes.stream import stream

    scheduler = kube.workloads("airflow-scheduler")[0]
    pods = kube.pods(scheduler.spec.selector.match_labels)
    pod = next((pod.metadata.name for pod in pods if is_ready(pod)), None)
    if pod is None:
        raise UserError("The scheduler is not ready: `quintet status` says why.")
    session = stream(
        kube.core.connect_get_namespaced_pod_exec,
        pod,
        kube.namespace,
        container=own_container(scheduler),
        command=["airflow", *words],
        stdout=True,
        stderr=True,
        _preload_content=False,
    )
    while session.is_open():
        session.update(timeout=1)
        sys.stdout.write(session.read_stdout() if session.peek_stdout() else "")
        sys.stderr.write(session.read_stderr() if session.peek_stderr() else "")
    if session.returncode:
        raise UserError(f"airflow {' '.join(words)} failed with code {session.returncode}.")


def _follow(kube: Kube, pod: str, container: str) -> None:
    lines = kube.core.read_namespaced_pod_log(
        pod, kube.namespace, container=container, follow=True, tail_lines=50, _preload_content=False
    )
    for line in lines:
        sys.stdout.write(f"{pod} {line.decode(errors='replace')}")
        sys.stdout.flush()


def _is_settled(workload: Any) -> bool:
    """Return whether all pods of a workload are of its latest template, and ready."""
    status, wanted = workload.status, workload.spec.replicas
    counts = (status.updated_replicas, status.ready_replicas, status.replicas)
    return status.observed_generation == workload.metadata.generation and all(
        count == wanted for count in counts
    )
