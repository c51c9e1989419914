"""The Helm release of the platform: installed or upgraded, with a view of what its pods wait for."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from quintet.kind.cluster import Platform
from quintet.paths import PLATFORM
from quintet.progress import CommandError, output, stage, succeeds
from quintet.revision import revision

RELEASE = "quintet"
CHART = PLATFORM / "charts" / "quintet"
TIMEOUT = "10m"
LOOK_SECONDS = 2.0
NAMED_PODS = 3


def install(platform: Platform, *values: Path) -> None:
    """Install or upgrade the release and wait until all of it is ready.

    Args:
        platform: the cluster, with the images that it can pull.
        values: more values files, later ones win; they follow the samples, what the cluster of this machine
            needs, and the repository's `values.local.yaml`.

    Raises:
        CommandError: with what the pods waited for, when it is not ready in time.
    """
    images = platform.cluster.folder / "images.yaml"
    images.write_text(yaml.safe_dump(values_of(platform.images)), encoding="utf-8")
    local = PLATFORM / "values.local.yaml"
    shipped = [CHART / "values-samples.yaml", CHART / "values-kind.yaml"]
    files = [*shipped, *([local] if local.exists() else []), *values, images]
    command: list[str | Path] = [
        *(
            platform.tools.helm,
            "upgrade",
            "--install",
            RELEASE,
            CHART,
            "--kubeconfig",
            platform.cluster.kubeconfig,
        ),
        *("--namespace", platform.cluster.namespace, "--create-namespace", "--wait", "--timeout", TIMEOUT),
    ]
    for file in files:
        command += ["--values", file]
    with stage("release", f"Helm release {RELEASE} in namespace {platform.cluster.namespace}") as current:
        done = threading.Event()

        def watch() -> None:
            shown = ""
            while not done.wait(LOOK_SECONDS):
                now = summary(waiting(platform))
                if now and now != shown:
                    current.note(now)
                    shown = now

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            _take_back_a_broken_change(platform)
            current.run(*command)
        except CommandError as error:
            raise CommandError(
                f"{error}\n  Not ready: {'; '.join(waiting(platform)) or 'nothing'}"
            ) from error
        finally:
            done.set()
            watcher.join()


def _take_back_a_broken_change(platform: Platform) -> None:
    """End a change that a killed command has left half done: Helm refuses any other while it stands.

    This command has the cluster alone, so nobody is at work on one.
    """
    helm: list[str | Path] = [platform.tools.helm, "--kubeconfig", platform.cluster.kubeconfig]
    helm += ["--namespace", platform.cluster.namespace]
    if not succeeds(*helm, "status", RELEASE):
        return
    status = json.loads(output(*helm, "status", RELEASE, "--output", "json"))["info"]["status"]
    if status == "pending-install":
        output(*helm, "uninstall", RELEASE)
    elif status.startswith("pending"):
        output(*helm, "rollback", RELEASE)


def values_of(images: dict[str, str]) -> dict[str, Any]:
    """Return the values that name images, and the commit that steps note in MLflow.

    Args:
        images: name -> full reference.
    """
    return {
        "global": {"images": images},
        "airflow": {"steps": {"env": {"GIT_REVISION": revision()}}},
    }


def write_values(images: dict[str, str]) -> Path:
    """Write the values that name images to dist/images.yaml, and return its path in the repository.

    Args:
        images: name -> full reference.
    """
    path = PLATFORM / "dist" / "images.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(yaml.safe_dump(values_of(images)), encoding="utf-8")
    return path.relative_to(PLATFORM)


def waiting(platform: Platform) -> list[str]:
    """Return, for each pod of the release that is not ready, its name and what it waits for."""
    try:
        pods = json.loads(
            platform.kubectl("get", "pods", "--namespace", platform.cluster.namespace, "--output", "json")
        )
    except CommandError:
        return []
    return [
        f"{pod['metadata']['name']} ({reason})" for pod in pods["items"] if (reason := _reason(pod["status"]))
    ]


def summary(pods: list[str]) -> str:
    """Return in one short line how many pods are not ready, and name some; nothing when all are."""
    if not pods:
        return ""
    more = " …" if len(pods) > NAMED_PODS else ""
    return f"{len(pods)} to go: {'; '.join(pods[:NAMED_PODS])}{more}"


def _reason(status: dict[str, Any]) -> str:
    """Return what a pod waits for, or nothing when it is ready or done."""
    if status.get("phase") == "Succeeded":
        return ""
    for condition in status.get("conditions", []):
        if condition["type"] == "PodScheduled" and condition["status"] != "True":
            return str(condition.get("message", "not scheduled"))
    return next(_container_reasons(status), "")


def _container_reasons(status: dict[str, Any]) -> Iterator[str]:
    for container in status.get("initContainerStatuses", []):
        state = container["state"]
        ended = state.get("terminated") or container.get("lastState", {}).get("terminated") or {}
        if "running" not in state and ended.get("exitCode") and ended.get("message"):
            yield f"init {container['name']} failed: {ended['message'].strip()}"
        if "waiting" in state:
            yield _waiting(state["waiting"])
        if "running" in state and not container.get("started", False):
            yield f"init {container['name']}"
        if "terminated" in state and state["terminated"]["exitCode"]:
            yield f"init {container['name']} failed"
    for container in status.get("containerStatuses", []):
        state = container["state"]
        if "waiting" in state:
            yield _waiting(state["waiting"])
        if "terminated" in state:
            yield f"{container['name']} ended with code {state['terminated']['exitCode']}"
        if "running" in state and not container["ready"]:
            yield f"{container['name']} is starting"
    if status.get("phase") == "Pending":
        yield "Pending"


def _waiting(state: dict[str, str]) -> str:
    return f"{state['reason']}: {state['message']}" if "message" in state else state["reason"]
