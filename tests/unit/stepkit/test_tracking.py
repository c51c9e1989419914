"""MLflow runs of a step, on a real MLflow server."""

from __future__ import annotations

from dataclasses import replace

import mlflow
import pytest

from stepkit import tracking
from stepkit.errors import MLFLOW, Code, DependencyUnavailable, InvalidInput
from stepkit.settings import Run, Settings
from tests.scripted_http import response, serving


@pytest.fixture
def settings(mlflow_url: str) -> Settings:
    run = Run(dag_id="forest_training_pipeline", run_id="manual__2026-11-21T10:00:00+00:00")
    return Settings(run=run, tracking_uri=mlflow_url, experiment_name="tracking", git_revision="abc")


def fail_in(settings: Settings, task: str) -> None:
    with tracking.run(settings, task):
        mlflow.log_param("seed", 1)
        raise ValueError("killed")


def test_a_retry_opens_the_run_of_the_first_try(settings: Settings) -> None:
    with pytest.raises(ValueError, match="killed"):
        fail_in(settings, "train-svc")
    with tracking.run(settings, "train-svc", {"data": "d1"}) as run_id:
        mlflow.log_param("seed", 1)
        mlflow.log_metric("accuracy", 0.5)
    runs = mlflow.search_runs(experiment_names=["tracking"], output_format="list")
    (run,) = [each for each in runs if each.data.tags["quintet.task"] == "train-svc"]
    assert (run.info.run_id, run.info.status) == (run_id, "FINISHED")
    assert run.data.metrics == {"accuracy": 0.5}
    assert run.data.tags["data"] == "d1"
    assert run.data.tags["mlflow.source.git.commit"] == "abc"


def test_tasks_and_runs_have_mlflow_runs_of_their_own(settings: Settings) -> None:
    other = replace(settings, run=replace(settings.run, run_id="another"))
    ids = set()
    for each, task in ((settings, "train-a"), (settings, "train-b"), (other, "train-a")):
        with tracking.run(each, task) as run_id:
            ids.add(run_id)
    assert len(ids) == 3


def test_a_task_that_is_cleared_and_asked_for_something_else_has_a_run_of_its_own(settings: Settings) -> None:
    def logged(seed: int, image: str = "") -> str:
        step = replace(settings, image_reference=image)
        with tracking.run(step, "train-cleared", inputs={"seed": seed, "rows": "d1"}) as run_id:
            mlflow.log_param("seed", seed)
        return run_id

    first = logged(1)
    assert logged(1) == first
    others = {logged(2), logged(1, "registry/forest-train:2")}
    assert len({first, *others}) == 3
    assert mlflow.get_run(first).data.params == {"seed": "1"}


def test_an_experiment_that_was_deleted_is_refused_with_the_way_to_restore_it(settings: Settings) -> None:
    deleted = mlflow.MlflowClient(settings.tracking_uri).create_experiment("deleted")
    mlflow.MlflowClient(settings.tracking_uri).delete_experiment(deleted)
    gone = replace(settings, experiment_name="deleted")
    with (
        pytest.raises(InvalidInput, match=f"deleted in MLflow: .*--experiment-id {deleted}") as refused,
        tracking.run(gone, "train"),
    ):
        pass
    assert (refused.value.code, refused.value.service) == (Code.STATE_CONFLICT, MLFLOW)


def test_a_step_without_a_server_is_refused(settings: Settings) -> None:
    with (
        pytest.raises(InvalidInput, match="MLFLOW_TRACKING_URI"),
        tracking.run(replace(settings, tracking_uri=""), "t"),
    ):
        pass


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (None, Code.SERVICE_DOWN),
        (response(503), Code.SERVICE_DOWN),
        (response(401, "You are not authenticated."), Code.ACCESS_REFUSED),
        (response(403, '{"error_code": "PERMISSION_DENIED"}'), Code.ACCESS_REFUSED),
    ],
)
def test_a_server_that_does_not_serve_is_an_outage(
    settings: Settings, answer: bytes | None, code: Code, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with serving(answer or b"") as server:
        url = server.url if answer else "http://127.0.0.1:1"
        with (
            pytest.raises(DependencyUnavailable, match="MLflow") as down,
            tracking.run(replace(settings, tracking_uri=url), "t"),
        ):
            pass
        assert (down.value.code, down.value.service) == (code, MLFLOW)
