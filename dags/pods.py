"""Tasks that run a step: the only place that knows which runtime the steps of a DAG run in.

A DAG file calls `step(...)` and gets a task. What the step is asked comes from the DAG; where and how
it runs comes from the files that step_files.py reads.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from airflow.sdk import BaseOperator, XComArg
from airflow.sdk.definitions.mappedoperator import MappedOperator
from airflow.sdk.exceptions import AirflowFailException
from exit_codes import options
from jinja2 import pass_context
from jinja2.runtime import Context as JinjaContext
from pod_report import CONTAINER
from pod_template import CONTAINER_SECURITY
from step_files import images_of, read_json
from templates import RUN_AFTER, as_json, param, result, setting

# A DAG file imports from here alone.
__all__ = ["RUN_AFTER", "as_json", "code_of", "param", "result", "setting", "step"]

# The run as the step sees it; rendered by Airflow for each try.
RUN_ENVIRONMENT = {
    "DAG_ID": "{{ dag.dag_id }}",
    "RUN_ID": "{{ run_id }}",
    "TASK_ID": "{{ ti.task_id }}",
    "TRY_NUMBER": "{{ ti.try_number }}",
}
OPERATORS = ("hybrid", "stock", "process")
# What only a pod has: nobody waits for a process elsewhere.
POD_SETTINGS = ("inline_wait",)


def step(
    pipeline: str,
    step: str,
    *,
    arguments: Mapping[str, Any] | None = None,
    variants: Sequence[Mapping[str, Any]] | XComArg | None = None,
    returns: str | None = None,
    environment: Mapping[str, str] | None = None,
    timeout: timedelta = timedelta(minutes=15),
    **settings: Any,
) -> BaseOperator | MappedOperator:
    """Make the task that runs a step; the operator is the one that STEP_PODS_FILE names.

    Args:
        pipeline: Name of the pipeline, such as `weather`.
        step: Name of the step in kebab-case, such as `train`.
        arguments: The step's options by name in snake_case, templated; one that renders to nothing is
            left out.
        variants: One mapping of further options for each instance of a mapped step; or the output of an
            earlier task that `returns` such a list, whose length only the run knows.
        returns: Entry of the result, a list, that Airflow takes for the whole of it, so that a later step
            can be mapped over it; each other entry is an XCom of its own.
        environment: Environment variables of this task alone, templated.
        timeout: Time the step may run before it is stopped.
        settings: Any other setting of the operator or of Airflow's BaseOperator, such as `inline_wait`,
            `retries`, `outlets`.

    Raises:
        AirflowFailException: STEP_PODS_FILE is missing or names an operator that does not exist.
    """
    name = read_json("STEP_PODS_FILE").get("operator", "hybrid")
    if name not in OPERATORS:
        known = " or ".join(OPERATORS)
        raise AirflowFailException(f"STEP_PODS_FILE names the operator {name!r}: use {known}")
    shared = {
        "pipeline": pipeline,
        "step": step,
        "task_id": step.replace("-", "_"),
        "arguments": options(arguments or {}),
        "env_vars": {**RUN_ENVIRONMENT, **(environment or {})},
        "returns": returns,
        "execution_timeout": timeout + timedelta(minutes=10),
        "pool": "steps",
        "retries": 2,
        "retry_exponential_backoff": 2.0,
        "max_retry_delay": timedelta(minutes=10),
    }
    operator, own = _process(timeout) if name == "process" else _pod(name, f"{pipeline}-{step}", timeout)
    if name == "process":
        settings = {key: value for key, value in settings.items() if key not in POD_SETTINGS}
    made = {**shared, **own, **settings}
    if variants is None:
        return operator(**made)
    return operator.partial(**made).expand(
        variant=variants if isinstance(variants, XComArg) else list(variants)
    )


@pass_context
def code_of(context: JinjaContext, step: str) -> str:
    """Return what the code of a step is known by, for templates: its image, or the hash of its files.

    Args:
        context: The template's.
        step: Name of the pipeline and the step, such as `weather-train`.
    """
    described = read_json("STEP_PODS_FILE")
    if described.get("operator") == "process":
        return str(described["steps"][step]["code"])
    images: dict[str, str] = images_of(str(context["dag"].fileloc))
    return images[step]


def _process(timeout: timedelta) -> tuple[type[BaseOperator], dict[str, Any]]:
    """Return the operator of a step that is a process, and what it needs to know."""
    from process_operator import ProcessStepOperator

    # Nothing outside is being moved to another node: what comes back comes back soon.
    return ProcessStepOperator, {"timeout": timeout, "retry_delay": timedelta(seconds=3)}


def _pod(operator: str, name: str, timeout: timedelta) -> tuple[type[BaseOperator], dict[str, Any]]:
    """Return the operator of a step that is a pod, and what it needs to know.

    Its module is imported here, as it brings the Kubernetes client, which takes seconds.
    """
    from step_operator import StepOperator, StockStepOperator

    settings = {
        "name": name,
        "base_container_name": CONTAINER,
        "kubernetes_conn_id": None,
        # Outside a cluster, as when a DAG is run from a laptop, KUBECONFIG says where the pods go.
        "in_cluster": "KUBERNETES_SERVICE_HOST" in os.environ,
        "startup_check_interval_seconds": 1,
        "startup_timeout_seconds": 300,
        "poll_interval": 1,
        # A deferred step shows its log in the UI this often, not only at its end.
        "logging_interval": 30,
        "log_events_on_startup": False,
        "log_events_on_failure": True,
        "log_pod_spec_on_failure": False,
        "on_finish_action": "delete_pod",
        "termination_grace_period": 10,
        "active_deadline_seconds": int(timeout.total_seconds()),
        "retry_delay": timedelta(seconds=15),
        "xcom_sidecar_container_security_context": CONTAINER_SECURITY,
    }
    return StockStepOperator if operator == "stock" else StepOperator, settings
