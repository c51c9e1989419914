"""A pod that runs one step at a person's wish, made by what makes it in a run."""

import contextlib
import getpass
import io
import re
import secrets
import socket
import sys
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from dags.pod_report import CONTAINER, PodReport
from dags.pod_template import pod_template
from quintet.by_hand import ending
from quintet.ops.kube import Kube, refusal
from quintet.pipelines import Step
from quintet.progress import UserError

BY = "quintet/by-hand"
"""Label of such a pod: who started it."""
RESULT_PATH = "/dev/termination-log"
DEADLINE_SECONDS = 3600
"""So long may a pod run whose command was killed before it could take it away."""
GRACE_SECONDS = 10
STOP_SECONDS = 1
"""A step may be killed at any time; what it has begun is put right by its next run."""
END_SECONDS = 30


def manifest(
    pods: Mapping[str, Any], step: Step, image: str, options: Sequence[str], environment: Mapping[str, str]
) -> dict[str, Any]:
    """Return the pod of a step.

    Args:
        pods: what the release says of the pods of steps, as Airflow reads it.
        step: the step.
        image: full reference.
        options: of the step.
        environment: what it has beside that of each of its pods, as Airflow gives a task's.
    """
    pipeline = step.pipeline.name
    pod = pod_template(pods, pipeline, step.name, image=image, container=CONTAINER, result_path=RESULT_PATH)
    # Known before there is a pod of it, which can so be taken away whatever becomes of the answer.
    pod["metadata"]["name"] = f"{step.image}-by-hand-{secrets.token_hex(3)}"
    pod["metadata"]["labels"][BY] = person()
    pod["spec"] |= {
        "restartPolicy": "Never",
        "activeDeadlineSeconds": DEADLINE_SECONDS,
        "terminationGracePeriodSeconds": GRACE_SECONDS,
    }
    (container,) = pod["spec"]["containers"]
    container["args"] = list(options)
    others = [variable for variable in container["env"] if variable["name"] not in environment]
    container["env"] = [*others, *({"name": name, "value": value} for name, value in environment.items())]
    return pod


def person() -> str:
    """Return who is at the keyboard, as a label may say it."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a number without a name
        user = "somebody"
    return re.sub(r"[^A-Za-z0-9_.-]", "-", f"{user}-{socket.gethostname()}")[:63].strip("-_.")


def take_away_ended(kube: Kube, step: Step) -> None:
    """Delete the pods of a step that commands of this person have left behind when they were killed."""
    kube.core.delete_collection_namespaced_pod(
        kube.tasks_namespace,
        label_selector=f"{BY}={person()},step={step.image}",
        field_selector="status.phase!=Running,status.phase!=Pending",
    )


class StepPod:
    """A pod of a step, whose log is shown until its end.

    Args:
        kube: the platform.
        manifest: of the pod.

    Attributes:
        exit_code: of the step; 1 where it did not come to an end of its own.

    Raises:
        UserError: when the cluster does not take the pod; says why.
    """

    def __init__(self, kube: Kube, manifest: dict[str, Any]) -> None:
        from kubernetes.client import ApiException

        self._kube, self._namespace = kube, kube.tasks_namespace
        self._name = str(manifest["metadata"]["name"])
        self._end: str | None = None
        self._trouble: Exception | None = None
        self._stopped = threading.Event()
        self.exit_code = 1
        self._ended = threading.Event()
        try:
            kube.core.create_namespaced_pod(self._namespace, manifest)
            threading.Thread(target=self._follow, daemon=True).start()
        except ApiException as error:
            raise UserError(refusal(error)) from error
        except BaseException:  # Ctrl-C among them: the cluster may have the pod all the same
            self.stop()
            raise

    def end(self) -> str | None:
        """Return how it ended; None while it runs.

        Raises:
            Exception: what kept its log or its end from being read.
        """
        if not self._ended.is_set():
            return None
        if self._trouble:
            raise self._trouble
        return self._end

    def wait(self) -> str:
        """Wait until it has ended and return how."""
        # Without a limit, a wait would keep Ctrl-C from the main thread on some systems.
        while (end := self.end()) is None:
            self._ended.wait(1)
        return end

    def stop(self) -> None:
        """Take the pod away."""
        from kubernetes.client import ApiException

        self._stopped.set()
        with contextlib.suppress(ApiException):  # it is gone
            self._kube.core.delete_namespaced_pod(
                self._name, self._namespace, grace_period_seconds=STOP_SECONDS
            )

    def _follow(self) -> None:
        try:
            self._end = self._await_end()
        except Exception as error:
            self._trouble = error
        self._ended.set()

    def _await_end(self) -> str:
        from kubernetes.watch import Watch

        told, shown = "", False
        question = {"field_selector": f"metadata.name={self._name}"}
        for event in Watch().stream(self._kube.core.list_namespaced_pod, self._namespace, **question):
            pod = event["object"]
            state = _state(pod)
            if state and (state.running or state.terminated) and not shown:
                shown = True
                self._show_log()
            if state and state.terminated:
                return self._ending(pod, state.terminated)
            report = PodReport.of(pod)
            if event["type"] == "DELETED":
                return "✗ ended without a word, as its pod was taken away"
            if pod.status.phase == "Failed":
                return f"✗ ended before it began: {report.hindrance}"
            if report.will_never_start:
                return f"✗ cannot start: {report.hindrance}"
            if report.unscheduled and report.unscheduled != told:
                told = report.unscheduled
                print(f"  waits: no node takes its pod: {told}", file=sys.stderr, flush=True)
        raise UserError(f"Kubernetes says no more of pod {self._name}: `quintet status` says how it is.")

    def _ending(self, pod: Any, end: Any) -> str:
        self.exit_code = int(end.exit_code)
        if pod.metadata.deletion_timestamp:
            return ending(self.exit_code, "as its pod was taken away")
        if pod.status.reason:
            return ending(self.exit_code, f"{pod.status.reason}: {pod.status.message}")
        return ending(self.exit_code, end.reason if end.reason not in ("Completed", "Error") else "")

    def _show_log(self) -> None:
        answer = self._kube.core.read_namespaced_pod_log(
            self._name, self._namespace, container=CONTAINER, follow=True, _preload_content=False
        )
        answer.auto_close = False
        for line in io.TextIOWrapper(answer, encoding="utf-8", errors="replace"):
            if self._stopped.is_set():
                return
            print(line, end="", flush=True)


def _state(pod: Any) -> Any:
    """Return the state of the step's container; None before the kubelet tells one."""
    statuses = pod.status.container_statuses or []
    return next((status.state for status in statuses if status.name == CONTAINER), None)
