"""The operators that run a step in a pod and wait for its end.

`StepOperator` overrides internals of the cncf.kubernetes provider 10.25.0; tests/dags/test_provider.py
pins each of them, and `StockStepOperator` is the way back.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.providers.cncf.kubernetes.utils.pod_manager import (
    PodManager,
    PodPhase,
    detect_pod_terminate_early_issues,
)
from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowException, AirflowFailException
from exit_codes import NOTHING_TO_DO, failure_of, given, options, result_of, returned
from kubernetes.client import models as k8s
from pod_report import CONTAINER, REPORT_KEY, PodReport
from pod_template import pod_template
from step_files import images_of, pods_of

IMAGES_KEY = "images"
KILLED = (137, 143)  # by SIGKILL, or by SIGTERM, which steps hear
OUT_OF_MEMORY = "OOMKilled"
# An eviction is told within moments of the kill; with other containers in the pod nothing else may follow.
REASON_SECONDS = 10
POLL_SECONDS = 0.25


def terminated(pod: k8s.V1Pod | None) -> k8s.V1ContainerStateTerminated | None:
    """Return how the step's container ended, or None while it runs or when the pod never started it."""
    statuses = (pod.status.container_statuses if pod and pod.status else None) or []
    return next((status.state.terminated for status in statuses if status.name == CONTAINER), None)


def phase_of(end: k8s.V1ContainerStateTerminated) -> str:
    """Return the phase of a pod whose step's container ended so, whatever others in it do."""
    return str(PodPhase.FAILED if end.exit_code else PodPhase.SUCCEEDED)


def result_of_pod(end: k8s.V1ContainerStateTerminated | None) -> dict[str, Any]:
    """Parse the result that a successful step left as its termination message.

    Raises:
        AirflowException: The pod was gone before its result was read; a retry makes it again.
        AirflowFailException: It is not a result, see `exit_codes.result_of`.
    """
    if end is None:
        raise AirflowException("The step's pod was deleted before its result was read")
    result: dict[str, Any] = result_of(end.message or "")
    return result


def failure_of_pod(name: str, pod: k8s.V1Pod, events: Sequence[k8s.CoreV1Event] = ()) -> AirflowException:
    """Return why the step of a pod failed, as the exception that makes Airflow skip, fail or try again.

    A pod that lacks an image or a Secret would end the same way again and is not tried again.
    """
    end = terminated(pod)
    if end is None:
        report = PodReport.of(pod, events)
        if report.will_never_start:
            return AirflowFailException(f"{name} cannot start: {report.hindrance}")
        how = "did not start in time" if report.phase == PodPhase.PENDING else "was stopped"
        return AirflowException(f"{name} {how}: {report.hindrance}")
    why = f"{pod.status.reason}: {pod.status.message}" if pod.status.reason else end.reason
    return failure_of(name, end.exit_code, end.message or "", why)


class StepPodManager(PodManager):
    """Takes a pod for ended as soon as its step's container has ended.

    The kubelet reports the pod's phase 1.2 s after the container's end, and `await_pod_completion`
    then sleeps 2 s more. With a proxy beside the step, which a mesh puts into the pod, no such phase ever
    comes: the step's end is the pod's end. Only for a container that was killed by others than memory is the
    phase awaited, for a while: with it comes the reason, such as an eviction.
    """

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self._killed_since: float | None = None

    def read_pod(self, pod: k8s.V1Pod) -> k8s.V1Pod:
        """Read the pod, with the phase that follows from its step's container."""
        pod = super().read_pod(pod)
        if (end := terminated(pod)) and not self._may_be_told_why(pod, end):
            pod.status.phase = phase_of(end)
        return pod

    def _may_be_told_why(self, pod: k8s.V1Pod, end: k8s.V1ContainerStateTerminated) -> bool:
        if end.exit_code not in KILLED or end.reason == OUT_OF_MEMORY:
            return False
        self._killed_since = self._killed_since or time.monotonic()
        alone = len(pod.status.container_statuses) == 1
        return alone or time.monotonic() < self._killed_since + REASON_SECONDS


