"""What commands find in a release whose pipelines and models they do not know beforehand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from quintet.ops import first_runs, installed, predict, status, ui
from quintet.ops.airflow_api import AirflowApi
from quintet.ops.installed import model_of, models_of, pipelines_of
from quintet.ops.kube import Kube
from quintet.pipelines import models
from quintet.progress import UserError
from quintet.shown import show_champions
from tests.unit.cli.test_kube import SECRETS, releases

DEPLOYMENTS = "/apis/apps/v1/namespaces/quintet/deployments"
JOBS = "/apis/batch/v1/namespaces/quintet/jobs"
OUTSIDE = {"url": "https://data.example.org"}
LEARNS = {"dags": {"take_in": {}, "learn": {"after": ["take_in"]}}}
GIVEN: dict[str, dict[str, Any]] = {
    "counts": {"dags": {"count": {}}},
    "hail": {"dags": {"all_of_it": {}}, "model": {"name": "hail"}},
    "left": {**LEARNS, "model": {"name": "left"}, "enabled": False},
    "rain": {**LEARNS, "model": {"name": "rain"}},
}


def api_of(model: str) -> dict[str, Any]:
    """The Deployment of a model's API."""
    labels = {"app.kubernetes.io/name": "inference", "app.kubernetes.io/component": model}
    containers = [{"name": "inference", "image": "registry.example.com/inference:1"}]
    template = {"metadata": {"labels": labels}, "spec": {"containers": containers}}
    spec = {"selector": {"matchLabels": labels}, "template": template}
    return {"metadata": {"name": f"inference-{model}", "labels": labels}, "spec": spec}


@pytest.fixture
def release(answers: dict[str, Any], asked: list[tuple[str, str, Any]]) -> dict[str, Any]:
    """Four pipelines, one of them left out, and the APIs of two of their models and of another one."""
    answers[SECRETS] = releases({"global": {"pipelines": GIVEN}})
    answers[DEPLOYMENTS] = {"items": [api_of(name) for name in ("another", "hail", "rain")]}
    answers["/apis/apps/v1/namespaces/quintet/statefulsets"] = {"items": []}
    return answers


@pytest.fixture
def bare(answers: dict[str, Any]) -> dict[str, Any]:
    """A platform without pipelines."""
    answers[SECRETS] = releases({})
    answers[DEPLOYMENTS] = {"items": []}
    return answers


