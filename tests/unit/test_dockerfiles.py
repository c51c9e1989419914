"""Each image holds the code that its program imports and no other: an edit rebuilds few images."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from modulefinder import ModuleFinder
from pathlib import Path

import pytest

from quintet.imports import assemble, needed
from quintet.kind.dockerfile import Dockerfile
from quintet.kind.images import STEP, read_artifacts
from quintet.pipelines import Step, pipelines

REPOSITORY = Path(__file__).resolve().parents[2]
STEPS = {step.image: step for pipeline in pipelines().values() for step in pipeline.steps.values()}
ARTIFACTS = read_artifacts()


def imported(path: Path) -> Iterator[str]:
    """Returns the names of the modules that a file imports, at its top or later."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def held(step: Step) -> set[Path]:
    """Returns the files of code that the image of a step holds."""
    module = step.module.partition(".")[2]
    return {path for path in needed(REPOSITORY, step.pipeline.name, module) if path.suffix == ".py"}


@pytest.mark.parametrize("image", STEPS)
def test_an_image_holds_what_python_finds_that_its_step_imports(image: str) -> None:
    """Python's own finder reads compiled code; of the bundle every part is there, as it is loaded by name."""
    step = STEPS[image]
    finder = ModuleFinder([str(REPOSITORY), str(REPOSITORY / "pipelines")])
    finder.run_script(str(step.pipeline.folder / f"{step.module.partition('.')[2]}.py"))
    found = {Path(module.__file__) for module in finder.modules.values() if module.__file__}
    bundle = REPOSITORY / "bundle"
    whole = set(bundle.rglob("*.py")) if any(path.is_relative_to(bundle) for path in found) else set()
    assert whole | found <= held(step)
    others = {path for path in held(step) - found if not path.is_relative_to(bundle)}
    # The package that Python imports first for `-m`, and what other parts of the bundle import.
    assert others <= {step.pipeline.folder / "__init__.py", REPOSITORY / "stepkit" / "text.py"}


@pytest.mark.parametrize("image", STEPS)
def test_a_step_imports_nothing_of_another_pipeline(image: str) -> None:
    step = STEPS[image]
    tops = {name.partition(".")[0] for path in held(step) for name in imported(path)}
    assert tops & set(pipelines()) <= {step.pipeline.name}


@pytest.mark.parametrize("image", ["excel-parse", "penguins-load-raw", "sipsa-merge"])
def test_a_step_starts_with_what_its_image_holds_alone(image: str, tmp_path: Path) -> None:
    step = STEPS[image]
    files = step.given.get("files", [])
    assemble(REPOSITORY, step.pipeline.name, step.module.partition(".")[2], files, tmp_path)
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(tmp_path)}
    command = [sys.executable, str(tmp_path), "--help"]
    ended = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert ended.stdout.startswith(f"usage: python -m {step.module} "), ended.stderr


@pytest.mark.parametrize("image", STEPS)
def test_an_image_is_told_which_step_and_lock_it_is_of(image: str) -> None:
    step, artifact = STEPS[image], ARTIFACTS[image]
    assert artifact.dockerfile == STEP
    assert f"{artifact.arguments['PIPELINE']}.{artifact.arguments['STEP']}" == step.module
    assert REPOSITORY / "pipelines" / step.pipeline.name / artifact.arguments["LOCK"] == step.lock
    assert artifact.arguments.get("FILES", "").split() == step.given.get("files", [])


@pytest.mark.parametrize("image", STEPS)
def test_an_image_runs_its_step_below_an_init_unless_the_step_must_be_process_1(image: str) -> None:
    assert ARTIFACTS[image].target == ("step" if STEPS[image].given.get("init", True) else "without-init")
    # `parse` says why it has none, and tests/attacks/test_workbooks.py holds it to that.
    assert STEPS[image].given.get("init", True) == (image != "excel-parse")


def test_packages_are_installed_once_for_the_steps_of_a_lock() -> None:
    """An argument is part of what each later instruction is cached by."""
    stages = {stage.name: stage.instructions for stage in Dockerfile.parse(REPOSITORY / STEP).stages}
    arguments = {line for line in stages["packages"] if line.startswith("ARG")}
    assert arguments == {"ARG PIPELINE", "ARG LOCK"}
    assert [line for line in stages["without-init"] + stages["step"] if line.startswith("ARG")] == []


def test_the_api_s_image_holds_what_it_imports_of_the_rooms() -> None:
    text = (REPOSITORY / "serving/Dockerfile").read_text()
    held = {
        file
        for line in re.findall(r"^COPY (?!--from)(.*) /app/\S+$", text, re.M)
        for source in line.split()
        for file in [REPOSITORY / source, *(REPOSITORY / source).rglob("*.py")]
        if file.suffix == ".py"
    }
    roots = (REPOSITORY, REPOSITORY / "serving")
    needed = {
        file
        for path in held
        for name in imported(path)
        for root in roots
        for file in [(root / name.replace(".", "/")).with_suffix(".py")]
        if file.is_file()
    }
    assert needed - held == set()
    stepkit = {file.name for file in held if file.parent.name == "stepkit"}
    assert stepkit == {"__init__.py", *(file.name for file in needed if file.parent.name == "stepkit")}
