"""The scripts that Airflow's pods wait and prove themselves alive with, against a real Postgres."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.services import PostgresServer

SCRIPTS = Path(__file__).resolve().parents[2] / "charts/airflow/files/scripts"
JOBS = """
    CREATE TABLE job (job_type text, hostname text, state text, latest_heartbeat timestamptz);
    INSERT INTO job VALUES ('TriggererJob', '10.0.0.1', 'running', now() - interval '5 seconds');
    INSERT INTO job VALUES ('TriggererJob', '10.0.0.2', 'running', now() - interval '5 minutes');
    INSERT INTO job VALUES ('TriggererJob', '10.0.0.3', 'success', now());
"""


def start(script: str, argument: str, url: str, **environment: str) -> subprocess.Popen[str]:
    """Run a script as a pod does, with an SQLAlchemy URL."""
    sqlalchemy = url.replace("postgresql://", "postgresql+psycopg2://", 1)
    return subprocess.Popen(
        [sys.executable, str(SCRIPTS / f"{script}.py"), argument],
        env={**os.environ, "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": sqlalchemy, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def database(postgres_server: PostgresServer) -> str:
    return postgres_server.create_database()


@pytest.mark.parametrize(
    ("address", "code"),
    [
        pytest.param("10.0.0.1", 0, id="a fresh heartbeat"),
        pytest.param("10.0.0.2", 1, id="an old heartbeat"),
        pytest.param("10.0.0.3", 1, id="a job that has ended"),
        pytest.param("10.0.0.4", 1, id="no job yet"),
    ],
)
def test_a_component_lives_while_its_job_writes_heartbeats(
    address: str, code: int, database: str, postgres_server: PostgresServer
) -> None:
    postgres_server.execute(JOBS, database)
    process = start("heartbeat", "TriggererJob", postgres_server.url(database), POD_IP=address)
    _, said = process.communicate(timeout=30)
    assert process.returncode == code
    assert ("TriggererJob has written no heartbeat for 120 s" in said) == bool(code)


def test_a_database_that_is_away_restarts_no_component() -> None:
    process = start("heartbeat", "TriggererJob", "postgresql://127.0.0.1:1/airflow", POD_IP="10.0.0.1")
    process.communicate(timeout=30)
    assert process.returncode == 0


def test_a_pod_waits_for_the_database_to_answer(database: str, postgres_server: PostgresServer) -> None:
    process = start("wait", "reachable", postgres_server.url(database))
    process.communicate(timeout=30)
    assert process.returncode == 0


def test_a_pod_says_what_it_waits_for_and_starts_with_the_migrated_schema(
    database: str, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    migrations = tmp_path / "airflow/migrations/versions"
    migrations.mkdir(parents=True)
    (migrations / "0001.py").write_text('revision = "aa"\ndown_revision = None\n')
    (migrations / "0002.py").write_text('revision: str = "bb"\ndown_revision: str | None = "aa"\n')
    (tmp_path / "sitecustomize.py").write_text(
        f"import sysconfig\nsysconfig.get_path = lambda name: {str(tmp_path)!r}\n"
    )
    postgres_server.execute("CREATE TABLE alembic_version (version_num text)", database)
    postgres_server.execute("INSERT INTO alembic_version VALUES ('aa')", database)
    process = start("wait", "migrated", postgres_server.url(database), PYTHONPATH=str(tmp_path))
    assert process.stdout
    assert process.stdout.readline() == (
        "the database has schema aa, this image needs bb: see Job airflow-migrate\n"
    )
    postgres_server.execute("UPDATE alembic_version SET version_num = 'bb'", database)
    process.communicate(timeout=30)
    assert process.returncode == 0
