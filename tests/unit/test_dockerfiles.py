"""Each step's image holds the code that the step imports and no other: an edit rebuilds one image."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PIPELINES = sorted(path.parent.name for path in (REPOSITORY / "pipelines").glob("*/Dockerfile"))


@cache
def stages(pipeline: str) -> dict[str, tuple[str, str]]:
    """Gives each stage's base and instructions."""
    text = (REPOSITORY / "pipelines" / pipeline / "Dockerfile").read_text().replace("\\\n", " ")
    found = re.findall(r"^FROM (\S+) AS (\S+)\n(.*?)(?=^FROM |\Z)", text, re.M | re.S)
    return {name: (base, body) for base, name, body in found}


def targets(pipeline: str) -> list[str]:
    """Gives the stages that run a step."""
    return sorted(name for name, (_, body) in stages(pipeline).items() if "ENTRYPOINT" in body)


STEPS = [(pipeline, step) for pipeline in PIPELINES for step in targets(pipeline)]


def copied(pipeline: str, stage: str) -> set[str]:
    """Gives the repository's paths that a stage holds as code, its bases' too."""
    if stage not in stages(pipeline):
        return set()
    base, body = stages(pipeline)[stage]
    sources = {
        source
        for line in re.findall(r"^COPY (?!--from)(.*)$", body, re.M)
        for source in line.split()[:-1]
        if not source.endswith(".lock") and "/data" not in source
    }
    return sources | copied(pipeline, base)


def imported(path: Path) -> Iterator[str]:
    """Gives the names of the modules that a file imports, at its top or later."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def needed(pipeline: str, step: str) -> set[str]:
    """Gives the repository's paths that a step's module leads to."""
    paths, waiting = {f"pipelines/{pipeline}/__init__.py"}, [f"{pipeline}.{step}"]
    seen: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        top, _, rest = name.partition(".")
        first = rest.split(".")[0]
        if top == "bundle":
            paths.add("bundle")
        elif top == "stepkit":
            paths.add("stepkit/*.py")
            if (shared := REPOSITORY / f"{name.replace('.', '/')}.py").is_file():
                waiting.extend(imported(shared))
            if first and (REPOSITORY / "stepkit" / first).is_dir():
                paths.add(f"stepkit/{first}")
                waiting.extend(_of_package(first, rest))
        elif top == pipeline and (file := REPOSITORY / "pipelines" / pipeline / f"{first}.py").is_file():
            path = str(file.relative_to(REPOSITORY))
            if path not in paths:
                paths.add(path)
                waiting.extend(imported(file))
    return paths


def _of_package(package: str, name: str) -> Iterator[str]:
    """Gives what a module of one of stepkit's packages imports from outside that package."""
    seen, waiting = set(), [f"stepkit.{name}"]
    while waiting:
        module = waiting.pop()
        file = (REPOSITORY / module.replace(".", "/")).with_suffix(".py")
        if module in seen or not file.is_file():
            continue
        seen.add(module)
        for other in imported(file):
            if other.startswith(f"stepkit.{package}."):
                waiting.append(other)
            else:
                yield other


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_there_is_a_target_for_each_step(pipeline: str) -> None:
    folder = REPOSITORY / "pipelines" / pipeline
    modules = {path.stem for path in folder.glob("*.py") if "\n    run(" in path.read_text()}
    assert set(targets(pipeline)) == modules


@pytest.mark.parametrize(("pipeline", "step"), STEPS)
def test_an_image_holds_what_its_step_imports_and_no_more(pipeline: str, step: str) -> None:
    assert copied(pipeline, step) == needed(pipeline, step)


@pytest.mark.parametrize(("pipeline", "step"), STEPS)
def test_an_image_runs_its_step(pipeline: str, step: str) -> None:
    # `parse` says why it has no tini, and tests/attacks/test_workbooks.py holds it to that.
    start = "" if (pipeline, step) == ("excel", "parse") else '"tini", "--", '
    entry = f'ENTRYPOINT [{start}"python", "-m", "{pipeline}.{step}"]'
    assert entry in stages(pipeline)[step][1]


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