class StockStepOperator(KubernetesPodOperator):
    """Runs one step in one pod; the provider waits, and reads the result through its XCom sidecar.

    The way back if the overrides of `StepOperator` ever fail after an upgrade: it overrides one public
    method. It costs three times the overhead, needs the right to exec in step pods, and retries a step
    that refused its input.

    Args:
        pipeline: Name of the pipeline, such as `weather`.
        step: Name of the step in kebab-case, such as `train`; the image is `<pipeline>-<step>`.
        returns: Entry of the result that Airflow takes for the whole of it, see `exit_codes.returned`.
        variant: Options that differ between the instances of a mapped step. They stand apart from
            `arguments` because Airflow renders no templates in a mapped value.
    """

    result_path = "/airflow/xcom/return.json"

    def __init__(
        self,
        *,
        pipeline: str,
        step: str,
        returns: str | None = None,
        variant: Mapping[str, Any] | None = None,
        do_xcom_push: bool = True,
        skip_on_exit_code: int | None = NOTHING_TO_DO,
        **kwargs: Any,
    ) -> None:
        super().__init__(do_xcom_push=do_xcom_push, skip_on_exit_code=skip_on_exit_code, **kwargs)
        self.pipeline = pipeline
        self.step = step
        self.returns = returns
        self.variant = variant or {}

    def execute(self, context: Context) -> Any:
        """Run the step and return its result, or the entry of it that later steps are mapped over."""
        result = super().execute(context)
        return result and returned(result, self.returns, context["ti"])

    def build_pod_request_obj(self, context: Context | None = None, dry_run: bool = False) -> k8s.V1Pod:
        """Build the pod from the files as they are now, and drop options that rendered to nothing."""
        image = self._image(context)
        self.pod_template_dict = pod_template(
            pods_of(self.dag.fileloc),
            self.pipeline,
            self.step,
            image=image,
            container=CONTAINER,
            result_path=self.result_path,
        )
        own = self.pod_template_dict["spec"].get("terminationGracePeriodSeconds")
        if own is not None:
            # The provider's own setting would win; it deletes the pod with it, too.
            self.termination_grace_period = own
        pod = super().build_pod_request_obj(context, dry_run=dry_run)
        container, *sidecars = pod.spec.containers
        container.args = given([*self.arguments, *options(self.variant)])
        for sidecar in sidecars:
            sidecar.image = image  # any image with a shell will do, and this one is there
        return pod

    def _image(self, context: Context | None) -> str:
        """Return the step's image: a run keeps the images that its first step found.

        The first step leaves the images of the DAG's steps as an XCom; a retry of it may find newer ones, as
        the run has done nothing yet.
        """
        images: dict[str, str] | None = None
        if context:
            ti, roots = context["ti"], [task.task_id for task in context["dag"].roots]
            if self.task_id in roots:
                own = {_image_name(task) for task in context["dag"].tasks}
                images = {name: tag for name, tag in images_of(self.dag.fileloc).items() if name in own}
                ti.xcom_push(IMAGES_KEY, images)
            else:
                images = next(filter(None, ti.xcom_pull(task_ids=roots, key=IMAGES_KEY) or []), None)
        images = images or images_of(self.dag.fileloc)
        name = f"{self.pipeline}-{self.step}"
        if name not in images:
            raise AirflowFailException(f"No image for {name}: the list of step images holds {sorted(images)}")
        return images[name]


def _image_name(task: Any) -> str | None:
    """Return the name of a task's image; None where it is not a step."""
    made = task.partial_kwargs if task.is_mapped else vars(task)
    return f"{made['pipeline']}-{made['step']}" if "pipeline" in made else None


