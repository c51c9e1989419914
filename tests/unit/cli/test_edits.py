"""Which saved files make a step run again, and what is told of code that cannot run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from quintet.edits import Edits
from quintet.pipelines import Pipeline, Step
from quintet.progress import UserError

FILES = {
    "pipelines/weather/__init__.py": "",
    "pipelines/weather/pipeline.yaml": "name: weather\n",
    "pipelines/weather/requirements.lock": "",
    "pipelines/weather/load.py": "from weather.table import NAME\nfrom stepkit import step\n",
    "pipelines/weather/table.py": "NAME = 'weather'\n",
    "pipelines/weather/train.py": "",
    "pipelines/weather/tests/test_load.py": "",
    "pipelines/weather/samples/day.csv": "1\n",
    "stepkit/__init__.py": "",
    "stepkit/step.py": "",
    "stepkit/http.py": "",
    "bundle/__init__.py": "",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.fixture
def edits(root: Path) -> Edits:
    pipeline = Pipeline(root / "pipelines/weather", {"steps": {"load": {"files": ["samples"]}}})
    made = Edits(Step(pipeline, "load", pipeline.given["steps"]["load"]), root)
    made.check()
    return made


@pytest.mark.parametrize(
    "name",
    [
        "pipelines/weather/load.py",
        "pipelines/weather/table.py",
        "pipelines/weather/samples/day.csv",
        "pipelines/weather/requirements.lock",
        "pipelines/weather/pipeline.yaml",
        "stepkit/step.py",
    ],
)
def test_a_save_of_what_the_step_holds_is_told_once(edits: Edits, root: Path, name: str) -> None:
    assert edits.saved() == []
    (root / name).write_text((root / name).read_text() + "# more\n")
    assert edits.saved() == [name]
    assert edits.saved() == []


@pytest.mark.parametrize(
    "name", ["pipelines/weather/train.py", "pipelines/weather/tests/test_load.py", "stepkit/http.py"]
)
def test_a_save_of_what_it_does_not_hold_is_passed_over(edits: Edits, root: Path, name: str) -> None:
    (root / name).write_text("# more\n")
    assert edits.saved() == []


def test_a_file_that_replaces_another_is_a_save_though_nothing_in_it_is_new(edits: Edits, root: Path) -> None:
    file = root / "pipelines/weather/load.py"
    other = file.with_name(".load.py.swp")
    other.write_text(file.read_text())
    assert edits.saved() == []
    other.replace(file)
    assert edits.saved() == ["pipelines/weather/load.py"]


def test_a_module_that_is_imported_from_now_on_belongs_to_it(edits: Edits, root: Path) -> None:
    (root / "pipelines/weather/load.py").write_text("from weather import units\n")
    (root / "pipelines/weather/units.py").write_text("")
    assert edits.saved() == ["pipelines/weather/load.py", "pipelines/weather/units.py"]


def test_a_deleted_module_is_a_save(edits: Edits, root: Path) -> None:
    (root / "pipelines/weather/table.py").unlink()
    assert edits.saved() == ["pipelines/weather/table.py"]


def test_what_is_not_python_is_told_with_file_and_line_until_it_is(edits: Edits, root: Path) -> None:
    table = root / "pipelines/weather/table.py"
    table.write_text("NAME = 'weather'\ndef (\n")
    assert edits.saved() == ["pipelines/weather/table.py"]
    with pytest.raises(UserError, match=r"weather/table\.py:2: invalid syntax: this is not Python\."):
        edits.check()
    table.write_text(FILES["pipelines/weather/table.py"])
    assert edits.saved() == ["pipelines/weather/table.py"]
    edits.check()


def test_a_step_whose_own_module_is_gone_is_told(edits: Edits, root: Path) -> None:
    (root / "pipelines/weather/load.py").unlink()
    assert edits.saved() == ["pipelines/weather/load.py"]
    with pytest.raises(UserError, match=r"The step load needs .*weather/load\.py, which is not there\."):
        edits.check()


def test_of_a_pipeline_with_a_dockerfile_of_its_own_every_file_counts(edits: Edits, root: Path) -> None:
    (root / "pipelines/weather/Dockerfile").write_text("FROM base AS load\n")
    edits.saved()
    edits.check()
    (root / "pipelines/weather/train.py").write_text("# more\n")
    assert edits.saved() == ["pipelines/weather/train.py"]


def test_bytecode_of_the_text_before_goes_as_python_would_take_it_for_that_of_the_new(
    edits: Edits, root: Path
) -> None:
    file = root / "pipelines/weather/table.py"
    command = [sys.executable, "-c", "import weather.table; print(weather.table.NAME)"]
    said = []
    for name in ("'first'", "'later'"):
        file.write_text(f"NAME = {name}\n")
        os.utime(file, ns=(10**18, 10**18 + len(said)))
        edits.saved()
        done = subprocess.run(
            command, cwd=root / "pipelines", capture_output=True, text=True, check=True, env={}
        )
        said.append(done.stdout.strip())
    assert said == ["first", "later"]
