"""Who follows docs/add-a-pipeline.md to the letter has a pipeline that runs, and can take it away again."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from shutil import copy2

import pytest
import yaml

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
            copy2(REPOSITORY / name, copy / name, follow_symlinks=False)
    _run(copy, "git", "init", "--quiet")
    _run(copy, "git", "add", "--all")
    return copy


def test_the_page_adds_a_pipeline_that_runs_and_takes_it_away(copy: Path) -> None:
    new, run, down, *away = commands(copy)
    with folder() as state:
        _run(copy, "sh", "-ec", new)
        try:
            ran = _run(copy, "sh", "-ec", run, QUINTET_STATE=str(state.folder))
        finally:
            _run(copy, "sh", "-ec", down, QUINTET_STATE=str(state.folder))
    assert re.search(r"load\b.*rows\W+1\b", ran), ran
    for check in CHECKS:
        _run(copy, sys.executable, "cli/run_in.py", "dev", "-m", *check)
    assert_the_charts_know_it(copy)
    for command in away:
        _run(copy, "sh", "-ec", command)
    assert _run(copy, "git", "diff") == ""
    assert _run(copy, "git", "ls-files", "--others", "--exclude-standard") == ""


def commands(copy: Path) -> list[str]:
    """The commands of the page, in order."""
    blocks = re.findall(r"^```console\n(.*?)^```$", (copy / PAGE).read_text(), flags=re.M | re.S)
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
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | variables
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environment["PATH"]])
    result = subprocess.run(
        command, cwd=place, env=environment, capture_output=True, text=True, check=False, timeout=300
    )
    assert result.returncode == 0, f"{' '.join(command)}\n{result.stdout}{result.stderr}"
    return result.stdout
