"""What the airflow chart derives from a pipeline, which must be what the command line derives."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from quintet.pipelines import Pipeline, Step, pipelines
from tests.charts.render import CHARTS, ChartError, Manifest, named, of_kind, render

RESOURCES = {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"cpu": "2", "memory": "2Gi"}}
GIVEN: dict[str, Any] = {
    "description": "The weather of tomorrow.",
    "owner": "weather",
    "dags": {"weather_forecast": {}},
    "steps": {
        "ask-stations": {"source": True, "env": {"STATIONS": "7", "SEASON": "winter"}},
        "read": {"database": False, "secretEnv": {"LICENCE": {"secret": "licence", "key": "key"}}},
        "learn": {"resources": RESOURCES, "env": {"MLFLOW_MODEL_NAME": "of-mine"}},
        "choose": {},
    },
    "env": {"SEASON": "summer", "TEXT": '{{ "as it is" }}'},
    "secretEnv": {"TOKEN": {"secret": "weather-token", "key": "token"}},
    "schemas": ["weather"],
    "source": {"url": "https://weather.example.org"},
    "model": {"name": "rain", "experiment": "rain-experiment", "promotion": {"step": "choose"}},
}
"""A pipeline with a step for each rule of derivation."""
PLAIN = {key: GIVEN[key] for key in ("description", "owner", "dags")} | {"steps": {"read": {}}}
OTHERS: dict[str, Any] = {
    **pipelines(),
    "weather": Pipeline(Path("weather"), GIVEN),
    "files": Pipeline(Path("files"), PLAIN),
}
ALL = [step for pipeline in OTHERS.values() for step in pipeline.steps.values()]


def with_others() -> dict[str, Any]:
    """Values that bring this test's own pipelines beside the samples."""
    own = {name: pipeline.given for name, pipeline in OTHERS.items() if name not in pipelines()}
    return {"global": {"pipelines": own}}


def step_pods(values: dict[str, Any], *, samples: bool = True) -> dict[str, Any]:
    release = render("airflow", values, samples=samples)
    content: dict[str, Any] = json.loads(
        named(release, "ConfigMap", "airflow-step-pods")["data"]["pods.json"]
    )
    return content


def test_every_step_of_every_pipeline_is_described_and_no_other() -> None:
    assert step_pods(with_others())["steps"].keys() == {step.image for step in ALL}


@pytest.mark.parametrize("step", ALL, ids=lambda step: step.image)
def test_a_step_is_given_what_the_command_line_derives(step: Step) -> None:
    described = step_pods(with_others())["steps"][step.image]
    secrets = {name: (ref["secret"], ref["key"]) for name, ref in described["secret_env"].items()}
    assert described["env"] == step.env
    assert secrets == step.secret_env
    name = step.pipeline.name
    address = {"SOURCE_API_BASE_URL": {"config_map": "sources", "key": name}}
    assert described["config_env"] == (address if step.asks_source else {})
    assert described.get("labels", {}) == ({"quintet/source": name} if step.asks_source else {})
    assert described.get("resources") == step.given.get("resources")


def test_a_release_has_the_last_word_on_one_step() -> None:
    own = {
        "env": {"SEASON": "of {{ .Release.Name }}", "MORE": 1},
        "secretEnv": {"TOKEN": {"secret": "ours", "key": "t"}},
        "resources": {"limits": {"memory": "9Gi"}},
    }
    values = with_others() | {"steps": {"overrides": {"weather-learn": own}}}
    plain, changed = (step_pods(given)["steps"] for given in (with_others(), values))
    assert {image for image in plain if plain[image] != changed[image]} == {"weather-learn"}
    learn = changed["weather-learn"]
    assert learn["env"] == {**plain["weather-learn"]["env"], "SEASON": "of quintet", "MORE": "1"}
    token = {"TOKEN": {"secret": "ours", "key": "t"}}
    assert learn["secret_env"] == plain["weather-learn"]["secret_env"] | token
    assert learn["resources"] == {"limits": {"memory": "9Gi"}}


def test_settings_of_a_step_that_no_pipeline_has_are_refused() -> None:
    sentence = r"airflow\.steps\.overrides\.forest-trian: no pipeline .*forest-train"
    with pytest.raises(ChartError, match=sentence):
        render("airflow", {"steps": {"overrides": {"forest-trian": {"env": {"A": "b"}}}}})


@pytest.mark.parametrize(
    "path", ["global.pipelines.weather.steps.learn", "airflow.steps.overrides.weather-learn"]
)
def test_resources_of_which_kubernetes_makes_no_pod_are_refused_where_they_stand(path: str) -> None:
    values: dict[str, Any] = with_others() | {"steps": {"overrides": {"weather-learn": {}}}}
    values = json.loads(json.dumps({**values, "airflow": {"steps": values.pop("steps")}}))
    place = values
    for key in path.split("."):
        place = place[key]
    place["resources"] = {"requests": {"memory": "2Gi"}, "limits": {"memory": "1Gi"}}
    with pytest.raises(ChartError, match=rf"{re.escape(path)}\.resources\.requests\.memory is 2Gi"):
        render("airflow", values["airflow"] | {"global": values["global"]})


