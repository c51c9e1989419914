"""What is generated is up to date, and is written as it should be for other pipelines too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from quintet import generated
from quintet.paths import PLATFORM
from quintet.pipelines import Pipeline
from quintet.progress import UserError
from quintet.skaffold import skaffold

SCHEMA = PLATFORM / generated.VALUES_SCHEMA


@pytest.mark.parametrize("path", generated.FILES)
def test_a_generated_file_is_what_the_pipelines_say(path: str) -> None:
    assert path not in generated.stale(), f"{path} is stale: run `make generate` and commit what it writes"


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the generated files, which may be changed."""
    for path in (*generated.FILES, generated.PODS):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes((PLATFORM / path).read_bytes())
    monkeypatch.setattr(generated, "PLATFORM", tmp_path)
    return tmp_path


@pytest.mark.parametrize("path", generated.FILES)
def test_an_edit_of_what_is_generated_is_seen_and_taken_back(checkout: Path, path: str) -> None:
    file = checkout / path
    before = file.read_text()
    file.write_text(before.replace("etl_with_taskflow", "etl").replace("crime-train", "crime-fit"))
    file.write_text(file.read_text().replace('"Names."', '"The names."'))
    if path != generated.PIPELINE_SCHEMA:  # there that is what the others are made from
        file.write_text(file.read_text().replace('"Key in it."', '"The key."'))
    assert generated.stale() == [path]
    generated.main()
    assert file.read_text() == before


def test_what_is_written_by_hand_around_it_stays(checkout: Path) -> None:
    readme = checkout / generated.README
    readme.write_text("# Another title\n" + readme.read_text())
    assert generated.stale() == []


def test_a_readme_without_a_place_for_the_table_is_named(checkout: Path) -> None:
    readme = checkout / generated.README
    readme.write_text(readme.read_text().replace("<!-- pipelines -->", ""))
    with pytest.raises(UserError, match=r"README\.md must have one place for what is generated"):
        generated.stale()


@pytest.fixture(scope="module")
def values() -> jsonschema.Draft202012Validator:
    text = SCHEMA.read_text(encoding="utf-8")
    return jsonschema.Draft202012Validator(yaml.safe_load(text))


def samples() -> dict[str, Any]:
    text = (PLATFORM / "charts/quintet/values-samples.yaml").read_text(encoding="utf-8")
    return dict(yaml.safe_load(text))


def test_the_umbrella_takes_the_samples_and_a_pipeline_that_is_left_out(
    values: jsonschema.Draft202012Validator,
) -> None:
    given = samples()
    given["global"]["pipelines"]["crime"]["enabled"] = False
    assert list(values.iter_errors(given)) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"colour": "red"}, "'colour' was unexpected"),
        ({"steps": {"train": {"resources": {"limits": {"cpu": "many"}}}}}, "'many' does not match"),
        ({"secretEnv": {"TOKEN": {"secret": "portal"}}}, "'key' is a required property"),
        ({"env": {"lower": "x"}}, "'lower' does not match"),
    ],
)
def test_the_umbrella_refuses_a_wrong_pipeline(
    values: jsonschema.Draft202012Validator, change: dict[str, Any], said: str
) -> None:
    given = samples()
    given["global"]["pipelines"]["crime"] |= change
    (error,) = values.iter_errors(given)
    assert said in error.message


STEPS: dict[str, Any] = {
    "observe": {},
    "fill-gaps": {"lock": "train", "files": ["a.csv", "data"], "init": False},
}


def pipeline(folder: Path, **given: Any) -> Pipeline:
    """A pipeline of a folder."""
    folder.mkdir(exist_ok=True)
    return Pipeline(folder, {"name": folder.name, "dags": {}, "steps": STEPS, **given})


def artifacts(*of: Pipeline) -> dict[str, Any]:
    """Image -> how it is built, of skaffold.yaml."""
    document = yaml.safe_load(skaffold({each.name: each for each in of}))
    return {entry["image"]: entry["docker"] for entry in document["build"]["artifacts"]}


def test_each_step_is_built_by_the_dockerfile_of_all(tmp_path: Path) -> None:
    found = artifacts(pipeline(tmp_path / "weather"))
    plain, special = found["weather-observe"], found["weather-fill-gaps"]
    assert plain["dockerfile"] == special["dockerfile"] == "images/step/Dockerfile"
    assert (plain["target"], special["target"]) == ("step", "without-init")
    arguments = {"PIPELINE": "weather", "STEP": "observe", "LOCK": "requirements.lock"}
    assert plain["buildArgs"] == arguments
    arguments |= {"STEP": "fill_gaps", "LOCK": "requirements-train.lock", "FILES": "a.csv data"}
    assert special["buildArgs"] == arguments
    assert plain["secrets"] == found["postgres"]["secrets"]


def test_a_pipeline_may_bring_a_dockerfile_with_a_target_a_step(tmp_path: Path) -> None:
    brings = pipeline(tmp_path / "weather")
    (brings.folder / "Dockerfile").touch()
    docker = artifacts(brings)["weather-fill-gaps"]
    assert (docker["dockerfile"], docker["target"]) == ("pipelines/weather/Dockerfile", "fill-gaps")
    assert "buildArgs" not in docker


def test_a_server_is_built_once_for_all_pipelines_that_ask_it(tmp_path: Path) -> None:
    source = {"server": {"service": "sky-api", "program": "sky_api"}}
    two = [pipeline(tmp_path / name, source=source) for name in ("weather", "climate")]
    assert artifacts(*two)["sky-api"]["dockerfile"] == "sources/sky_api/Dockerfile"


def test_two_images_of_one_name_are_refused(tmp_path: Path) -> None:
    source = {"server": {"service": "weather-observe", "program": "sky"}}
    with pytest.raises(UserError, match="Two images have the name weather-observe"):
        artifacts(pipeline(tmp_path / "weather", source=source))


def test_the_apis_of_models_are_forwarded_from_port_8000_on(tmp_path: Path) -> None:
    of = {}
    for name in ("a", "b", "c"):
        model = {} if name == "b" else {"model": {"name": f"{name}-model", "experiment": "e"}}
        of[name] = pipeline(tmp_path / name, **model)
    forwarded = yaml.safe_load(skaffold(of))["portForward"]
    ports = {each["resourceName"]: each["localPort"] for each in forwarded if each["port"] == 80}
    assert ports == {"inference-a-model": 8000, "inference-c-model": 8001}


def test_the_release_gets_every_image_but_those_that_it_does_not_run(tmp_path: Path) -> None:
    document = yaml.safe_load(skaffold({"weather": pipeline(tmp_path / "weather")}))
    (release,) = document["deploy"]["helm"]["releases"]
    images = {entry["image"] for entry in document["build"]["artifacts"]}
    handed = {name.removeprefix("global.images.") for name in release["setValueTemplates"]}
    assert images - handed == {"base", "build", "metrics-server"}
    assert release["valuesFiles"][0] == "charts/quintet/values-samples.yaml"


def test_without_pipelines_the_platform_is_left() -> None:
    built_on, services = {"base", "build"}, {"postgres", "minio", "mlflow", "airflow", "inference"}
    assert set(artifacts()) == built_on | services | {"metrics-server"}
