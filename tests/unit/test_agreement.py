"""pipeline.yaml, modules, skaffold.yaml, DAGs and charts name the same images, steps and options."""

from __future__ import annotations

import ast
import re
import runpy
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import MagicMock

import pytest
import yaml

from quintet.kind.images import read_artifacts
from quintet.pipelines import pipelines
from quintet.skaffold import NOT_IN_THE_RELEASE

REPOSITORY = Path(__file__).resolve().parents[2]
ARTIFACTS = read_artifacts(REPOSITORY / "skaffold.yaml")
FOR_ALL_STEPS = "step"
"""The folder of images whose Dockerfile makes an image of each step."""


@dataclass
class Step:
    """One call of `pods.step` in a DAG file; chains with `>>` as a task does."""

    pipeline: str
    step: str
    task_id: str | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    variants: list[Mapping[str, Any]] = field(default_factory=list)

    @property
    def output(self) -> list[Mapping[str, Any]]:
        return []

    def __rshift__(self, other: Any) -> Any:
        return other

    @property
    def image(self) -> str:
        return f"{self.pipeline}-{self.step}"

    @property
    def options(self) -> set[str]:
        return set(self.arguments) | {name for variant in self.variants for name in variant}


@dataclass
class Read:
    """What DAG files say.

    Attributes:
        steps: every step that they make.
        dags: the ids of their DAGs, by pipeline.
    """

    steps: list[Step] = field(default_factory=list)
    dags: dict[str, set[str]] = field(default_factory=dict)


def read_dags() -> Read:
    """What the DAG files say, learnt by running them with stand-ins for Airflow and pods."""
    read = Read()

    def step(pipeline: str, name: str, **settings: Any) -> Step:
        known = {key: settings[key] for key in ("task_id", "arguments", "variants") if key in settings}
        read.steps.append(Step(pipeline, name, **known))
        return read.steps[-1]

    pods = ModuleType("pods")
    pods.step = step  # type: ignore[attr-defined]
    # Whatever else a DAG file takes from there makes no step.
    pods.__getattr__ = lambda _: lambda *_, **__: ""  # type: ignore[method-assign]
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "airflow", MagicMock())
        patch.setitem(sys.modules, "pods", pods)
        for name, pipeline in pipelines().items():
            sdk = MagicMock()
            patch.setitem(sys.modules, "airflow.sdk", sdk)
            for file in pipeline.dag_files:
                runpy.run_path(str(file))
            read.dags[name] = {call.kwargs["dag_id"] for call in sdk.DAG.call_args_list}
    return read


BY_HAND = {"forest-batch-predict"}
"""Steps of no DAG: `quintet step` runs them."""
READ = read_dags()


def modules(pipeline: str) -> set[str]:
    """The modules of a pipeline that can be run."""
    found = (REPOSITORY / "pipelines" / pipeline).glob("*.py")
    return {path.stem for path in found if '__name__ == "__main__"' in path.read_text()}


def options_of(pipeline: str, step: str) -> set[str]:
    """The options of a step: the keyword-only parameters of its function, which bears the step's name."""
    tree = ast.parse((REPOSITORY / "pipelines" / pipeline / f"{step}.py").read_text())
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == step]
    return {argument.arg for function in functions for argument in function.args.kwonlyargs}


def images_of_charts() -> Iterator[str]:
    """The images that charts ask `common.image` for."""
    for template in (REPOSITORY / "charts").glob("*/templates/**/*"):
        if template.is_file():
            for call in re.findall(r"common\.image\b[^}]*", template.read_text()):
                yield from re.findall(r'"name" "([a-z-]+)"', call)


@pytest.mark.parametrize("name", ARTIFACTS)
def test_every_image_has_its_dockerfile_and_target(name: str) -> None:
    artifact = ARTIFACTS[name]
    stages = re.findall(r"(?im)^FROM\s.*\sAS\s+(\S+)", (REPOSITORY / artifact.dockerfile).read_text())
    assert artifact.target is None or artifact.target in stages


def test_every_folder_of_images_is_an_image() -> None:
    folders = {path.parent.name for path in (REPOSITORY / "images").glob("*/Dockerfile")}
    platform = {
        name for name, artifact in ARTIFACTS.items() if artifact.dockerfile.parent == Path("images", name)
    }
    assert folders == platform | {FOR_ALL_STEPS}


def test_every_folder_of_sources_is_an_image_that_a_pipeline_asks_for() -> None:
    folders = {path.parent.relative_to(REPOSITORY) for path in (REPOSITORY / "sources").glob("*/Dockerfile")}
    servers = [pipeline.server for pipeline in pipelines().values()]
    assert folders == {Path("sources", server.program) for server in servers if server}
    assert all(
        ARTIFACTS[server.service].dockerfile.parent == Path("sources", server.program)
        for server in servers
        if server
    )


@pytest.mark.parametrize("pipeline", pipelines())
def test_a_step_is_an_entry_a_module_and_an_image(pipeline: str) -> None:
    steps = pipelines()[pipeline].steps.values()
    assert {step.module for step in steps} == {f"{pipeline}.{module}" for module in modules(pipeline)}
    of_it = {n for n, artifact in ARTIFACTS.items() if artifact.arguments.get("PIPELINE") == pipeline}
    assert of_it == {step.image for step in steps}


@pytest.mark.parametrize("pipeline", pipelines())
def test_a_pipeline_names_the_dags_of_its_files(pipeline: str) -> None:
    assert READ.dags[pipeline] == set(pipelines()[pipeline].dags)


def test_dags_run_every_step_but_those_that_people_run() -> None:
    steps = {step.image for pipeline in pipelines().values() for step in pipeline.steps.values()}
    assert {step.image for step in READ.steps} == steps - BY_HAND


@pytest.mark.parametrize("step", READ.steps, ids=lambda step: f"{step.task_id or step.step}")
def test_dags_give_a_step_only_options_that_it_has(step: Step) -> None:
    assert step.options <= options_of(step.pipeline, step.step.replace("-", "_"))


def test_a_task_is_named_after_its_step_but_for_two_published_names() -> None:
    renamed = {step.step: step.task_id for step in READ.steps if step.task_id}
    assert renamed == {"preprocess": "preprocess_forest_data", "train": "train_forest_models"}


def test_charts_ask_for_images_that_are_made() -> None:
    asked = set(images_of_charts())
    assert asked
    assert asked <= set(ARTIFACTS)


def test_skaffold_hands_every_image_of_the_release_to_helm() -> None:
    (release,) = yaml.safe_load((REPOSITORY / "skaffold.yaml").read_text())["deploy"]["helm"]["releases"]
    assert release["setValueTemplates"] == {
        f"global.images.{name}": f"{{{{.IMAGE_FULLY_QUALIFIED_{name.replace('-', '_')}}}}}"
        for name in ARTIFACTS
        if name not in NOT_IN_THE_RELEASE
    }