def text(release: tuple[Manifest, ...]) -> str:
    """All of a release but its Secrets, which hold random letters, and the words of DAG files."""
    plain = [manifest for manifest in release if manifest["kind"] != "Secret"]
    dags = named(release, "ConfigMap", "airflow-dags")
    return json.dumps([[m for m in plain if m is not dags], list(dags["data"])])


@pytest.mark.parametrize("name", pipelines())
def test_a_pipeline_that_is_left_out_leaves_nothing(name: str) -> None:
    without = render("airflow", {"global": {"pipelines": {name: {"enabled": False}}}})
    assert name in text(render("airflow"))
    assert name not in text(without)


def test_without_a_pipeline_airflow_has_no_dag_and_all_its_objects() -> None:
    bare, full = render("airflow", samples=False), render("airflow")
    assert {kind_and_name(m) for m in full} - {kind_and_name(m) for m in bare} == {
        ("ConfigMap", "airflow-variables")
    }
    files = named(bare, "ConfigMap", "airflow-dags")["data"]
    own = {path.name for path in (CHARTS.parent / "dags").glob("*.py")}
    assert files.keys() == own | {".airflowignore"}
    assert own <= set(files[".airflowignore"].splitlines())
    assert json.loads(named(bare, "ConfigMap", "airflow-step-images")["data"]["images.json"]) == {}
    pods = json.loads(named(bare, "ConfigMap", "airflow-step-pods")["data"]["pods.json"])
    assert pods["steps"] == {}
    (policy,) = of_kind(bare, "ValidatingAdmissionPolicy")
    lists = {entry["name"]: entry["expression"] for entry in policy["spec"]["variables"]}
    assert (lists["allowed"], lists["known"], lists["guarded"]) == ("{}", "[]", "[]")


def kind_and_name(manifest: Manifest) -> tuple[str, str]:
    name: str = manifest["metadata"]["name"]
    return manifest["kind"], name.rpartition("-")[0] if manifest["kind"] == "Job" else name


def test_a_secret_that_is_not_for_every_step_of_a_pipeline_is_only_for_the_program_of_its_image() -> None:
    override = {"weather-learn": {"secretEnv": {"OURS": {"secret": "ours", "key": "k"}}}}

    def guarded(values: dict[str, Any]) -> set[str]:
        (policy,) = of_kind(render("airflow", values), "ValidatingAdmissionPolicy")
        lists = {entry["name"]: entry["expression"] for entry in policy["spec"]["variables"]}
        return set(json.loads(lists["guarded"]))

    own = guarded(with_others() | {"steps": {"overrides": override}}) - guarded({})
    promotion = {"postgres-weather-promotion", "mlflow-weather-promotion"}
    assert own == promotion | {"postgres-weather", "licence", "ours"}


@pytest.mark.parametrize("given", [{}, {"sipsa": {"enabled": False}}], ids=["all", "without one"])
def test_dag_files_are_those_of_the_pipelines_of_the_release(given: dict[str, Any]) -> None:
    release = render("airflow", {"global": {"pipelines": given}})
    files = named(release, "ConfigMap", "airflow-dags")["data"]
    wanted = {
        file.name: file.read_text(encoding="utf-8")
        for pipeline in pipelines().values()
        if pipeline.name not in given
        for file in pipeline.dag_files
    }
    own = {path.name for path in (CHARTS.parent / "dags").glob("*.py")}
    assert {name: files[name] for name in files.keys() - own - {".airflowignore"}} == wanted


@pytest.mark.parametrize(("file", "owner"), [("crime.py", "pipelines/crime/dags"), ("pods.py", "dags")])
def test_two_dag_files_of_one_name_are_refused(tmp_path: Path, file: str, owner: str) -> None:
    chart = tmp_path / "airflow"
    shutil.copytree(CHARTS / "airflow", chart, ignore=shutil.ignore_patterns("*.lock"))
    folder = chart / "files/pipelines/weather/dags"
    folder.mkdir(parents=True)
    shutil.copy(chart / "files/pipelines/crime/dags/crime.py", folder / file)
    sentence = rf"pipelines/weather/dags/{file} and {owner}/{file} have one name.* begin with weather"
    with pytest.raises(ChartError, match=sentence):
        render(str(chart), with_others())


@pytest.mark.parametrize("part", ["variables", "connections"])
def test_two_pipelines_that_bring_airflow_one_name_are_refused(part: str) -> None:
    value = {"variables": "1", "connections": {"secret": "ours", "key": "uri"}}[part]
    twice = {name: {part: {"alike": value}} for name in ("crime", "sipsa")}
    with pytest.raises(ChartError, match=rf"pipelines\.sipsa\.{part} and that of crime both have alike"):
        render("airflow", {"global": {"pipelines": twice}})
