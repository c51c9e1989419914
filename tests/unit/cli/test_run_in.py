"""The Python environments stand on the locks of the images whose programs run in them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from quintet.local.parts import needed_environments
from quintet.pipelines import pipelines
from run_in import ENVIRONMENTS

REPOSITORY = Path(__file__).resolve().parents[3]
SERVICES = {"airflow": "images/airflow", "mlflow": "images/mlflow", "serving": "serving"}
SOURCES = {
    path.parent.name: f"sources/{path.parent.name}" for path in REPOSITORY.glob("sources/*/Dockerfile")
}


def alone(checkout: Path) -> Path:
    """Puts what makes environments into a folder, as the checkout has it, and returns where."""
    (checkout / "cli/quintet").mkdir(parents=True)
    for name in ("run_in.py", "quintet/__init__.py", "quintet/paths.py"):
        shutil.copy(REPOSITORY / "cli" / name, checkout / "cli" / name)
    return checkout / "cli"


def pins(lock: str) -> dict[str, str]:
    found = re.findall(r"(?m)^([a-z0-9-]+)==([^ ;]+)", (REPOSITORY / lock).read_text())
    return dict(found)


@pytest.mark.parametrize("name", SERVICES | SOURCES)
def test_an_environment_has_the_lock_of_its_image(name: str) -> None:
    dockerfile = (REPOSITORY / (SERVICES | SOURCES)[name] / "Dockerfile").read_text()
    locks = re.findall(r"(?m)^COPY (\S+\.lock) ", dockerfile)
    assert ENVIRONMENTS[name][0] in locks


def test_the_local_platform_needs_those_and_no_other() -> None:
    assert set(needed_environments(pipelines())) == {*SERVICES, *SOURCES, *pipelines()}


@pytest.mark.parametrize("pipeline", pipelines())
def test_a_pipeline_s_environment_has_what_each_of_its_locks_has(pipeline: str) -> None:
    own = pins(ENVIRONMENTS[pipeline][0])
    for lock in (REPOSITORY / "pipelines" / pipeline).glob("*.lock"):
        assert pins(str(lock.relative_to(REPOSITORY))).items() <= own.items()


def test_each_pipeline_and_source_has_the_environment_of_its_widest_lock(tmp_path: Path) -> None:
    alone(tmp_path)
    locks = {
        "pipelines/narrow": ["requirements"],
        "pipelines/wide": ["requirements", "requirements-train"],
        "pipelines/many": ["requirements", "requirements-train", "requirements-files"],
        "pipelines/no_pipeline": ["requirements"],
        "sources/portal": ["requirements"],
    }
    for folder, names in locks.items():
        (tmp_path / folder).mkdir(parents=True)
        for name in names:
            (tmp_path / folder / f"{name}.lock").touch()
    for name in ("narrow", "wide", "many"):
        (tmp_path / "pipelines" / name / "pipeline.yaml").touch()
    code = "import json, run_in; print(json.dumps(run_in.ENVIRONMENTS))"
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path / "cli", capture_output=True, check=True
    )
    found = json.loads(ended.stdout)
    assert {name: found.pop(name) for name in ("narrow", "wide", "many", "portal")} == {
        "narrow": ["pipelines/narrow/requirements.lock"],
        "wide": ["pipelines/wide/requirements-train.lock"],
        "many": ["pipelines/many/requirements.lock"],
        "portal": ["sources/portal/requirements.lock"],
    }
    assert set(found) == set(ENVIRONMENTS) - set(pipelines()) - set(SOURCES)


def test_an_environment_that_is_not_there_is_named_with_those_that_are() -> None:
    command = [sys.executable, REPOSITORY / "cli/run_in.py", "dev+nowhere", "-c", ""]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "There is no Python environment nowhere: there are airflow, " in ended.stderr


def test_a_checkout_whose_path_divides_pythons_search_path_is_refused(tmp_path: Path) -> None:
    place = alone(tmp_path / "a:b")
    ended = subprocess.run([sys.executable, place / "run_in.py", "cli"], capture_output=True, text=True)
    assert ended.returncode == 1
    assert f"The path of this checkout, {place.parent}, holds ':'" in ended.stderr
