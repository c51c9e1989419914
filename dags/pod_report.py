"""What a step's pod says of itself: kept when the pod is deleted, and what `quintet why` reads.

The operator leaves a report as an XCom when a step fails, because the pod is gone afterwards. `quintet why`
makes the same report of a pod that still waits or runs. Nothing here needs Airflow.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

CONTAINER = "step"
"""Name of the step's container; others put more into a pod, such as the proxy of a mesh."""
REPORT_KEY = "pod_report"
"""Key of the XCom that holds the report of a failed try, as a mapping of its fields."""

IMAGE_REASONS = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull")
CONFIG_REASON = "CreateContainerConfigError"
MESSAGE_LIMIT = 500  # characters of each message; the longest are registries' answers
EVENT_LIMIT = 8
_NEVER_THERE = ("not found", "couldn't find key", "manifest unknown")


@dataclass(frozen=True)
class PodReport:
    """How a step's pod is, or was at its end, in Kubernetes' own words; empty where it says nothing.

    Attributes:
        phase: Pending, Running, Succeeded or Failed.
        exit_code: of the step's container; None when it did not start or did not end.
        ended: why the container ended: Completed, Error, OOMKilled, StartError.
        said: the container's termination message, which is what the step itself said.
        waiting: why the container does not start: ContainerCreating, ErrImagePull, ...
        waiting_message: the kubelet's sentence about that.
        reason: why the pod was stopped: Evicted, DeadlineExceeded.
        message: Kubernetes' sentence about that.
        unscheduled: the scheduler's sentence while no node takes the pod.
        disrupted: who took the pod away, and why.
        deleted: whether somebody had asked for its end.
        image: of the step.
        memory_limit: such as 512Mi.
        created: time of the pod, ISO 8601.
        events: each as (reason, message), the latest last.
    """

    phase: str = ""
    exit_code: int | None = None
    ended: str = ""
    said: str = ""
    waiting: str = ""
    waiting_message: str = ""
    reason: str = ""
    message: str = ""
    unscheduled: str = ""
    disrupted: str = ""
    deleted: bool = False
    image: str = ""
    memory_limit: str = ""
    created: str = ""
    events: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, pod: Any, events: Iterable[Any] = ()) -> PodReport:
        """Report on a pod.

        Args:
            pod: A V1Pod.
            events: CoreV1Events about it.
        """
        status = pod.status
        container = next(box for box in pod.spec.containers if box.name == CONTAINER)
        limits = (container.resources.limits if container.resources else None) or {}
        states = [box.state for box in status.container_statuses or [] if box.name == container.name]
        ended = next((state.terminated for state in states if state and state.terminated), None)
        waiting = next((state.waiting for state in states if state and state.waiting), None)
        conditions = {condition.type: condition for condition in status.conditions or []}
        scheduled, disrupted = conditions.get("PodScheduled"), conditions.get("DisruptionTarget")
        return cls(
            phase=status.phase or "",
            exit_code=ended.exit_code if ended else None,
            ended=(ended.reason if ended else None) or "",
            said=(ended.message if ended else None) or "",
            waiting=(waiting.reason if waiting else None) or "",
            waiting_message=_short(waiting.message if waiting else None),
            reason=status.reason or "",
            message=_short(status.message),
            unscheduled=_short(scheduled.message if scheduled and scheduled.status == "False" else None),
            disrupted=_short(
                f"{disrupted.reason}: {disrupted.message}"
                if disrupted and disrupted.status == "True"
                else None
            ),
            deleted=pod.metadata.deletion_timestamp is not None,
            image=container.image or "",
            memory_limit=limits.get("memory", ""),
            created=pod.metadata.creation_timestamp.isoformat() if pod.metadata.creation_timestamp else "",
            events=tuple(_told(event) for event in sorted(events, key=_time)[-EVENT_LIMIT:]),
        )

    def fields(self) -> dict[str, Any]:
        """Return the report as JSON has it: XComs know no tuples."""
        return {**asdict(self), "events": [list(event) for event in self.events]}

    @classmethod
    def from_fields(cls, fields: dict[str, Any]) -> PodReport:
        """Return the report that `fields` took apart."""
        return cls(**{**fields, "events": tuple((reason, message) for reason, message in fields["events"])})

    @property
    def will_never_start(self) -> bool:
        """Whether the container waits for what nobody is about to make: an image, a Secret, a ConfigMap."""
        if self.waiting == "InvalidImageName":
            return True
        if self.waiting in IMAGE_REASONS or self.waiting == CONFIG_REASON:
            return any(phrase in self.waiting_message.lower() for phrase in _NEVER_THERE)
        return False

    @property
    def hindrance(self) -> str:
        """What kept the container from starting or from coming to its own end, in a few words."""
        if self.reason:
            return f"{self.reason}: {self.message or self.disrupted or 'Kubernetes says no more'}"
        if self.disrupted:
            return self.disrupted
        if self.unscheduled:
            return f"no node takes its pod: {self.unscheduled}"
        if self.waiting and self.waiting_message:
            return f"{self.waiting}: {self.waiting_message}"
        last = f"; {': '.join(self.events[-1])}" if self.events else ""
        return f"{self.waiting or self.phase}{last}"


def _short(message: str | None) -> str:
    return " ".join((message or "").split())[:MESSAGE_LIMIT]


def _told(event: Any) -> tuple[str, str]:
    return event.reason or "", _short(event.message)


def _time(event: Any) -> str:
    # The scheduler's events have only an event time, the kubelet's only the others.
    moment = event.last_timestamp or event.event_time or event.first_timestamp
    return moment.isoformat() if moment else ""
