"""The Python environments stand on the locks of the images whose programs run in them."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from quintet.local import chart
from quintet.local.platform import needed_environments
from run_in import ENVIRONMENTS

REPOSITORY = Path(__file__).resolve().parents[3]
IMAGES = {
    "airflow": "images/airflow",
    "mlflow": "images/mlflow",
    "serving": "serving",
    **{
        path.parent.name: f"{path.parent.parent.name}/{path.parent.name}"
        for folder in ("pipelines", "sources")
        for path in REPOSITORY.glob(f"{folder}/*/Dockerfile")
    },
}


def pins(lock: str) -> dict[str, str]:
    found = re.findall(r"(?m)^([a-z0-9-]+)==([^ ;]+)", (REPOSITORY / lock).read_text())
    return dict(found)


@pytest.mark.parametrize("name", IMAGES)
def test_an_environment_has_the_lock_of_its_image(name: str) -> None:
    dockerfile = (REPOSITORY / IMAGES[name] / "Dockerfile").read_text()
    locks = re.findall(r"(?m)^COPY (\S+\.lock) ", dockerfile)
    assert ENVIRONMENTS[name][0] in locks


def test_the_local_platform_needs_those_and_no_other() -> None:
    assert set(needed_environments(chart.steps())) == set(IMAGES)


@pytest.mark.parametrize("pipeline", chart.steps())
def test_all_locks_of_a_pipeline_agree_with_its_environment(pipeline: str) -> None:
    own = pins(ENVIRONMENTS[pipeline][0])
    for lock in (REPOSITORY / "pipelines" / pipeline).glob("*.lock"):
        assert pins(str(lock.relative_to(REPOSITORY))).items() <= own.items()


def test_a_checkout_whose_path_divides_pythons_search_path_is_refused(tmp_path: Path) -> None:
    place = tmp_path / "a:b" / "cli"
    place.mkdir(parents=True)
    shutil.copy(REPOSITORY / "cli/run_in.py", place)
    ended = subprocess.run([sys.executable, place / "run_in.py", "cli"], capture_output=True, text=True)
    assert ended.returncode == 1
    assert f"The path of this checkout, {place.parent}, holds ':'" in ended.stderr