class StepOperator(StockStepOperator):
    """Runs one step in one pod, waits `inline_wait` seconds in its slot, then defers.

    A short step ends within the wait and costs no trip through the triggerer (about 2 s); a long one
    holds no worker slot. The result is the container's termination message: no sidecar, no right to exec.

    Args:
        inline_wait: Seconds to wait for the pod before deferring.
        kwargs: As for `StockStepOperator`.
    """

    result_path = "/dev/termination-log"
    pod: k8s.V1Pod

    def __init__(self, *, inline_wait: float = 15, **kwargs: Any) -> None:
        super().__init__(do_xcom_push=False, skip_on_exit_code=None, deferrable=True, **kwargs)
        self.inline_wait = inline_wait
        self._pod_at_end: k8s.V1Pod | None = None
        self._result: Any = None

    @cached_property
    def pod_manager(self) -> PodManager:
        """A cached property as in the parent, which deletes it when credentials expire."""
        return StepPodManager(kube_client=self.client, callbacks=self.callbacks)

    def get_or_create_pod(self, pod_request_obj: k8s.V1Pod, context: Context) -> k8s.V1Pod:
        """Take the pod of a former try that ended well before anyone read its result.

        The parent deletes an ended pod and starts another. But a pod with a result, of the same task
        in the same run, has done the work: only the worker that waited for it was killed.
        """
        if context["ti"].try_number > 1:
            pod = self._get_pod_from_task_state_store(context)
            if pod and pod.status.phase == PodPhase.SUCCEEDED and (end := terminated(pod)) and end.message:
                return pod
        return super().get_or_create_pod(pod_request_obj, context)

    def _get_pod_from_task_state_store(self, context: Context) -> k8s.V1Pod | None:
        """Return the pod of a former try, with the phase that follows from its step's container."""
        pod = super()._get_pod_from_task_state_store(context)
        if end := terminated(pod):
            pod.status.phase = phase_of(end)
        return pod

    def invoke_defer_method(self, last_log_time: Any = None, context: Context | None = None) -> None:
        """Wait in the slot first; the parent then defers only if the pod it is given has not ended."""
        deadline = time.monotonic() + self.inline_wait
        pod = self.pod_manager.read_pod(self.pod)
        while pod.status.phase not in PodPhase.terminal_states and time.monotonic() < deadline:
            if detect_pod_terminate_early_issues(pod) or PodReport.of(pod).will_never_start:
                # Raises: a pod that lacks an image or a Secret would be watched until the start time-out.
                self.post_complete_action(pod=pod, remote_pod=pod, context=context, result=None)
            time.sleep(POLL_SECONDS)
            pod = self.pod_manager.read_pod(pod)
        self.pod = pod
        super().invoke_defer_method(last_log_time, context)

    def cleanup(
        self,
        pod: k8s.V1Pod,
        remote_pod: k8s.V1Pod,
        xcom_result: dict[str, Any] | None = None,
        context: Context | None = None,
    ) -> None:
        """Keep the ended pod, let the parent delete it, and give its failure the meaning of its exit code.

        Both ways of waiting end here. The result is not parsed here: an error raised before the parent
        has cleaned up would leave the pod behind.
        """
        self._pod_at_end = remote_pod
        try:
            super().cleanup(pod, remote_pod, xcom_result, context)
        except AirflowException:
            events = self._leave_report(remote_pod, context)
            raise failure_of_pod(f"{self.pipeline}-{self.step}", remote_pod, events) from None

    def _leave_report(self, pod: k8s.V1Pod, context: Context | None) -> Sequence[k8s.CoreV1Event]:
        """Keep what the pod says of itself for `quintet why`, and return the events about it."""
        try:
            events: Sequence[k8s.CoreV1Event] = self.pod_manager.read_pod_events(pod).items
            if context:
                context["ti"].xcom_push(REPORT_KEY, PodReport.of(pod, events).fields())
        except Exception as error:
            # The step's own failure decides between skip, failure and retry; this one must not replace it.
            self.log.warning("No report of pod %s: %s", pod.metadata.name, error)
            return ()
        return events

    def trigger_reentry(self, context: Context, event: dict[str, Any]) -> Any:
        """Finish the step once its pod has ended, and return its result as XCom.

        `do_xcom_push` is False until here, as it makes the parent add a sidecar and wait for it.
        """
        super().trigger_reentry(context, event)
        result = result_of_pod(terminated(self._pod_at_end))
        self._result = returned(result, self.returns, context["ti"])
        self.do_xcom_push = True
        return self._result

    def execute(self, context: Context) -> Any:
        """Start the pod; return the result here when it ended inline, as the parent drops it."""
        super().execute(context)
        return self._result
