"""Causes that lie before a step: a run that waits, a pod that Airflow could not make."""

import re

from quintet.diagnosis.cause import Cause, Kind
from quintet.diagnosis.evidence import Evidence
from stepkit.exit_codes import NOTHING_TO_DO


def nothing_wrong_with_the_task(evidence: Evidence) -> Cause | None:
    """Name a skip, and a task that was not started because of another."""
    if evidence.state == "skipped" or evidence.exit_code == NOTHING_TO_DO:
        said = evidence.said.message or evidence.exception or "a task before it was skipped"
        return Cause(Kind.SKIPPED, f"There was nothing to do: {said}", "Nothing: a skip is not a failure.")
    if evidence.state == "upstream_failed":
        return Cause(
            Kind.UPSTREAM_FAILED,
            "A task before it failed, so it was not started.",
            "Mend that one; this one follows.",
        )
    return None


def waits_to_begin(evidence: Evidence) -> Cause | None:
    """Name what keeps a run or a task from starting."""
    if evidence.import_error:
        *_, last = filter(None, evidence.import_error.splitlines())
        return Cause(
            Kind.IMPORT_ERROR,
            f"Airflow cannot read the DAG's file: {last.strip()}",
            "Mend the file; an edit arrives within a minute.",
        )
    if evidence.paused:
        return Cause(
            Kind.PAUSED,
            "The DAG is paused, so its runs wait.",
            'Unpause it in the UI, or with `make airflow-cli ARGS="dags unpause DAG"`.',
        )
    if evidence.behind:
        return Cause(
            Kind.WAITS_FOR_RUN,
            f"One run of a DAG is active at a time, and {evidence.behind} is.",
            "Wait for its end; `quintet why` of that run says what it does.",
        )
    if evidence.pool:
        return Cause(
            Kind.WAITS_FOR_POOL,
            f"It waits for a slot of the pool {evidence.pool}.",
            "Wait; or give the pool more slots (Admin > Pools) if the machine bears more steps at once.",
        )
    return None


def before_the_step(evidence: Evidence) -> Cause | None:
    """Name what Airflow met when it made or watched the pod."""
    error = evidence.exception
    if missing := re.search(r"No image for (\S+):", error):
        return Cause(
            Kind.IMAGE_MISSING,
            f"The list of step images has no {missing[1]}.",
            "Add the step to its pipeline.yaml, then `make generate` and `make up`.",
        )
    if "exceeded quota" in error:
        quota = re.search(r"exceeded quota: ([^\"\\]+)", error)
        return Cause(
            Kind.QUOTA_EXCEEDED,
            f"The namespace's quota takes no further pod: {quota[1] if quota else error}",
            "Wait for steps to end, or raise airflow.steps.quota.",
        )
    if "Forbidden" in error or "Unprocessable Entity" in error:
        return Cause(
            Kind.POD_REFUSED,
            "Kubernetes refuses to make its pod, and the sentence says why.",
            "Correct what it names: a right of airflow-launcher, Pod Security, a field of the pod.",
        )
    if re.search(r"pod was deleted before|not found after resuming|\(404\)", error, re.IGNORECASE):
        return Cause(
            Kind.POD_GONE,
            "Someone deleted its pod while it was watched, or the node took it along.",
            "It can be run again; nothing is half done.",
        )
    if "AirflowTaskTimeout" in error or "execution_timeout" in error:
        advice = "`timeout=` of the step in its DAG is the limit."
        return Cause(Kind.DEADLINE, "The task ran longer than its time limit.", advice)
    return None


def taken_for_killed(evidence: Evidence) -> Cause | None:
    """Name a task whose trigger fired before the scheduler had heard that the task defers.

    Airflow 3.3.2 then fails the task: https://github.com/apache/airflow/issues/67287.
    """
    ended = evidence.state in ("failed", "up_for_retry") and evidence.pod is None and not evidence.exception
    if not ended or not any("Pausing task as DEFERRED" in line for line in evidence.log):
        return None
    return Cause(
        Kind.TAKEN_FOR_KILLED,
        "Its pod ended just as Airflow went from one way of waiting to the other, and Airflow took the task"
        " for killed; how the step ended is not known.",
        "Clear the task to run it again; a step that was done is not done twice.",
        certain=False,
    )


def at_work(evidence: Evidence) -> Cause | None:
    """Return the cause of a task that has not ended yet."""
    if evidence.state not in ("running", "deferred", "scheduled", "queued", ""):
        return None
    return Cause(Kind.AT_WORK, "Nothing is wrong so far.", "Wait.", certain=False)
