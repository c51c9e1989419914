"""Which folders are the pipelines of a workspace: a rule for the checkout and a team's repository."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from quintet.paths import PLATFORM, parent_of_pipelines, pipeline_folders, workspace_of


@pytest.mark.parametrize(
    ("there", "found", "parent"),
    [
        ([], [], "team"),
        (["."], ["."], "."),
        ([".", "inner", "pipelines/other"], ["."], "."),
        (["rain", "weather"], ["rain", "weather"], "team"),
        (["weather", "pipelines/other"], ["weather"], "team"),
        (["pipelines/rain", "pipelines/weather"], ["pipelines/rain", "pipelines/weather"], "team/pipelines"),
        ([".weather.unfinished", "pipelines/rain"], ["pipelines/rain"], "team/pipelines"),
        (["deep/down/weather"], [], "team"),
    ],
)
def test_the_folder_itself_counts_then_those_in_it_then_those_in_pipelines(
    there: list[str], found: list[str], parent: str, tmp_path: Path
) -> None:
    team = tmp_path / "team"
    team.mkdir()
    for name in there:
        (team / name).mkdir(parents=True, exist_ok=True)
        (team / name / "pipeline.yaml").touch()
    assert pipeline_folders(team) == [team / name for name in found]
    assert parent_of_pipelines(team) == (tmp_path / parent).resolve()


def test_an_empty_folder_for_pipelines_is_where_the_first_one_goes(tmp_path: Path) -> None:
    (tmp_path / "pipelines").mkdir()
    assert parent_of_pipelines(tmp_path) == tmp_path / "pipelines"


@pytest.mark.parametrize("inside", [".", "pipelines", "pipelines/forest", "docs"])
def test_within_the_checkout_it_is_the_workspace(inside: str) -> None:
    assert workspace_of(PLATFORM / inside) == PLATFORM
    assert parent_of_pipelines(PLATFORM) == PLATFORM / "pipelines"


def test_a_folder_beside_the_checkout_is_a_workspace_of_its_own(tmp_path: Path) -> None:
    beside = PLATFORM.parent / f"{PLATFORM.name}-and-more"
    assert workspace_of(beside) == beside
    assert workspace_of(tmp_path) == tmp_path


def test_a_process_in_a_teams_repository_sees_its_pipelines_and_their_environments(tmp_path: Path) -> None:
    (tmp_path / "weather").mkdir()
    for name in ("pipeline.yaml", "requirements.lock"):
        (tmp_path / "weather" / name).touch()
    code = "import json, run_in as r; print(json.dumps([r.ENVIRONMENTS, [*map(str, r.IMPORT_ROOTS)]]))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(PLATFORM / "cli")},
        capture_output=True,
        check=True,
    )
    environments, roots = json.loads(done.stdout)
    assert environments["weather"] == [str(tmp_path / "weather/requirements.lock")]
    assert "forest" not in environments
    assert roots[:2] == [str(PLATFORM), str(tmp_path)]


def test_a_folder_that_is_gone_is_told_in_a_sentence(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    code = (
        f"import os, sys; sys.path.insert(0, {str(PLATFORM / 'cli')!r}); os.rmdir(os.getcwd()); import run_in"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=gone, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "The current folder is not there any more: go to another one.\n"
