"""What the charts' programs write, and have their servers write: never a password."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest

from quintet.local.postgres import Postgres
from tests import services
from tests.charts.render import CHARTS
from tests.charts.test_postgres_setup import ROLES, assert_done, prepared
from tests.charts.test_retention import run_retention
from tests.scripted_http import response, serving
from tests.secret_values import found_in

ONE, TWO = "Kq7vLmZp2xRw", "t8Hd3YbNf5Gj"
"""The two parts of each password: neither may be found."""
EVERYTHING = {"log_statement": "all", "log_min_duration_statement": "0", "log_min_error_statement": "info"}
UNREADABLE = [
    f"postgresql+psycopg2://user:{ONE}/{TWO}@127.0.0.1:1/metadata",
    f"postgresql+psycopg2://user:{ONE}@{TWO}@127.0.0.1:1/metadata",
    f"mysql://user:{ONE}@127.0.0.1:1/{TWO}",
]


def run(script: str, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a script as a pod does, which says nothing of the password."""
    done = subprocess.run(
        [sys.executable, str(CHARTS / script), *words],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    said = done.stdout + done.stderr
    assert said
    assert found_in(said, [ONE, TWO]) == set(), said
    return done


@pytest.mark.parametrize("url", UNREADABLE)
def test_what_waits_for_a_database_does_not_quote_its_url(url: str) -> None:
    airflow = run("airflow/files/scripts/wait.py", "known", AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=url)
    assert "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN is not a URL like" in airflow.stderr
    good = f"postgresql://user:{ONE}%2F{TWO}@127.0.0.1:1/metadata"
    mlflow = run(
        "mlflow/files/scripts/wait.py", "known", MLFLOW_BACKEND_STORE_URI=url, AUTH_DATABASE_URI=good
    )
    assert "MLFLOW_BACKEND_STORE_URI is not a URL like" in mlflow.stderr
    assert airflow.returncode == mlflow.returncode == 1


@pytest.mark.parametrize("url", [url.replace("+psycopg2", "") for url in UNREADABLE])
def test_what_deletes_old_runs_does_not_quote_the_url_of_a_record(
    tmp_path: Path, mlflow_url: str, url: str
) -> None:
    (tmp_path / "forest").write_text(url)
    with pytest.raises(SystemExit, match="record of decisions in the schema forest cannot be read") as ended:
        run_retention(mlflow_url, tmp_path)
    assert found_in(str(ended.value), [ONE, TWO]) == set()


@pytest.mark.parametrize("status", [401, 500])
def test_what_makes_users_of_mlflow_does_not_tell_their_passwords(tmp_path: Path, status: int) -> None:
    for user in ("admin", "forest"):
        (tmp_path / user).mkdir()
        (tmp_path / user / "username").write_text(user)
        (tmp_path / user / "password").write_text(f"{ONE} {TWO}")
    (tmp_path / "admin/former-password").write_text(f"{TWO}/{ONE}")
    (tmp_path / "grants.json").write_text('{"users": {}, "experiments": [], "models": []}')
    with serving(response(200), response(status, "no")) as server:
        places = [f"--url={server.url}", f"--secrets={tmp_path}", f"--grants={tmp_path}/grants.json"]
        assert run("mlflow/files/scripts/users.py", *places).returncode == 1
    assert b"Authorization: Basic " in server.received[1]


@pytest.fixture
def telling_server() -> Iterator[Postgres]:
    """A server whose log has every statement."""
    with services.own_postgres("of-the-superuser", EVERYTHING) as server:
        yield server


def test_the_server_logs_no_password_that_the_setup_gives_it(
    tmp_path: Path, telling_server: Postgres
) -> None:
    telling_server.psql("-c", "CREATE ROLE installer LOGIN SUPERUSER PASSWORD 'of-before'")
    setup = prepared(tmp_path, telling_server)
    passwords = {role: f"{ONE}-{role}-{TWO}" for role in [*ROLES, "installer"]}
    for role, password in passwords.items():
        name = {"installer": "superuser", "quintet_owner": "owner"}.get(role, role.replace("_", "-"))
        setup.secret(name, role, password)
    setup.write("/run/postgres", "superuser/former-password", "of-before")
    done = setup.run()
    assert_done(done)
    role = setup.places["/etc/postgres-setup"] / "role.sql"
    words = {
        "role": "forest",
        "secrets": setup.places["/run/postgres"],
        "secret": "forest",
        "connections": -5,
    }
    given = [f"--set={name}={value}" for name, value in words.items()]
    with pytest.raises(Exception, match="invalid connection limit") as failed:
        telling_server.psql("--dbname=postgres", *given, f"--file={role}")
    psycopg2.connect(telling_server.url("quintet", "forest", passwords["forest"])).close()
    log = (telling_server.folder.parent / "log").read_text()
    assert 'CREATE ROLE "forest"' in log
    assert "invalid connection limit" in log
    for text in (log, done.stdout + done.stderr, str(failed.value)):
        assert found_in(text, [ONE, TWO]) == set()
