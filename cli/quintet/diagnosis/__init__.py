"""From the evidence about a task to its cause: pure rules, the more telling ones first."""

from collections.abc import Callable

from quintet.diagnosis import airflow, pods, steps
from quintet.diagnosis.cause import Cause as Cause
from quintet.diagnosis.cause import Kind as Kind
from quintet.diagnosis.evidence import Evidence

_RULES: tuple[Callable[[Evidence], Cause | None], ...] = (
    airflow.nothing_wrong_with_the_task,
    airflow.waits_to_begin,
    pods.taken_away,
    pods.not_started,
    steps.out_of_memory,
    steps.stopped,
    steps.disk_full,
    steps.access_refused,
    steps.invalid_input,
    steps.dependency_unavailable,
    airflow.before_the_step,
    steps.code_exception,
    airflow.taken_for_killed,
    airflow.at_work,
)


def cause_of(evidence: Evidence) -> Cause:
    """Return the cause that the evidence speaks for."""
    return next(filter(None, (rule(evidence) for rule in _RULES)), None) or Cause(
        Kind.UNKNOWN,
        f"Nothing that is known of {evidence.task or 'the run'} names a cause.",
        "Read its whole log in Airflow's UI; `make status` shows the platform.",
        certain=False,
    )
