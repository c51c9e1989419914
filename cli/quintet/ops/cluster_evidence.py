"""What Airflow and Kubernetes know of runs that failed or stand still."""

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from dags.pod_report import CONTAINER, REPORT_KEY, PodReport
from quintet.diagnosis.evidence import Evidence, Run, Said, StepLog, is_ending, parse_object
from quintet.follow import task_name
from quintet.ops.airflow_api import AirflowApi, NotFound
from quintet.ops.kube import Kube
from quintet.progress import UserError

NOT_ENDED_WELL = ("failed", "running", "queued")
ENDED = ("failed", "up_for_retry", "skipped")
AT_WORK = ("running", "deferred")
WAITING = ("queued", "scheduled", "")
TASK_LIMIT = 6
"""Of these many tasks all is asked for; a run with more in trouble says the same again."""
LOG_LINES = 50
NO_STATUS = "ContainerStatusUnknown"
"""The kubelet's word for a container that it lost; the message that comes with it is not the step's."""
_STEP_LINE = re.compile(r"^\[step\] (?:logs: )?(.*)")
_STEP_END = re.compile(r"ended with exit code (\d+): (.*)", re.DOTALL)


@dataclass(frozen=True)
class ClusterRuns:
    """The runs of a platform, as `quintet.diagnosis.evidence.Runs` wants them."""

    kube: Kube
    airflow: AirflowApi

    def dags(self) -> set[str]:
        """Return the ids of all DAGs."""
        return {dag["dag_id"] for dag in self.airflow.dags()}

    def latest(self, dag: str) -> list[Run]:
        """Return the latest runs that failed or have not ended, the latest first; of a DAG, or of all."""
        return [_run(found) for found in self.airflow.runs(dag or "~", states=NOT_ENDED_WELL)]

    def named(self, run: str) -> list[Run]:
        """Return the runs with an id, which runs of several DAGs may share."""
        return [_run(found) for found in self.airflow.runs(run=run)]

    def broken_files(self, dag: str) -> Iterator[Evidence]:
        """Yield the DAG files that Airflow cannot read; that of a DAG, or all."""
        errors = self.airflow.import_errors()
        own = self.airflow.dag(dag)["relative_fileloc"] if errors and dag else None
        for error in errors:
            if own in (None, error["filename"]):
                yield Evidence(error["filename"], "", import_error=error["stack_trace"])

    def service_state(self, service: str) -> str:
        """Return how many pods of a service are ready; nothing when there is no such service."""
        try:
            counts = [
                (item.status.ready_replicas or 0, item.spec.replicas) for item in self.kube.workloads(service)
            ]
        except UserError:
            return ""
        ready, wanted = map(sum, zip(*counts, strict=True))
        return f"{service} has {ready} of {wanted} pods ready"

    def evidence(self, run: Run) -> Iterator[Evidence]:
        """Yield what is known of each task that did not succeed, the most telling first."""
        dag = self.airflow.dag(run.dag)
        if run.state == "queued":
            active = self.airflow.runs(run.dag, states=["running"])
            behind = active[0]["dag_run_id"] if active else ""
            yield Evidence("", "queued", paused=dag["is_paused"], behind=behind)
            return
        tasks = [task for task in self.airflow.tasks(run.dag, run.id) if task["state"] != "success"]
        tasks.sort(key=_urgency)
        for place, task in enumerate(tasks):
            if place < TASK_LIMIT:
                yield from self._of_task(task, paused=dag["is_paused"])
            else:
                yield Evidence(task_name(task), task["state"] or "")

    def _of_task(self, task: dict[str, Any], *, paused: bool) -> Iterator[Evidence]:
        """Yield what is known of a task's try, and of the one before it while that is the one that failed."""
        state, attempt = task["state"] or "", max(task["try_number"], 1)
        known = {"task": task_name(task), "attempts": task["max_tries"] + 1}
        now = {**known, "state": state, "attempt": attempt, "seconds": _seconds(task)}
        if state in ENDED and task["start_date"]:
            fields = self.airflow.result(task, REPORT_KEY)
            report = PodReport.from_fields(fields) if fields else None
            yield Evidence(**now, **_of_the_end(self.airflow.log(task, attempt), report))
        elif state in AT_WORK:
            yield Evidence(**now, **self._of_the_pod(task))
        elif state in WAITING:
            yield Evidence(**now, paused=paused, pool=self._full_pool(task) if state == "scheduled" else "")
        else:
            yield Evidence(**now)
        if state in (*AT_WORK, *WAITING) and attempt > 1:
            # The report of the former try went when this one began; its log is there.
            end = _of_the_end(self.airflow.log(task, attempt - 1), None)
            yield Evidence(**known, state="up_for_retry", attempt=attempt - 1, **end)

    def _of_the_pod(self, task: dict[str, Any]) -> dict[str, Any]:
        """Return the state of the pod of a try that goes on."""
        from kubernetes.client import ApiException

        core, namespace = self.kube.core, self.kube.tasks_namespace
        name = self.airflow.result(task, "pod_name")
        if not name:
            return {}
        with contextlib.suppress(ApiException):
            pod = core.read_namespaced_pod(name, namespace)
            events = core.list_namespaced_event(namespace, field_selector=f"involvedObject.name={name}").items
            report = PodReport.of(pod, events)
            if report.phase == "Pending":
                return {"pod": report}
            log = core.read_namespaced_pod_log(
                name, namespace, container=CONTAINER, tail_lines=LOG_LINES, _preload_content=False
            )
            lines = log.data.decode(errors="replace").splitlines()
            return {"pod": report, "log": StepLog.of(lines).lines}
        return {}

    def _full_pool(self, task: dict[str, Any]) -> str:
        try:
            pool = self.airflow.pool(task["pool"])
        except NotFound:
            return f"{task['pool']}, which does not exist"
        return "" if pool["open_slots"] > 0 else f"{task['pool']}, whose {pool['slots']} slots are taken"


