"""What is in the package of a chart beside its own files: of the pipelines, only what its templates read."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from quintet.pipelines import pipelines
from tests.charts.render import CHARTS, NAMES, helm

STRAYS = ("stray.json", "crime/d", "crime/dagsx", "crime/dags/x.txt", "crime/dags/apy", "crime/dags/sub/x.py")


def packed(chart: Path, target: Path, part: str = "airflow") -> set[str]:
    """The files of pipelines in the package of a chart, as paths in what one part of it reads."""
    command = [helm(), "package", str(chart), "--destination", str(target)]
    subprocess.run(command, check=True, capture_output=True)
    (package,) = target.glob("*.tgz")
    with tarfile.open(package) as archive:
        names = [name.partition(f"{part}/files/pipelines/")[2] for name in archive.getnames()]
    return {name for name in names if name}


DAG_FILES = {
    f"{pipeline.name}/dags/{file.name}" for pipeline in pipelines().values() for file in pipeline.dag_files
}


def test_the_umbrella_has_their_dag_files_for_airflow(tmp_path: Path) -> None:
    assert packed(CHARTS / "quintet", tmp_path) == DAG_FILES


def test_the_chart_of_airflow_has_nothing_but_their_dag_files(tmp_path: Path) -> None:
    chart = tmp_path / "airflow"
    shutil.copytree(CHARTS / "airflow", chart)
    for stray in STRAYS:
        file = chart / "files/pipelines" / stray
        file.parent.mkdir(exist_ok=True)
        file.touch()
    assert packed(chart, tmp_path) == DAG_FILES


@pytest.mark.parametrize("chart", ["postgres", "quintet"])
def test_postgres_has_the_migrations_of_pipelines_and_nothing_else_of_them(
    chart: str, tmp_path: Path
) -> None:
    assert packed(CHARTS / chart, tmp_path, "postgres") == {
        f"{name}/migrations/{file.name}"
        for name, pipeline in pipelines().items()
        for file in (pipeline.folder / "migrations").glob("*.sql")
    }


@pytest.mark.parametrize("chart", [name for name in NAMES if name != "quintet"])
def test_the_umbrella_leaves_out_what_its_parts_do(chart: str) -> None:
    ignored = CHARTS / chart / ".helmignore"
    own = _patterns(ignored) if ignored.exists() else []
    patterns = _patterns(CHARTS / "quintet/.helmignore")
    assert {line for line in patterns if line.startswith(f"charts/{chart}/")} == {
        f"charts/{chart}/{line}" for line in own if "/" in line.removesuffix("/")
    }
    assert {line for line in own if "/" not in line.removesuffix("/")} <= set(patterns)


def _patterns(file: Path) -> list[str]:
    lines = file.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]
