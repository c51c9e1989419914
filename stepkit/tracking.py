"""MLflow runs of a step. MLflow is imported only when a step asks for it: light images do not have it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from stepkit import trust
from stepkit.errors import MLFLOW, Code, DependencyUnavailable, InvalidInput
from stepkit.settings import Settings

RUN_TAG = "quintet.run_id"
TASK_TAG = "quintet.task"
INPUTS_TAG = "quintet.inputs"
_DOWN = frozenset(
    {
        "INTERNAL_ERROR",
        "TEMPORARILY_UNAVAILABLE",
        "REQUEST_LIMIT_EXCEEDED",
    }
)
_REFUSES = frozenset({"PERMISSION_DENIED", "UNAUTHENTICATED"})


@contextmanager
def errors() -> Iterator[None]:
    """Turns MLflow's failures to answer into `DependencyUnavailable`; refusals of bad requests stay.

    Raises:
        DependencyUnavailable: MLflow does not answer, or refuses the credentials.
        InvalidInput: it is encrypted as no further attempt mends it.
    """
    import requests
    from mlflow.exceptions import MlflowException

    try:
        yield
    except requests.RequestException as error:
        if refused := trust.refusal("MLflow", error, MLFLOW):
            raise refused from error
        raise DependencyUnavailable(f"MLflow does not answer: {error}", service=MLFLOW) from error
    except MlflowException as error:
        if refused := trust.refusal("MLflow", error, MLFLOW):
            raise refused from error
        if error.error_code in _REFUSES:
            raise DependencyUnavailable(
                f"MLflow refuses the request: {error}", Code.ACCESS_REFUSED, service=MLFLOW
            ) from error
        if error.error_code in _DOWN:
            raise DependencyUnavailable(f"MLflow does not do its work: {error}", service=MLFLOW) from error
        raise


def configure(settings: Settings) -> None:
    """Points MLflow at the tracking server, with fewer and shorter retries than its own: Airflow retries too.

    Raises:
        InvalidInput: `MLFLOW_TRACKING_URI` is not set, or holds a login.
    """
    if not settings.tracking_uri:
        raise InvalidInput(
            "MLFLOW_TRACKING_URI is not set: give the step its MLflow server", Code.INVALID_SETTING
        )
    if "@" in settings.tracking_uri:  # MLflow's errors quote it
        raise InvalidInput(
            "MLFLOW_TRACKING_URI holds a login: give it as MLFLOW_TRACKING_USERNAME and"
            " MLFLOW_TRACKING_PASSWORD",
            Code.INVALID_SETTING,
        )
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "60")
    # Artifacts pass through the server: its presigned URLs lead to an S3 that a client may not reach.
    os.environ.setdefault("MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD", "false")
    os.environ.setdefault("MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD", "false")
    import mlflow

    mlflow.set_tracking_uri(settings.tracking_uri)
    mlflow.set_registry_uri(settings.tracking_uri)


@contextmanager
def run(
    settings: Settings,
    task: str,
    tags: Mapping[str, str] | None = None,
    *,
    inputs: Mapping[str, object] | None = None,
) -> Iterator[str]:
    """Opens the MLflow run of this task in this Airflow run, the same one when the task is tried again.

    A task that was cleared and is asked for something else, or runs other code, gets another one: MLflow lets
    nobody change a parameter, and what was logged may be a champion's.

    Inside the block MLflow's fluent functions (`mlflow.log_metric`) write to it. A block that raises leaves
    the run FAILED; the next try opens it again.

    Args:
        settings: the experiment and the run.
        task: what tells the runs of one Airflow run apart, such as `train-svc`; also the run's name.
        tags: more tags.
        inputs: what decides the outcome, and may differ when the task is cleared; JSON.

    Yields:
        The MLflow run's id.

    Raises:
        DependencyUnavailable: MLflow does not answer.
        InvalidInput: the experiment was deleted.
    """
    configure(settings)
    import mlflow

    own = {RUN_TAG: settings.run.required_id, TASK_TAG: task}
    if inputs is not None:
        asked = json.dumps([dict(inputs), settings.image_reference], sort_keys=True)
        own[INPUTS_TAG] = hashlib.sha256(asked.encode()).hexdigest()
    with errors():
        _refuse_a_deleted_experiment(settings.experiment_name)
        experiment = mlflow.set_experiment(settings.experiment_name)
        conditions = " and ".join(f"tags.`{name}` = '{value}'" for name, value in own.items())
        found = mlflow.MlflowClient().search_runs([experiment.experiment_id], conditions, max_results=1)
        image = {"quintet.image": settings.image_reference, "mlflow.source.git.commit": settings.git_revision}
        with mlflow.start_run(
            run_id=found[0].info.run_id if found else None,
            run_name=None if found else task,
            tags={**own, **{name: value for name, value in image.items() if value}, **(tags or {})},
        ) as active:
            yield active.info.run_id


def _refuse_a_deleted_experiment(name: str) -> None:
    import mlflow

    found = mlflow.get_experiment_by_name(name)
    if found is not None and found.lifecycle_stage != "active":
        raise InvalidInput(
            f"the experiment {name} was deleted in MLflow: bring it back by `mlflow experiments restore"
            f" --experiment-id {found.experiment_id}`, as the administrator",
            Code.STATE_CONFLICT,
            service=MLFLOW,
        )
