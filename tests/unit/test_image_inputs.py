"""What an image is made from is named by its content, or comes from something that is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from quintet.dockerfile import Dockerfile
from quintet.images import read_artifacts

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
