"""What an image is made from is named by its content, or comes from something that is."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from quintet.imports import needed
from quintet.kind.dockerfile import Dockerfile
from quintet.kind.images import plan, read_artifacts
from quintet.pipelines import pipelines

REPOSITORY = Path(__file__).resolve().parents[2]
DOCKERFILES = sorted({str(artifact.dockerfile) for artifact in read_artifacts().values()})


def instructions(path: str) -> list[str]:
    return [line for stage in Dockerfile.parse(REPOSITORY / path).stages for line in stage.instructions]


@pytest.mark.parametrize("path", DOCKERFILES)
def test_each_stage_stands_on_an_image_that_the_build_is_given_or_on_another_stage(path: str) -> None:
    stages = Dockerfile.parse(REPOSITORY / path).stages
    names = {stage.name for stage in stages} | {"scratch"}
    given = re.compile(r"\$\{?(BASE|BUILD)_IMAGE\}?")
    assert [
        stage.base for stage in stages if stage.base not in names and not given.fullmatch(stage.base)
    ] == []


@pytest.mark.parametrize("path", DOCKERFILES)
def test_no_build_asks_for_newer_package_lists(path: str) -> None:
    assert [line for line in instructions(path) if "apt-get update" in line] == []


@pytest.mark.parametrize("path", DOCKERFILES)
def test_python_packages_are_installed_by_hash(path: str) -> None:
    installs = [line for line in instructions(path) if re.search(r"pip install", line)]
    assert [line for line in installs if "--require-hashes" not in line] == []


@pytest.mark.parametrize("path", DOCKERFILES)
def test_go_programs_are_built_by_debian_s_go_or_by_a_named_release(path: str) -> None:
    lines = instructions(path)
    toolchains = re.findall(r"GOTOOLCHAIN=(\S+)", " ".join(lines))
    assert len(toolchains) == any("go install" in line for line in lines)
    assert [name for name in toolchains if not re.fullmatch(r"local|go1\.\d+\.\d+", name)] == []


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What images are made from, in a folder where it may be changed."""
    root = tmp_path_factory.mktemp("repository")
    ignored = shutil.ignore_patterns("__pycache__")
    for folder in ("stepkit", "bundle", "pipelines", "images", "serving", "sources", "cli"):
        shutil.copytree(REPOSITORY / folder, root / folder, ignore=ignored)
    for file in ("skaffold.yaml", ".dockerignore"):
        shutil.copy(REPOSITORY / file, root / file)
    return root


@pytest.fixture(scope="module")
def before(copy: Path) -> dict[str, str]:
    """The tags of all images, before any edit."""
    return tags(copy)


@contextmanager
def edited(path: Path) -> Iterator[None]:
    """One more line in a file, for a moment."""
    before = path.read_bytes()
    path.write_bytes(before + b"\n# edited\n")
    yield
    path.write_bytes(before)


def tags(root: Path) -> dict[str, str]:
    return plan({"BASE_IMAGE": "debian", "DEBIAN_SNAPSHOT": ""}, context=root).tags


def importers(file: str) -> set[str]:
    """The images of steps that import a file."""
    steps = (step for pipeline in pipelines().values() for step in pipeline.steps.values())
    return {
        step.image
        for step in steps
        if REPOSITORY / file in needed(REPOSITORY, step.pipeline.name, step.module.partition(".")[2])
    }


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("pipelines/crime/train.py", {"crime-train"}),
        ("pipelines/crime/window.py", {"crime-download-data", "crime-enrich-data"}),
        ("pipelines/penguins/data/penguins_size.csv", {"penguins-load-raw"}),
        ("pipelines/sipsa/requirements.lock", {"sipsa-extract", "sipsa-stage", "sipsa-merge"}),
        ("pipelines/excel/requirements-prices.lock", {"excel-parse", "excel-load"}),
        ("pipelines/excel/dags/excel.py", set()),
        ("pipelines/excel/pipeline.yaml", set()),
        ("pipelines/excel/migrations/0001_tables.sql", set()),
    ],
)
def test_an_edit_changes_the_images_of_the_steps_that_it_concerns(
    copy: Path, before: dict[str, str], file: str, expected: set[str]
) -> None:
    with edited(copy / file):
        after = tags(copy)
    assert {name for name in before if before[name] != after[name]} == expected


@pytest.mark.parametrize("file", ["stepkit/http.py", "stepkit/promotion/metrics.py", "stepkit/step.py"])
def test_an_edit_of_what_steps_share_changes_those_that_import_it(
    copy: Path, before: dict[str, str], file: str
) -> None:
    with edited(copy / file):
        after = tags(copy)
    changed = {name for name in before if before[name] != after[name]}
    assert changed == importers(file)
    assert changed


@pytest.mark.parametrize("file", ["images/step/Dockerfile", "cli/quintet/imports.py"])
def test_what_makes_step_images_is_part_of_each(copy: Path, before: dict[str, str], file: str) -> None:
    path = copy / file
    text = path.read_text()
    path.write_text(text.replace("tini", "dumb-init").replace("SECONDS = 0", "SECONDS = 1"))
    after = tags(copy)
    path.write_text(text)
    steps = {step.image for pipeline in pipelines().values() for step in pipeline.steps.values()}
    changed = {name for name in before if before[name] != after[name]}
    assert changed == (steps - {"excel-parse"} if file.endswith("Dockerfile") else steps)
