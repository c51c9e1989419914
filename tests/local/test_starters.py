"""What `quintet new` writes of each kind is a pipeline, whose tests pass as they are."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from quintet.new import Kind, make
from quintet.paths import PLATFORM
from quintet.pipelines import read
from quintet.progress import UserError
from quintet.testing.command import PYTEST

KINDS = get_args(Kind)
ROOTS = [PLATFORM, PLATFORM / "cli"]


@pytest.mark.parametrize("kind", KINDS)
def test_its_name_is_everywhere_and_leaves_nothing_of_the_starters(kind: Kind, tmp_path: Path) -> None:
    made = read(make("snow", kind, tmp_path))
    assert list(made.dags) == [dag for dag in made.dags if dag.startswith("snow_")]
    texts = {path: path.read_text() for path in made.folder.rglob("*") if path.is_file()}
    assert not [path for path, text in texts.items() if "weather" in f"{path.name}{text}".lower()]


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_clean_whatever_its_name(kind: Kind, tmp_path: Path) -> None:
    for name in ("pyproject.toml", "stepkit", "bundle"):
        (tmp_path / name).symlink_to(PLATFORM / name)
    (tmp_path / "pipelines").mkdir()
    # A line is folded, and imports are in order, by length and letters of the name.
    for letter in "az":
        for length in (1, 8, 16, 23, 30):
            make(letter * length, kind, tmp_path / "pipelines")
    for check in (["check"], ["format", "--diff"]):
        ruff = [sys.executable, "-m", "ruff", *check, "--quiet", "--no-cache", "pipelines"]
        done = subprocess.run(ruff, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.usefixtures("postgres_server", "s3_server", "mlflow_url")
@pytest.mark.parametrize("kind", KINDS)
def test_its_tests_pass(kind: Kind, tmp_path: Path) -> None:
    folder = make(f"snow{kind}", kind, tmp_path)
    # The servers are those of this run, the workspace is the folder.
    own = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(
        [sys.executable, *PYTEST, "-q", "-p", "no:cacheprovider", f"--rootdir={tmp_path}", folder / "tests"],
        cwd=tmp_path,
        env={**own, "PYTHONPATH": os.pathsep.join(map(str, [*ROOTS, tmp_path]))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout


def test_a_name_that_is_taken_leaves_what_there_is(tmp_path: Path) -> None:
    (tmp_path / "snow").mkdir()
    with pytest.raises(UserError, match="is there already"):
        make("snow", "files", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["snow"]
