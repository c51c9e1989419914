"""An image that finds its database migrated by a later release says so and ends: waiting would never do."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.charts.render import CHARTS, named, render
from tests.services import PostgresServer

GOALS = ("reachable", "migrated", "known")
WAIT_SECONDS = 60
"""Longer than any of them may take until it ends."""


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    """The site-packages of an image whose migrations are aa, then bb, in each place."""
    for folder in (
        "airflow/migrations/versions",
        "mlflow/store/db_migrations/versions",
        "mlflow/server/auth/db/migrations/versions",
    ):
        versions = tmp_path / folder
        versions.mkdir(parents=True)
        (versions / "0001.py").write_text('revision = "aa"\ndown_revision = None\n')
        (versions / "0002.py").write_text('revision = "bb"\ndown_revision = "aa"\n')
    (tmp_path / "mlflow/__init__.py").touch()
    (tmp_path / "sitecustomize.py").write_text(
        f"import sysconfig\nsysconfig.get_path = lambda name: {str(tmp_path)!r}\n"
    )
    return tmp_path


def wait(chart: str, goal: str, url: str, packages: Path) -> subprocess.CompletedProcess[str]:
    """Run the chart's script to its end, with both databases at the same URL."""
    sqlalchemy = url.replace("postgresql://", "postgresql+psycopg2://", 1)
    variables = ("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "MLFLOW_BACKEND_STORE_URI", "AUTH_DATABASE_URI")
    return subprocess.run(
        [sys.executable, CHARTS / chart / "files/scripts/wait.py", goal],
        env={**os.environ, **dict.fromkeys(variables, sqlalchemy), "PYTHONPATH": str(packages)},
        capture_output=True,
        text=True,
        timeout=WAIT_SECONDS,
        check=False,
    )


def at(revision: str, table: str, postgres_server: PostgresServer) -> str:
    """Make a database of that schema and return its URL."""
    database = postgres_server.create_database()
    postgres_server.execute(f"CREATE TABLE {table} (version_num text)", database)
    postgres_server.execute(f"INSERT INTO {table} VALUES ('{revision}')", database)
    return postgres_server.url(database)


@pytest.mark.parametrize(
    ("chart", "table", "goal", "remedy"),
    [
        *(("airflow", "alembic_version", goal, "airflow db downgrade --to-revision bb") for goal in GOALS),
        ("mlflow", "alembic_version", "migrated", "restore a backup of the database"),
        ("mlflow", "alembic_version_auth", "known", "restore a backup of the database"),
    ],
)
def test_a_schema_from_ahead_ends_with_what_to_do(
    chart: str, table: str, goal: str, remedy: str, postgres_server: PostgresServer, packages: Path
) -> None:
    ended = wait(chart, goal, at("cc", table, postgres_server), packages)
    assert ended.returncode == 1
    assert "has the schema cc" in ended.stderr
    assert "of a later release" in ended.stderr
    assert remedy in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("chart", "goal", "revision"),
    [
        ("airflow", "known", "aa"),
        ("mlflow", "known", "aa"),
        ("mlflow", "migrated", "bb"),
    ],
)
def test_a_schema_that_the_image_knows_ends_no_wait_with_a_failure(
    chart: str, goal: str, revision: str, postgres_server: PostgresServer, packages: Path
) -> None:
    ended = wait(chart, goal, at(revision, "alembic_version", postgres_server), packages)
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.parametrize("chart", ["airflow", "mlflow"])
def test_a_rollback_asks_the_image_that_it_goes_back_to_before_anything_changes(chart: str) -> None:
    job = named(render(chart), "Job", f"{chart}-rollback")
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-rollback"
    assert job["metadata"]["annotations"]["helm.sh/hook-output-log-policy"] == "hook-failed"
    assert job["spec"]["backoffLimit"] == 0
    assert job["spec"]["activeDeadlineSeconds"] < WAIT_SECONDS
    (container,) = job["spec"]["template"]["spec"]["containers"]
    script = (CHARTS / chart / "files/scripts/wait.py").read_text("utf-8")
    assert container["command"] == ["python", "-c", script, "known"]
