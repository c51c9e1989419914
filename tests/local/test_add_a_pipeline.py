"""Who follows docs/add-a-pipeline.md to the letter has a pipeline that runs, here or in a team's folder."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from quintet import wheels
from run_in import environment
from tests.charts.render import named, of_kind, render
from tests.local.conftest import folder

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = "docs/add-a-pipeline.md"
CHECKS = (["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"])


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The repository's files in a folder of their own, known to Git."""
    listed = _run(REPOSITORY, "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    copy = tmp_path / "quintet"
    for name in filter(None, listed.split("\0")):
        if os.path.lexists(REPOSITORY / name):
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPOSITORY / name, copy / name, follow_symlinks=False)
    _run(copy, "git", "init", "--quiet")
    _run(copy, "git", "add", "--all")
    return copy


def test_the_page_adds_a_pipeline_that_runs_and_takes_it_away(copy: Path) -> None:
    new, run, down, *away = commands("In this repository")
    with folder() as state:
        _run(copy, "sh", "-ec", new)
        try:
            ran = _run(copy, "sh", "-ec", run, QUINTET_STATE=str(state.folder))
        finally:
            _run(copy, "sh", "-ec", down, QUINTET_STATE=str(state.folder))
    assert re.search(r"load\b.*rows\W+1\b", ran), ran
    others = {f"{kind:o<30}": kind for kind in ("train", "files")}
    for name, kind in others.items():
        _run(copy, sys.executable, "quintet", "new", name, "--kind", kind)
    for check in CHECKS:
        _run(copy, sys.executable, "cli/run_in.py", "dev", "-m", *check)
    for name in others:
        shutil.rmtree(copy / "pipelines" / name)
    _run(copy, sys.executable, "quintet", "generate")
    assert_the_charts_know_it(copy)
    for command in away:
        _run(copy, "sh", "-ec", command)
    assert _run(copy, "git", "diff") == ""
    assert _run(copy, "git", "ls-files", "--others", "--exclude-standard") == ""


@pytest.fixture
def beside() -> Iterator[Path]:
    """A folder that Postgres may pass through: each run of pytest closes that above its `tmp_path` again."""
    with tempfile.TemporaryDirectory(prefix="quintet-team-") as name:
        yield Path(name)


def test_a_repository_of_ones_own_needs_no_checkout(beside: Path) -> None:
    wheels.build(beside / "quintet" / "dist")
    team = beside / "team"
    team.mkdir()
    tools = {
        "PATH": os.pathsep.join([str(beside / "bin"), str(environment("uv") / "bin"), os.environ["PATH"]]),
        "UV_TOOL_DIR": str(beside / "tools"),
        "UV_TOOL_BIN_DIR": str(beside / "bin"),
        "UV_PYTHON": sys.executable,
        "UV_OFFLINE": "1",
    }
    install, new, run, test, down = commands("In a repository of your own")
    for command in (install, new):
        _run(team, "sh", "-ec", command, **tools)
    try:
        ran = _run(team, "sh", "-ec", run, **tools)
        tested = _run(team, "sh", "-ec", test, **tools)
    finally:
        _run(team, "sh", "-ec", down, **tools)
    refused = _run(team, "sh", "-c", "quintet kind up 2>&1 || test $? = 1", **tools)
    assert re.search(r"load\b.*rows\W+1\b", ran), ran
    assert "4 passed" in tested
    assert refused == "This command needs a checkout of Quintet: run it there, as ./quintet.\n"
    assert {path.name for path in team.iterdir()} == {".quintet", ".pytest_cache", "weather"}
    (evidence,) = team.glob(".quintet/runs/weather_observations/*/load/try-1/command.json")
    paths = json.loads(evidence.read_text())["env"]["PYTHONPATH"].split(os.pathsep)
    assert str(team) in paths
    assert not [path for path in paths if Path(path).is_relative_to(REPOSITORY)]


def test_the_same_files_are_the_same_wheels(tmp_path: Path) -> None:
    one, other = (wheels.build(tmp_path / name) for name in ("one", "other"))
    assert [wheel.read_bytes() for wheel in one] == [wheel.read_bytes() for wheel in other]
    assert [wheel.name.partition("-")[0] for wheel in one] == ["quintet", "quintet_steps"]
    with zipfile.ZipFile(one[0]) as archive:
        names = archive.namelist()
    assert "quintet_platform/charts/common/Chart.yaml" in names
    # No sample; uv's archives name the folders too.
    held = [name for name in names if "/pipelines/" in name and not name.endswith("/")]
    assert held == ["quintet_platform/pipelines/pipeline.schema.json"]


def commands(heading: str) -> list[str]:
    """The commands of a part of the page, in order."""
    part = (REPOSITORY / PAGE).read_text().partition(f"## {heading}\n")[2].partition("\n## ")[0]
    blocks = re.findall(r"^```console\n(.*?)^```$", part, flags=re.M | re.S)
    return [line.removeprefix("$ ") for block in blocks for line in block.splitlines()]


def assert_the_charts_know_it(copy: Path) -> None:
    given = yaml.safe_load((copy / "charts/quintet/values-samples.yaml").read_text())
    assert "weather" in given["global"]["pipelines"]
    release = render(str(copy / "charts/quintet"), given)
    secrets = [secret["metadata"] for secret in of_kind(release, "Secret")]
    namespaces = {secret["namespace"] for secret in secrets if secret["name"] == "postgres-weather"}
    assert namespaces == {"quintet", "quintet-tasks"}
    images = json.loads(named(release, "ConfigMap", "airflow-step-images")["data"]["images.json"])
    assert {"weather-load", "weather-observe"} <= set(images)
    migrations = named(release, "ConfigMap", "postgres-migrations")["data"]
    assert any("weather" in key for key in migrations)
    assert "weather.py" in named(release, "ConfigMap", "airflow-dags")["data"]


def _run(place: Path, *command: str, **variables: str) -> str:
    """Runs a command in a folder and returns what it prints."""
    # The copy imports nothing of this repository; the python3 of the page is the one that runs this test.
    given = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | variables
    given["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), given["PATH"]])
    result = subprocess.run(
        command, cwd=place, env=given, capture_output=True, text=True, check=False, timeout=300
    )
    assert result.returncode == 0, f"{' '.join(command)}\n{result.stdout}{result.stderr}"
    return result.stdout
