"""The platform without pipelines, and without one of them: nothing is left of those that are not there."""

from __future__ import annotations

import json
import re
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest

from quintet.pipelines import pipelines
from tests.charts.render import CHARTS, NAMES, Manifest, helm, named, of_kind, plain_name, render

SAMPLES = pipelines()


def text_of(manifest: Manifest) -> str:
    """An object as text, of a Secret without what it holds: random letters may spell a word."""
    if manifest["kind"] == "Secret":
        manifest = {**manifest, "data": dict.fromkeys(manifest.get("data", {}))}
    return json.dumps(manifest)


def words_of(name: str) -> set[str]:
    """What only a pipeline is called by: its name, its DAGs, schemas, model, experiment and simulator."""
    pipeline = SAMPLES[name]
    shared = {word for other in SAMPLES if other != name for word in _all_words(other)}
    return _all_words(name) - shared | {pipeline.name}


def _all_words(name: str) -> set[str]:
    pipeline = SAMPLES[name]
    model = pipeline.given.get("model", {})
    server = [pipeline.server.service] if pipeline.server else []
    return {
        pipeline.name,
        *(step.image for step in pipeline.steps.values()),
        *pipeline.dags,
        *pipeline.schemas,
        *([model["name"], model["experiment"]] if model else []),
        *server,
    }


def mentions(release: tuple[Manifest, ...], words: set[str]) -> set[str]:
    """The objects in which one of some words stands as a whole word, with the word."""
    any_of = re.compile(rf"(?<![A-Za-z0-9_])({'|'.join(map(re.escape, sorted(words)))})(?![A-Za-z0-9_])")
    return {
        f"{m['kind']} {plain_name(m)}: {found[1]}" for m in release for found in any_of.finditer(text_of(m))
    }


@pytest.mark.parametrize("chart", NAMES)
def test_without_pipelines_nothing_of_a_sample_is_there(chart: str) -> None:
    words = set().union(*map(_all_words, SAMPLES))
    if chart == "api-data":
        # Alone, and without pipelines, it is there for whoever asks it; its folder is forest-api.
        words -= {"api-data", "forest"}
    assert mentions(render(chart, samples=False), words) == set()


@pytest.mark.parametrize("left_out", SAMPLES)
@pytest.mark.parametrize("chart", NAMES)
def test_a_pipeline_that_is_left_out_leaves_nothing_behind(chart: str, left_out: str) -> None:
    values = {"global": {"pipelines": {left_out: {"enabled": False}}}}
    simulators = {"sources": {"simulators": True}} if chart == "quintet" else {}
    simulators |= {"simulators": True} if chart == "sources" else {}
    # The DAG files that are there may speak of a random forest.
    release = tuple(
        {**m, "data": sorted(m["data"])} if plain_name(m) == "airflow-dags" else m
        for m in render(chart, {**values, **simulators})
    )
    assert mentions(release, words_of(left_out)) == set()
    labels = [json.dumps(m["metadata"].get("labels", {})) for m in release]
    assert not [label for label in labels if f'"{left_out}"' in label]


def test_the_words_of_a_pipeline_are_found_where_it_is_there() -> None:
    for name in SAMPLES:
        assert mentions(render("quintet"), words_of(name))


def test_a_bare_platform_is_its_parts_without_an_api_and_a_source() -> None:
    release = render("quintet", samples=False)
    workloads = {plain_name(m) for m in of_kind(release, "Deployment", "StatefulSet")}
    assert workloads == {
        *("airflow-api-server", "airflow-dag-processor", "airflow-scheduler", "airflow-triggerer"),
        *("minio", "mlflow", "postgres"),
    }
    roles = {"airflow", "mlflow", "mlflow-auth", "owner", "superuser"}
    secrets = {plain_name(m) for m in of_kind(release, "Secret")}
    assert {name for name in secrets if name.startswith("postgres-")} == {
        f"postgres-{role}" for role in roles
    }
    assert {name for name in secrets if name.startswith("minio-")} == {
        f"minio-{user}" for user in ("airflow", "dags-publisher", "dags-reader", "mlflow", "root", "serving")
    }
    in_tasks = [m for m in release if m["metadata"].get("namespace") == "quintet-tasks"]
    assert not [m for m in in_tasks if m["kind"] in ("Secret", "ConfigMap")]
    tests = {m["metadata"]["name"] for m in of_kind(release, "Pod")}
    assert tests == {
        f"test-{name}" for name in ("airflow", "minio", "mlflow", "network", "network-of-steps", "postgres")
    }


def test_helm_test_asks_each_api_for_what_its_pipeline_brings_as_an_example() -> None:
    eu: dict[str, Any] = {"inference": {"models": {"forest-eu": {"pipeline": "forest"}}}}
    release = render("quintet", eu)
    for name, pipeline in (
        *((each.model, each) for each in SAMPLES.values() if each.model),
        ("forest-eu", SAMPLES["forest"]),
    ):
        (container,) = named(release, "Pod", f"test-prediction-{name}")["spec"]["containers"]
        *_, url, body = container["command"]
        assert url == f"http://inference-{name}"
        assert json.loads(body) == json.loads(pipeline.example.read_text(encoding="utf-8"))


def test_of_the_pipelines_only_examples_are_packed_for_the_umbrella_itself(tmp_path: Path) -> None:
    command = [helm(), "package", str(CHARTS / "quintet"), "--destination", str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True)
    (package,) = tmp_path.glob("*.tgz")
    with tarfile.open(package) as held:
        names = [name.removeprefix("quintet/files/pipelines/") for name in held.getnames()]
    files = {name for name in names if not name.startswith("quintet/")}
    assert files == {f"{name}/example.json" for name, each in SAMPLES.items() if each.example.exists()}
