"""Each step's image holds the code that the step imports and no other: an edit rebuilds one image."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
FOREST = REPOSITORY / "pipelines/forest"
DOCKERFILE = (FOREST / "Dockerfile").read_text().replace("\\\n", " ")
STAGES = {
    name: (base, body)
    for base, name, body in re.findall(r"^FROM (\S+) AS (\S+)\n(.*?)(?=^FROM |\Z)", DOCKERFILE, re.M | re.S)
}
STEPS = sorted(name for name, (_, body) in STAGES.items() if "-m" in body and "ENTRYPOINT" in body)


def copied(stage: str) -> set[str]:
    """Gives the repository's paths that a stage holds as code, its bases' too."""
    if stage not in STAGES:
        return set()
    base, body = STAGES[stage]
    sources = {
        source
        for line in re.findall(r"^COPY (?!--from)(.*)$", body, re.M)
        for source in line.split()[:-1]
        if not source.endswith(".lock")
    }
    return sources | copied(base)


def imported(path: Path) -> Iterator[str]:
    """Gives the names of the modules that a file imports, at its top or later."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def needed(step: str) -> set[str]:
    """Gives the repository's paths that a step's module leads to."""
    paths, waiting = {"pipelines/forest/__init__.py"}, [f"forest.{step}"]
    while waiting:
        top, _, rest = waiting.pop().partition(".")
        if top in ("stepkit", "bundle"):
            paths.add(top)
        elif top == "forest" and (file := FOREST / f"{rest.split('.')[0]}.py").is_file():
            path = str(file.relative_to(REPOSITORY))
            if path not in paths:
                paths.add(path)
                waiting.extend(imported(file))
    return paths


def test_there_is_a_target_for_each_step() -> None:
    modules = {path.stem for path in FOREST.glob("*.py") if "\n    run(" in path.read_text()}
    assert set(STEPS) == modules


@pytest.mark.parametrize("step", STEPS)
def test_an_image_holds_what_its_step_imports_and_no_more(step: str) -> None:
    assert copied(step) == needed(step)


@pytest.mark.parametrize("step", STEPS)
def test_an_image_runs_its_step(step: str) -> None:
    assert f'ENTRYPOINT ["tini", "--", "python", "-m", "forest.{step}"]' in STAGES[step][1]
