"""Each notebook runs from its first cell to its last with nothing but what docs/notebooks.md exports."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from quintet.local.platform import python
from tests.local.conftest import Local
from tests.places import REPOSITORY

NOTEBOOKS = sorted((REPOSITORY / "notebooks").glob("*.ipynb"))
SHELL = re.compile(r"^! (.+)$", re.MULTILINE)
EXPORTED = 'eval "$(./quintet --on local --state "$1" env --pipeline "$2")" && cd notebooks && exec "$3" "$4"'


def cells(notebook: Path) -> list[dict[str, Any]]:
    """The cells with code."""
    content = json.loads(notebook.read_text(encoding="utf-8"))
    return [cell for cell in content["cells"] if cell["cell_type"] == "code"]


def test_there_is_one() -> None:
    assert [path.name for path in NOTEBOOKS] == ["penguins.ipynb"]


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_keeps_no_outputs(notebook: Path) -> None:
    assert [(cell["outputs"], cell["execution_count"]) for cell in cells(notebook)] == [([], None)] * 3


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_as_a_step_would(notebook: Path, platform: Local, tmp_path: Path) -> None:
    program = tmp_path / "cells.py"
    code = "\n".join("".join(cell["source"]) for cell in cells(notebook))
    program.write_text(
        "import subprocess\n"
        + SHELL.sub(lambda line: f"subprocess.run({line[1]!r}, shell=True, check=True)", code)
    )
    state, kernel = platform.platform.state.folder, python(notebook.stem)
    given = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    given["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), given["PATH"]])
    done = subprocess.run(
        ["sh", "-c", EXPORTED, "sh", state, notebook.stem, kernel, program],
        cwd=REPOSITORY,
        env=given,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    scores = re.findall(r"^(\d+) \{'accuracy': ([\d.]+), ", done.stdout, re.MULTILINE)
    assert [n_estimators for n_estimators, _ in scores] == ["5", "50"], done.stdout
    assert min(float(accuracy) for _, accuracy in scores) > 0.95, done.stdout