@pytest.fixture
def forwarded(kube: Kube, api: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The Services that were forwarded, each to the server of the test, as no kubelet is there."""
    services: list[str] = []

    @contextmanager
    def forward(service: str, port: int, local_port: int = 0) -> Iterator[int]:
        services.append(f"{service}:{port} at {local_port}")
        yield int(api.rpartition(":")[2])

    monkeypatch.setattr(kube, "forward", forward)
    return services


@pytest.mark.usefixtures("release")
def test_pipelines_that_are_left_out_are_none_of_the_release(kube: Kube) -> None:
    assert list(pipelines_of(kube)) == ["counts", "hail", "rain"]


@pytest.mark.usefixtures("release")
def test_models_are_those_with_an_api_and_the_showcase_is_the_first(
    kube: Kube, asked: list[tuple[str, str, Any]]
) -> None:
    assert models_of(kube) == ["rain", "hail", "another"]
    assert "labelSelector=app.kubernetes.io%2Fname%3Dinference" in asked[0][1]
    assert (model_of(kube), model_of(kube, "another")) == ("rain", "another")
    with pytest.raises(UserError, match="serves no model wind; it serves rain, hail, another"):
        model_of(kube, "wind")


@pytest.mark.usefixtures("bare")
def test_a_bare_platform_serves_nothing_and_says_what_would_change_that(
    kube: Kube, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (pipelines_of(kube), models_of(kube)) == ({}, [])
    with pytest.raises(UserError, match=r"serves no model: .*values-samples\.yaml"):
        predict.ask(kube)
    first_runs.first_runs(kube)
    printed = capsys.readouterr().out
    assert "no first runs" in printed
    assert "inference" not in printed


def test_status_tells_of_the_champion_of_every_model(
    kube: Kube, release: dict[str, Any], forwarded: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    served, none = {"model": "rain", "version": "3"}, {"model": None, "version": None}
    release["/metadata"] = [served, none, none]
    show_champions(status._champions(kube))
    assert capsys.readouterr().out.splitlines() == [
        "champion rain version 3",
        "champion hail: none yet, `make run DAG=all_of_it` trains one",
        "champion another: none yet, and no pipeline here trains it",
    ]
    assert [name.partition(":")[0] for name in forwarded] == [
        "inference-rain",
        "inference-hail",
        "inference-another",
    ]


def test_an_api_that_does_not_answer_does_not_hide_the_others(
    kube: Kube, release: dict[str, Any], forwarded: list[str]
) -> None:
    first, *others = status._champions(kube)
    assert first == {
        "model": "rain",
        "version": None,
        "state": "unknown, the API inference-rain does not answer",
    }
    assert len(others) == len(forwarded) - 1 == 2


def test_a_prediction_is_asked_for_with_the_example_of_the_models_pipeline(
    kube: Kube,
    release: dict[str, Any],
    asked: list[tuple[str, str, Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(installed, "PIPELINES", tmp_path)
    (tmp_path / "rain").mkdir()
    (tmp_path / "rain" / "example.json").write_text('{"samples": [1]}')
    release[JOBS] = {"metadata": {"name": "predict-x"}}
    release[f"{JOBS}/predict-x"] = {"status": "Success"}
    pod = {"metadata": {"name": "pod"}, "status": {"phase": "Succeeded"}}
    release["/api/v1/namespaces/quintet/pods"] = {"items": [pod]}
    release["/api/v1/namespaces/quintet/pods/pod/log"] = {"predictions": ["wet"]}
    predict.main(kube, "")
    (job,) = [body for method, path, body in asked if (method, path) == ("POST", JOBS)]
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "registry.example.com/inference:1"
    env = {variable["name"]: variable["value"] for variable in container["env"]}
    assert env["URL"] == "http://inference-rain/predict"
    assert json.loads(env["BODY"]) == {"samples": [1]}
    with pytest.raises(UserError, match=r"trains hail has an example\.json"):
        predict.ask(kube, "hail")


@pytest.mark.usefixtures("release")
def test_each_model_that_is_served_has_a_door_and_a_port_of_its_own(kube: Kube) -> None:
    forwards = ui.doors_of(kube)
    known = len(models())
    assert {name: forward.local for name, forward in forwards.items() if name not in ui.PORT_FORWARDS} == {
        name: ui.FIRST_PORT + known + place for place, name in enumerate(("rain", "hail", "another"))
    }
    assert forwards["rain"].service == "inference-rain"


def test_a_model_of_this_checkout_keeps_its_port_whatever_else_is_served(
    kube: Kube, answers: dict[str, Any]
) -> None:
    first, second, *_ = models()
    answers[SECRETS] = releases({})
    answers[DEPLOYMENTS] = {"items": [api_of(second)]}
    forwards = ui.doors_of(kube)
    assert forwards[second].local == ui.FIRST_PORT + 1
    assert first not in forwards


def test_ui_takes_the_port_of_each_model_and_opens_the_first_by_the_name_api(
    kube: Kube, answers: dict[str, Any], forwarded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, *_ = models()
    answers[SECRETS] = releases({})
    answers[DEPLOYMENTS] = {"items": [api_of(second)]}
    opened = list[str]()
    monkeypatch.setattr(ui.webbrowser, "open", opened.append)
    monkeypatch.setattr(ui.threading.Event, "wait", lambda event: None)
    ui.main(kube, "api", {second: 8100})
    assert forwarded == [f"inference-{second}:80 at 8100"]
    assert len(opened) == 1
    with pytest.raises(UserError, match=f"no {first} to forward; there are airflow, .*{second}"):
        ui.main(kube, first, {})


def test_a_model_with_the_name_of_a_part_does_not_take_its_door() -> None:
    forwards = ui._doors(["s3", "rain"])
    assert forwards["s3"] == ui.PORT_FORWARDS["s3"]
    assert (forwards["inference-s3"].local, forwards["rain"].local) == (ui.FIRST_PORT, ui.FIRST_PORT + 1)


def test_first_runs_begin_with_what_the_training_learns_from(
    kube: Kube,
    release: dict[str, Any],
    airflow: AirflowApi,
    asked: list[tuple[str, str, Any]],
    forwarded: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(first_runs.AirflowApi, "connect", contextmanager(lambda kube: iter([airflow])))
    monkeypatch.setattr(predict, "ask", lambda kube, model: f"asked {model}")
    none, served = {"model": None}, {"model": "rain", "version": "1"}
    release["/metadata"] = [none, served]
    release["/api/v2/dags"] = {"dags": [{"dag_id": "take_in"}, {"dag_id": "learn"}], "total_entries": 2}
    for dag in ("take_in", "learn"):
        run = {"dag_run_id": "scheduled", "state": "running"}
        release[f"/api/v2/dags/{dag}"] = {"dag_id": dag}
        release[f"/api/v2/dags/{dag}/dagRuns"] = {"dag_runs": [run], "total_entries": 1}
        release[f"/api/v2/dags/{dag}/dagRuns/scheduled"] = {**run, "state": "success"}
        path = f"/api/v2/dags/{dag}/dagRuns/scheduled/taskInstances"
        release[path] = {"task_instances": [], "total_entries": 0}
    first_runs.first_runs(kube)
    printed = capsys.readouterr().out
    assert printed.index("▸ take_in") < printed.index("▸ learn") < printed.index("asked rain")
    assert "http://localhost" in printed
    unpaused = [path for method, path, _ in asked if method == "PATCH"]
    assert set(unpaused) == {"/api/v2/dags/take_in", "/api/v2/dags/learn"}
