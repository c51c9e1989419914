"""An image holds what its step imports, wherever the import stands; the program in it is as `python -m`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from quintet.imports import StepError, assemble, needed

STEP = """\
import json, multiprocessing, os, sys
from weather import shared

def work(value):
    return value + shared.ONE

if __name__ == "__main__":
    main = sys.modules["__main__"]
    started = multiprocessing.get_context("forkserver").Pool(1)
    seen = {
        "program": sys.argv[0], "options": sys.argv[1:], "main": main.__spec__.name, "own": main.work is work,
        "path": sys.path[0], "folder": os.getcwd(), "child": started.apply(work, [1]),
    }
    print(json.dumps(seen))
    sys.exit(99)
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository with the two shared packages and a pipeline, all of them empty."""
    for package in ("stepkit", "stepkit/promotion", "bundle", "bundle/engines", "pipelines/weather"):
        (tmp_path / package).mkdir(parents=True)
        (tmp_path / package / "__init__.py").touch()
    return tmp_path


def write(root: Path, **code: str) -> None:
    """Writes modules of the pipeline."""
    for name, text in code.items():
        (root / "pipelines" / "weather" / f"{name}.py").write_text(text)


def held(root: Path, *files: str) -> set[str]:
    """Returns what the image of the step `load` holds, beside the package's own file."""
    found = {path.relative_to(root).as_posix() for path in needed(root, "weather", "load", files)}
    assert "pipelines/weather/__init__.py" in found
    return found - {"pipelines/weather/__init__.py", "pipelines/weather/load.py"}


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("import weather.table", {"pipelines/weather/table.py"}),
        ("import weather.table as t, json", {"pipelines/weather/table.py"}),
        ("from weather.table import ROWS", {"pipelines/weather/table.py"}),
        ("from weather import table, missing", {"pipelines/weather/table.py"}),
        ("from . import table", {"pipelines/weather/table.py"}),
        ("from .table import ROWS", {"pipelines/weather/table.py"}),
        ("def load():\n    from weather import table", {"pipelines/weather/table.py"}),
        ("class A:\n    if True:\n        import weather.table", {"pipelines/weather/table.py"}),
        ("import os.path, numpy", set()),
        ("from tests import conftest", set()),
        ("import stepkit.log", {"stepkit/__init__.py", "stepkit/log.py"}),
        ("from stepkit.log import *", {"stepkit/__init__.py", "stepkit/log.py"}),
        (
            "from stepkit.promotion import metrics",
            {"stepkit/__init__.py", "stepkit/promotion/__init__.py", "stepkit/promotion/metrics.py"},
        ),
    ],
)
def test_a_module_is_found_however_it_is_imported(root: Path, code: str, expected: set[str]) -> None:
    write(root, load=code, table="ROWS = 1", other="")
    for name in ("log", "http", "promotion/metrics", "promotion/policy"):
        (root / "stepkit" / f"{name}.py").touch()
    assert held(root) == expected


def test_what_an_imported_module_imports_is_held_too(root: Path) -> None:
    write(root, load="from weather import first", first="from .second import A", second="from . import first")
    assert held(root) == {"pipelines/weather/first.py", "pipelines/weather/second.py"}


def test_a_relative_import_of_a_package_starts_at_the_package(root: Path) -> None:
    write(root, load="import stepkit.promotion.policy")
    (root / "stepkit/promotion/__init__.py").write_text("from . import metrics\nfrom ..log import start")
    for name in ("log", "promotion/metrics", "promotion/policy"):
        (root / "stepkit" / f"{name}.py").touch()
    assert held(root) >= {"stepkit/log.py", "stepkit/promotion/metrics.py"}


def test_the_bundle_is_held_as_a_whole_with_what_any_part_imports(root: Path) -> None:
    write(root, load="from bundle.reader import read")
    (root / "bundle/reader.py").touch()
    (root / "bundle/engines/forest.py").write_text("from stepkit.text import plain")
    (root / "bundle/engines/walk.c").touch()
    (root / "bundle/__pycache__").mkdir()
    (root / "bundle/__pycache__/reader.cpython-313.pyc").touch()
    (root / "stepkit/text.py").touch()
    whole = {f"bundle/{name}" for name in ("__init__.py", "reader.py", "engines/__init__.py")}
    whole |= {"bundle/engines/forest.py", "bundle/engines/walk.c"}
    assert held(root) == {*whole, "stepkit/__init__.py", "stepkit/text.py"}


def test_files_and_folders_that_a_step_names_are_held(root: Path) -> None:
    write(root, load="")
    folder = root / "pipelines/weather"
    (folder / "data" / "old").mkdir(parents=True)
    for name in ("data/a.csv", "data/old/b.csv", "query.sql", "notes.md"):
        (folder / name).touch()
    names = ("data/a.csv", "data/old/b.csv", "query.sql")
    assert held(root, "data", "query.sql") == {f"pipelines/weather/{name}" for name in names}


@pytest.mark.parametrize(("code", "files"), [({}, []), ({"load": ""}, ["data"])])
def test_what_is_missing_is_named(root: Path, code: dict[str, str], files: list[str]) -> None:
    write(root, **code)
    name = files[0] if files else "load.py"
    with pytest.raises(StepError, match=rf"The step load needs .*weather/{name}, which is not there\."):
        needed(root, "weather", "load", files)


def test_a_module_that_is_not_python_is_named_with_its_line(root: Path) -> None:
    write(root, load="import weather.table", table="ROWS = 1\nROWS = = 2")
    with pytest.raises(StepError, match=r"weather/table\.py:2: invalid syntax: this is not Python\."):
        needed(root, "weather", "load")


def test_an_image_is_the_same_whenever_and_however_its_files_were_made(root: Path, tmp_path: Path) -> None:
    write(root, load="from weather import shared", shared="")
    (root / "pipelines/weather/load.py").chmod(0o600)
    image = tmp_path / "image"
    image.mkdir(mode=0o700)
    assemble(root, "weather", "load", [], image)
    found = {path.relative_to(image).as_posix(): path.stat() for path in (image, *image.rglob("*"))}
    modules = {f"weather/{name}.py": 0o100644 for name in ("__init__", "load", "shared")}
    expected = {".": 0o040755, "weather": 0o040755, "__main__.py": 0o100644, **modules}
    assert {name: status.st_mode for name, status in found.items()} == expected
    assert {status.st_mtime for status in found.values()} == {0.0}


def test_a_step_sees_in_its_image_what_it_sees_of_python_m(root: Path, tmp_path: Path) -> None:
    write(root, load=STEP, shared="ONE = 1")
    image = tmp_path / "image"
    image.mkdir()
    assemble(root, "weather", "load", [], image)
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(image)}
    told = []
    for way in ([str(image)], ["-m", "weather.load"]):
        command = [sys.executable, *way, "--rows=1"]
        ended = subprocess.run(
            command, cwd=image, env=environment, capture_output=True, text=True, check=False
        )
        assert ended.returncode == 99, ended.stderr
        told.append(json.loads(ended.stdout))
    assert told[0] == told[1]
    assert told[0] == {
        "program": str(image / "weather/load.py"),
        "options": ["--rows=1"],
        "main": "weather.load",
        "own": True,
        "path": str(image),
        "folder": str(image),
        "child": 2,
    }