def _of_the_end(lines: list[dict[str, Any]], report: PodReport | None) -> dict[str, Any]:
    """Return how a try ended: from the report that the operator left, else from Airflow's exception."""
    exception = next((_exception(line) for line in reversed(lines) if "error_detail" in line), "")
    exception = exception or next((str(line["reason"]) for line in lines if "reason" in line), "")
    exit_code, said = (report.exit_code, Said.of(report.said)) if report else (None, Said())
    if report and report.ended == NO_STATUS:
        said = Said()
    events = [text for line in lines if not (text := str(line.get("event", ""))).startswith("::")]
    wrote = StepLog.of(match[1] for match in map(_STEP_LINE.match, events) if match)
    if exit_code is None and (ending := wrote.ending or _ending(lines)):
        exit_code, said = ending["exit_code"], Said.of_fields(ending)
    elif exit_code is None and (end := _STEP_END.search(exception)):
        exit_code, said = int(end[1]), Said(end[2])
    return {
        "exit_code": exit_code,
        "said": said,
        "exception": exception,
        "pod": report,
        # Where there was a pod, Airflow's own lines only repeat the report.
        "log": wrote.lines or (() if report else StepLog.of(events).lines),
        "traceback": wrote.traceback,
    }


def _exception(line: dict[str, Any]) -> str:
    error = line["error_detail"][0]
    return f"{error['exc_type']}: {error['exc_value']}"


def _ending(lines: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the step's result, which the stock operator puts behind a sentence of its own."""
    said = (str(line["error_detail"][0]["exc_value"]) for line in lines if "error_detail" in line)
    objects = (parse_object(part) for text in said for part in text.splitlines())
    return next(filter(is_ending, objects), {})


def _run(found: dict[str, Any]) -> Run:
    return Run(found["dag_id"], found["dag_run_id"], found["state"])


def _urgency(task: dict[str, Any]) -> int:
    order = ("failed", "up_for_retry", *AT_WORK, *WAITING, "skipped")
    state = task["state"] or ""
    return order.index(state) if state in order else len(order)


def _seconds(task: dict[str, Any]) -> float | None:
    """Seconds since a task's start, until its end if it has ended; None when it has not started."""
    if not task["start_date"]:
        return None
    end = datetime.fromisoformat(task["end_date"]) if task["end_date"] else datetime.now(UTC)
    return (end - datetime.fromisoformat(task["start_date"])).total_seconds()
