"""What the umbrella refuses because two of its parts would not agree."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from quintet.pipelines import pipelines
from tests.charts.render import ChartError, render

MODELS = [pipeline.model for pipeline in pipelines().values() if pipeline.model]
RUN_URI = "s3://data/forest/latest_model.json"
SERVED_FROM_S3 = {"models": {"forest": {"runUri": RUN_URI}}}
ALL_FROM_S3 = {"models": {model: {"runUri": f"s3://data/{model}/latest_model.json"} for model in MODELS}}


def trained(registry: Any, env: Any = None) -> dict[str, Any]:
    """Values that set the registry for all steps, and variables of the steps of forest."""
    pipelines_given = {"pipelines": {"forest": {"env": env}}} if env else {}
    return {
        "global": pipelines_given,
        "airflow": {"steps": {"env": {"MLFLOW_ENABLE_MODEL_REGISTRY": registry}}},
    }


@pytest.mark.parametrize(
    "values",
    [
        pytest.param({**trained("false"), "inference": ALL_FROM_S3}, id="without registry"),
        pytest.param({**trained(False), "inference": ALL_FROM_S3}, id="not quoted"),
        pytest.param(
            {
                **trained("true", {"MLFLOW_ENABLE_MODEL_REGISTRY": "false"}),
                "inference": SERVED_FROM_S3,
            },
            id="one pipeline without registry",
        ),
        pytest.param(
            {**trained("false"), "inference": {"defaults": {"runUri": RUN_URI}}},
            id="by the defaults",
        ),
        pytest.param(
            {
                **trained("true", {"MLFLOW_MODEL_NAME": "of_mine", "MLFLOW_ENABLE_MODEL_REGISTRY": "false"}),
                "mlflow": {"models": [*MODELS, "of_mine"]},
                "inference": {"models": {"forest": {"modelName": "of_mine", "runUri": RUN_URI}}},
            },
            id="by the name of the model",
        ),
        pytest.param({**trained("false"), "inference": {"enabled": False}}, id="nothing is served"),
        pytest.param({"airflow": {"enabled": False}, "inference": SERVED_FROM_S3}, id="nothing is trained"),
    ],
)
def test_training_and_serving_leave_the_registry_together(values: dict[str, Any]) -> None:
    assert render("quintet", values)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        pytest.param(trained("false"), r"set inference\.models\.\w+\.runUri", id="only training"),
        pytest.param(trained("False"), r"set inference\.models\.\w+\.runUri", id="capital"),
        pytest.param(
            trained("true", {"MLFLOW_ENABLE_MODEL_REGISTRY": "false"}),
            r"set inference\.models\.forest\.runUri",
            id="only one pipeline",
        ),
        pytest.param(
            {"inference": SERVED_FROM_S3},
            r"set airflow\.steps\.env\.MLFLOW_ENABLE_MODEL_REGISTRY",
            id="only serving",
        ),
        pytest.param(
            {
                **trained("false", {"MLFLOW_ENABLE_MODEL_REGISTRY": "true"}),
                "inference": ALL_FROM_S3,
            },
            r"set airflow\.steps\.env\.MLFLOW_ENABLE_MODEL_REGISTRY",
            id="its pipeline keeps the registry",
        ),
    ],
)
def test_one_of_them_alone_is_refused(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ChartError, match=sentence):
        render("quintet", values)


NO_ROLES = {"servingRole": {"enabled": False}}


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        pytest.param(
            {"inference": {"models": {"weather": {}}}},
            r"inference\.models\.weather: no pipeline weather of global\.pipelines has a model\.promotion",
            id="of no pipeline",
        ),
        pytest.param(
            {"inference": {"models": {"forest": {"pipeline": "sipsa"}}}},
            r"no pipeline sipsa of .* has a model\.promotion, .* set inference\.models\.forest\.record",
            id="of one that promotes nothing",
        ),
        pytest.param(
            {"postgres": NO_ROLES},
            r"postgres\.servingRole\.enabled is false, .* set inference\.defaults\.record to registry",
            id="without a role",
        ),
    ],
)
def test_a_model_whose_record_nobody_can_ask_is_refused(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ChartError, match=sentence):
        render("quintet", values)


@pytest.mark.parametrize(
    "values",
    [
        pytest.param({"inference": {"models": {"weather": {"record": "registry"}}}}, id="by the registry"),
        pytest.param({"inference": {"models": {"forest-eu": {"pipeline": "forest"}}}}, id="by a pipeline"),
        pytest.param(
            {"inference": {"defaults": {"record": "registry"}}, "postgres": NO_ROLES},
            id="all by the registry",
        ),
        pytest.param(
            {"inference": {"models": {"weather": {}}}, "postgres": {"enabled": False}}, id="a Postgres apart"
        ),
    ],
)
def test_who_names_a_champion_is_a_value_of_each_model(values: dict[str, Any]) -> None:
    assert render("quintet", values)


LISTS = {"MLFLOW_EXPERIMENT_NAME": "experiments", "MLFLOW_MODEL_NAME": "models"}
LAYERS = (
    "airflow.steps",
    "airflow.steps.overrides.forest-train",
    "global.pipelines.forest",
    "global.pipelines.forest.steps.train",
)


def named(name: str, layer: str, *variables: str) -> dict[str, Any]:
    """Values that set variables to a name in a layer."""
    values: dict[str, Any] = {"env": dict.fromkeys(variables, name)}
    for key in reversed(layer.split(".")):
        values = {key: values}
    return values


@pytest.mark.parametrize("variable", LISTS)
@pytest.mark.parametrize("layer", LAYERS)
def test_a_name_that_mlflow_grants_nobody_is_refused(variable: str, layer: str) -> None:
    sentence = rf"{re.escape(layer)}\.env\.{variable} is of-mine-quintet.* mlflow\.{LISTS[variable]}"
    with pytest.raises(ChartError, match=sentence):
        render("quintet", named("of-mine-{{ .Release.Name }}", layer, variable))


@pytest.mark.parametrize("granted", [True, False])
def test_a_name_is_taken_that_mlflow_grants_or_that_no_mlflow_of_the_release_has_to(granted: bool) -> None:
    """In every layer and by both variables at once: one that was refused would say so."""
    mlflow: dict[str, Any] = {"enabled": False}
    if granted:
        mlflow = {name: ["of-mine-quintet"] for name in LISTS.values()}
    values: dict[str, Any] = {"mlflow": mlflow}
    for layer in LAYERS:
        merge(values, named("of-mine-{{ .Release.Name }}", layer, *LISTS))
    assert render("quintet", values)


def merge(into: dict[str, Any], values: dict[str, Any]) -> None:
    """Add values to others, level by level."""
    for key, value in values.items():
        if isinstance(value, dict) and key in into:
            merge(into[key], value)
        else:
            into[key] = value


@pytest.mark.parametrize("kind", ["experiments", "models"])
def test_a_right_on_what_mlflow_does_not_have_is_refused(kind: str) -> None:
    with pytest.raises(ChartError, match=rf"mlflow\.users\.serving\.{kind} gives a right on another"):
        render("mlflow", {"users": {"serving": {kind: {"another": "READ"}}}})


def test_what_the_crime_pipeline_calls_temporary_goes_after_60_days_in_minio_too() -> None:
    crime = pipelines()["crime"]
    env = crime.given["env"]
    assert env["DATA_REPO_BUCKET_NAME"] == "data"
    assert {crime.expire_days.get(prefix) for prefix in json.loads(env["TEMPORARY_PREFIXES"])} == {60}


def test_an_object_that_serving_may_not_read_is_refused() -> None:
    uri = "s3://data/weather/latest.json"
    values = {"inference": {"models": {"forest": {"inputUri": uri}}}}
    with pytest.raises(ChartError, match=r"add weather/latest\.json to minio\.users\.serving\.prefixes"):
        render("quintet", values)
    assert render(
        "quintet", {**values, "minio": {"users": {"serving": {"prefixes": ["weather/", "bitcoin/"]}}}}
    )


def test_a_source_that_is_a_part_which_is_switched_off_is_refused() -> None:
    off = {"api-data": {"enabled": False}}
    sentence = r"global\.pipelines\.forest\.source is the Service api-data, and api-data\.enabled is false"
    with pytest.raises(ChartError, match=sentence):
        render("quintet", off)
    elsewhere = {"global": {"pipelines": {"forest": {"source": {"url": "https://data.example.org"}}}}}
    left_out = {"global": {"pipelines": {"forest": {"enabled": False}}}}
    for values in (elsewhere, left_out, {"sources": {"enabled": False}}):
        assert render("quintet", {**off, **values})
