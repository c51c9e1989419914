"""What `quintet deploy` hands to the chart of a pipeline's own release, and what it refuses."""

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from quintet import new
from quintet.kind.images import plan
from quintet.kind.step_context import step_context
from quintet.ops import deploy
from quintet.ops.kube import Kube
from quintet.paths import PLATFORM
from quintet.pipelines import Pipeline, pipelines, read
from quintet.progress import UserError
from tests.unit.cli.test_kube import SECRETS

PLATFORM_VALUES = {
    "global": {
        "images": {
            name: f"localhost:5001/quintet/{name}:1@sha256:0" for name in ("postgres", "forest-train")
        },
        "secrets": {"existing": {"postgres-superuser": "own"}},
        "pipelines": {"forest": {"dags": {"forest": {}}}},
    },
    "postgres": {"external": {"enabled": True, "host": "pg"}, "storage": "9Gi"},
    "airflow": {
        "variables": {"values": {"token": "secret"}},
        "steps": {"env": {"X": "1"}, "quota": {"pods": "9"}},
    },
    "minio": {"pods": {"nodeSelector": {"pool": "platform"}}, "storage": "9Gi"},
    "inference": {"models": {"forest": {}}, "defaults": {"replicas": 2}},
}


def release(name: str, chart: str, config: dict[str, Any], version: int = 1) -> dict[str, Any]:
    """A Secret by which Helm remembers a revision of a release."""
    held = {
        "name": name,
        "version": version,
        "config": config,
        "info": {"status": "deployed"},
        "chart": {"metadata": {"name": chart}},
    }
    packed = base64.b64encode(base64.b64encode(gzip.compress(json.dumps(held).encode()))).decode()
    labels = {"name": name, "version": str(version)}
    return {"metadata": {"labels": labels}, "data": {"release": packed}}


@pytest.fixture
def weather(tmp_path: Path) -> Pipeline:
    """A new pipeline in a folder of its own."""
    return read(new.make("weather", "ingest", tmp_path))


@pytest.fixture(autouse=True)
def secrets(answers: dict[str, Any]) -> list[dict[str, Any]]:
    """The releases of the namespace: the platform, and later than it a pipeline of its own."""
    given = {"global": {"pipelines": {"snow": {"dags": {"snow": {}}}}}}
    found = [
        release("snow", "pipeline", given, version=7),
        release("quintet", "quintet", PLATFORM_VALUES, version=2),
    ]
    answers[SECRETS] = {"items": found}
    return found


def test_the_platforms_release_is_told_from_those_of_pipelines(kube: Kube) -> None:
    assert kube.release["name"] == "quintet"
    assert list(kube.own_releases) == ["snow"]
    assert list(kube.pipelines) == ["forest", "snow"]


def test_values_are_the_pipelines_and_what_the_platform_says_of_its_servers(
    kube: Kube, weather: Pipeline
) -> None:
    values = deploy.values_of(weather, kube, {"weather-load": "here/weather-load:1"})
    assert values["global"]["images"] == {
        "postgres": "localhost:5001/quintet/postgres:1@sha256:0",
        "weather-load": "here/weather-load:1",
    }
    assert list(values["global"]["pipelines"]) == ["weather"]
    assert "name" not in values["global"]["pipelines"]["weather"]
    assert values["global"]["secrets"] == PLATFORM_VALUES["global"]["secrets"]
    assert list(values["files"]["dags"]) == ["weather.py"]
    assert list(values["files"]["migrations"]) == ["0001_tables.sql"]
    assert values["postgres"] == {"external": {"enabled": True, "host": "pg"}}
    assert values["minio"] == {"pods": {"nodeSelector": {"pool": "platform"}}}
    assert all("pods" in keys for keys in deploy.SHARED.values())
    assert values["inference"] == {"defaults": {"replicas": 2}}
    assert list(values["airflow"]) == ["steps"]
    assert set(values["airflow"]["steps"]) == {"env"}
    assert values["airflow"]["steps"]["env"]["X"] == "1"


def test_images_go_where_the_platforms_come_from(kube: Kube) -> None:
    assert deploy.registry_of(kube) == "localhost:5001/quintet"


def test_without_a_platform_it_says_how_to_make_one(kube: Kube, secrets: list[dict[str, Any]]) -> None:
    del secrets[1]
    with pytest.raises(UserError, match="has no platform of Quintet that is deployed: `make up` makes one"):
        deploy.refuse_without_platform(kube)


def test_a_pipeline_of_the_platform_is_refused(kube: Kube, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="own release quintet has a pipeline forest"):
        deploy.main(kube, "forest")


def test_which_of_several_pipelines_has_to_be_said() -> None:
    with pytest.raises(UserError, match="Which pipeline of this folder"):
        deploy.chosen("")
    with pytest.raises(UserError, match="It has no rain; it has bitcoin, "):
        deploy.chosen("rain")
    assert deploy.chosen("forest").name == "forest"


def test_what_is_no_release_of_its_own_is_not_taken_away(kube: Kube) -> None:
    with pytest.raises(UserError, match="has no release quintet of a pipeline of its own; there are: snow"):
        deploy.undeploy(kube, "quintet")


def test_steps_have_the_tags_that_they_would_have_in_the_checkout() -> None:
    base = {"BASE_IMAGE": "debian", "DEBIAN_SNAPSHOT": ""}
    names = ["forest-load", "forest-train"]
    with step_context(pipelines()["forest"]) as context:
        own = plan(base, names, context).tags
    assert own == plan(base, names, PLATFORM).tags


def test_a_new_pipeline_has_images_wherever_it_is(weather: Pipeline) -> None:
    with step_context(weather) as context:
        tags = plan({"BASE_IMAGE": "debian", "DEBIAN_SNAPSHOT": ""}, ["weather-load"], context).tags
    assert set(tags) == {"base", "build", "weather-load"}
