"""``quintet status``: pods, release, DAGs and champions at a glance, and what to do about what is wrong."""

from collections.abc import Iterator
from typing import Any

import requests

from quintet import loopback
from quintet.ops.airflow_api import AirflowApi
from quintet.ops.installed import API, models_of, pipelines_of
from quintet.ops.kube import Kube, is_ready
from quintet.progress import UserError
from quintet.shown import show_champions, shown_dags

ADVICE = {
    "ImagePullBackOff": "its image cannot be pulled: `make up` pushes it, global.image.registry names yours",
    "ErrImagePull": "its image cannot be pulled: `make up` pushes it, global.image.registry names yours",
    "CrashLoopBackOff": "it ends again and again: `make logs SERVICE={workload}` shows why",
    "CreateContainerConfigError": (
        "it lacks a Secret or ConfigMap: `kubectl -n {namespace} describe pod {pod}`"
    ),
    "Unschedulable": "the node has no room for it: `kubectl -n {namespace} describe pod {pod}`",
    "OOMKilled": "it used more memory than its limit: raise resources.limits.memory of its chart",
}


def main(kube: Kube) -> dict[str, Any]:
    """Print the platform's state, and return what `--json` says of it."""
    installed = release(kube)
    print(f"release  {installed or f'none in namespace {kube.namespace}: `make up` installs it'}")
    found = kube.core.list_namespaced_pod(kube.namespace).items
    found += kube.core.list_namespaced_pod(kube.tasks_namespace).items
    found.sort(key=lambda pod: (pod.metadata.namespace, pod.metadata.name))
    pods = [
        {"name": pod.metadata.name, "namespace": pod.metadata.namespace, "state": pod_state(pod)}
        for pod in found
    ]
    for pod in pods:
        print(f"pod      {pod['name']:52} {pod['state']}")
    champions = list(_champions(kube))
    show_champions(champions)
    dags = _dags(kube)
    advice = list(hints(kube, found))
    for line in advice:
        print(f"do       {line}")
    return {
        "platform": "cluster",
        "release": installed or None,
        "pods": pods,
        "champions": champions,
        "dags": dags,
        "do": advice,
    }


def release(kube: Kube) -> str:
    """Return name, revision and state of the Helm release; "" without one."""
    if not (found := kube.release):
        return ""
    info = found["info"]
    return f"{found['name']} revision {found['version']} {info['status']}, {info['last_deployed'][:19]}"


def pod_state(pod: Any) -> str:
    """Return in a few words how a pod is: Ready, Succeeded, or what it waits for, and its restarts."""
    restarts = sum(status.restart_count for status in pod.status.container_statuses or [])
    state = "Ready" if is_ready(pod) else trouble(pod) or pod.status.phase
    return f"{state}{f', {restarts} restarts' if restarts else ''}"


def trouble(pod: Any) -> str:
    """Return Kubernetes' word for why a pod is not running, or nothing."""
    for status in (*(pod.status.init_container_statuses or []), *(pod.status.container_statuses or [])):
        if status.state.waiting and status.state.waiting.reason not in (
            None,
            "PodInitializing",
            "ContainerCreating",
        ):
            return str(status.state.waiting.reason)
        if status.last_state.terminated and status.last_state.terminated.reason == "OOMKilled":
            return "OOMKilled"
    unscheduled = (
        c.reason for c in pod.status.conditions or [] if c.type == "PodScheduled" and c.status == "False"
    )
    return next(unscheduled, "") or ""


def hints(kube: Kube, pods: list[Any]) -> Iterator[str]:
    """Yield what to do about each pod in trouble."""
    for pod in pods:
        if advice := ADVICE.get(trouble(pod)):
            workload = pod.metadata.labels.get("app.kubernetes.io/name", pod.metadata.name)
            fields = {"pod": pod.metadata.name, "namespace": pod.metadata.namespace, "workload": workload}
            yield f"{pod.metadata.name}: {advice.format(**fields)}"


def metadata(kube: Kube, model: str) -> dict[str, Any]:
    """Return what the API of a model says about itself and the model.

    Raises:
        UserError: when it does not answer.
    """
    with kube.forward(f"{API}{model}", 80) as port:
        try:
            answer = loopback.session().get(f"http://127.0.0.1:{port}/metadata", timeout=30)
            answer.raise_for_status()
        except requests.RequestException as error:
            raise UserError(f"the API {API}{model} does not answer") from error
        return dict(answer.json())


def _champions(kube: Kube) -> Iterator[dict[str, Any]]:
    trained_by = {pipeline.model: pipeline for pipeline in pipelines_of(kube).values()}
    for model in models_of(kube):
        entry = {"model": model, "version": None}
        try:
            served = metadata(kube, model)
        except UserError as error:
            yield {**entry, "state": f"unknown, {error}"}
            continue
        if served["model"] is not None:
            yield {"model": served["model"], "version": served["version"], "state": "served"}
        elif model in trained_by:
            yield {**entry, "state": f"none yet, `make run DAG={trained_by[model].last_dag}` trains one"}
        else:
            yield {**entry, "state": "none yet, and no pipeline here trains it"}


def _dags(kube: Kube) -> list[dict[str, Any]]:
    try:
        with AirflowApi.connect(kube) as airflow:
            return shown_dags(airflow, "`make airflow-cli ARGS='dags unpause {}'`")
    except UserError as error:
        print(f"dags     unknown: {error}")
        return []
